/* SPDX-License-Identifier: ISC */
/*
 * Listings of the queue.
 *
 * A message is looked at when its turn comes, so a listing is no snapshot: a
 * message that moves meanwhile may be seen twice or not at all.  What is kept
 * between two steps is a place in a directory and a place in an envelope.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/dirlist.h"
#include "base/mem.h"

#include "orders.h"

#define SLOT_MAX 256 /* messages without a file, of one slot */
#define REASON_MAX 1024

/* Where a listing is. */
enum phase {
	PHASE_FLIGHT,
	PHASE_INCOMING,
	PHASE_DEFERRED,
	PHASE_HOLD,
	PHASE_MAILDROP,
	PHASE_CORRUPT,
	PHASE_END,
};

/* What became of a recipient, else where its latest trouble is described. */
#define WHY_SETTLED UINT32_MAX

struct listing {
	TAILQ_ENTRY(listing) link;
	struct orders *o;
	struct chan *ch;
	uint64_t id;
	uint32_t credit;
	uint32_t count;
	uint8_t detail;
	bool one; /* only a message that was named */
	enum phase phase;
	unsigned slot;
	uint64_t ids[SLOT_MAX]; /* to be shown next */
	size_t nids;
	struct store_walk *walk;
	struct dirlist *drop; /* of PHASE_MAILDROP */
	/* The message that is being shown. */
	uint64_t qid; /* 0: none */
	bool begun;   /* its entry has been sent */
	struct env_place place;
	char *events; /* a copy, kept when it takes several steps */
	size_t events_len;
	uint32_t *why; /* a recipient: 1 + offset in events, 0, WHY_SETTLED */
	size_t nwhy;
};

/* --- what its events say -------------------------------------------------- */

static void
note_fate(struct listing *l, const struct event *e, uint32_t at)
{
	uint32_t mark = event_final(e->fate) ? WHY_SETTLED : at + 1;

	for (uint32_t i = 0; i < e->nranges; i++) {
		struct event_range r = event_range(e, i);
		size_t end = (size_t)r.first + r.count;

		if (end > ENV_RCPTS_MAX)
			end = ENV_RCPTS_MAX;
		if (end > l->nwhy) {
			size_t n = end < 16 ? 16 : end + end / 2;

			l->why = xreallocarray(l->why, n, sizeof(*l->why));
			memset(l->why + l->nwhy, 0,
			    (n - l->nwhy) * sizeof(*l->why));
			l->nwhy = n;
		}
		for (size_t k = r.first; k < end; k++)
			l->why[k] = mark;
	}
}

/* The latest reason of each recipient, and of the message. */
static void
read_events(struct listing *l, struct str events, struct str *reason,
    uint8_t *flags)
{
	struct str in = events;
	struct event e;

	if (l->nwhy > 0)
		memset(l->why, 0, l->nwhy * sizeof(*l->why));
	*reason = STR_NONE;
	*flags = 0;
	for (;;) {
		uint32_t at = (uint32_t)(events.n - in.n);

		if (event_get(&in, l->qid, &e) != 1)
			break;
		if (e.type == EVENT_FATE && l->detail > 0)
			note_fate(l, &e, at);
		else if (e.type == EVENT_DEFER || e.type == EVENT_HOLD)
			*reason = e.reason;
		else if (e.type == EVENT_RELEASE)
			*reason = STR_NONE;
		else if (e.type == EVENT_ORDER &&
		    (e.orders & EVENT_ORDER_EXPIRE) != 0)
			*flags |= QFLAG_EXPIRED;
	}
}

static struct str
reason_of(const struct listing *l, struct str events, uint32_t rcpt)
{
	struct str in = events;
	struct event e;

	if (rcpt >= l->nwhy || l->why[rcpt] == 0 || l->why[rcpt] > events.n)
		return STR_NONE;
	in = str_sub(in, l->why[rcpt] - 1, in.n);
	return event_get(&in, l->qid, &e) == 1 ? e.reason : STR_NONE;
}

/* --- one message ---------------------------------------------------------- */

static uint8_t
state_of(const struct listing *l, enum store_state st)
{
	switch (st) {
	case STORE_DEFERRED:
	case STORE_INCOMING:
	case STORE_FLIGHT:
		if (active_find(l->o->q, l->qid) != NULL)
			return QSTATE_ACTIVE;
		return st == STORE_DEFERRED ? QSTATE_DEFERRED : QSTATE_INCOMING;
	case STORE_HOLD:
		return QSTATE_HOLD;
	case STORE_CORRUPT:
		return QSTATE_CORRUPT;
	case STORE_NONE:
	case STORE_NEW:
		break;
	}
	return QSTATE_INCOMING;
}

