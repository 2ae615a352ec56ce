/* SPDX-License-Identifier: ISC */
/*
 * A delivery unit: recipients of one message at one destination, as they are
 * handed to an agent in one piece.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "sched_parts.h"

struct sched_unit *
unit_new(struct sched_msg *m, struct destination *d)
{
	struct sched_unit *u = xcalloc(1, sizeof(*u));

	u->msg = m;
	u->dest = d;
	u->rcpts = &u->one;
	u->cap = 1;
	u->lane = (uint8_t)transport_lane(d->transport, m->from, m->made++);
	TAILQ_INSERT_TAIL(&m->units, u, in_msg);
	return u;
}

void
unit_add(struct sched_unit *u, uint64_t id)
{
	struct rcpt *more;

	if (u->n == u->cap) {
		u->cap = u->cap == 1 ? 8 : 2 * u->cap;
		more = u->rcpts == &u->one ? NULL : u->rcpts;
		more = xreallocarray(more, u->cap, sizeof(*more));
		if (u->rcpts == &u->one)
			more[0] = u->one;
		u->rcpts = more;
	}
	u->rcpts[u->n++] = (struct rcpt){ .id = id };
	u->left++;
}

void
unit_free(struct sched_unit *u)
{
	TAILQ_REMOVE(&u->msg->units, u, in_msg);
	if (u->rcpts != &u->one)
		free(u->rcpts);
	free(u);
}

static void
unit_settle(struct sched *s, struct sched_unit *u, uint32_t i,
    enum sched_fate f)
{
	u->rcpts[i].settled = true;
	u->left--;
	u->msg->count[f]++;
	message_left(s, u->msg, u->dest->transport);
}

void
unit_put_off(struct sched *s, struct sched_unit *u, struct str why)
{
	for (uint32_t i = 0; i < u->n; i++) {
		if (u->rcpts[i].settled)
			continue;
		s->ops.defer(s->arg, u->msg->cookie, u->rcpts[i].id, why);
		unit_settle(s, u, i, SCHED_PUT_OFF);
	}
	unit_free(u);
}

void
unit_drop(struct sched *s, struct sched_unit *u)
{
	if (u->left > 0)
		u->msg->dropped = true;
	for (; u->left > 0; u->left--)
		message_left(s, u->msg, u->dest->transport);
	unit_free(u);
}

int
sched_report(struct sched *s, struct sched_unit *u, uint32_t i,
    enum sched_fate f)
{
	if (i >= u->n || u->rcpts[i].settled)
		return -1;
	unit_settle(s, u, i, f);
	return 0;
}

int
sched_rcpt_move(struct sched *s, struct sched_unit *u, uint32_t i,
    struct sched_transport *t, struct str nexthop, struct str rcpt,
    uint64_t id)
{
	struct sched_msg *m = u->msg;

	if (i >= u->n || u->rcpts[i].settled || nexthop.n > SCHED_NAME_MAX ||
	    rcpt.n > SCHED_NAME_MAX)
		return -1;
	if (m->stop == SCHED_DONE) {
		s->held[m->from]++;
		s->stats.rcpts++;
		message_add(s, m, t, nexthop, rcpt, id);
	} else {
		m->dropped = true;
	}
	u->rcpts[i].settled = true;
	u->left--;
	message_left(s, m, u->dest->transport);
	return 0;
}

/* What an agent that died had not told, goes to the next one. */
static void
unit_again(struct sched *s, struct sched_unit *u)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < u->n; i++)
		if (!u->rcpts[i].settled)
			u->rcpts[n++] = u->rcpts[i];
	u->n = n;
	u->tag = NULL;
	u->busy = false;
	dest_push(s, u, true);
}

static void
unit_died(struct sched *s, struct sched_unit *u, struct str why)
{
	u->deaths++;
	if (u->left == 0)
		unit_free(u);
	else if (u->msg->stop != SCHED_DONE)
		unit_drop(s, u);
	else if (u->deaths >= s->limits.agent_deaths)
		unit_put_off(s, u, why);
	else
		unit_again(s, u);
}

void
sched_unit_end(struct sched *s, struct sched_unit *u, enum sched_end how,
    struct str why)
{
	struct destination *d = u->dest;

	if (how == SCHED_END_OK)
		dest_success(s, d);
	else if (how == SCHED_END_SITE)
		dest_failure(s, d, why);
	d->busy--;
	d->transport->running--;
	s->stats.running--;
	s->stats.ended++;
	if (how == SCHED_END_DIED)
		unit_died(s, u, why);
	else
		unit_put_off(s, u, why);
	dest_slow(s, d);
	dest_refresh(d, false);
	dest_settle(s, d);
}

void *
sched_unit_cookie(const struct sched_unit *u)
{
	return u->msg->cookie;
}

struct sched_msg *
sched_unit_msg(const struct sched_unit *u)
{
	return u->msg;
}

struct sched_transport *
sched_unit_transport(const struct sched_unit *u)
{
	return u->dest->transport;
}

struct str
sched_unit_nexthop(const struct sched_unit *u)
{
	return dest_nexthop(u->dest);
}

uint32_t
sched_unit_count(const struct sched_unit *u)
{
	return u->n;
}

uint64_t
sched_unit_rcpt(const struct sched_unit *u, uint32_t i)
{
	return u->rcpts[i].id;
}

bool
sched_unit_told(const struct sched_unit *u, uint32_t i)
{
	return i >= u->n || u->rcpts[i].settled;
}

void
sched_unit_tag_set(struct sched_unit *u, void *tag)
{
	u->tag = tag;
}

void *
sched_unit_tag(const struct sched_unit *u)
{
	return u->tag;
}
