/* SPDX-License-Identifier: ISC */
/*
 * Connections in the hands of workers.
 */
#include <sys/socket.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "net/netaddr.h"

#include "gate.h"

/* Ask for as many as there ought to be ready. */
static void
fill(struct gate *g)
{
	timer_cancel(&g->gather);
	if (!g->once || g->stopping || g->want == NULL || g->hold.armed)
		return;
	while (g->nready + g->coming < g->ready_max) {
		g->coming++;
		g->want(0, false, g->want_arg);
	}
}

static void
on_gathered(void *arg)
{
	fill(arg);
}

static void
on_rested(void *arg)
{
	service_update(arg, NULL);
	gate_refill(arg);
}

void
gate_init(struct gate *g, struct loop *l)
{
	*g = (struct gate){ .loop = l };
	clients_init(&g->clients);
	TAILQ_INIT(&g->services);
	TAILQ_INIT(&g->workers);
	timer_init(&g->pause, l, on_rested, g);
	timer_init(&g->hold, l, on_rested, g);
	timer_init(&g->gather, l, on_gathered, g);
}

void
gate_clear(struct gate *g)
{
	struct service *s;
	struct worker *w;

	g->stopping = true;
	while ((w = TAILQ_FIRST(&g->workers)) != NULL)
		gate_worker_down(g, w->ch);
	while ((s = TAILQ_FIRST(&g->services)) != NULL)
		service_free(&s);
	clients_clear(&g->clients);
	timer_clear(&g->pause);
	timer_clear(&g->hold);
	timer_clear(&g->gather);
	free(g->conns);
	g->conns = NULL;
}

void
gate_stop(struct gate *g)
{
	g->stopping = true;
	service_update(g, NULL);
}

/* --- a worker for each session -------------------------------------------- */

static bool
is_ready(const struct worker *w)
{
	return w->once && !w->old && w->used == 0;
}

/* It is not ready any more: out of the way of those that are. */
static void
set_aside(struct gate *g, struct worker *w)
{
	if (is_ready(w))
		g->nready--;
	TAILQ_REMOVE(&g->workers, w, link);
	TAILQ_INSERT_TAIL(&g->workers, w, link);
}

void
gate_refill(struct gate *g)
{
	unsigned have = g->nready + g->coming;

	if (!g->once || have >= g->ready_max)
		return;
	if (have <= g->ready_max / 2)
		fill(g);
	else if (!g->gather.armed)
		timer_set(&g->gather, GATE_GATHER_MS);
}

void
gate_got(struct gate *g)
{
	if (g->coming > 0)
		g->coming--;
	gate_refill(g);
}

void
gate_mode(struct gate *g, bool once, unsigned ready)
{
	struct worker *w, *next;
	bool other = once != g->once;

	g->once = once;
	g->ready_max = ready;
	if (other)
		g->coming = 0; /* who still comes is of the other kind */
	TAILQ_FOREACH_SAFE(w, &g->workers, link, next) {
		if (!w->once && !other)
			continue;
		if (is_ready(w))
			set_aside(g, w);
		w->old = true;
	}
}

/* --- any worker ----------------------------------------------------------- */

/*
 * The worker with the fewest sessions that can take another, or NULL.  One
 * whose successor is there is none, unless that has gone again.
 */
struct worker *
gate_worker(struct gate *g)
{
	struct worker *w = TAILQ_FIRST(&g->workers), *best = NULL;

	if (g->once)
		return w != NULL && is_ready(w) && !chan_full(w->ch) ? w : NULL;
	TAILQ_FOREACH(w, &g->workers, link)
		if (!w->old && w->active < GATE_SESSIONS_MAX &&
		    !chan_full(w->ch) &&
		    (best == NULL || w->active < best->active))
			best = w;
	return best;
}

static struct worker *
find_worker(struct gate *g, const struct chan *ch)
{
	struct worker *w;

	TAILQ_FOREACH(w, &g->workers, link)
		if (w->ch == ch)
			break;
	return w;
}

/* The one of this number that takes sessions. */
static struct worker *
worker_numbered(struct gate *g, unsigned instance)
{
	struct worker *w;

	TAILQ_FOREACH(w, &g->workers, link)
		if (w->instance == instance && !w->old && !w->once)
			break;
	return w;
}

/*
 * A session went to w, who has the fewest.  Is it time for one more worker, or
 * for another in the place of this?
 */
static void
look_for_help(struct gate *g, struct worker *w)
{
	unsigned i = 0;

	if (g->once)
		gate_refill(g);
	if (g->want == NULL || g->once)
		return;
	if (g->worker_sessions > 0 && w->used >= g->worker_sessions &&
	    !w->replacing) {
		w->replacing = true;
		g->want(w->instance, true, g->want_arg);
	}
	if (w->active < WORKER_SESSIONS_MANY || g->wanting)
		return;
	while (worker_numbered(g, i) != NULL)
		i++;
	if (g->workers_max > 0 && i >= g->workers_max)
		return;
	g->wanting = true;
	timer_set(&g->hold, WORKER_HOLD_MS);
	g->want(i, false, g->want_arg);
}

static void
wanting_ends(struct gate *g)
{
	g->wanting = false;
	timer_cancel(&g->hold);
}