/* The size is that with its edits, which have been read. */
static void
send_entry(struct listing *l, const struct store_info *si,
    const struct envelope *head, struct str reason, uint8_t flags)
{
	char name[QID_TEXT_MAX];
	struct queue_entry e = {
		.state = state_of(l, si->state),
		.arrived_us = qid_time_us(l->qid),
		.due_us = si->due_us,
		.size = si->size,
		.rcpts = si->nrcpts,
		.flags = flags,
		.reason = str_sub(reason, 0, REASON_MAX),
	};

	qid_format(l->qid, name);
	e.qid = str_of(name);
	if (head != NULL) {
		e.arrived_us = head->arrival_us;
		e.sender = str_sub(head->sender, 0, ADDR_MAX);
	} else {
		e.flags = QFLAG_UNREADABLE;
	}
	chan_tell(l->ch, QUEUE_ENTRY, l->id, &e, NULL);
	l->credit--;
	l->count++;
	l->begun = true;
}

static void
end_message(struct listing *l)
{
	l->qid = 0;
	l->begun = false;
	l->place = (struct env_place){ 0 };
	free(l->events);
	l->events = NULL;
	if (l->nwhy > 65536) { /* a rare giant's memory is not kept */
		free(l->why);
		l->why = NULL;
		l->nwhy = 0;
	}
}

/* Send recipients; 1 when it was the last one, 0 when credit is used up. */
static int
send_rcpts(struct listing *l, struct store_look *look, struct str events)
{
	struct queue_rcpt rec;
	struct env_rcpt r;
	int k;

	while (l->credit > 0 && (k = env_read_rcpt(&look->env, &r)) == 1) {
		uint32_t pos = look->env.nrcpts - 1;

		l->place = env_tell(&look->env);
		if (pos < l->nwhy && l->why[pos] == WHY_SETTLED)
			continue;
		rec.addr = str_sub(r.addr, 0, ADDR_MAX);
		rec.reason = str_sub(reason_of(l, events, pos), 0, REASON_MAX);
		chan_tell(l->ch, QUEUE_RCPT, l->id, &rec, NULL);
		l->credit--;
	}
	return l->credit > 0;
}

/* The first of it: 0, or -1 when its envelope cannot be read. */
static int
show_entry(struct listing *l, struct store_look *look, struct str reason,
    uint8_t flags)
{
	char sender[ADDR_MAX];
	struct envelope head;
	struct env_edit edit;
	int k = env_read_head(&look->env, &head);

	/* What was read is valid until more is. */
	if (k == 0) {
		head.sender = str_sub(head.sender, 0, sizeof(sender));
		if (head.sender.n > 0)
			memcpy(sender, head.sender.p, head.sender.n);
		head.sender.p = sender;
		while ((k = env_read_edit(&look->env, &edit)) == 1)
			look->info.size += edit.ins.n - edit.del;
	}
	send_entry(l, &look->info, k == 0 ? &head : NULL, reason, flags);
	return k;
}

/* Continue with the message at hand: 1 when done with it, 0 without credit. */
static int
show(struct listing *l)
{
	struct store_look look;
	struct envelope head;
	struct str reason = STR_NONE, events;
	uint8_t flags = 0;
	int k;

	if (store_look(l->o->q->store, l->qid, &look) == -1) {
		if (errno != ENOENT && look.info.state != STORE_NONE &&
		    !l->begun)
			send_entry(l, &look.info, NULL, STR_NONE, 0);
		return 1;
	}
	events = look.events;
	if (l->events != NULL)
		events = str_make(l->events, l->events_len);
	else
		read_events(l, events, &reason, &flags);
	if (!l->begun)
		k = show_entry(l, &look, reason, flags);
	else if ((k = env_read_head(&look.env, &head)) == 0 &&
	    l->place.off != 0)
		k = env_seek(&look.env, &l->place);
	k = k == -1 || l->detail == 0 ? 1 : send_rcpts(l, &look, events);
	if (k == 0 && l->events == NULL) {
		l->events = xmalloc(events.n + 1);
		if (events.n > 0)
			memcpy(l->events, events.p, events.n);
		l->events_len = events.n;
	}
	store_look_clear(&look);
	return k;
}

/* --- which message -------------------------------------------------------- */

static const enum store_state walk_states[] = {
	[PHASE_INCOMING] = STORE_INCOMING,
	[PHASE_DEFERRED] = STORE_DEFERRED,
	[PHASE_HOLD] = STORE_HOLD,
	[PHASE_CORRUPT] = STORE_CORRUPT,
};

