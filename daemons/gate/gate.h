/* SPDX-License-Identifier: ISC */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/siphash.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/gate.h"
#include "loop/loop.h"
#include "net/netlist.h"

/*
 * gate in parts: who is connected (clients.c), what listens and how much it
 * takes (service.c), and how a connection gets to a worker (hand.c).  None of
 * them knows of boot.h, so tests drive them with socket pairs.
 */

/* --- clients.c: how many connections has this client? --------------------- */

/*
 * A client: an address, or the network it is counted as
 * (smtpd_client_ipv4_prefix_length and its like).
 */
struct client {
	LIST_ENTRY(client) link;
	struct netaddr net;
	unsigned count;
	int64_t rate_until; /* end of the time unit that rate counts in */
	unsigned rate;	    /* connections made in it */
};

LIST_HEAD(client_list, client);

#define CLIENT_BUCKETS 1024
/* Clients remembered for their rate alone; none is forgotten while counted. */
#define CLIENTS_IDLE_MAX 16384

struct clients {
	struct client_list bucket[CLIENT_BUCKETS];
	uint8_t secret[SIPHASH_KEY];
	size_t n, idle;
};

void clients_init(struct clients *cs);
void clients_clear(struct clients *cs);

/* One connection more; the client stays valid until it is left. */
struct client *clients_enter(struct clients *cs, const struct netaddr *net);
/* One connection less.  *clp becomes NULL. */
void clients_leave(struct clients *cs, struct client **clp, int64_t now);
/* Count into the rate; returns connections in the unit that is running. */
unsigned clients_rate(struct client *cl, int64_t now, int64_t unit_ms);

/* --- service.c: listening sockets and their limits ------------------------ */

struct listener {
	TAILQ_ENTRY(listener) link;
	struct service *service;
	struct watch watch;
	int fd;
};

struct service {
	TAILQ_ENTRY(service) link;
	TAILQ_HEAD(, listener) listeners;
	struct gate *gate;
	struct conf *conf; /* its own, or NULL: gate's is used */
	struct netlist exceptions;
	char *name;
	struct str hostname; /* what a refusal is signed with */
	unsigned instance;
	unsigned active; /* sessions */
	unsigned max;	 /* maxproc of master.cf; 0: no limit */
	unsigned per_client;
	unsigned rate_max;
	int64_t rate_ms;
	unsigned prefix4, prefix6;
	unsigned port; /* of one of its sockets, for the log */
	bool have; /* limits are known */
	bool watching;
	int64_t said_full_ms; /* last time; 0: never */
};

/* --- hand.c: connections and workers -------------------------------------- */

struct worker {
	TAILQ_ENTRY(worker) link;
	struct chan *ch;
	unsigned instance;
	unsigned active;
	unsigned used;	/* sessions it has had */
	bool replacing; /* its successor was asked for */
	bool old;	/* and is there: this one gets no more sessions */
	bool once;	/* it has one session and ends behind it */
};

TAILQ_HEAD(worker_list, worker);

/* A connection that a worker has.  Free ones are chained. */
struct conn {
	uint64_t id; /* 0: free */
	struct service *service;
	struct client *client;
	struct worker *worker;
	size_t next_free;
};

struct gate {
	struct loop *loop;
	struct clients clients;
	TAILQ_HEAD(, service) services;
	struct worker_list workers;
	struct conn *conns;
	size_t nconns, free_conn;
	uint32_t serial;
	const struct conf *shared; /* for services without their own */
	/*
	 * Wants a worker with this number, or another in the place of the one
	 * that has it.  NULL: what is there must do.  With `once' it wants one
	 * more, and instance means nothing.
	 */
	void (*want)(unsigned instance, bool replace, void *arg);
	void *want_arg;
	/*
	 * A worker for each session: some are kept ready, at the head of the
	 * list, and when there is none clients wait.
	 */
	bool once;
	unsigned ready_max, nready;
	unsigned coming; /* were asked for */
	struct timer gather; /* armed: some are missing, but not many */
	bool wanting;	      /* an answer, or that worker, is awaited */
	struct timer hold;    /* armed: clients wait for it, not for long */
	unsigned workers_max; /* as many there can be; 0: not known yet */
	unsigned worker_sessions; /* then a worker is replaced; 0: never */
	struct timer pause; /* armed: out of descriptors, nothing is accepted */
	bool stopping;
};

/* A worker that has so many sessions is to get company. */
#define WORKER_SESSIONS_MANY 10
/* Clients of a burst wait so long for it, lest they all go to the others. */
#define WORKER_HOLD_MS 200

void gate_init(struct gate *g, struct loop *l);
void gate_clear(struct gate *g);

/* A listening socket; fd is taken over, nonblocking or not. */
void gate_listen(struct gate *g, struct str name, unsigned instance, int fd);

/*
 * The configuration of a service, taken over.  A service that has none by the
 * time it is listening goes by g->shared; with neither it accepts nobody.
 */
void gate_config(struct gate *g, struct str name, unsigned instance,
    struct conf *conf);

/* Gate's own configuration, borrowed until the next one. */
void gate_shared(struct gate *g, const struct conf *conf);

/* Limits, for who has no snapshot: tests. */
void gate_limits(struct gate *g, unsigned instance, unsigned max,
    unsigned per_client);

void gate_worker_up(struct gate *g, struct chan *ch, unsigned instance);
void gate_worker_down(struct gate *g, const struct chan *ch);
void
on_ended(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg);
/* What was wanted is not to be had now, or (never) in this configuration. */
void gate_unwanted(struct gate *g, unsigned instance, bool replace,
    bool never);
/* One that was wanted is there. */
void gate_got(struct gate *g);
/*
 * See that there are as many workers ready as there ought to be.  A process is
 * cheaper when others are made with it: everybody it is to know wakes up once
 * for all of them.  So as long as half are there we wait, for GATE_GATHER_MS.
 */
void gate_refill(struct gate *g);
/*
 * The configuration is new: is there a worker for each session, and how many
 * of them are ready?  Those that were made under another get none any more.
 */
void gate_mode(struct gate *g, bool once, unsigned ready);
/* As many as there may be, 0: as the broker says; the rest finish theirs. */
void gate_workers(struct gate *g, unsigned max);
/* Has this worker no session, and can it be spared? */
bool gate_may_leave(struct gate *g, const struct chan *ch);

/*
 * New listening sockets come, gate_listen() for each; what is not among them
 * is closed.  Sessions go on and count.
 */
void gate_relisten(struct gate *g);

/* Accept no more. */
void gate_stop(struct gate *g);

/*
 * Between the parts.  service_update() decides anew whether a service (all of
 * them, with NULL) accepts; gate_hand() takes over fd and gives it away.
 */
struct service *service_get(struct gate *g, struct str name, unsigned instance);
void service_free(struct service **sp);
void service_update(struct gate *g, struct service *only);
struct worker *gate_worker(struct gate *g);
void gate_hand(struct gate *g, struct service *s, struct worker *w,
    const struct netaddr *client, int fd);

#define GATE_GATHER_MS 20

/* How long accepting rests when descriptors or memory ran out. */
#define GATE_PAUSE_MS 1000

#endif
