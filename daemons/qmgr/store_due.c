/* SPDX-License-Identifier: ISC */
/*
 * Messages that wait: those that are due, and going over them.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "store_parts.h"

/* Entries looked at in one call. */
#define LOOKS 256

uint64_t
store_key(struct store *s, struct str destination)
{
	/* Constant: the key of a name must be the same after a restart, and
	 * names that collide are merely tried at the same time. */
	static const uint8_t key[SIPHASH_KEY] = "postern-destin.";
	uint64_t h = siphash(key, destination.p, destination.n);

	(void)s;
	return h == 0 ? 1 : h;
}

/*
 * Is what the entry says still so?  1, 0, or -1.  A file's time is when it is
 * due, in whole seconds, and one of an older entry is later.  Whoever else
 * wrote to the file left the time of that: it gets back what the entry says,
 * or no entry would be true and the message would wait until the next start.
 */
static int
holds(struct store *s, const struct index_entry *e, struct spool_at *at,
    struct stat *st)
{
	if (spool_find_in(&s->sp, SPOOL_DEFERRED, e->qid, at, st) == 0) {
		if (st->st_mtim.tv_nsec == 0)
			return st->st_mtime == e->due_s;
		if (spool_set_due(&s->sp, e->qid, *at, e->due_s) == -1)
			return -1;
		st->st_mtime = e->due_s;
		return 1;
	}
	if (errno != ENOENT)
		return -1;
	if (spool_find_in(&s->sp, SPOOL_INCOMING, e->qid, at, st) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

int
store_due_next(struct store *s, int64_t now_us, struct store_due *out)
{
	for (int i = 0; i < LOOKS; i++) {
		struct index_bucket *b;
		struct index_entry e;
		struct spool_at at;
		struct stat st;
		struct msg *m;
		int rc = index_next(s->x, now_us / 1000000, &e, &b);

		if (rc != 1)
			return rc;
		rc = msg_find(s, e.qid) != NULL ? 0 : holds(s, &e, &at, &st);
		if (rc == -1) {
			/* It cannot be looked at now: its entry stays. */
			check_later(s);
			return -1;
		}
		if (rc == 0) {
			index_settle(s->x, b);
			continue;
		}
		m = msg_new(s, e.qid, msg_state_in(at.dir));
		m->at = at;
		m->bucket = b;
		m->due_us = e.due_s * 1000000;
		*out = (struct store_due){ e.qid, m->due_us, e.key };
		return 1;
	}
	errno = EAGAIN;
	return -1;
}

int64_t
store_due_at(struct store *s)
{
	int64_t at = index_at(s->x, clock_wall_us() / 1000000);

	return at == INT64_MAX ? at : at * 1000000;
}

void
store_due_span(struct store *s, int64_t seconds)
{
	index_span(s->x, seconds);
}

int
store_postpone(struct store *s, uint64_t qid, int64_t due_us, uint64_t key)
{
	struct msg *m = msg_find(s, qid);
	int64_t due_s = due_us / 1000000;

	if (m == NULL || m->in_hand || m->job != NULL || m->bucket == NULL ||
	    due_us < 0) {
		errno = m == NULL ? ENOENT : EBUSY;
		return -1;
	}
	if (spool_set_due(&s->sp, qid, m->at, due_s) == -1)
		return -1;
	if (m->state == STORE_INCOMING) {
		if (spool_move(&s->sp, qid, &m->at, SPOOL_DEFERRED, false) ==
		    -1)
			return -1;
		m->state = STORE_DEFERRED;
		s->deferred++;
	}
	(void)land_index(s, m, due_s, &key, key != 0);
	msg_free(s, &m);
	return 0;
}

struct store_walk {
	struct store *s;
	struct index_walk *index; /* by key */
	struct spool_walk dir;	  /* by state */
	bool by_state;
};

struct store_walk *
store_walk_key(struct store *s, uint64_t key)
{
	struct store_walk *w = xcalloc(1, sizeof(*w));

	w->s = s;
	w->index = index_walk_open(s->x, key);
	if (w->index == NULL)
		store_walk_free(&w);
	return w;
}

struct store_walk *
store_walk_state(struct store *s, enum store_state st)
{
	struct store_walk *w = xcalloc(1, sizeof(*w));
	enum spool_dir dir = SPOOL_INCOMING;

	w->s = s;
	w->by_state = true;
	while (dir <= SPOOL_CORRUPT && msg_state_in(dir) != st)
		dir++;
	errno = EINVAL;
	if (dir > SPOOL_CORRUPT || spool_walk_open(&w->dir, &s->sp, dir) == -1)
		store_walk_free(&w);
	return w;
}

void
store_walk_free(struct store_walk **wp)
{
	struct store_walk *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	index_walk_free(&w->index);
	spool_walk_clear(&w->dir);
	free(w);
}

static int
next_by_state(struct store_walk *w, struct store_due *out)
{
	int rc;

	do
		rc = spool_walk_next(&w->dir);
	while (rc == 1 && w->dir.is_new);
	if (rc != 1)
		return rc;
	*out = (struct store_due){ .qid = w->dir.qid };
	if (w->dir.dir == SPOOL_DEFERRED) {
		struct spool_at at;
		struct stat st;

		if (spool_find_in(&w->s->sp, SPOOL_DEFERRED, out->qid, &at,
			&st) == 0)
			out->due_us = (int64_t)st.st_mtime * 1000000;
	}
	return 1;
}

int
store_walk_next(struct store_walk *w, struct store_due *out)
{
	if (w->by_state)
		return next_by_state(w, out);
	for (int i = 0; i < LOOKS * 16; i++) {
		struct index_entry e;
		struct spool_at at;
		struct stat st;
		struct msg *m;
		int rc = index_walk_next(w->index, &e);

		if (rc != 1)
			return rc;
		m = msg_find(w->s, e.qid);
		if (m != NULL && (m->in_hand || m->job != NULL))
			continue;
		rc = holds(w->s, &e, &at, &st);
		if (rc == -1)
			return -1;
		if (rc == 0)
			continue;
		*out = (struct store_due){ e.qid, e.due_s * 1000000, e.key };
		return 1;
	}
	errno = EAGAIN;
	return -1;
}
