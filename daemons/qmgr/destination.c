/* SPDX-License-Identifier: ISC */
/*
 * A destination: what waits for it, how much of it may be under way at once,
 * and whether it is worth trying.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "sched_parts.h"

/* What was learnt about a destination without mail is kept this long. */
#define IDLE_FRESH_MS 100000

#define WHY_MAX 400

#define PROBE_LOOK_MS 60000

#define DEST_OF(t)                        \
	((struct destination *)(void *)(( \
	    char *)(t)-offsetof(struct destination, timer)))

/* --- the table ------------------------------------------------------------ */
static uint64_t
dest_hash(const struct sched *s, const struct sched_transport *t,
    struct str nexthop, struct str rcpt)
{
	uint64_t h = siphash(s->key, nexthop.p, nexthop.n);

	if (rcpt.n > 0)
		h = (h << 17 | h >> 47) ^ siphash(s->key, rcpt.p, rcpt.n);
	return h ^ t->id * 0x9e3779b97f4a7c15u;
}

static struct destination **
dest_bucket(const struct sched *s, uint64_t hash)
{
	return &s->hash[hash & (s->hash_size - 1)];
}

static void
dest_table_grow(struct sched *s)
{
	struct destination **old = s->hash, **bp, *d;
	size_t n = s->hash_size;

	s->hash_size = n == 0 ? 256 : 2 * n;
	s->hash = xcalloc(s->hash_size, sizeof(struct destination *));
	for (size_t i = 0; i < n; i++) {
		while ((d = old[i]) != NULL) {
			old[i] = d->hash_next;
			bp = dest_bucket(s, d->hash);
			d->hash_next = *bp;
			*bp = d;
		}
	}
	free(old);
}

static struct destination *
dest_new(struct sched *s, struct sched_transport *t, struct str nexthop,
    struct str rcpt, uint64_t hash)
{
	struct destination *d, **bp;

	if (s->stats.destinations >= s->hash_size)
		dest_table_grow(s);
	d = xcalloc(1, sizeof(*d) + nexthop.n + rcpt.n);
	d->transport = t;
	d->hash = hash;
	d->nexthop_len = (uint16_t)nexthop.n;
	d->rcpt_len = (uint16_t)rcpt.n;
	if (nexthop.n > 0)
		memcpy(d->name, nexthop.p, nexthop.n);
	if (rcpt.n > 0)
		memcpy(d->name + nexthop.n, rcpt.p, rcpt.n);
	for (size_t i = 0; i < LANES; i++)
		TAILQ_INIT(&d->lanes[i].units);
	window_init(&d->window, t->conf.initial_concurrency);
	bp = dest_bucket(s, hash);
	d->hash_next = *bp;
	*bp = d;
	s->stats.destinations++;
	return d;
}

static struct destination **
dead_bucket(struct sched *s, uint64_t key)
{
	return &s->dead[(key ^ key >> 32) % DEAD_BUCKETS];
}

static void
dead_enter(struct sched *s, struct destination *d)
{
	struct sched_site site = { .transport = str_of(d->transport->name),
		.nexthop = dest_nexthop(d),
		.rcpt = str_make(d->name + d->nexthop_len, d->rcpt_len) };
	struct destination **bp;

	if (s->ops.key == NULL)
		return;
	d->key = s->ops.key(s->arg, &site);
	bp = dead_bucket(s, d->key);
	d->dead_next = *bp;
	*bp = d;
}

static void
dead_leave(struct sched *s, struct destination *d)
{
	struct destination **bp = dead_bucket(s, d->key);

	if (s->ops.key == NULL)
		return;
	while (*bp != d)
		bp = &(*bp)->dead_next;
	*bp = d->dead_next;
}

static void
dest_free(struct sched *s, struct destination *d)
{
	struct destination **bp = dest_bucket(s, d->hash);

	while (*bp != d)
		bp = &(*bp)->hash_next;
	*bp = d->hash_next;
	if (d->state != DEST_ALIVE)
		dead_leave(s, d);
	alarm_clear(&s->timers, &d->timer);
	free(d->why);
	free(d);
	s->stats.destinations--;
}

struct destination *
dest_get(struct sched *s, struct sched_transport *t, struct str nexthop,
    struct str rcpt)
{
	uint64_t hash = dest_hash(s, t, nexthop, rcpt);
	struct destination *d;

	d = s->hash_size == 0 ? NULL : *dest_bucket(s, hash);
	for (; d != NULL; d = d->hash_next)
		if (d->hash == hash && d->transport == t &&
		    str_eq(dest_nexthop(d), nexthop) &&
		    str_eq(str_make(d->name + d->nexthop_len, d->rcpt_len),
			rcpt))
			break;
	if (d == NULL)
		return dest_new(s, t, nexthop, rcpt, hash);
	if (d->rest == REST_IDLE && d->state == DEST_ALIVE &&
	    s->now_ms - d->idle_ms > IDLE_FRESH_MS)
		window_init(&d->window, t->conf.initial_concurrency);
	return d;
}

