/* SPDX-License-Identifier: ISC */
/*
 * The messages that the store knows of.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "store_parts.h"

static unsigned
slot(uint64_t qid)
{
	return (unsigned)(qid * UINT64_C(0x9E3779B97F4A7C15) >> 52);
}

static_assert(TABLE == 1 << 12, "slot() yields 12 bits");

struct msg *
msg_find(struct store *s, uint64_t qid)
{
	struct msg *m;

	LIST_FOREACH(m, &s->table[slot(qid)], chain) {
		if (m->qid == qid)
			return m;
	}
	return NULL;
}

struct msg *
msg_new(struct store *s, uint64_t qid, enum store_state st)
{
	struct msg *m = xcalloc(1, sizeof(*m));

	m->qid = qid;
	m->state = st;
	m->fd = m->env_fd = -1;
	buf_init(&m->events, EVENTS_MAX);
	LIST_INSERT_HEAD(&s->table[slot(qid)], m, chain);
	return m;
}

void
msg_hand(struct store *s, struct msg *m, bool in_hand)
{
	if (m->in_hand && !in_hand)
		s->nhand--;
	if (!m->in_hand && in_hand)
		s->nhand++;
	m->in_hand = in_hand;
}

void
msg_fly(struct store *s, struct msg *m, uint64_t segment)
{
	m->state = STORE_FLIGHT;
	m->segment = segment;
	m->since_ms = clock_ms();
	TAILQ_INSERT_TAIL(&s->flight, m, flight);
	s->nflight++;
}

void
msg_land(struct store *s, struct msg *m)
{
	if (m->state == STORE_NEW)
		s->nnew--;
	if (m->state == STORE_FLIGHT) {
		TAILQ_REMOVE(&s->flight, m, flight);
		s->nflight--;
		if (s->j != NULL)
			journal_release(s->j, m->segment);
	}
	m->state = STORE_NONE;
	if (m->fd != -1 && !m->is_file)
		s->nmemory--;
	s->memory -= m->memory;
	m->memory = 0;
	fd_close(&m->fd);
	fd_close(&m->env_fd);
	free(m->env);
	m->env = NULL;
	m->env_len = 0;
}

void
msg_free(struct store *s, struct msg **mp)
{
	struct msg *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	msg_hand(s, m, false);
	msg_land(s, m);
	if (s->x != NULL)
		index_settle(s->x, m->bucket);
	buf_clear(&m->events);
	LIST_REMOVE(m, chain);
	free(m);
}

struct msg *
msg_in_hand(struct store *s, uint64_t qid)
{
	struct msg *m = msg_find(s, qid);

	return m != NULL && m->in_hand && !m->doomed ? m : NULL;
}

enum store_state
msg_state_in(enum spool_dir dir)
{
	switch (dir) {
	case SPOOL_INCOMING:
		return STORE_INCOMING;
	case SPOOL_DEFERRED:
		return STORE_DEFERRED;
	case SPOOL_HOLD:
		return STORE_HOLD;
	case SPOOL_CORRUPT:
		return STORE_CORRUPT;
	default:
		return STORE_NONE;
	}
}
