/* SPDX-License-Identifier: ISC */
#ifndef QMGR_SCHED_PARTS_H
#define QMGR_SCHED_PARTS_H

#include <sys/queue.h>

#include "sched.h"
#include "timers.h"

/*
 * What the files of the scheduler share with each other and with nobody
 * else.  Who changes what:
 *
 *	message.c	a message: reading its recipients, its end
 *	unit.c		a delivery unit and the fates of its recipients
 *	destination.c	a destination: its window, its death and return
 *	transport.c	who gets the next slot
 *	sched.c		intake, the turn, timers
 *	sched_orders.c	what administrators ask for
 */

#define LANES 4
#define BUCKETS 32 /* deliveries under way; the last: as many or more */

TAILQ_HEAD(unit_list, sched_unit);
TAILQ_HEAD(dest_list, destination);
TAILQ_HEAD(msg_list, sched_msg);
TAILQ_HEAD(transport_list, sched_transport);

struct rcpt {
	uint64_t id;
	bool settled;
};

struct sched_unit {
	TAILQ_ENTRY(sched_unit) in_lane; /* while it waits */
	TAILQ_ENTRY(sched_unit) in_msg;
	struct sched_msg *msg;
	struct destination *dest;
	struct rcpt *rcpts; /* &one, or on the heap */
	struct rcpt one;
	void *tag;
	uint32_t n, cap;
	uint32_t left; /* not settled */
	uint8_t lane;
	uint8_t deaths;
	bool busy; /* an agent has it */
};

struct lane {
	struct unit_list units;
	TAILQ_ENTRY(destination) ready;
	uint32_t bucket; /* where it is ready */
	bool is_ready;
};

enum dest_state {
	DEST_ALIVE,
	DEST_DEAD, /* until the timer; what is queued is put off */
	DEST_PROBE /* was dead: one delivery will show */
};

/* Where a destination is kept that has no work. */
enum dest_rest {
	REST_NOT,  /* it has work */
	REST_IDLE, /* none; dropped when there are too many */
	REST_TIMED /* dead, or rate limited; the same with another limit */
};

struct destination {
	struct destination *hash_next;
	struct destination *dead_next; /* dead or probing, by key */
	struct sched_transport *transport;
	struct sched_unit *open; /* last queued, may take recipients */
	struct window window;
	struct alarm timer; /* end of death, or of the rate delay */
	TAILQ_ENTRY(destination) in_rest;
	TAILQ_ENTRY(destination) in_drain;
	char *why;	 /* dead or probing: heap */
	int64_t idle_ms; /* since then */
	uint64_t hash;
	uint64_t key; /* the caller's; dead or probing */
	struct lane lanes[LANES];
	uint32_t busy;
	uint32_t used; /* busy when the last was begun */
	uint32_t queued;
	enum dest_state state;
	enum dest_rest rest;
	bool draining;
	uint16_t nexthop_len, rcpt_len;
	char name[]; /* next hop, then recipient */
};

struct sched_transport {
	TAILQ_ENTRY(sched_transport) link;
	char *name;
	uint64_t id; /* counted from 1, for the hash */
	struct sched_transport_conf conf;
	struct dest_list ready[LANES][BUCKETS];
	uint32_t bits[LANES];	/* buckets that are not empty */
	uint32_t passed[LANES]; /* times it was passed over */
	uint32_t running;
	uint32_t rcpts;	       /* in memory */
	int64_t not_before_ms; /* transport_rate_delay */
	int64_t down_until_ms;
	char *why;    /* while down or retired: heap */
	bool blocked; /* waits for sched_transport_ready() */
	bool down;
	bool retired;
};

struct sched_msg {
	TAILQ_ENTRY(sched_msg) link; /* all */
	TAILQ_ENTRY(sched_msg) in_todo;
	TAILQ_ENTRY(sched_msg) in_hungry;
	struct unit_list units;
	void *cookie;
	struct sched_transport *transport; /* of the last recipient read */
	int64_t arrival_us;
	uint32_t live;	   /* recipients in memory, not settled */
	uint32_t window;   /* how many that were after the last read */
	uint32_t asked;	   /* reserved for the read under way */
	uint32_t left;	   /* not read yet, or UNKNOWN */
	uint32_t made;	   /* units made */
	uint32_t count[3]; /* fates in this round */
	unsigned owed, notices;
	enum sched_source from;
	enum sched_what stop; /* SCHED_DONE: no order */
	bool more : 1;	      /* there may be recipients to read */
	bool reading : 1;
	bool got : 1; /* the read under way yielded something */
	bool noticing : 1;
	bool dropped : 1; /* recipients left memory without a fate */
	bool released : 1;
	bool null_sender : 1;
	bool warned : 1;
	bool expired : 1;
	bool force : 1;
	bool is_todo : 1;
	bool is_hungry : 1;
};