void
dest_free_all(struct sched *s)
{
	struct destination *d;

	for (size_t i = 0; i < s->hash_size; i++) {
		while ((d = s->hash[i]) != NULL)
			dest_free(s, d);
	}
	free(s->hash);
	timers_clear(&s->timers);
}

/* --- the queue of units --------------------------------------------------- */
static uint32_t
dest_window(const struct destination *d)
{
	const struct sched_transport_conf *c = &d->transport->conf;

	if (d->state == DEST_PROBE || c->destination_rate_delay_ms > 0)
		return 1;
	if (c->concurrency_limit != 0 && c->concurrency_limit < d->window.size)
		return c->concurrency_limit;
	return d->window.size;
}

static bool
dest_must_drain(const struct destination *d)
{
	const struct sched_transport *t = d->transport;

	return t->down || t->retired || d->state == DEST_DEAD ||
	    (d->state == DEST_PROBE && d->queued > SCHED_PROBE_QUEUE);
}

static bool
dest_startable(const struct destination *d)
{
	const struct sched_transport *t = d->transport;

	return !t->down && !t->retired && d->state != DEST_DEAD &&
	    !alarm_is_set(&d->timer) && d->busy < dest_window(d);
}

void
dest_refresh(struct destination *d, bool move)
{
	struct sched_transport *t = d->transport;
	bool startable = dest_startable(d), want;
	uint32_t bucket = d->busy < BUCKETS ? d->busy : BUCKETS - 1;
	struct dest_list *list;
	struct lane *l;

	for (unsigned i = 0; i < LANES; i++) {
		l = &d->lanes[i];
		want = startable && !TAILQ_EMPTY(&l->units);
		if (l->is_ready && (!want || move || l->bucket != bucket)) {
			list = &t->ready[i][l->bucket];
			TAILQ_REMOVE(list, d, lanes[i].ready);
			if (TAILQ_EMPTY(list))
				t->bits[i] &= ~((uint32_t)1 << l->bucket);
			l->is_ready = false;
		}
		if (want && !l->is_ready) {
			TAILQ_INSERT_TAIL(&t->ready[i][bucket], d,
			    lanes[i].ready);
			t->bits[i] |= (uint32_t)1 << bucket;
			l->bucket = bucket;
			l->is_ready = true;
		}
	}
}

void
dest_push(struct sched *s, struct sched_unit *u, bool front)
{
	struct destination *d = u->dest;
	struct unit_list *list = &d->lanes[u->lane].units;

	if (front) {
		TAILQ_INSERT_HEAD(list, u, in_lane);
	} else {
		TAILQ_INSERT_TAIL(list, u, in_lane);
		d->open = u;
	}
	d->queued++;
	s->stats.queued++;
	if (dest_must_drain(d))
		dest_drain_later(s, d);
	dest_refresh(d, false);
	dest_settle(s, d);
}

void
dest_remove(struct sched *s, struct sched_unit *u)
{
	struct destination *d = u->dest;

	TAILQ_REMOVE(&d->lanes[u->lane].units, u, in_lane);
	if (d->open == u)
		d->open = NULL;
	d->queued--;
	s->stats.queued--;
	dest_refresh(d, false);
}

/* --- rest ----------------------------------------------------------------- */
static enum dest_rest
dest_where(const struct destination *d)
{
	if (d->state == DEST_DEAD)
		return REST_TIMED;
	if (d->queued > 0 || d->busy > 0)
		return REST_NOT;
	return alarm_is_set(&d->timer) ? REST_TIMED : REST_IDLE;
}

static void
dest_rest_leave(struct sched *s, struct destination *d)
{
	if (d->rest == REST_IDLE) {
		TAILQ_REMOVE(&s->idle, d, in_rest);
		s->n_idle--;
	} else if (d->rest == REST_TIMED) {
		TAILQ_REMOVE(&s->timed, d, in_rest);
		s->n_timed--;
	}
	d->rest = REST_NOT;
}

void
dest_settle(struct sched *s, struct destination *d)
{
	enum dest_rest where = dest_where(d);

	if (where == d->rest)
		return;
	dest_rest_leave(s, d);
	d->rest = where;
	if (where == REST_IDLE) {
		TAILQ_INSERT_TAIL(&s->idle, d, in_rest);
		s->n_idle++;
		d->idle_ms = s->now_ms;
	} else if (where == REST_TIMED) {
		TAILQ_INSERT_TAIL(&s->timed, d, in_rest);
		s->n_timed++;
	}
	dest_trim(s);
}

/*
 * Forget what is over the limits, the oldest first.  A dead destination that
 * is forgotten is alive again, in the beginner's window.
 */
void
dest_trim(struct sched *s)
{
	struct destination *d;

	if (s->keep)
		return;
	s->keep = true;
	while (s->n_timed > s->limits.dead_limit) {
		d = TAILQ_FIRST(&s->timed);
		alarm_clear(&s->timers, &d->timer);
		if (d->state == DEST_DEAD) {
			dest_revive(s, d);
		} else {
			dest_refresh(d, false);
			dest_settle(s, d);
		}
	}
	while (s->n_idle > s->limits.idle_limit) {
		d = TAILQ_FIRST(&s->idle);
		if (d->draining) {
			TAILQ_REMOVE(&s->drain, d, in_drain);
			d->draining = false;
		}
		dest_rest_leave(s, d);
		dest_free(s, d);
	}
	s->keep = false;
}