/* The next file of maildrop; false at the end of it. */
static bool
show_dropped(struct listing *l)
{
	struct queue_entry e = { .state = QSTATE_MAILDROP };
	const char *name;
	struct stat st;

	if (l->drop == NULL)
		l->drop = maildrop_list(l->o->q);
	if (l->drop == NULL || (name = dirlist_next(l->drop)) == NULL) {
		dirlist_close(&l->drop);
		return false;
	}
	if (strlen(name) > QID_MAX || name[0] == '.' ||
	    maildrop_stat(l->o->q, name, &st) == -1 ||
	    (st.st_mode & S_IXUSR) == 0) /* it is being written */
		return true;
	e.qid = str_of(name);
	e.arrived_us = (int64_t)st.st_mtime * 1000000;
	e.size = (uint64_t)st.st_size;
	e.uid = (uint32_t)st.st_uid;
	chan_tell(l->ch, QUEUE_ENTRY, l->id, &e, NULL);
	l->credit--;
	l->count++;
	return true;
}

static void
next_phase(struct listing *l)
{
	store_walk_free(&l->walk);
	l->phase++;
	if (l->phase == PHASE_CORRUPT && l->detail < 2)
		l->phase = PHASE_END;
}

/* 1 and l->qid; 0 when there is none just now; -1 at the end. */
static int
next_message(struct listing *l)
{
	struct store *store = l->o->q->store;
	struct store_due due;

	if (l->nids > 0) {
		l->qid = l->ids[--l->nids];
		return 1;
	}
	if (l->one || l->phase == PHASE_END)
		return -1;
	if (l->phase == PHASE_FLIGHT) {
		if (l->slot < STORE_SLOTS)
			l->nids = store_flight_slot(store, l->slot++, l->ids,
			    SLOT_MAX);
		else
			next_phase(l);
		return 0;
	}
	if (l->phase == PHASE_MAILDROP) {
		if (!show_dropped(l))
			next_phase(l);
		return 0;
	}
	if (l->walk == NULL)
		l->walk = store_walk_state(store, walk_states[l->phase]);
	if (l->walk == NULL || store_walk_next(l->walk, &due) != 1) {
		next_phase(l);
		return 0;
	}
	l->qid = due.qid;
	return 1;
}

static void
listing_free(struct listing **lp)
{
	struct listing *l = *lp;

	*lp = NULL;
	TAILQ_REMOVE(&l->o->listings, l, link);
	l->o->nlistings--;
	store_walk_free(&l->walk);
	dirlist_close(&l->drop);
	end_message(l);
	free(l->why);
	free(l);
}

/* 1: there is more to do; 0: it waits for credit, or is over. */
static int
step(struct listing *l)
{
	int64_t end = clock_ms() + STEP_MS;
	int k;

	while (l->credit > 0 && clock_ms() < end) {
		if (l->qid == 0) {
			k = next_message(l);
			if (k == -1) {
				orders_done(l->ch, l->id,
				    l->one && l->count == 0 ? ENOENT : 0,
				    l->count, "");
				listing_free(&l);
				return 0;
			}
			if (k == 0)
				continue;
		}
		if (show(l) == 1)
			end_message(l);
	}
	return l->credit > 0;
}

int
listings_step(struct orders *o)
{
	struct listing *l, *next;
	int more = 0;

	for (l = TAILQ_FIRST(&o->listings); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		more |= step(l);
	}
	return more;
}

/* --- orders --------------------------------------------------------------- */

static struct listing *
find(struct orders *o, const struct chan *ch, uint64_t id)
{
	struct listing *l;

	TAILQ_FOREACH(l, &o->listings, link)
		if (l->ch == ch && l->id == id)
			return l;
	return NULL;
}

void
listing_begin(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct queue_list *q = rec;
	struct orders *o = arg;
	struct listing *l;

	(void)fds;
	if (o->nlistings >= LISTINGS_MAX) {
		orders_done(ch, id, EAGAIN, 0, "too many listings at a time");
		return;
	}
	l = xcalloc(1, sizeof(*l));
	if (q->qid.n > 0) {
		l->one = true;
		l->nids = 1;
		if (qid_parse(q->qid, &l->ids[0]) == -1) {
			free(l);
			orders_done(ch, id, EINVAL, 0, "this is no queue id");
			return;
		}
	}
	l->o = o;
	l->ch = ch;
	l->id = id;
	l->detail = q->detail;
	l->credit = q->credit;
	TAILQ_INSERT_TAIL(&o->listings, l, link);
	o->nlistings++;
	orders_wake(o, 0);
}

void
listing_more(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct queue_more *m = rec;
	struct orders *o = arg;
	struct listing *l = find(o, ch, id);

	(void)fds;
	if (l == NULL)
		return; /* it was just over */
	if (m->credit <= UINT32_MAX - l->credit)
		l->credit += m->credit;
	orders_wake(o, 0);
}

void
listing_stop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct listing *l = find(arg, ch, id);

	(void)rec;
	(void)fds;
	if (l == NULL)
		return;
	orders_done(ch, id, ECANCELED, l->count, "");
	listing_free(&l);
}

void
listings_forget(struct orders *o, const struct chan *ch)
{
	struct listing *l, *next;

	for (l = TAILQ_FIRST(&o->listings); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (l->ch == ch)
			listing_free(&l);
	}
}
