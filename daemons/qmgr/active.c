/* SPDX-License-Identifier: ISC */
/*
 * Messages in the active window: what the scheduler asks for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"

#include "qmgr.h"

#define LOADING_MAX 64 /* messages being read from disk at one time */
#define DEFERRING_MAX 1024 /* deferrals on their way to disk */
#define REQUEUES_MAX 32 /* messages on their way through pickup */
#define SKIP_MAX 200 /* of a dead destination, postponed in one call */

/* --- messages ------------------------------------------------------------- */

static struct message_bucket *
bucket(struct qmgr *q, uint64_t qid)
{
	return &q->messages[(qid ^ qid >> 20) % MESSAGE_BUCKETS];
}

struct message *
active_find(struct qmgr *q, uint64_t qid)
{
	struct message *m;

	LIST_FOREACH(m, bucket(q, qid), hash)
		if (m->qid == qid)
			return m;
	return NULL;
}

static void
message_free(struct message *m)
{
	struct rcpt *r;

	while ((r = TAILQ_FIRST(&m->rcpts)) != NULL)
		rcpt_free(m, r);
	LIST_REMOVE(m, hash);
	buf_clear(&m->edits);
	free(m->sender);
	free(m->envid);
	free(m->settled);
	free(m->reason);
	free(m);
}

bool
message_probe(const struct message *m)
{
	return (m->flags & ENV_PROBE) != 0;
}

bool
message_settled(const struct message *m, uint32_t pos)
{
	return m->settled != NULL && (m->settled[pos / 8] >> (pos % 8) & 1);
}

static void
mark_settled(struct message *m, uint32_t pos)
{
	if (pos >= m->nrcpts || message_settled(m, pos))
		return;
	if (m->settled == NULL)
		m->settled = xcalloc(m->nrcpts / 8 + 1, 1);
	m->settled[pos / 8] |= (uint8_t)(1 << pos % 8);
	m->left--;
}

/* What its events say: who is done, how often it was tried, what is owed. */
static void
read_events(struct message *m, unsigned *owed, bool *warned)
{
	struct str in = store_events(m->q->store, m->qid);
	struct event e;

	while (event_get(&in, m->qid, &e) == 1) {
		switch (e.type) {
		case EVENT_FATE:
			if (e.fate == EVENT_FAILED && !message_probe(m))
				*owed |= SCHED_NOTICE_FAILED;
			if (e.fate == EVENT_DELIVERED)
				m->success = true; /* if anybody asked */
			for (uint32_t i = 0; event_final(e.fate) &&
			    i < e.nranges; i++) {
				struct event_range r = event_range(&e, i);

				for (uint32_t k = 0; k < r.count &&
				    r.first + k < m->nrcpts; k++)
					mark_settled(m, r.first + k);
			}
			break;
		case EVENT_DEFER:
			m->attempts = e.attempts;
			break;
		case EVENT_NOTICE:
			if (e.notices & EVENT_NOTICE_BOUNCE)
				*owed &= ~SCHED_NOTICE_FAILED;
			if (e.notices & EVENT_NOTICE_DELAY)
				*warned = true;
			if (e.notices & EVENT_NOTICE_SUCCESS)
				m->success = false;
			if (e.notices & EVENT_NOTICE_STATUS)
				m->report = false;
			break;
		case EVENT_ORDER:
			m->orders |= e.orders;
			break;
		case EVENT_HOLD:
		case EVENT_RELEASE:
			break;
		}
	}
}

/* Head and edits of the envelope.  -1: it cannot be read, and is set aside. */
static int
read_head(struct message *m)
{
	struct env_reader r;
	struct envelope head;
	struct env_edit edit;
	int k;

	if (store_envelope(m->q->store, m->qid, &r) == -1)
		return -1;
	k = env_read_head(&r, &head);
	if (k == 0) {
		m->arrival_us = head.arrival_us;
		m->flags = head.flags;
		m->report = (head.flags & ENV_RECORD) != 0;
		m->ret = (uint8_t)head.ret;
		m->sender = str_dup(head.sender);
		m->envid = str_dup(head.attr[ENV_A_ENVID]);
		while ((k = env_read_edit(&r, &edit)) == 1) {
			m->size += edit.ins.n - edit.del;
			if (env_put_edit(&m->edits, &edit) == -1)
				break;
		}
	}
	m->place = env_tell(&r);
	env_close(&r);
	return k;
}

/* --- hold ----------------------------------------------------------------- */

