/* SPDX-License-Identifier: ISC */
/*
 * Slots for messages.
 */
#include "slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

#include "session.h"
#include "worker.h"

void
slots_init(struct slots *ss, struct worker *w)
{
	memset(ss, 0, sizeof(*ss));
	ss->w = w;
	ss->ahead = SLOTS_AHEAD;
	TAILQ_INIT(&ss->free);
	TAILQ_INIT(&ss->waits);
}

static void
slot_free(struct slots *ss, struct slot *sl)
{
	if (sl->state == SLOT_FREE) {
		TAILQ_REMOVE(&ss->free, sl, link);
		ss->nfree--;
	}
	LIST_REMOVE(sl, by_id);
	ss->n--;
	fd_close(&sl->fd);
	free(sl);
}

void
slots_up(struct slots *ss)
{
	if (ss->ahead > 0)
		ss->w->ports->want(ss->w->ports_arg, ss->ahead);
}

void
slots_ahead(struct slots *ss, unsigned n)
{
	ss->ahead = n;
	slots_up(ss);
}

void
slots_expect(struct slots *ss)
{
	if (ss->ahead == 0)
		slots_ahead(ss, 1);
}

/*
 * What was held or sent is void; who had it is told, and answers its client
 * with a temporary failure.
 */
void
slots_down(struct slots *ss)
{
	for (size_t i = 0; i < SLOT_BUCKETS; i++) {
		struct slot *sl;

		while ((sl = LIST_FIRST(&ss->bucket[i])) != NULL) {
			struct session *s = sl->s;

			slot_free(ss, sl);
			if (s != NULL)
				session_slot_lost(s);
		}
	}
}

void
slots_clear(struct slots *ss)
{
	for (size_t i = 0; i < SLOT_BUCKETS; i++) {
		struct slot *sl;

		while ((sl = LIST_FIRST(&ss->bucket[i])) != NULL)
			slot_free(ss, sl);
	}
}

void
slots_add(struct slots *ss, uint64_t id, struct str qid, int fd)
{
	struct slot *sl = xcalloc(1, sizeof(*sl));
	struct slot_wait *w = TAILQ_FIRST(&ss->waits);

	sl->id = id;
	sl->fd = fd;
	sl->qid_len = qid.n;
	memcpy(sl->qid, qid.p, qid.n);
	LIST_INSERT_HEAD(&ss->bucket[id % SLOT_BUCKETS], sl, by_id);
	TAILQ_INSERT_TAIL(&ss->free, sl, link);
	ss->nfree++;
	ss->n++;
	if (w != NULL) {
		slots_unwait(ss, w);
		w->cb(w->arg);
	}
}

struct slot *
slots_take(struct slots *ss, struct session *s)
{
	struct slot *sl = TAILQ_FIRST(&ss->free);

	if (sl == NULL)
		return NULL;
	TAILQ_REMOVE(&ss->free, sl, link);
	ss->nfree--;
	sl->state = SLOT_HELD;
	sl->s = s;
	return sl;
}

void
slots_wait(struct slots *ss, struct slot_wait *w)
{
	w->waiting = true;
	TAILQ_INSERT_TAIL(&ss->waits, w, link);
	/* More sessions write at a time than we thought. */
	if (ss->ahead < SLOTS_AHEAD_MAX) {
		ss->ahead *= 2;
		ss->w->ports->want(ss->w->ports_arg, ss->ahead);
	}
}

void
slots_unwait(struct slots *ss, struct slot_wait *w)
{
	if (w->waiting)
		TAILQ_REMOVE(&ss->waits, w, link);
	w->waiting = false;
}

void
slots_drop(struct slots *ss, struct slot **slp)
{
	struct slot *sl = *slp;

	*slp = NULL;
	if (sl == NULL)
		return;
	ss->w->ports->drop(ss->w->ports_arg, sl->id);
	slot_free(ss, sl);
}

void
slots_sent(struct slot *sl)
{
	sl->state = SLOT_SENT;
}

void
slots_via_lost(struct slots *ss, const void *via)
{
	int64_t until = worker_now(ss->w) + SLOT_LOST_MS;
	struct slot *sl;

	for (size_t i = 0; i < SLOT_BUCKETS; i++) {
		LIST_FOREACH(sl, &ss->bucket[i], by_id) {
			if (sl->state != SLOT_SENT || sl->via != via)
				continue;
			sl->until = until;
			ss->lost = true;
		}
	}
}

void
slots_tick(struct slots *ss)
{
	int64_t now;
	bool left = false;

	if (!ss->lost)
		return;
	now = worker_now(ss->w);
	for (size_t i = 0; i < SLOT_BUCKETS; i++) {
		struct slot *sl, *next;

		for (sl = LIST_FIRST(&ss->bucket[i]); sl != NULL; sl = next) {
			struct session *s = sl->s;

			next = LIST_NEXT(sl, by_id);
			if (sl->until > now)
				left = true;
			if (sl->until == 0 || sl->until > now)
				continue;
			slots_drop(ss, &sl);
			if (s != NULL)
				session_slot_lost(s);
		}
	}
	ss->lost = left;
}

void
slots_abandon(struct slot **slp)
{
	if (*slp != NULL)
		(*slp)->s = NULL;
	*slp = NULL;
}

struct slot *
slots_find(struct slots *ss, uint64_t id)
{
	struct slot *sl;

	LIST_FOREACH(sl, &ss->bucket[id % SLOT_BUCKETS], by_id)
		if (sl->id == id)
			return sl;
	return NULL;
}

void
slots_done(struct slots *ss, struct slot **slp)
{
	struct slot *sl = *slp;

	*slp = NULL;
	if (sl != NULL)
		slot_free(ss, sl);
}
