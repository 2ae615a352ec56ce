/* SPDX-License-Identifier: ISC */
/*
 * Notices: what bounce is asked to write, from the fates on record.
 *
 * A notice is a message like any other.  Only when it is in the queue, the
 * message it speaks of may go: a crash in between makes two notices, never
 * none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "log/log.h"
#include "queue/qid.h"

#include "qmgr.h"

#define REPORTS_MAX 30720 /* of bounce_make */
#define NOTICES_MAX 1024  /* in the queue, and bounce has not said so */

/* Beside the scheduler's kinds: it does not know of these. */
#define NOTICE_SUCCESS 0x100u
#define NOTICE_STATUS 0x200u

/* Notices that a message waits for. */
struct notice {
	TAILQ_ENTRY(notice) link; /* while bounce is not there */
	struct message *m;
	unsigned kinds; /* SCHED_NOTICE_* or one of the above */
	void (*done)(struct message *m, bool ok); /* NULL: the scheduler */
};

#define PATIENCE_MS 60000 /* with a bounce that does not come */

static TAILQ_HEAD(, notice) pending = TAILQ_HEAD_INITIALIZER(pending);
static struct timer patience;

/* What was last said of a recipient. */
struct verdict {
	bool have;
	struct event e; /* strings borrowed from the store's events */
};

/*
 * The fates that belong into this notice: final failures, and what was put
 * off when that is given up or warned of.  A report tells all.
 */
static bool
concerns(const struct verdict *v, unsigned kinds)
{
	if (!v->have || (kinds & NOTICE_STATUS) != 0)
		return v->have;
	if (v->e.fate == EVENT_DELIVERED || v->e.fate == EVENT_RELAYED)
		return (kinds & NOTICE_SUCCESS) != 0;
	if (v->e.fate == EVENT_FAILED)
		return (kinds & SCHED_NOTICE_FAILED) != 0;
	return v->e.fate == EVENT_TRIED &&
	    (kinds & (SCHED_NOTICE_EXPIRED | SCHED_NOTICE_DELAY)) != 0;
}

static struct verdict *
read_verdicts(struct message *m, unsigned kinds)
{
	struct verdict *v = xcalloc(m->nrcpts, sizeof(*v));
	struct str in = store_events(m->q->store, m->qid);
	struct event e;

	while (event_get(&in, m->qid, &e) == 1) {
		if (e.type == EVENT_NOTICE && (kinds & NOTICE_STATUS) == 0 &&
		    (e.notices & EVENT_NOTICE_BOUNCE) != 0) {
			/* Failures before it have been told. */
			for (uint32_t i = 0; i < m->nrcpts; i++)
				if (v[i].have && v[i].e.fate == EVENT_FAILED)
					v[i].have = false;
		}
		for (uint32_t i = 0; e.type == EVENT_FATE && i < e.nranges;
		    i++) {
			struct event_range r = event_range(&e, i);

			for (uint32_t k = 0; k < r.count &&
			    r.first + k < m->nrcpts; k++) {
				v[r.first + k].have = true;
				v[r.first + k].e = e;
			}
		}
	}
	return v;
}

/* Recipients with their fates; how many did not fit. */
static uint32_t
put_reports(struct message *m, const struct verdict *v, unsigned kinds,
    struct buf *b)
{
	struct env_reader er;
	struct envelope head;
	struct env_rcpt rcpt;
	uint32_t omitted = 0;

	if (store_envelope(m->q->store, m->qid, &er) == -1)
		return m->nrcpts;
	if (env_read_head(&er, &head) == 0) {
		while (env_read_rcpt(&er, &rcpt) == 1) {
			uint32_t pos = er.nrcpts - 1;
			size_t before = b->len;
			struct event_range range = { pos, 1 };
			struct event e;

			if (pos >= m->nrcpts || !concerns(&v[pos], kinds) ||
			    ((kinds & NOTICE_SUCCESS) != 0 &&
			    (rcpt.notify & ENV_NOTIFY_SUCCESS) == 0))
				continue;
			e = v[pos].e;
			e.ranges = &range;
			e.nranges = 1;
			if (kinds & SCHED_NOTICE_EXPIRED)
				e.fate = EVENT_FAILED;
			if (env_put_rcpt(b, &rcpt) == -1 ||
			    event_put(b, m->qid, &e) == -1) {
				b->full = false;
				buf_trim(b, b->len - before);
				omitted++;
			}
		}
	}
	env_close(&er);
	return omitted;
}

static enum bounce_kind
kind_of(const struct message *m, unsigned kinds)
{
	if (kinds & NOTICE_SUCCESS)
		return BOUNCE_SUCCESS;
	if (kinds & NOTICE_STATUS)
		return BOUNCE_STATUS;
	if ((kinds & (SCHED_NOTICE_FAILED | SCHED_NOTICE_EXPIRED)) == 0)
		return BOUNCE_DELAYED;
	return m->sender[0] == '\0' ? BOUNCE_DOUBLE : BOUNCE_FAILED;
}

static unsigned
event_of(enum bounce_kind kind)
{
	switch (kind) {
	case BOUNCE_DELAYED:
		return EVENT_NOTICE_DELAY;
	case BOUNCE_SUCCESS:
		return EVENT_NOTICE_SUCCESS;
	case BOUNCE_STATUS:
		return EVENT_NOTICE_STATUS;
	case BOUNCE_FAILED:
	case BOUNCE_DOUBLE:
		break;
	}
	return EVENT_NOTICE_BOUNCE;
}

