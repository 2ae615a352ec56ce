/* SPDX-License-Identifier: ISC */
/*
 * Messages that pass cleanup again, because the configuration has changed.
 *
 * pickup gets the content as it was received, without what cleanup made of it
 * then, and an envelope with the recipients that are left; it brings them in
 * as a new message.  Only when that is on disk the old one is removed: a crash
 * in between makes two of it, never none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

#include "qmgr.h"

#define AGAIN_US (60 * INT64_C(1000000)) /* after it could not be */

struct requeue {
	struct qmgr *q;
	uint64_t qid;
	uint32_t attempts;
	char name[QID_TEXT_MAX];
};

static void
on_put_off(uint64_t qid, int error, void *arg)
{
	struct qmgr *q = arg;

	q->deferring--;
	if (error != 0)
		store_park(q->store, qid);
	qmgr_touch(q);
}

static void
put_off(struct requeue *r, int64_t wait_us, struct str why)
{
	struct qmgr *q = r->q;
	int64_t now = qmgr_wall_us();
	struct event e = { .type = EVENT_DEFER,
		.time_us = now,
		.due_us = now + wait_us,
		.attempts = r->attempts,
		.reason = why };

	log_warn("%s: cannot be requeued now: " STR_FMT, r->name, STR_ARG(why));
	if (store_defer(q->store, r->qid, &e, NULL, 0, on_put_off, q) == 0)
		q->deferring++;
	else
		store_park(q->store, r->qid);
}

static void
on_result(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct maildrop_result *a = rec;
	struct requeue *r = arg;
	struct qmgr *q = r->q;

	(void)fds;
	if (type != MAILDROP_RESULT)
		put_off(r, AGAIN_US, STR("pickup does not answer"));
	else if (a->result == 2) /* cleanup does not want it */
		put_off(r, conf_ms(q->conf, P_MAXIMAL_BACKOFF_TIME) * 1000,
		    a->why);
	else if (a->result != 0)
		put_off(r, AGAIN_US, a->why);
	else if (store_remove(q->store, r->qid) == -1 && errno != ENOENT)
		log_error("%s: cannot be removed: %s", r->name,
		    strerror(errno));
	else
		log_info("%s: removed", r->name);
	q->requeues--;
	sched_waiting(q->sched, SCHED_INCOMING);
	sched_waiting(q->sched, SCHED_DEFERRED);
	qmgr_touch(q);
	free(r);
}

/* The head and the recipients that are left, without a way or an edit. */
static int
copy_envelope(struct message *m, struct buf *b)
{
	struct env_reader er;
	struct envelope head;
	struct env_rcpt rcpt;
	uint32_t n = 0;
	int k;

	if (store_envelope(m->q->store, m->qid, &er) == -1)
		return -1;
	k = env_read_head(&er, &head);
	if (k == 0) {
		head.flags = (head.flags & ~(uint32_t)ENV_HOLD) | ENV_REQUEUED;
		if (!m->report) /* he has had it */
			head.flags &= ~(uint32_t)ENV_RECORD;
		k = env_put_head(b, &head);
	}
	while (k == 0 && (k = env_read_rcpt(&er, &rcpt)) == 1) {
		k = 0;
		if (message_settled(m, er.nrcpts - 1)) {
			/* Its sender is to hear of it first. */
			if (m->report || (m->success && m->sender[0] != '\0' &&
			    (rcpt.notify & ENV_NOTIFY_SUCCESS) != 0))
				k = -1;
			continue;
		}
		rcpt.ticket = 0;
		rcpt.transport = rcpt.nexthop = STR_NONE;
		k = env_put_rcpt(b, &rcpt);
		n++;
	}
	env_close(&er);
	return k == 0 && n > 0 ? env_put_end(b, 0, n) : -1;
}

/* What cannot pass cleanup is not to be tried for ever. */
static bool
is_over(const struct message *m)
{
	int64_t lifetime = conf_ms(m->q->conf, m->sender[0] == '\0' ?
	    P_BOUNCE_QUEUE_LIFETIME : P_MAXIMAL_QUEUE_LIFETIME) * 1000;

	return (m->orders & EVENT_ORDER_EXPIRE) != 0 ||
	    qmgr_wall_us() - m->arrival_us >= lifetime;
}

bool
requeue_begin(struct message *m)
{
	struct maildrop_again rec = { .qid = str_of(m->name) };
	struct store_content sc = { .fd = -1 };
	struct qmgr *q = m->q;
	struct requeue *r;
	struct buf b;
	int fds[2];

	if (q->pickup == NULL || is_over(m))
		return false;
	buf_init(&b, ENV_SIZE_MAX);
	if (copy_envelope(m, &b) == -1 ||
	    store_content(q->store, m->qid, &sc) == -1) {
		buf_clear(&b);
		return false;
	}
	fds[0] = sc.fd;
	fds[1] = memfd_from("envelope", buf_get(&b).p, b.len);
	buf_clear(&b);
	if (fds[1] == -1) {
		fd_close(&fds[0]);
		return false;
	}
	rec.offset = sc.off;
	rec.size = sc.size;
	r = xcalloc(1, sizeof(*r));
	r->q = q;
	r->qid = m->qid;
	r->attempts = m->attempts;
	strlcpy(r->name, m->name, sizeof(r->name));
	q->requeues++;
	chan_ask(q->pickup, MAILDROP_AGAIN, &rec, fds, on_result, r);
	return true;
}
