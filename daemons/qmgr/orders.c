/* SPDX-License-Identifier: ISC */
/*
 * What an administrator asks for, by way of control.
 */
#include "orders.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/dirlist.h"
#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/sandbox.h"

#define COUNT_MAX 10000 /* of what is counted only when asked */

static struct orders orders;

/* --- steps ---------------------------------------------------------------- */

static void
on_step(void *arg)
{
	struct orders *o = arg;

	if (o->q->stopping)
		return;
	if (listings_step(o) + changes_step(o) > 0)
		orders_wake(o, 0);
	if (o->nflushes > 0)
		sched_waiting(o->q->sched, SCHED_DEFERRED);
	qmgr_touch(o->q);
}

struct orders *
orders_get(struct qmgr *q)
{
	if (orders.q == NULL) {
		orders.q = q;
		TAILQ_INIT(&orders.listings);
		TAILQ_INIT(&orders.orders);
		TAILQ_INIT(&orders.flushes);
		TAILQ_INIT(&orders.askings);
		timer_init(&orders.timer, q->loop, on_step, &orders);
	}
	return &orders;
}

void
orders_wake(struct orders *o, int64_t ms)
{
	if (ms == 0 || !o->timer.armed)
		timer_set(&o->timer, ms);
}

void
orders_done(struct chan *ch, uint64_t id, int error, uint32_t count,
    const char *text)
{
	struct queue_done d = { .error = (uint32_t)error,
		.count = count,
		.text = str_sub(str_of(text), 0, 512) };

	if (ch != NULL)
		chan_answer(ch, QUEUE_DONE, id, &d, NULL);
}

/* --- figures -------------------------------------------------------------- */

static uint64_t
count_maildrop(struct qmgr *q)
{
	struct dirlist *d = dirlist_open(beneath_open(q->spool_fd, "maildrop",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
	uint64_t n = 0;

	while (d != NULL && n < COUNT_MAX && dirlist_next(d) != NULL)
		n++;
	dirlist_close(&d);
	return n;
}

static void
on_stats(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct qmgr *q = arg;
	struct store_stats st;
	struct queue_numbers a = { .accepted = q->accepted,
		.delivered = q->delivered };
	struct sched_stats ss;

	(void)rec;
	(void)fds;
	store_stats(q->store, &st);
	sched_stats(q->sched, &ss);
	a.active = ss.active[SCHED_INCOMING] + ss.active[SCHED_DEFERRED];
	a.incoming = st.in_hand > a.active ? st.in_hand - a.active : 0;
	a.deferred = st.deferred;
	a.hold = store_count(q->store, STORE_HOLD, COUNT_MAX);
	a.corrupt = store_count(q->store, STORE_CORRUPT, COUNT_MAX);
	a.maildrop = count_maildrop(q);
	chan_answer(ch, QUEUE_NUMBERS, id, &a, NULL);
}

/* --- one message, to be shown --------------------------------------------- */

/* The envelope of a message without a file, as far as it fits. */
static int
add_envelope(struct qmgr *q, uint64_t qid, struct queue_file *a,
    struct store_look *look)
{
	if (store_look(q->store, qid, look) == -1)
		return -1;
	a->state =
	    active_find(q, qid) != NULL ? QSTATE_ACTIVE : QSTATE_INCOMING;
	a->events = str_sub(look->events, 0, QUEUE_EVENTS_MAX);
	if (look->env.fd == -1 && look->env.in.n <= QUEUE_ENVELOPE_MAX)
		a->envelope = look->env.in;
	return 0;
}

static void
on_open(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct queue_open *o = rec;
	struct queue_file a = { .state = 0 };
	struct store_content c;
	struct store_look look;
	struct qmgr *q = arg;
	uint64_t qid;
	bool file;

	(void)fds;
	if (qid_parse(o->qid, &qid) == -1) {
		orders_done(ch, id, EINVAL, 0, "this is no queue id");
		return;
	}
	if (store_show(q->store, qid, &c, &file) == -1) {
		orders_done(ch, id, errno, 0, strerror(errno));
		return;
	}
	a.file = file;
	a.offset = c.off;
	a.size = c.size;
	if (file) {
		chan_answer(ch, QUEUE_FILE, id, &a, &c.fd);
		return;
	}
	if (add_envelope(q, qid, &a, &look) == -1) {
		orders_done(ch, id, errno, 0, strerror(errno));
		fd_close(&c.fd);
		return;
	}
	chan_answer(ch, QUEUE_FILE, id, &a, &c.fd);
	store_look_clear(&look);
}

/* --- changes -------------------------------------------------------------- */

static void
on_change(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct queue_change *c = rec;
	struct qmgr *q = arg;
	struct orders *o = orders_get(q);
	uint64_t qid;

	(void)fds;
	switch ((enum queue_op)c->op) {
	case QOP_FLUSH_ALL:
		flush_all(o);
		orders_done(ch, id, 0, 0, "");
		break;
	case QOP_FLUSH_SITE:
	case QOP_FLUSH_LISTED:
		flush_site(o, ch, id, c->arg, c->op == QOP_FLUSH_LISTED,
		    orders_done);
		break;
	case QOP_FLUSH_ID:
		if (qid_parse(c->arg, &qid) == -1)
			orders_done(ch, id, EINVAL, 0, "this is no queue id");
		else if (!flush_id(o, qid))
			orders_done(ch, id, EAGAIN, 0, "too many orders");
		else
			orders_done(ch, id, 0, 1, "");
		break;
	case QOP_SCAN:
		maildrop_scan(q);
		sched_waiting(q->sched, SCHED_INCOMING);
		sched_waiting(q->sched, SCHED_DEFERRED);
		orders_done(ch, id, 0, 0, "");
		break;
	case QOP_HOLD:
	case QOP_RELEASE:
	case QOP_DELETE:
	case QOP_REQUEUE:
	case QOP_EXPIRE:
		change_begin(o, ch, id, c);
		break;
	default:
		orders_done(ch, id, EINVAL, 0, "there is no such order");
		break;
	}
	qmgr_touch(q);
}

static void
on_list(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	listing_begin(ch, id, rec, fds, orders_get(arg));
}

static void
on_more(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	listing_more(ch, id, rec, fds, orders_get(arg));
}

static void
on_stop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	listing_stop(ch, id, rec, fds, orders_get(arg));
}

const struct chan_on orders_on[] = {
	{ QUEUE_LIST, on_list },
	{ QUEUE_MORE, on_more },
	{ QUEUE_STOP, on_stop },
	{ QUEUE_CHANGE, on_change },
	{ QUEUE_OPEN, on_open },
	{ QUEUE_STATS, on_stats },
	{ 0, NULL },
};

/* The asker has gone.  What was ordered is done; nobody hears of it. */
void
orders_down(struct chan *ch, unsigned instance, void *arg)
{
	struct orders *o = orders_get(arg);

	(void)instance;
	listings_forget(o, ch);
	changes_forget(o, ch);
	flushes_forget(o, ch);
}
