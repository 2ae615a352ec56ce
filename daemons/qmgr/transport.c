/* SPDX-License-Identifier: ISC */
/*
 * A transport: who gets its next slot.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "sched_parts.h"

/* Units of a message that belong to lanes 1 and 2, and those before them. */
#define LANE1_UNITS 32
#define LANE2_UNITS 256

void
sched_transport_conf_init(struct sched_transport_conf *c)
{
	*c = (struct sched_transport_conf){
		.process_limit = 100,
		.concurrency_limit = 20,
		.initial_concurrency = 2,
		.recipient_limit = 50,
		.rcpt_limit = 20000,
		.delivery_slots = 3,
		.slot_cost = 5,
		.cohort_limit = 1,
		.positive = { 1, FEEDBACK_CONCURRENCY },
		.negative = { 1, FEEDBACK_CONCURRENCY },
	};
}

static struct sched_transport *
transport_find(struct sched *s, struct str name)
{
	struct sched_transport *t;

	TAILQ_FOREACH(t, &s->transports, link)
		if (str_eq(str_of(t->name), name))
			return t;
	return NULL;
}

struct sched_transport *
sched_transport_get(struct sched *s, struct str name)
{
	struct sched_transport *t = transport_find(s, name);

	return t == NULL || t->retired ? NULL : t;
}

static struct sched_transport *
transport_new(struct sched *s, struct str name)
{
	struct sched_transport *t = xcalloc(1, sizeof(*t));

	t->id = ++s->n_transports;
	t->name = str_dup(name);
	t->not_before_ms = INT64_MIN;
	for (size_t i = 0; i < LANES; i++)
		for (size_t j = 0; j < BUCKETS; j++)
			TAILQ_INIT(&t->ready[i][j]);
	TAILQ_INSERT_TAIL(&s->transports, t, link);
	return t;
}

void
transport_free(struct sched_transport *t)
{
	free(t->name);
	free(t->why);
	free(t);
}

void
transport_refresh(struct sched *s, struct sched_transport *t)
{
	struct destination *d;

	for (size_t i = 0; i < s->hash_size; i++) {
		for (d = s->hash[i]; d != NULL; d = d->hash_next) {
			if (d->transport != t)
				continue;
			if (t->down || t->retired)
				dest_drain_later(s, d);
			dest_refresh(d, false);
		}
	}
}

struct sched_transport *
sched_transport_set(struct sched *s, struct str name,
    const struct sched_transport_conf *c)
{
	struct sched_transport *t = transport_find(s, name);

	if (t == NULL)
		t = transport_new(s, name);
	t->conf = *c;
	if (t->conf.initial_concurrency == 0)
		t->conf.initial_concurrency = 1;
	if (t->conf.recipient_limit == 0)
		t->conf.recipient_limit = 10000;
	t->retired = false;
	t->blocked = false;
	transport_refresh(s, t);
	return t;
}

static void
transport_why(struct sched_transport *t, struct str why)
{
	free(t->why);
	t->why = xasprintf("mail transport unavailable: " STR_FMT,
	    STR_ARG(str_sub(why, 0, 400)));
}

void
sched_transport_retire(struct sched *s, struct sched_transport *t)
{
	if (t->retired)
		return;
	transport_why(t, STR("not configured"));
	t->retired = true;
	transport_refresh(s, t);
}

void
sched_transport_ready(struct sched *s, struct sched_transport *t)
{
	(void)s;
	t->blocked = false;
}

void
sched_transport_down(struct sched *s, struct sched_transport *t, struct str why)
{
	if (!t->retired)
		transport_why(t, why);
	t->down = true;
	t->down_until_ms = s->now_ms + s->limits.transport_retry_ms;
	transport_refresh(s, t);
}

void
transport_up(struct sched *s, struct sched_transport *t)
{
	if (!t->down)
		return;
	t->down = false;
	t->blocked = false;
	transport_refresh(s, t);
}

unsigned
transport_lane(const struct sched_transport *t, enum sched_source from,
    uint32_t made)
{
	if (t->conf.slot_cost == 0)
		return 0;
	if (from == SCHED_INCOMING && made < t->conf.delivery_slots)
		return 0;
	if (made < LANE1_UNITS)
		return 1;
	return made < LANE2_UNITS ? 2 : 3;
}

/*
 * The lane that is served next, or LANES when there is nothing to start: one
 * that was passed over often enough, the last of them first, or the best.
 */
static unsigned
transport_lane_next(const struct sched_transport *t)
{
	unsigned i;

	for (i = LANES - 1; i > 0; i--)
		if (t->bits[i] != 0 && t->passed[i] >= t->conf.slot_cost)
			return i;
	for (i = 0; i < LANES; i++)
		if (t->bits[i] != 0)
			break;
	return i;
}

static bool
transport_may_start(const struct sched *s, const struct sched_transport *t)
{
	if (t->blocked || t->down || t->retired)
		return false;
	if (t->conf.process_limit != 0 && t->running >= t->conf.process_limit)
		return false;
	return t->not_before_ms <= s->now_ms;
}

static void
transport_started(struct sched *s, struct sched_unit *u)
{
	struct destination *d = u->dest;
	struct sched_transport *t = d->transport;

	dest_remove(s, u);
	u->busy = true;
	d->used = ++d->busy;
	t->running++;
	s->stats.running++;
	s->stats.started++;
	if (t->conf.transport_rate_delay_ms > 0)
		t->not_before_ms = s->now_ms + t->conf.transport_rate_delay_ms;
	dest_refresh(d, true);
}

static void
transport_count_lane(struct sched_transport *t, unsigned lane)
{
	t->passed[lane] = 0;
	while (++lane < LANES)
		if (t->bits[lane] != 0)
			t->passed[lane]++;
}

bool
transport_start(struct sched *s, struct sched_transport *t, uint32_t starts)
{
	struct destination *d;
	struct sched_unit *u;
	unsigned lane;

	while (transport_may_start(s, t) &&
	    (lane = transport_lane_next(t)) < LANES) {
		if (starts-- == 0)
			return false;
		d = TAILQ_FIRST(&t->ready[lane][__builtin_ctz(t->bits[lane])]);
		u = TAILQ_FIRST(&d->lanes[lane].units);
		switch (s->ops.deliver(s->arg, u)) {
		case SCHED_START_OK:
			transport_count_lane(t, lane);
			transport_started(s, u);
			break;
		case SCHED_START_BUSY:
			t->blocked = true;
			break;
		case SCHED_START_DOWN:
			sched_transport_down(s, t, STR("no delivery agent"));
			break;
		}
	}
	return true;
}

int64_t
transport_next_ms(const struct sched *s, const struct sched_transport *t)
{
	if (t->down)
		return t->down_until_ms;
	if (t->not_before_ms > s->now_ms)
		return t->not_before_ms;
	return -1;
}
