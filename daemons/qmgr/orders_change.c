/* SPDX-License-Identifier: ISC */
/*
 * Hold, release, delete, requeue and expire: one message, or all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"

#include "orders.h"

#define HOLDS_MAX 64   /* on their way to the disk, of one order */
#define RETRY_MAX 1024 /* messages that were busy, of one order */
#define RETRY_MS 20
#define PATIENCE_MS 10000 /* for those */

/* Where an order for all messages is. */
enum phase {
	PHASE_READY,
	PHASE_ACTIVE,
	PHASE_INCOMING,
	PHASE_DEFERRED,
	PHASE_HOLD,
	PHASE_RETRY, /* those that were busy; an order for one begins here */
};

struct order {
	TAILQ_ENTRY(order) link;
	struct orders *o;
	struct chan *ch; /* NULL: the asker has gone */
	uint64_t id;
	enum queue_op op;
	uint8_t state; /* only those */
	enum phase phase;
	unsigned bucket;
	struct store_walk *walk;
	uint64_t retry[RETRY_MAX];
	size_t nretry;
	int64_t retry_at, give_up_at;
	unsigned holds;
	uint32_t count;
	int error; /* the last one that was more than a message gone */
};

struct word {
	enum queue_op op;
	const char *done;
};

static void
log_done(uint64_t qid, enum queue_op op)
{
	static const struct word words[] = {
		{ QOP_DELETE, "removed" },
		{ QOP_RELEASE, "released from hold" },
		{ QOP_REQUEUE, "requeued" },
		{ QOP_EXPIRE, "expired" },
	};
	char name[QID_TEXT_MAX];

	qid_format(qid, name);
	for (size_t i = 0; i < NELEM(words); i++)
		if (words[i].op == op)
			log_info("%s: %s", name, words[i].done);
}

/* --- one message ---------------------------------------------------------- */

/* It is not to be taken any more: it goes another way. */
static void
ready_forget(struct qmgr *q, uint64_t qid)
{
	struct ready *rd;

	STAILQ_FOREACH(rd, &q->ready, link)
		if (rd->qid == qid)
			break;
	if (rd == NULL)
		return;
	STAILQ_REMOVE(&q->ready, rd, ready, link);
	free(rd);
}

static void
on_held(uint64_t qid, int error, void *arg)
{
	struct order *r = arg;
	struct store_info si;
	char name[QID_TEXT_MAX];

	qid_format(qid, name);
	r->holds--;
	orders_wake(r->o, 0);
	if (error == 0) {
		log_info("%s: placed on hold", name);
		r->count++;
		return;
	}
	log_error("%s: cannot be put on hold: %s", name, strerror(error));
	r->error = error;
	/* Nobody else thinks of one that is in hand still. */
	if (store_info(r->o->q->store, qid, &si) == 0 && si.in_hand)
		active_ready(r->o->q, qid, false);
}

/* On record, so that it holds whatever happens before its next attempt. */
static int
put_order(const struct order *r, uint64_t qid)
{
	const struct event e = { .type = EVENT_ORDER,
		.time_us = clock_wall_us(),
		.orders = r->op == QOP_EXPIRE ? EVENT_ORDER_EXPIRE :
						EVENT_ORDER_REQUEUE };

	return store_append(r->o->q->store, qid, &e);
}

/*
 * In the window: the scheduler brings it to an end.  One that has such an
 * order already is not counted again.
 */
static int
apply_active(struct order *r, struct message *m)
{
	struct sched *s = r->o->q->sched;

	/* Without one only a notice is waited for: it is as good as gone. */
	if (m->ordered == (uint8_t)r->op || m->sm == NULL)
		return 0;
	switch (r->op) {
	case QOP_DELETE:
		sched_msg_stop(s, m->sm, SCHED_DELETE);
		break;
	case QOP_HOLD:
		sched_msg_stop(s, m->sm, SCHED_HOLD);
		break;
	case QOP_REQUEUE:
	case QOP_EXPIRE:
		if (put_order(r, m->qid) == -1)
			return -1;
		sched_msg_stop(s, m->sm, SCHED_REQUEUE);
		log_done(m->qid, r->op);
		break;
	case QOP_RELEASE:
		sched_msg_release(s, m->sm);
		return 0;
	default:
		return 0;
	}
	m->ordered = (uint8_t)r->op;
	return 1;
}

static int
hold(struct order *r, uint64_t qid, const struct store_info *si)
{
	struct qmgr *q = r->o->q;

	if (si->state == STORE_HOLD || si->state == STORE_CORRUPT)
		return 0;
	if (store_hold(q->store, qid, STR_NONE, on_held, r) == -1)
		return -1;
	ready_forget(q, qid);
	r->holds++;
	return 0; /* counted when it is done */
}