#define UNKNOWN UINT32_MAX

#define DEAD_BUCKETS 4096

struct sched {
	struct sched_limits limits;
	struct sched_ops ops;
	void *arg;
	uint8_t key[SIPHASH_KEY];
	int64_t now_ms, wall_us;

	struct msg_list msgs;
	struct msg_list todo;	/* to be looked at in the next turn */
	struct msg_list hungry; /* no room for their next recipients */
	struct transport_list transports;
	uint64_t n_transports;
	struct dest_list idle, timed, drain;
	struct timers timers;
	struct destination **hash;
	struct destination *dead[DEAD_BUCKETS];
	size_t hash_size;
	uint32_t n_idle, n_timed;

	bool waiting[SCHED_SOURCES];
	uint32_t promised[SCHED_SOURCES]; /* SCHED_TAKE_LATER */
	uint32_t held[SCHED_SOURCES];	  /* recipients, by source */
	enum sched_source turn; /* whose turn it is to be taken from */
	bool taking, took;
	bool keep;		  /* free no destination just now */
	struct sched_stats stats; /* rcpts is also the limit's count */
};

/* --- unit.c --------------------------------------------------------------- */
struct sched_unit *unit_new(struct sched_msg *m, struct destination *d);
void unit_add(struct sched_unit *u, uint64_t id);

/* It must be neither queued nor busy. */
void unit_free(struct sched_unit *u);

/* Every recipient without a fate is put off, and the unit freed. */
void unit_put_off(struct sched *s, struct sched_unit *u, struct str why);

/* The recipients without a fate leave memory as they are; freed. */
void unit_drop(struct sched *s, struct sched_unit *u);

/* --- destination.c -------------------------------------------------------- */
struct destination *dest_get(struct sched *s, struct sched_transport *t,
    struct str nexthop, struct str rcpt);
void dest_push(struct sched *s, struct sched_unit *u, bool front);
void dest_remove(struct sched *s, struct sched_unit *u);

/* Bring its places in the transport's lists up to date; move: to the tail. */
void dest_refresh(struct destination *d, bool move);

/* Put it where it rests, or away.  It may be gone then. */
void dest_settle(struct sched *s, struct destination *d);
void dest_trim(struct sched *s);

void dest_success(struct sched *s, struct destination *d);
void dest_failure(struct sched *s, struct destination *d, struct str why);
void dest_probe(struct sched *s, struct destination *d);
void dest_revive(struct sched *s, struct destination *d);
void dest_slow(struct sched *s, struct destination *d);

/* Its units have to go: it is dead, or its transport is. */
void dest_drain_later(struct sched *s, struct destination *d);
/* Put off at most so many units; false when that was not enough. */
bool dest_drain(struct sched *s, uint32_t units);
void dest_timers(struct sched *s);
void dest_free_all(struct sched *s);

static inline struct str
dest_nexthop(const struct destination *d)
{
	return str_make(d->name, d->nexthop_len);
}

/* --- transport.c ---------------------------------------------------------- */

/* Start at most so many; false when that was not enough. */
bool
transport_start(struct sched *s, struct sched_transport *t, uint32_t starts);
void transport_up(struct sched *s, struct sched_transport *t);
/* Its destinations anew: something about all of them has changed. */
void transport_refresh(struct sched *s, struct sched_transport *t);
/* When it wants to be looked at, or -1. */
int64_t
transport_next_ms(const struct sched *s, const struct sched_transport *t);
void transport_free(struct sched_transport *t);

/* Which lane unit number made (from 0) of a message belongs to. */
unsigned transport_lane(const struct sched_transport *t, enum sched_source from,
    uint32_t made);

/* --- message.c ------------------------------------------------------------ */
void message_todo(struct sched *s, struct sched_msg *m);
/* One more, that is wherever recipients are counted but in live. */
void message_add(struct sched *s, struct sched_msg *m,
    struct sched_transport *t, struct str nexthop, struct str rcpt,
    uint64_t id);
/* One recipient less in memory. */
void
message_left(struct sched *s, struct sched_msg *m, struct sched_transport *t);
void message_step(struct sched *s, struct sched_msg *m);
void message_feed(struct sched *s);
void message_free(struct sched *s, struct sched_msg *m);
/* May one more be taken from there? */
bool message_room(const struct sched *s, enum sched_source from);

#endif