static void
on_held(uint64_t qid, int error, void *arg)
{
	char name[QID_TEXT_MAX];

	(void)arg;
	qid_format(qid, name);
	if (error == 0)
		log_info("%s: placed on hold", name);
	else
		log_error("%s: cannot be put on hold: %s", name,
		    strerror(error));
}

/*
 * A restriction or an administrator wanted it held from the beginning: it goes
 * there without having been tried.
 */
static bool
born_held(struct message *m)
{
	if (!m->fresh || (m->flags & ENV_HOLD) == 0)
		return false;
	return store_hold(m->q->store, m->qid, STR_NONE, on_held, m->q) == 0;
}

/*
 * A message in hand enters the window.  NULL when it went elsewhere: to hold,
 * or, with something wrong with it, to corrupt (and that is reported).
 */
static struct message *
message_new(struct qmgr *q, uint64_t qid, bool fresh, enum sched_source from)
{
	struct sched_msg_info info = { .from = from };
	struct message *m = xcalloc(1, sizeof(*m));
	struct store_info si;

	m->q = q;
	m->qid = qid;
	m->fresh = fresh;
	qid_format(qid, m->name);
	TAILQ_INIT(&m->rcpts);
	buf_init(&m->edits, ENV_SIZE_MAX);
	LIST_INSERT_HEAD(bucket(q, qid), m, hash);
	if (store_info(q->store, qid, &si) == -1 && errno == ENOENT) {
		message_free(m); /* an administrator removed it */
		return NULL;
	}
	if (si.state == STORE_NONE || read_head(m) == -1) {
		log_error("%s: envelope cannot be read: %s", m->name,
		    strerror(errno));
		store_corrupt(q->store, qid, "envelope cannot be read");
		message_free(m);
		return NULL;
	}
	if (born_held(m)) {
		message_free(m);
		return NULL;
	}
	m->size += si.size;
	m->nrcpts = m->left = si.nrcpts;
	m->active_us = qmgr_wall_us();
	read_events(m, &info.owed, &info.warned);
	/* What is owed to its sender is settled before it gets another name. */
	if ((m->orders & EVENT_ORDER_REQUEUE) != 0 && info.owed == 0 &&
	    requeue_begin(m)) {
		message_free(m);
		return NULL;
	}
	log_info("%s: from=<%s>, size=%" PRIu64 ", nrcpt=%" PRIu32
	    " (queue active)", m->name, m->sender, m->size, m->nrcpts);
	info.arrival_us = m->arrival_us;
	info.n_rcpt = m->left;
	info.null_sender = m->sender[0] == '\0';
	info.force = m->forced = q->forcing || q->flushing || m->orders != 0;
	if ((m->orders & EVENT_ORDER_EXPIRE) != 0)
		info.arrival_us = 1; /* it is as old as can be */
	m->sm = sched_msg_new(q->sched, m, &info);
	return m;
}

/* --- recipients ----------------------------------------------------------- */