/*
 * Carried out when it is taken next, which is now, unless it is on hold: then
 * an order to expire it waits with it, and one to requeue it releases it.
 */
static int
again(struct order *r, uint64_t qid, const struct store_info *si)
{
	struct qmgr *q = r->o->q;

	if (si->state == STORE_CORRUPT)
		return 0;
	if (put_order(r, qid) == -1)
		return -1;
	if (si->state == STORE_HOLD && r->op == QOP_REQUEUE &&
	    store_release(q->store, qid) == -1)
		return -1;
	sched_waiting(q->sched, SCHED_DEFERRED);
	return 1;
}

/* 1: done; 0: there is nothing to do; -1 with errno. */
static int
apply(struct order *r, uint64_t qid)
{
	struct qmgr *q = r->o->q;
	struct message *m = active_find(q, qid);
	struct store_info si;
	int k = 0;

	if (m != NULL)
		return apply_active(r, m);
	if (store_info(q->store, qid, &si) == -1)
		return errno == ENOENT ? 0 : -1;
	switch (r->op) {
	case QOP_DELETE:
		if (si.state == STORE_CORRUPT)
			break; /* evidence: rm(1) is for that */
		k = store_remove(q->store, qid) == 0 ? 1 : -1;
		if (k == 1)
			ready_forget(q, qid);
		break;
	case QOP_HOLD:
		k = hold(r, qid, &si);
		break;
	case QOP_RELEASE:
		if (si.state == STORE_HOLD)
			k = store_release(q->store, qid) == 0 ? 1 : -1;
		break;
	case QOP_REQUEUE:
	case QOP_EXPIRE:
		k = again(r, qid, &si);
		break;
	default:
		break;
	}
	if (k == 1)
		log_done(qid, r->op);
	return k;
}

static void
take(struct order *r, uint64_t qid)
{
	switch (apply(r, qid)) {
	case 1:
		r->count++;
		break;
	case -1:
		if (errno == EBUSY && r->nretry < RETRY_MAX)
			r->retry[r->nretry++] = qid;
		else if (errno != ENOENT)
			r->error = errno;
		break;
	}
}

/* --- all messages --------------------------------------------------------- */

static bool
wants(const struct order *r, uint8_t state)
{
	if (r->state != 0 && r->state != state)
		return false;
	switch (r->op) {
	case QOP_HOLD:
		return state != QSTATE_HOLD;
	case QOP_RELEASE:
		return state == QSTATE_HOLD;
	default:
		return true;
	}
}

/*
 * Those that wait to be taken into the window.  The list may grow meanwhile:
 * what comes after the order was given is not meant.
 */
static void
take_ready(struct order *r)
{
	STAILQ_HEAD(, ready) list = STAILQ_HEAD_INITIALIZER(list);
	struct qmgr *q = r->o->q;
	struct ready *rd;
	uint64_t qid;
	bool fresh;

	if (!wants(r, QSTATE_INCOMING))
		return;
	STAILQ_CONCAT(&list, &q->ready);
	while ((rd = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, link);
		qid = rd->qid;
		fresh = rd->fresh;
		free(rd);
		if (r->holds >= HOLDS_MAX) {
			active_ready(q, qid, fresh);
			continue;
		}
		switch (apply(r, qid)) {
		case 1:
			r->count++;
			if (r->op == QOP_REQUEUE || r->op == QOP_EXPIRE)
				active_ready(q, qid, false);
			break;
		case -1:
			active_ready(q, qid, fresh);
			break;
		}
	}
}

/* A bucket of the window. */
static bool
take_active(struct order *r)
{
	struct message *m, *next;

	if (!wants(r, QSTATE_ACTIVE) || r->bucket == MESSAGE_BUCKETS)
		return false;
	for (m = LIST_FIRST(&r->o->q->messages[r->bucket]); m != NULL;
	     m = next) {
		next = LIST_NEXT(m, hash);
		r->count += apply_active(r, m) == 1;
	}
	r->bucket++;
	return true;
}

/* One file of a directory; false at its end. */
static bool
take_file(struct order *r, uint8_t state, enum store_state dir)
{
	struct qmgr *q = r->o->q;
	struct store_due due;

	if (!wants(r, state))
		return false;
	if (r->walk == NULL)
		r->walk = store_walk_state(q->store, dir);
	if (r->walk == NULL || store_walk_next(r->walk, &due) != 1) {
		store_walk_free(&r->walk);
		return false;
	}
	/* One may have become active since we looked at those. */
	if (r->state == 0 || active_find(q, due.qid) == NULL)
		take(r, due.qid);
	return true;
}

