/* SPDX-License-Identifier: ISC */
/*
 * What the sessions of this process share.
 */
#include "worker.h"

#include <string.h>

#include "session.h"

void
worker_init(struct worker *w, const struct ports *ports, void *arg)
{
	memset(w, 0, sizeof(*w));
	w->ports = ports;
	w->ports_arg = arg;
	TAILQ_INIT(&w->sessions);
	resolver_init(&w->resolver, w);
	slots_init(&w->slots, w);
}

void
worker_clear(struct worker *w)
{
	for (size_t i = 0; i < WORKER_SERVICES; i++)
		service_unref(&w->services[i]);
	resolver_clear(&w->resolver);
	slots_clear(&w->slots);
}

void
worker_service(struct worker *w, struct service *sv)
{
	if (sv->instance < WORKER_SERVICES) {
		service_unref(&w->services[sv->instance]);
		w->services[sv->instance] = sv;
	} else {
		service_unref(&sv);
	}
	/* Tables and domains may be others now. */
	resolver_flush(&w->resolver);
}

struct service *
worker_find_service(struct worker *w, unsigned instance)
{
	return instance < WORKER_SERVICES ? w->services[instance] : NULL;
}

void
worker_tick(struct worker *w)
{
	int64_t now = worker_now(w);
	struct session *s, *next;

	slots_tick(&w->slots);
	for (s = TAILQ_FIRST(&w->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->deadline <= now && s->state != ST_DEAD)
			session_timeout(s);
	}
}

/* Seconds are fine enough, but for clients that are made to wait for one. */
int64_t
worker_tick_ms(const struct worker *w)
{
	const struct session *s;

	TAILQ_FOREACH(s, &w->sessions, link)
		if (s->wait == WAIT_SLEEP)
			return 100;
	return 1000;
}

void
worker_stop(struct worker *w)
{
	struct session *s, *next;

	w->stopping = true;
	for (s = TAILQ_FIRST(&w->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		session_stop(s);
	}
}