static struct str
keep(char **at, struct str s)
{
	struct str kept = str_make(*at, s.n);

	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

struct rcpt *
rcpt_new(struct message *m, const struct env_rcpt *e, uint32_t pos)
{
	struct rcpt *r = xmalloc(sizeof(*r) + e->addr.n + e->orig.n +
	    e->orcpt.n + e->transport.n + e->nexthop.n);
	char *at = r->text;

	r->pos = pos;
	r->notify = e->notify;
	r->ticket = e->ticket;
	r->unit = NULL;
	r->at = 0;
	r->addr = keep(&at, e->addr);
	r->orig = keep(&at, e->orig);
	r->orcpt = keep(&at, e->orcpt);
	r->transport = keep(&at, e->transport);
	r->nexthop = keep(&at, e->nexthop);
	TAILQ_INSERT_TAIL(&m->rcpts, r, link);
	return r;
}

void
rcpt_free(struct message *m, struct rcpt *r)
{
	TAILQ_REMOVE(&m->rcpts, r, link);
	free(r);
}

uint64_t
active_key(struct qmgr *q, struct str transport, struct str nexthop)
{
	struct buf b;
	uint64_t key;

	buf_init(&b, 4096);
	buf_str(&b, transport);
	buf_putc(&b, ':');
	for (size_t i = 0; i < nexthop.n; i++)
		buf_putc(&b, ascii_lower((unsigned char)nexthop.p[i]));
	key = store_key(q->store, buf_get(&b));
	buf_clear(&b);
	return key;
}

static void
wait_for(struct message *m, const struct rcpt *r)
{
	uint64_t key = active_key(m->q, r->transport, r->nexthop);

	for (uint32_t i = 0; i < m->nkeys; i++)
		if (m->keys[i] == key)
			return;
	if (m->nkeys < STORE_KEYS_MAX)
		m->keys[m->nkeys++] = key;
}

void
active_fate(struct message *m, struct rcpt *r, enum event_fate fate,
    struct str dsn, struct str text, struct str mta)
{
	struct event_range range = { r->pos, 1 };
	struct event e = { .type = EVENT_FATE, .fate = fate,
		.time_us = qmgr_wall_us(), .ranges = &range, .nranges = 1,
		.dsn = dsn, .mta = mta, .reason = text };

	if (fate == EVENT_TRIED && message_probe(m))
		fate = e.fate = EVENT_FAILED;
	/*
	 * The last good outcome is followed by the removal of the message in
	 * the same turn, and needs no record of its own.
	 */
	if (fate == EVENT_FAILED || fate == EVENT_TRIED || m->left > 1 ||
	    m->success || m->report)
		if (store_event(m->q->store, m->qid, &e) == -1)
			log_warn("%s: outcome not recorded: %s", m->name,
			    strerror(errno));
	if (event_final(fate)) {
		mark_settled(m, r->pos);
		if (fate == EVENT_DELIVERED || fate == EVENT_RELAYED)
			m->q->delivered++;
	} else {
		wait_for(m, r);
		free(m->reason);
		m->reason = str_dup(text);
	}
	rcpt_free(m, r);
}

void
active_log(const struct message *m, const struct rcpt *r, struct str dsn,
    const char *status, struct str text)
{
	int64_t now = qmgr_wall_us();
	bool orig = r->orig.n > 0 && !str_caseeq(r->orig, r->addr);
	char all[CLOCK_DELAY], before[CLOCK_DELAY], here[CLOCK_DELAY];

	if (message_probe(m))
		status = strcmp(status, "sent") == 0 ? "deliverable" :
		    "undeliverable";
	log_fate(STR_NONE, "%s: to=<" STR_FMT ">,%s" STR_FMT "%s relay=none, "
	    "delay=%s, delays=%s/%s/0/0, dsn=" STR_FMT ", status=%s "
	    "(" STR_FMT ")",
	    m->name, STR_ARG(r->addr), orig ? " orig_to=<" : "",
	    STR_ARG(orig ? r->orig : STR_NONE), orig ? ">," : "",
	    clock_delay(now - m->arrival_us, all),
	    clock_delay(m->active_us - m->arrival_us, before),
	    clock_delay(now - m->active_us, here), STR_ARG(dsn), status,
	    STR_ARG(text));
}

/* --- recipients are read -------------------------------------------------- */

/*
 * The next recipients of m.  Those committed in this life came with their way;
 * for the others it is asked anew, since the configuration may have changed.
 */
static void
op_read(void *arg, void *cookie, struct sched_msg *sm, uint32_t max)
{
	struct qmgr *q = arg;
	struct message *m = cookie;
	struct env_reader er;
	struct envelope head;
	struct env_rcpt e;
	uint32_t n = 0;
	int k = -1;

	(void)sm;
	m->reading = true;
	m->more = false;
	m->resolving++; /* until this function is done */
	if (store_envelope(q->store, m->qid, &er) == 0) {
		k = env_read_head(&er, &head);
		if (k == 0)
			k = env_seek(&er, &m->place);
		while (k == 0 && n < max && (k = env_read_rcpt(&er, &e)) == 1) {
			uint32_t pos = er.nrcpts - 1;
			struct rcpt *r;

			k = 0;
			m->place = env_tell(&er);
			m->more = m->place.nrcpts < m->nrcpts;
			if (message_settled(m, pos))
				continue;
			n++;
			r = rcpt_new(m, &e, pos);
			if (m->fresh && r->transport.n > 0) {
				way_add(m, r);
			} else {
				m->resolving++;
				resolve_rcpt(m, r);
			}
		}
		env_close(&er);
	}
	if (k == -1)
		log_error("%s: recipients cannot be read: %s", m->name,
		    strerror(errno));
	m->resolving--;
	way_end_read(m);
}

/* --- taking --------------------------------------------------------------- */

void
active_ready(struct qmgr *q, uint64_t qid, bool fresh)
{
	struct ready *rd = xmalloc(sizeof(*rd));

	rd->qid = qid;
	rd->fresh = fresh;
	STAILQ_INSERT_TAIL(&q->ready, rd, link);
	sched_waiting(q->sched, SCHED_INCOMING);
	qmgr_touch(q);
}

static enum sched_take
take_incoming(struct qmgr *q)
{
	struct ready *rd;
	struct message *m = NULL;

	while (m == NULL && (rd = STAILQ_FIRST(&q->ready)) != NULL) {
		STAILQ_REMOVE_HEAD(&q->ready, link);
		m = message_new(q, rd->qid, rd->fresh, SCHED_INCOMING);
		free(rd);
	}
	return m != NULL ? SCHED_TAKE_NOW : SCHED_TAKE_NONE;
}

static void
on_loaded(uint64_t qid, int error, void *arg)
{
	struct qmgr *q = arg;
	char name[QID_TEXT_MAX];

	q->loading--;
	qmgr_touch(q);
	if (error != 0) {
		qid_format(qid, name);
		if (error != ENOENT)
			log_error("%s: cannot be read: %s", name,
			    strerror(error));
		sched_take_none(q->sched, SCHED_DEFERRED);
	} else if (message_new(q, qid, false, SCHED_DEFERRED) == NULL) {
		sched_take_none(q->sched, SCHED_DEFERRED);
	}
	sched_waiting(q->sched, SCHED_DEFERRED);
}

/* One that an administrator wants to be tried now. */
static void
on_flushed(uint64_t qid, int error, void *arg)
{
	struct qmgr *q = arg;

	q->forcing = true;
	on_loaded(qid, error, q);
	q->forcing = false;
}

static enum sched_take
take_flushed(struct qmgr *q)
{
	uint64_t qid;
	int k;

	for (int i = 0; i < SKIP_MAX; i++) {
		k = orders_flush_next(q, &qid);
		if (k == -1)
			q->due_again = true;
		if (k != 1)
			return SCHED_TAKE_NONE;
		if (store_load(q->store, qid, on_flushed, q) == -1)
			continue; /* it is gone, or is being worked on */
		q->loading++;
		return SCHED_TAKE_LATER;
	}
	q->due_again = true;
	return SCHED_TAKE_NONE;
}

/*
 * The next that is due.  The backlog of a dead destination is not even read:
 * it is put off until the destination is worth another try.
 */
static enum sched_take
take_deferred(struct qmgr *q)
{
	struct store_due due;
	int64_t until_ms, wall = qmgr_wall_us();

	if (take_flushed(q) == SCHED_TAKE_LATER)
		return SCHED_TAKE_LATER;
	for (int i = 0; i < SKIP_MAX; i++) {
		int k = store_due_next(q->store, wall, &due);

		if (k == -1 && errno == EAGAIN)
			q->due_again = true;
		if (k != 1)
			return SCHED_TAKE_NONE;
		if (due.key != 0 && !q->flushing &&
		    sched_dead(q->sched, due.key, &until_ms)) {
			int64_t wait = until_ms - loop_now(q->loop);

			if (store_postpone(q->store, due.qid, wall +
			    (wait > 1000 ? wait : 1000) * 1000, due.key) == 0)
				continue;
		}
		if (store_load(q->store, due.qid, on_loaded, q) == -1)
			continue;
		q->loading++;
		return SCHED_TAKE_LATER;
	}
	q->due_again = true;
	return SCHED_TAKE_NONE;
}

static enum sched_take
op_take(void *arg, enum sched_source from)
{
	struct qmgr *q = arg;

	/*
	 * While there is nobody to ask the way of, messages stay where they
	 * are.  So nothing of the queue is touched that was opened for an
	 * order alone: then there is nobody but us and control.
	 */
	if (q->stopping || q->rewrite == NULL ||
	    q->deferring >= DEFERRING_MAX || q->requeues >= REQUEUES_MAX)
		return SCHED_TAKE_NONE;
	if (from == SCHED_INCOMING)
		return take_incoming(q);
	return q->loading >= LOADING_MAX ? SCHED_TAKE_NONE : take_deferred(q);
}

/* --- the other callbacks -------------------------------------------------- */

static enum sched_start
op_deliver(void *arg, struct sched_unit *u)
{
	return agents_deliver(arg, u);
}

static uint64_t
op_key(void *arg, const struct sched_site *site)
{
	return active_key(arg, site->transport, site->nexthop);
}

/* The scheduler put it off by itself: a dead destination, a lost agent. */
static void
op_defer(void *arg, void *cookie, uint64_t rcpt, struct str why)
{
	struct message *m = cookie;
	struct rcpt *r = (struct rcpt *)(uintptr_t)rcpt;

	(void)arg;
	active_log(m, r, STR("4.4.0"), "deferred", why);
	active_fate(m, r, EVENT_TRIED, STR("4.4.0"), why, STR_NONE);
}

static void
op_notice(void *arg, void *cookie, struct sched_msg *sm, unsigned kinds)
{
	struct qmgr *q = arg;

	if (message_probe(cookie))
		sched_notice_done(q->sched, sm, true);
	else
		notices_make(cookie, kinds);
}

static void
on_deferred(uint64_t qid, int error, void *arg)
{
	struct qmgr *q = arg;
	char name[QID_TEXT_MAX];

	q->deferring--;
	qmgr_touch(q);
	sched_waiting(q->sched, SCHED_INCOMING);
	sched_waiting(q->sched, SCHED_DEFERRED);
	if (error == 0)
		return;
	/* Disk full, most likely: it stays in hand and is tried again soon. */
	qid_format(qid, name);
	log_error("%s: cannot be put into deferred: %s", name,
	    strerror(error));
	store_park(q->store, qid);
}

static void
to_deferred(struct message *m, int64_t due_us)
{
	struct qmgr *q = m->q;
	struct event e = { .type = EVENT_DEFER, .time_us = qmgr_wall_us(),
		.due_us = due_us, .attempts = m->attempts + 1,
		.keys = m->keys, .nkeys = m->nkeys,
		.reason = str_of(m->reason) };

	if (store_defer(q->store, m->qid, &e, m->keys, m->nkeys, on_deferred,
	    q) == -1) {
		log_error("%s: cannot be put into deferred: %s", m->name,
		    strerror(errno));
		store_park(q->store, m->qid);
		return;
	}
	q->deferring++;
}

static void
remove_message(struct message *m)
{
	if (store_remove(m->q->store, m->qid) == -1)
		log_error("%s: cannot be removed: %s", m->name,
		    strerror(errno));
	else
		log_info("%s: removed", m->name);
}

static void
on_success(struct message *m, bool ok)
{
	if (ok)
		remove_message(m);
	else
		to_deferred(m, qmgr_wall_us() +
		    conf_ms(m->q->conf, P_MINIMAL_BACKOFF_TIME) * 1000);
	message_free(m);
}

static void finish(struct message *m, const struct sched_outcome *o);

/* The report is in the queue, or cannot be made now. */
static void
on_status(struct message *m, bool ok)
{
	struct sched_outcome o = m->after;

	m->report = false;
	if (o.what == SCHED_DONE && ok)
		m->success = false; /* it was part of the report */
	else if (o.what == SCHED_DONE)
		o = (struct sched_outcome){ .what = SCHED_RETRY,
			.next_us = qmgr_wall_us() +
			    conf_ms(m->q->conf, P_MINIMAL_BACKOFF_TIME) *
			    1000 };
	finish(m, &o);
}

static void
op_finish(void *arg, void *cookie, struct sched_msg *sm,
    const struct sched_outcome *o)
{
	struct message *m = cookie;

	(void)arg;
	(void)sm;
	m->after = *o;
	m->sm = NULL; /* the scheduler has done with it */
	/* The scheduler does not know that what it put off is settled. */
	if (o->what == SCHED_RETRY && message_probe(m) && m->left == 0)
		m->after.what = SCHED_DONE;
	if (m->report &&
	    (m->after.what == SCHED_DONE || m->after.what == SCHED_RETRY))
		notices_status(m, on_status);
	else
		finish(m, &m->after);
}

static void
finish(struct message *m, const struct sched_outcome *o)
{
	struct qmgr *q = m->q;

	switch (o->what) {
	case SCHED_DONE:
		if (m->success && m->sender[0] != '\0') {
			notices_success(m, on_success);
			return;
		}
		remove_message(m);
		break;
	case SCHED_DELETE:
		remove_message(m);
		break;
	case SCHED_RETRY:
		to_deferred(m, o->next_us);
		break;
	case SCHED_HOLD:
		if (store_hold(q->store, m->qid, STR_NONE, on_held, q) == -1)
			to_deferred(m, qmgr_wall_us());
		break;
	case SCHED_REQUEUE:
		/* Due at once, and whatever is known of where it goes. */
		m->nkeys = 0;
		to_deferred(m, qmgr_wall_us());
		break;
	}
	message_free(m);
}

const struct sched_ops active_ops = {
	.take = op_take,
	.read = op_read,
	.deliver = op_deliver,
	.key = op_key,
	.defer = op_defer,
	.notice = op_notice,
	.finish = op_finish,
};