/* Do something; false when this phase is over. */
static bool
advance(struct order *r)
{
	switch (r->phase) {
	case PHASE_READY:
		take_ready(r);
		return false;
	case PHASE_ACTIVE:
		return take_active(r);
	case PHASE_INCOMING:
		return take_file(r, QSTATE_INCOMING, STORE_INCOMING);
	case PHASE_DEFERRED:
		return take_file(r, QSTATE_DEFERRED, STORE_DEFERRED);
	case PHASE_HOLD:
		return take_file(r, QSTATE_HOLD, STORE_HOLD);
	case PHASE_RETRY:
		break;
	}
	return false;
}

/* Those that were busy, once more. */
static void
retry(struct order *r)
{
	size_t n = r->nretry;
	uint64_t *v = xreallocarray(NULL, n + 1, sizeof(*v));

	memcpy(v, r->retry, n * sizeof(*v));
	r->nretry = 0;
	for (size_t i = 0; i < n; i++)
		take(r, v[i]);
	free(v);
	r->retry_at = clock_ms() + RETRY_MS;
}

static void
order_free(struct order **rp)
{
	struct order *r = *rp;

	*rp = NULL;
	TAILQ_REMOVE(&r->o->orders, r, link);
	r->o->norders--;
	store_walk_free(&r->walk);
	free(r);
}

static void
finish(struct order *r)
{
	int error = r->error;

	if (r->nretry > 0)
		error = EBUSY;
	else if (r->count == 0 && error == 0)
		error = ENOENT;
	orders_done(r->ch, r->id, error, r->count,
	    error == EBUSY ? "some messages are busy: try again" : "");
	order_free(&r);
}

/* 1: there is more to do at once. */
static int
step(struct order *r)
{
	int64_t now = clock_ms(), end = now + STEP_MS;

	if (r->phase == PHASE_RETRY && r->nretry > 0 && now >= r->retry_at)
		retry(r);
	while (
	    r->phase != PHASE_RETRY && r->holds < HOLDS_MAX && clock_ms() < end)
		if (!advance(r)) {
			r->phase++;
			r->give_up_at = clock_ms() + PATIENCE_MS;
		}
	if (r->phase != PHASE_RETRY)
		return r->holds < HOLDS_MAX;
	if (r->holds > 0)
		return 0; /* on_held() wakes us */
	if (r->nretry == 0 || now >= r->give_up_at) {
		finish(r);
		return 0;
	}
	orders_wake(r->o, RETRY_MS);
	return 0;
}

int
changes_step(struct orders *o)
{
	struct order *r, *next;
	int more = 0;

	for (r = TAILQ_FIRST(&o->orders); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		more |= step(r);
	}
	return more;
}

/* --- orders --------------------------------------------------------------- */

/* A file in maildrop, or all of them: it can be removed. */
static void
dropped(struct orders *o, struct chan *ch, uint64_t id,
    const struct queue_change *q)
{
	bool all = str_eq(q->arg, STR("ALL"));
	uint32_t n = 0;

	if (q->op == QOP_DELETE && all)
		n = maildrop_remove_all(o->q);
	else if (q->op == QOP_DELETE &&
	    (q->state == 0 || q->state == QSTATE_MAILDROP))
		n = maildrop_remove(o->q, q->arg);
	if (n > 0)
		orders_done(ch, id, 0, n, "");
	else
		orders_done(ch, id, all ? ENOENT : EINVAL, 0,
		    all ? "" : "this is no queue id");
}

void
change_begin(struct orders *o, struct chan *ch, uint64_t id,
    const struct queue_change *q)
{
	struct order *r;

	if (o->norders >= ORDERS_MAX) {
		orders_done(ch, id, EAGAIN, 0, "too many orders at a time");
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->o = o;
	r->ch = ch;
	r->id = id;
	r->op = (enum queue_op)q->op;
	r->state = q->state;
	r->give_up_at = clock_ms() + PATIENCE_MS;
	if (!str_eq(q->arg, STR("ALL"))) {
		r->phase = PHASE_RETRY;
		r->nretry = 1;
		if (qid_parse(q->arg, &r->retry[0]) == -1) {
			free(r);
			dropped(o, ch, id, q);
			return;
		}
	} else if (q->state == QSTATE_MAILDROP) {
		free(r);
		dropped(o, ch, id, q);
		return;
	}
	TAILQ_INSERT_TAIL(&o->orders, r, link);
	o->norders++;
	orders_wake(o, 0);
}

/* Orders go on without those who gave them: disk jobs point at them. */
void
changes_forget(struct orders *o, const struct chan *ch)
{
	struct order *r;

	TAILQ_FOREACH(r, &o->orders, link)
		if (r->ch == ch)
			r->ch = NULL;
}