/* --- life and death ------------------------------------------------------- */
bool
sched_dead(const struct sched *s, uint64_t key, int64_t *until_ms)
{
	const struct destination *d;
	int64_t wait = s->limits.min_backoff_ms;

	for (d = s->dead[(key ^ key >> 32) % DEAD_BUCKETS];
	     d != NULL && d->key != key;)
		d = d->dead_next;
	if (d == NULL)
		return false;
	if (d->state == DEST_DEAD) {
		*until_ms = d->timer.at_ms;
		return true;
	}
	/* The probe may take minutes; if it succeeds, do not wait as long. */
	*until_ms = s->now_ms + (wait < PROBE_LOOK_MS ? wait : PROBE_LOOK_MS);
	return d->queued >= SCHED_PROBE_QUEUE;
}

static void
dest_alive(struct sched *s, struct destination *d)
{
	if (d->state == DEST_DEAD)
		s->stats.dead--;
	dead_leave(s, d);
	alarm_clear(&s->timers, &d->timer);
	free(d->why);
	d->why = NULL;
	d->state = DEST_ALIVE;
	window_init(&d->window, d->transport->conf.initial_concurrency);
}

void
dest_revive(struct sched *s, struct destination *d)
{
	if (d->state == DEST_ALIVE)
		return;
	dest_alive(s, d);
	dest_refresh(d, false);
	dest_settle(s, d);
}

void
dest_probe(struct sched *s, struct destination *d)
{
	if (d->state != DEST_DEAD)
		return;
	alarm_clear(&s->timers, &d->timer);
	d->state = DEST_PROBE;
	s->stats.dead--;
	dest_refresh(d, false);
	dest_settle(s, d);
}

static void
dest_die(struct sched *s, struct destination *d, struct str why)
{
	if (d->state == DEST_ALIVE)
		dead_enter(s, d);
	free(d->why);
	d->why = xasprintf("delivery temporarily suspended: " STR_FMT,
	    STR_ARG(str_sub(why, 0, WHY_MAX)));
	d->state = DEST_DEAD;
	s->stats.dead++;
	alarm_set(&s->timers, &d->timer, s->now_ms + s->limits.min_backoff_ms);
	dest_drain_later(s, d);
}

void
dest_success(struct sched *s, struct destination *d)
{
	const struct sched_transport_conf *c = &d->transport->conf;

	if (d->state != DEST_ALIVE)
		dest_alive(s, d);
	else
		window_success(&d->window, &c->positive, d->used,
		    c->initial_concurrency, c->concurrency_limit);
}

void
dest_failure(struct sched *s, struct destination *d, struct str why)
{
	const struct sched_transport_conf *c = &d->transport->conf;

	if (d->state == DEST_DEAD)
		return;
	if (window_failure(&d->window, &c->negative, c->cohort_limit) ||
	    d->state == DEST_PROBE)
		dest_die(s, d, why);
}

void
dest_slow(struct sched *s, struct destination *d)
{
	int64_t delay = d->transport->conf.destination_rate_delay_ms;

	if (delay > 0 && d->state != DEST_DEAD)
		alarm_set(&s->timers, &d->timer, s->now_ms + delay);
}

void
dest_timers(struct sched *s)
{
	struct alarm *t;
	struct destination *d;

	while (
	    (t = timers_first(&s->timers)) != NULL && t->at_ms <= s->now_ms) {
		d = DEST_OF(t);
		alarm_clear(&s->timers, t);
		if (d->state == DEST_DEAD) {
			dest_probe(s, d);
		} else {
			dest_refresh(d, false);
			dest_settle(s, d);
		}
	}
}

/* --- draining ------------------------------------------------------------- */
void
dest_drain_later(struct sched *s, struct destination *d)
{
	if (d->draining || d->queued == 0)
		return;
	TAILQ_INSERT_TAIL(&s->drain, d, in_drain);
	d->draining = true;
}

/* The newest of the least urgent. */
static struct sched_unit *
dest_last(const struct destination *d)
{
	struct sched_unit *u = NULL;

	for (int i = LANES - 1; u == NULL; i--)
		u = TAILQ_LAST(&d->lanes[i].units, unit_list);
	return u;
}

static void
dest_drain_one(struct sched *s, struct destination *d)
{
	const struct sched_transport *t = d->transport;
	const char *why = t->down || t->retired ? t->why : d->why;
	struct sched_unit *u = dest_last(d);

	dest_remove(s, u);
	unit_put_off(s, u, str_of(why));
}

bool
dest_drain(struct sched *s, uint32_t units)
{
	struct destination *d;

	while ((d = TAILQ_FIRST(&s->drain)) != NULL) {
		if (d->queued > 0 && dest_must_drain(d)) {
			if (units-- == 0)
				return false;
			dest_drain_one(s, d);
			continue;
		}
		TAILQ_REMOVE(&s->drain, d, in_drain);
		d->draining = false;
		dest_refresh(d, false);
		dest_settle(s, d);
	}
	return true;
}
