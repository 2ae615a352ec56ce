/* SPDX-License-Identifier: ISC */
/*
 * The scheduler: what comes in, and one turn.
 */
#include "sched.h"

#include <stdlib.h>

#include "base/mem.h"
#include "sched_parts.h"

#define LIMIT_MAX 1000000000 /* sums of two stay within 32 bits */

/*
 * What one turn does at most, so that the loop gets to its other events: some
 * milliseconds of work.
 */
#define TURN_TAKES 512
#define TURN_STEPS 4096
#define TURN_DRAINS 4096
#define TURN_STARTS 512 /* a transport */

void
sched_limits_init(struct sched_limits *l)
{
	*l = (struct sched_limits){
		.active_limit = 20000,
		.rcpt_limit = 20000,
		.rcpt_extra = 1000,
		.idle_limit = 1000,
		.dead_limit = 10000,
		.agent_deaths = 3,
		.min_backoff_ms = 300 * 1000,
		.max_backoff_ms = 4000 * 1000,
		.lifetime_ms = (int64_t)5 * 86400 * 1000,
		.bounce_lifetime_ms = (int64_t)5 * 86400 * 1000,
		.delay_warning_ms = 0,
		.transport_retry_ms = 60 * 1000,
	};
}

struct sched *
sched_new(const struct sched_limits *l, const struct sched_ops *ops, void *arg,
    const uint8_t key[SIPHASH_KEY])
{
	struct sched *s = xcalloc(1, sizeof(*s));

	s->ops = *ops;
	s->arg = arg;
	memcpy(s->key, key, SIPHASH_KEY);
	TAILQ_INIT(&s->msgs);
	TAILQ_INIT(&s->todo);
	TAILQ_INIT(&s->hungry);
	TAILQ_INIT(&s->transports);
	TAILQ_INIT(&s->idle);
	TAILQ_INIT(&s->timed);
	TAILQ_INIT(&s->drain);
	sched_limits_set(s, l);
	return s;
}

void
sched_free(struct sched **sp)
{
	struct sched *s = *sp;
	struct sched_transport *t;
	struct sched_unit *u;
	struct sched_msg *m;

	*sp = NULL;
	if (s == NULL)
		return;
	while ((m = TAILQ_FIRST(&s->msgs)) != NULL) {
		while ((u = TAILQ_FIRST(&m->units)) != NULL)
			unit_free(u);
		message_free(s, m);
	}
	dest_free_all(s);
	while ((t = TAILQ_FIRST(&s->transports)) != NULL) {
		TAILQ_REMOVE(&s->transports, t, link);
		transport_free(t);
	}
	free(s);
}

static uint32_t
sched_clip(uint32_t limit)
{
	if (limit == 0)
		return 1;
	return limit < LIMIT_MAX ? limit : LIMIT_MAX;
}

void
sched_limits_set(struct sched *s, const struct sched_limits *l)
{
	s->limits = *l;
	s->limits.active_limit = sched_clip(l->active_limit);
	s->limits.rcpt_limit = sched_clip(l->rcpt_limit);
	if (s->limits.rcpt_extra > LIMIT_MAX)
		s->limits.rcpt_extra = LIMIT_MAX;
	dest_trim(s);
}

void
sched_tick(struct sched *s, int64_t now_ms, int64_t wall_us)
{
	s->now_ms = now_ms;
	s->wall_us = wall_us;
}

/* --- intake --------------------------------------------------------------- */
void
sched_waiting(struct sched *s, enum sched_source from)
{
	s->waiting[from] = true;
}

void
sched_take_none(struct sched *s, enum sched_source from)
{
	if (s->promised[from] > 0)
		s->promised[from]--;
}

static void
sched_take_one(struct sched *s, enum sched_source from)
{
	enum sched_take t;

	s->taking = true;
	s->took = false;
	t = s->ops.take(s->arg, from);
	s->taking = false;
	if (t == SCHED_TAKE_LATER)
		s->promised[from]++;
	else if (!s->took)
		s->waiting[from] = false;
}

/* One from incoming, one from deferred, as there is room. */
static bool
sched_intake(struct sched *s)
{
	enum sched_source from;
	bool any = true;

	for (int i = 0; any; i++) {
		if (i == TURN_TAKES)
			return false;
		any = false;
		for (int k = 0; k < SCHED_SOURCES && !any; k++) {
			from = s->turn;
			s->turn = (from + 1) % SCHED_SOURCES;
			if (!s->waiting[from] || !message_room(s, from))
				continue;
			sched_take_one(s, from);
			any = true;
		}
	}
	return true;
}

/* --- the turn ------------------------------------------------------------- */
static bool
sched_steps(struct sched *s)
{
	struct sched_msg *m;

	for (int i = 0; (m = TAILQ_FIRST(&s->todo)) != NULL; i++) {
		if (i == TURN_STEPS)
			return false;
		TAILQ_REMOVE(&s->todo, m, in_todo);
		m->is_todo = false;
		message_step(s, m);
	}
	return true;
}

static bool
sched_more(const struct sched *s)
{
	for (int i = 0; i < SCHED_SOURCES; i++)
		if (s->waiting[i] && message_room(s, (enum sched_source)i))
			return true;
	return !TAILQ_EMPTY(&s->todo) || !TAILQ_EMPTY(&s->drain);
}

static void
sched_soonest(int64_t *at, int64_t other)
{
	if (other != -1 && (*at == -1 || other < *at))
		*at = other;
}

int64_t
sched_run(struct sched *s)
{
	struct sched_transport *t;
	bool done = true;
	int64_t at = -1;

	dest_timers(s);
	TAILQ_FOREACH(t, &s->transports, link)
		if (t->down && t->down_until_ms <= s->now_ms)
			transport_up(s, t);
	done &= dest_drain(s, TURN_DRAINS);
	done &= sched_steps(s);
	message_feed(s);
	done &= sched_intake(s);
	done &= sched_steps(s);
	TAILQ_FOREACH(t, &s->transports, link) {
		done &= transport_start(s, t, TURN_STARTS);
		sched_soonest(&at, transport_next_ms(s, t));
	}
	if (!done || sched_more(s))
		return s->now_ms;
	if (timers_first(&s->timers) != NULL)
		sched_soonest(&at, timers_first(&s->timers)->at_ms);
	return at;
}

void
sched_stats(const struct sched *s, struct sched_stats *out)
{
	*out = s->stats;
	out->idle = s->n_idle;
}
