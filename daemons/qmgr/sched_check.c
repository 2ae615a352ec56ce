/* SPDX-License-Identifier: ISC */
/*
 * Count everything again, and compare.
 */
#include "sched_parts.h"

#define MUST(cond)                    \
	do {                          \
		if (!(cond))          \
			return #cond; \
	} while (0)

struct sums {
	uint32_t active[SCHED_SOURCES], held[SCHED_SOURCES];
	uint32_t rcpts, queued, running;
	uint32_t destinations, idle, timed, dead, timers, draining;
};

static const char *
check_msg(const struct sched_msg *m, struct sums *sum)
{
	const struct sched_unit *u;
	uint32_t left = 0, real;

	TAILQ_FOREACH(u, &m->units, in_msg) {
		MUST(u->msg == m);
		MUST(u->n >= 1 && u->left >= (u->busy ? 0u : 1u));
		MUST(u->n <= u->cap);
		real = 0;
		for (uint32_t i = 0; i < u->n; i++)
			real += !u->rcpts[i].settled;
		MUST(real == u->left);
		MUST(u->busy || m->stop == SCHED_DONE);
		left += u->left;
		sum->queued += !u->busy;
		sum->running += u->busy;
	}
	MUST(left == m->live);
	MUST(m->reading || m->asked == 0);
	MUST(!m->noticing || m->live == 0);
	/* A message without work is about to be looked at. */
	MUST(m->live > 0 || m->is_todo || m->is_hungry || m->reading ||
	    m->noticing);
	MUST(!m->is_hungry || (m->more && !m->reading));
	sum->active[m->from]++;
	sum->held[m->from] += left + m->asked;
	sum->rcpts += left + m->asked;
	return NULL;
}

static const char *
check_dest(const struct sched *s, const struct destination *d, struct sums *sum)
{
	const struct sched_transport *t = d->transport;
	const struct sched_unit *u;
	const struct lane *l;
	uint32_t queued = 0;
	bool up = !t->down && !t->retired, is_set = alarm_is_set(&d->timer);

	for (unsigned i = 0; i < LANES; i++) {
		l = &d->lanes[i];
		TAILQ_FOREACH(u, &l->units, in_lane) {
			MUST(u->dest == d && u->lane == i && !u->busy);
			queued++;
		}
		MUST(!l->is_ready || !TAILQ_EMPTY(&l->units));
		MUST(!l->is_ready || (up && d->state != DEST_DEAD && !is_set));
		MUST(!l->is_ready || t->bits[i] & (uint32_t)1 << l->bucket);
		MUST(l->is_ready || TAILQ_EMPTY(&l->units) || !up ||
		    d->state == DEST_DEAD || is_set || d->busy > 0);
	}
	MUST(queued == d->queued);
	MUST((d->state == DEST_DEAD) <= is_set);
	MUST(d->state == DEST_ALIVE || d->why != NULL);
	MUST(d->window.size >= 1);
	MUST(d->queued == 0 || d->draining || (up && d->state != DEST_DEAD));
	MUST(d->rest != REST_IDLE || (d->queued == 0 && d->busy == 0));
	MUST(d->rest != REST_NOT || d->queued > 0 || d->busy > 0);
	MUST(!is_set || s->timers.v[d->timer.slot - 1] == &d->timer);
	sum->destinations++;
	sum->idle += d->rest == REST_IDLE;
	sum->timed += d->rest == REST_TIMED;
	sum->dead += d->state == DEST_DEAD;
	sum->timers += is_set;
	sum->draining += d->draining;
	return NULL;
}

static const char *
check_transport(const struct sched *s, const struct sched_transport *t)
{
	uint32_t running = 0, rcpts = 0;
	const struct sched_unit *u;
	const struct sched_msg *m;

	TAILQ_FOREACH(m, &s->msgs, link) {
		TAILQ_FOREACH(u, &m->units, in_msg) {
			if (u->dest->transport != t)
				continue;
			running += u->busy;
			rcpts += u->left;
		}
	}
	MUST(running == t->running);
	MUST(rcpts == t->rcpts);
	for (unsigned i = 0; i < LANES; i++)
		for (unsigned j = 0; j < BUCKETS; j++)
			MUST(TAILQ_EMPTY(&t->ready[i][j]) ==
			    ((t->bits[i] & (uint32_t)1 << j) == 0));
	return NULL;
}

static const char *
check_sums(const struct sched *s, const struct sums *sum)
{
	const struct destination *d;
	uint32_t draining = 0;

	for (int i = 0; i < SCHED_SOURCES; i++) {
		MUST(sum->active[i] == s->stats.active[i]);
		MUST(sum->held[i] == s->held[i]);
	}
	MUST(sum->rcpts == s->stats.rcpts);
	MUST(sum->queued == s->stats.queued);
	MUST(sum->running == s->stats.running);
	MUST(sum->destinations == s->stats.destinations);
	MUST(sum->idle == s->n_idle);
	MUST(sum->timed == s->n_timed);
	MUST(sum->dead == s->stats.dead);
	MUST(sum->timers == s->timers.n);
	TAILQ_FOREACH(d, &s->drain, in_drain)
		draining++;
	MUST(sum->draining == draining);
	MUST(s->n_idle <= s->limits.idle_limit);
	MUST(s->n_timed <= s->limits.dead_limit);
	return NULL;
}

const char *
sched_check(const struct sched *s)
{
	const struct sched_transport *t;
	const struct destination *d;
	const struct sched_msg *m;
	struct sums sum = { 0 };
	const char *e = NULL;

	TAILQ_FOREACH(m, &s->msgs, link)
		if ((e = check_msg(m, &sum)) != NULL)
			return e;
	for (size_t i = 0; i < s->hash_size; i++)
		for (d = s->hash[i]; d != NULL; d = d->hash_next)
			if ((e = check_dest(s, d, &sum)) != NULL)
				return e;
	TAILQ_FOREACH(t, &s->transports, link)
		if ((e = check_transport(s, t)) != NULL)
			return e;
	return check_sums(s, &sum);
}
