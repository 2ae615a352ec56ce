/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_WORKER_H
#define SMTPD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "edge/dns.h"
#include "edge/lookup.h"
#include "edge/resolve.h"
#include "resolver.h"
#include "service.h"
#include "slots.h"

/*
 * What the sessions of this process share: the configuration of its services,
 * slots for messages, the cache of resolved addresses, and the ports through
 * which they ask others.
 */
struct session;

/*
 * Ports: what a session wants of the rest of the house.  peers.c makes them of
 * channels, tests of plain functions.  The askers return a handle for forget,
 * or 0 when there is nobody to ask now; the answer comes, never from within
 * the call, by resolver_answer(), session_looked_up() and session_named(),
 * with NULL when none can come any more.
 */
enum port {
	PORT_RESOLVE,
	PORT_LOOKUP,
	PORT_DNS,
	PORT_FLUSH,
};

struct ports {
	int64_t (*now)(void *arg); /* monotonic milliseconds */
	uint64_t (*resolve)(void *arg, const struct resolve_ask *q,
	    struct resolved *r);
	uint64_t (
	    *lookup)(void *arg, const struct lookup_find *q, struct session *s);
	uint64_t (*name)(void *arg, const struct netaddr *a, struct session *s);
	/* Records of one type; session_records() has the answer. */
	uint64_t (*records)(void *arg, uint16_t rrtype, struct str name,
	    struct session *s);
	/* Deliver what waits for a domain; session_flushed() has the answer. */
	uint64_t (*flush)(void *arg, struct str domain, struct session *s);
	void (*forget)(void *arg, enum port port, uint64_t handle);

	/* Slots: how many to hold ahead; one that will not be used. */
	void (*want)(void *arg, unsigned n);
	void (*drop)(void *arg, uint64_t id);
	/* Hand a message over; takes *fd.  False: nobody to take it. */
	bool (*submit)(void *arg, uint64_t id, struct str qid,
	    struct str envelope, int *fd);
};

TAILQ_HEAD(session_list, session);

#define WORKER_SERVICES 256

struct worker {
	const struct ports *ports;
	void *ports_arg;
	struct session_list sessions;
	size_t nsessions;
	struct service *services[WORKER_SERVICES];
	struct resolver resolver;
	struct slots slots;
	bool full; /* SPOOL_FULL: no new mail now */
	bool stopping;
};

void worker_init(struct worker *w, const struct ports *ports, void *arg);
void worker_clear(struct worker *w);

/* The configuration of a service from now on; the worker takes over sv. */
void worker_service(struct worker *w, struct service *sv);
struct service *worker_find_service(struct worker *w, unsigned instance);

static inline int64_t
worker_now(struct worker *w)
{
	return w->ports->now(w->ports_arg);
}

/* Look at every deadline.  Call it about once in worker_tick_ms(). */
void worker_tick(struct worker *w);
int64_t worker_tick_ms(const struct worker *w);

/* Let idle sessions go, and the others when their message is done. */
void worker_stop(struct worker *w);

#endif