void
gate_unwanted(struct gate *g, unsigned instance, bool replace, bool never)
{
	struct worker *w;

	if (g->once) {
		timer_set(&g->hold, WORKER_HOLD_MS);
		gate_got(g);
	} else if (!replace) {
		wanting_ends(g);
		if (never)
			g->workers_max = instance;
		service_update(g, NULL);
	} else if ((w = worker_numbered(g, instance)) != NULL) {
		w->replacing = false;
		w->used = 0; /* try again as many sessions later */
	}
}

void
gate_workers(struct gate *g, unsigned max)
{
	struct worker *w;

	g->workers_max = max;
	TAILQ_FOREACH(w, &g->workers, link)
		w->old |= max > 0 && w->instance >= max && !w->once;
}

bool
gate_may_leave(struct gate *g, const struct chan *ch)
{
	struct worker *w = find_worker(g, ch);

	return w != NULL && w->active == 0;
}

/* A place for a connection; its number is never used twice. */
static struct conn *
conn_new(struct gate *g)
{
	struct conn *c;
	size_t i;

	if (g->free_conn == 0) {
		size_t n = g->nconns == 0 ? 64 : g->nconns * 2;

		g->conns = xreallocarray(g->conns, n, sizeof(*g->conns));
		for (i = n; i-- > g->nconns;) {
			g->conns[i] =
			    (struct conn){ .next_free = g->free_conn };
			g->free_conn = i + 1;
		}
		g->nconns = n;
	}
	i = g->free_conn - 1;
	c = &g->conns[i];
	g->free_conn = c->next_free;
	c->id = (uint64_t)++g->serial << 32 | (uint32_t)(i + 1);
	return c;
}

static struct conn *
conn_find(struct gate *g, uint64_t id)
{
	size_t i = (uint32_t)id;

	if (i == 0 || i > g->nconns || g->conns[i - 1].id != id)
		return NULL;
	return &g->conns[i - 1];
}

/* The session is over, whoever says so. */
static void
conn_end(struct gate *g, struct conn *c)
{
	struct service *s = c->service;

	s->active--;
	c->worker->active--;
	clients_leave(&g->clients, &c->client, loop_now(g->loop));
	c->id = 0;
	c->next_free = g->free_conn;
	g->free_conn = (size_t)(c - g->conns) + 1;
	if (s->active == 0 && !s->have && TAILQ_EMPTY(&s->listeners))
		service_free(&s); /* a reload took it away */
}

/* The client's prefix, as its service counts. */
static struct client *
enter(struct gate *g, const struct service *s, const struct netaddr *a)
{
	struct netaddr net =
	    netaddr_prefix(a, a->family == 4 ? s->prefix4 : s->prefix6);

	return clients_enter(&g->clients, &net);
}

void
gate_hand(struct gate *g, struct service *s, struct worker *w,
    const struct netaddr *client, int fd)
{
	struct gate_client rec = { .service = s->instance,
		.client = *client,
		.when_us = clock_wall_us() };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct conn *c = conn_new(g);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		netaddr_from(&ss, &rec.server);
	c->service = s;
	c->worker = w;
	c->client = enter(g, s, client);
	if (is_ready(w))
		set_aside(g, w);
	s->active++;
	w->active++;
	w->used++;
	chan_tell(w->ch, GATE_CLIENT, c->id, &rec, &fd);
	look_for_help(g, w);
}

void
on_ended(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct gate *g = arg;
	struct conn *c = conn_find(g, id);

	(void)rec;
	(void)fds;
	/* A worker speaks for its own sessions only. */
	if (c == NULL || c->worker->ch != ch) {
		chan_drop(ch, "ended a session that it does not have");
		return;
	}
	conn_end(g, c);
	service_update(g, NULL);
}

void
gate_worker_up(struct gate *g, struct chan *ch, unsigned instance)
{
	struct worker *w = xcalloc(1, sizeof(*w)), *old;

	if (!g->once)
		wanting_ends(g);
	if (!g->once && (old = worker_numbered(g, instance)) != NULL)
		old->old = true;
	w->ch = ch;
	w->instance = instance;
	w->once = g->once;
	if (w->once)
		TAILQ_INSERT_HEAD(&g->workers, w, link);
	else
		TAILQ_INSERT_TAIL(&g->workers, w, link);
	g->nready += w->once;
	service_update(g, NULL);
}

void
gate_worker_down(struct gate *g, const struct chan *ch)
{
	struct worker *w = find_worker(g, ch), *old;

	if (w == NULL)
		return;
	for (size_t i = 0; i < g->nconns; i++)
		if (g->conns[i].id != 0 && g->conns[i].worker == w)
			conn_end(g, &g->conns[i]);
	if (is_ready(w)) {
		/* Should others end like this, too: not one after the other. */
		timer_set(&g->hold, WORKER_HOLD_MS);
		g->nready--;
	}
	TAILQ_REMOVE(&g->workers, w, link);
	/* A successor that died was none: the old one may have to do. */
	if (!w->once && !w->old && worker_numbered(g, w->instance) == NULL)
		TAILQ_FOREACH(old, &g->workers, link)
			if (old->instance == w->instance && !old->once)
				old->old = false;
	free(w);
	service_update(g, NULL);
}