static void
done(struct notice *n, bool ok)
{
	struct message *m = n->m;
	struct qmgr *q = m->q;
	struct event e = { .type = EVENT_NOTICE, .time_us = qmgr_wall_us(),
		.notices = event_of(kind_of(m, n->kinds)) };

	if (ok && store_event(m->q->store, m->qid, &e) == -1)
		log_warn("%s: notice not recorded: %s", m->name,
		    strerror(errno));
	if (n->done != NULL)
		n->done(m, ok);
	else
		sched_notice_done(m->q->sched, m->sm, ok);
	qmgr_touch(q);
	free(n);
}

/*
 * What bounce brought in of late.  Its word that a notice is made counts once,
 * for one of these: it may have been delivered, and gone, by now.
 */
static uint64_t accepted[NOTICES_MAX];
static unsigned naccepted;

void
notices_accepted(uint64_t qid)
{
	accepted[naccepted++ % NOTICES_MAX] = qid;
}

static bool
is_made(struct str name)
{
	uint64_t qid;

	if (qid_parse(name, &qid) == -1 || qid == 0)
		return false;
	for (size_t i = 0; i < NOTICES_MAX; i++) {
		if (accepted[i] == qid) {
			accepted[i] = 0;
			return true;
		}
	}
	return false;
}

static void
on_made(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct bounce_made *a = rec;
	struct notice *n = arg;
	bool ok = false;

	(void)fds;
	if (type == BOUNCE_MADE) {
		ok = a->status == BOUNCE_IS_NOBODY ||
		    (a->status == BOUNCE_IS_MADE && is_made(a->qid));
		if (!ok && a->status != BOUNCE_IS_LATER)
			chan_drop(n->m->q->bounce, "a notice that is not made");
	}
	done(n, ok);
}

static void
order(struct notice *n)
{
	struct message *m = n->m;
	struct qmgr *q = m->q;
	struct bounce_make rec = { .qid = str_of(m->name),
		.sender = str_of(m->sender),
		.envid = str_sub(str_of(m->envid), 0, 256), .ret = m->ret,
		.arrived_us = m->arrival_us, .flags = m->flags,
		.kind = (uint8_t)kind_of(m, n->kinds) };
	struct store_content sc = { .fd = -1 };
	struct verdict *v;
	struct buf b;

	if (m->edits.len > DELIVER_EDITS_MAX ||
	    store_content(q->store, m->qid, &sc) == -1) {
		done(n, false);
		return;
	}
	buf_init(&b, REPORTS_MAX);
	v = read_verdicts(m, n->kinds);
	rec.omitted = put_reports(m, v, n->kinds, &b);
	rec.reports = buf_get(&b);
	rec.offset = sc.off;
	rec.size = sc.size;
	rec.edits = buf_get(&m->edits);
	chan_ask(q->bounce, BOUNCE_MAKE, &rec, &sc.fd, on_made, n);
	free(v);
	buf_clear(&b);
}

/* Bounce is there: it gets its orders; or cannot be had: they come again. */
static void
settle(struct qmgr *q)
{
	struct notice *n;

	timer_cancel(&patience);
	while ((n = TAILQ_FIRST(&pending)) != NULL) {
		TAILQ_REMOVE(&pending, n, link);
		if (q->bounce != NULL)
			order(n);
		else
			done(n, false);
	}
}

static void
on_patience(void *arg)
{
	settle(arg);
}

void
notices_init(struct qmgr *q)
{
	demand_init(&q->bounce_demand, q, "bounce", settle);
	timer_init(&patience, q->loop, on_patience, q);
}

void
notices_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct qmgr *q = arg;

	(void)ch;
	(void)instance;
	(void)pid;
	demand_met(&q->bounce_demand);
	settle(q);
}

static void
on_idle(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)id;
	(void)rec;
	(void)fds;
	(void)arg;
	if (chan_waiting(ch) == 0)
		boot_let_go(ch);
}

const struct chan_on notices_on[] = {
	{ BOUNCE_IDLE, on_idle },
	{ 0, NULL },
};

static void
make(struct message *m, unsigned kinds, void (*fn)(struct message *m, bool ok))
{
	struct qmgr *q = m->q;
	struct notice *n = xcalloc(1, sizeof(*n));

	n->m = m;
	n->kinds = kinds;
	n->done = fn;
	if (q->bounce != NULL) {
		order(n);
	} else if (q->stopping) {
		done(n, false);
	} else {
		TAILQ_INSERT_TAIL(&pending, n, link);
		if (!patience.armed)
			timer_set(&patience, PATIENCE_MS);
		demand_ask(&q->bounce_demand);
	}
}

void
notices_make(struct message *m, unsigned kinds)
{
	if (kinds & SCHED_NOTICE_EXPIRED)
		log_info("%s: from=<%s>, status=expired, returned to sender",
		    m->name, m->sender);
	make(m, kinds, NULL);
}

void
notices_success(struct message *m, void (*fn)(struct message *m, bool ok))
{
	make(m, NOTICE_SUCCESS, fn);
}

void
notices_status(struct message *m, void (*fn)(struct message *m, bool ok))
{
	make(m, NOTICE_STATUS, fn);
}
