/* SPDX-License-Identifier: ISC */
#ifndef QMGR_SCHED_H
#define QMGR_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/siphash.h"
#include "base/str.h"
#include "feedback.h"

/*
 * The scheduler of the queue manager: which message is in the active window,
 * which of its recipients are handed to which agent next, and what becomes of
 * them.  Pure logic: it makes no system call, reads no clock, and its only
 * memory is its own, so a test can run days of mail in a second.
 *
 * THE PICTURE
 *
 *	store --take()--> message --read()--> recipients
 *	                                         |
 *	             delivery units: one message, one destination,
 *	             up to the transport's recipient limit
 *	                                         |
 *	    transport: destinations take turns --deliver()--> agent
 *	                                         |
 *	    finish() <-- notice() <-- all settled <-- sched_report()
 *
 * A message is in the scheduler only while it is active.  What waits rests
 * with the store, which keeps the due times; a million deferred messages
 * cost nothing here.
 *
 * A destination is a transport and a next hop, and, where the transport takes
 * one recipient at a time (local), that recipient.
 *
 * WHO OWNS WHAT
 *
 * - struct sched_msg belongs to the scheduler, from sched_msg_new() until
 *   finish() was called for it.  The cookie given with it is the caller's.
 * - struct sched_unit belongs to the scheduler.  The caller may use it from
 *   deliver() (when that answered SCHED_START_OK) until sched_unit_end().
 * - struct sched_transport belongs to the scheduler and stays as long as it.
 *   A transport that left the configuration is retired, not freed.
 * - Recipients are numbers chosen by the caller (an index into the envelope,
 *   an offset in the queue file).  The scheduler never sees an address but
 *   to tell destinations apart.
 * - Every struct str is borrowed for the duration of the call.
 *
 * CALLING
 *
 * Each turn of the loop: sched_tick() first, then whatever happened (reports,
 * answers, orders), then sched_run(), which does all the work that follows
 * and says when it wants to be called at the latest.  Callbacks come only out
 * of sched_run(), but for defer() and key(): sched_unit_end() calls them too.
 * They may call nothing of the scheduler except what their comment names.
 *
 * HOW MAIN WIRES IT TO THE STORE (store.h)
 *
 * - A commit's callback came with 0: append the id to a list of ready ones and
 *   sched_waiting(SCHED_INCOMING).  The same for what store_recover() found
 *   in the journal.  store_due_at() has come: sched_waiting(SCHED_DEFERRED).
 * - take(SCHED_INCOMING): pop one and sched_msg_new(); it is in hand.
 * - take(SCHED_DEFERRED): store_due_next().  If sched_dead() knows its key,
 *   store_postpone() and the next one: the backlog of a dead destination is
 *   not even read.  Else store_load(), SCHED_TAKE_LATER, and sched_msg_new()
 *   or sched_take_none() in the callback.  Nothing due, or EAGAIN, or enough
 *   loads under way: SCHED_TAKE_NONE, and sched_waiting() later.  While the
 *   store is behind with writing deferrals, SCHED_TAKE_NONE for both sources:
 *   that bounds what is between scheduler and disk.
 * - read(): from store_envelope() the next recipients that store_events() does
 *   not settle; resolve, and sched_rcpt_add().  What no agent is to see
 *   (error:, discard:, no such transport) is recorded with store_event() and
 *   told with sched_rcpt_note().  Then sched_read_end().  All this may happen
 *   later, when rewrite has answered.
 * - deliver(): choose an agent, send it a descriptor of store_content() and the
 *   recipients, remember the unit under the request's id.
 * - A report of an agent: store_event(), log, sched_report().  When its request
 *   is over, sched_unit_end().  When the agent is gone, sched_unit_end() with
 *   SCHED_END_DIED for each of its units.
 * - defer(): the scheduler put a recipient off without an attempt; record that
 *   with its reason as if an agent had reported it.
 * - notice(): have bounce make the notices that are due from the recorded
 *   fates; sched_notice_done() once they are committed, as messages.  Only
 *   then the message may go: a crash in between makes two notices, never none.
 * - finish(): SCHED_DONE and SCHED_DELETE are store_remove(), SCHED_RETRY is
 *   store_defer() with next_us (owed and warned in the event), SCHED_HOLD is
 *   store_hold(), SCHED_REQUEUE a new message by way of cleanup.
 *
 * HOW IT CHOOSES
 *
 * Within a transport every slot goes, first, to the best lane that has
 * something startable, then to the destination with the fewest deliveries
 * under way, and among those in turn.  So every destination has its first
 * channel before one has its second, and several at once to one destination
 * happen when channels would stay idle, as far as its window allows.
 *
 * Lanes are how small mail overtakes big lists.  The first units of a new
 * message (delivery_slots of them) are in lane 0, those up to 32 and the
 * first 32 of a message from deferred in lane 1, up to 256 in lane 2, the
 * rest in lane 3.  A lane that was passed over slot_cost times while it had
 * something startable is served next, so a list is slowed down and never
 * stopped.  (Postfix reaches the same with a list of jobs that lend each
 * other slots.  Its delivery_slot_loan and _discount have no meaning here,
 * and a slot_cost of 0 puts everything into lane 0.)
 *
 * Concurrency of a destination is feedback.h.  A destination that is dead is
 * remembered for min_backoff; its mail is deferred without an attempt.  After
 * that one delivery probes it.  While the probe is out at most
 * SCHED_PROBE_QUEUE units wait for the answer, the others are deferred.
 *
 * MEMORY (64-bit, without malloc's overhead; t_sched_bench holds us to it)
 *
 *	message       144   at most active_limit of them
 *	unit           96   at most one a recipient in memory
 *	recipient      16   the first of a unit is inside it; at most
 *	                    rcpt_limit + rcpt_extra
 *	destination   336   and its name; at most one a unit, plus idle_limit
 *	                    idle ones, plus dead_limit dead or slowed ones
 *	transport    2240
 *	scheduler   33000
 *
 * The default limits with 20000 messages to 20000 destinations: about 13 MB.
 * Every event costs O(1), or O(log n) where a timer is set; about 0.3 us of a
 * common processor a recipient, from taking to its end.
 */
struct sched;
struct sched_msg;
struct sched_unit;
struct sched_transport;

#define SCHED_NAME_MAX 1024 /* bytes of next hop, and of recipient */
#define SCHED_PROBE_QUEUE 100

/* --- what the configuration says ------------------------------------------ */
struct sched_limits {
	uint32_t active_limit;	    /* qmgr_message_active_limit */
	uint32_t rcpt_limit;	    /* qmgr_message_recipient_limit */
	uint32_t rcpt_extra;	    /* default_extra_recipient_limit */
	uint32_t idle_limit;	    /* destinations remembered without mail */
	uint32_t dead_limit;	    /* dead destinations remembered */
	uint32_t agent_deaths;	    /* a unit is put off at this many deaths */
	int64_t min_backoff_ms;	    /* minimal_backoff_time */
	int64_t max_backoff_ms;	    /* maximal_backoff_time */
	int64_t lifetime_ms;	    /* maximal_queue_lifetime; 0: one try */
	int64_t bounce_lifetime_ms; /* bounce_queue_lifetime */
	int64_t delay_warning_ms;   /* delay_warning_time; 0: never */
	int64_t transport_retry_ms; /* transport_retry_time */
};

/* The defaults of the parameters above. */
void sched_limits_init(struct sched_limits *l);

struct sched_transport_conf {
	uint32_t process_limit; /* deliveries at once: maxproc; 0: no limit */
	uint32_t concurrency_limit; /* of one destination; 0: no limit */
	uint32_t initial_concurrency;
	uint32_t recipient_limit; /* of one delivery; 0: no limit (10000) */
	uint32_t rcpt_limit;	  /* recipients in memory */
	uint32_t delivery_slots;  /* minimum_delivery_slots */
	uint32_t slot_cost;	  /* delivery_slot_cost */
	double cohort_limit;	  /* 0: never dead */
	struct feedback positive;
	struct feedback negative;
	int64_t destination_rate_delay_ms;
	int64_t transport_rate_delay_ms;
};

void sched_transport_conf_init(struct sched_transport_conf *c);

/* --- callbacks ------------------------------------------------------------ */
enum sched_source {
	SCHED_INCOMING,
	SCHED_DEFERRED
};
#define SCHED_SOURCES 2

enum sched_take {
	SCHED_TAKE_NONE, /* nothing there; ask again after sched_waiting() */
	SCHED_TAKE_NOW,	 /* sched_msg_new() was called */
	SCHED_TAKE_LATER /* sched_msg_new() or sched_take_none() will be */
};

enum sched_start {
	SCHED_START_OK,	  /* the unit is the caller's until sched_unit_end() */
	SCHED_START_BUSY, /* not now: wait for sched_transport_ready() */
	SCHED_START_DOWN  /* no agent: as if sched_transport_down() came */
};

enum sched_fate {
	SCHED_DELIVERED,
	SCHED_BOUNCED,
	SCHED_PUT_OFF
};

/* Notices a message may need (a set). */
#define SCHED_NOTICE_FAILED 0x1u  /* recipients bounced */
#define SCHED_NOTICE_EXPIRED 0x2u /* those put off are given up */
#define SCHED_NOTICE_DELAY 0x4u	  /* delay warning */

enum sched_what {
	SCHED_DONE,   /* remove it from the queue */
	SCHED_RETRY,  /* to deferred, until next_us */
	SCHED_HOLD,   /* to hold */
	SCHED_DELETE, /* an administrator deleted it */
	SCHED_REQUEUE /* to be taken in again, by way of cleanup */
};

struct sched_outcome {
	enum sched_what what;
	int64_t next_us; /* SCHED_RETRY: wall time of the next attempt */
	unsigned owed;	 /* notices that were due and could not be made */
	bool warned;	 /* the delay warning is sent; keep this on record */
	bool expired;	 /* SCHED_DONE: put-off recipients were given up */
	uint32_t delivered, bounced, put_off; /* in this round */
};

/* A destination by its name; rcpt where each has one of its own. */
struct sched_site {
	struct str transport, nexthop, rcpt;
};

struct sched_ops {
	/* One message from there, please.  May call: sched_msg_new(). */
	enum sched_take (*take)(void *arg, enum sched_source from);

	/*
	 * The next recipients of m, at most max.  May call, now or later:
	 * sched_rcpt_add(), sched_rcpt_note(), sched_read_end().
	 */
	void (
	    *read)(void *arg, void *cookie, struct sched_msg *m, uint32_t max);

	/* Deliver u.  May call: the accessors of a unit. */
	enum sched_start (*deliver)(void *arg, struct sched_unit *u);

	/*
	 * The number the caller knows this destination by, for sched_dead().
	 * NULL if it has none.
	 */
	uint64_t (*key)(void *arg, const struct sched_site *site);

	/* This recipient is put off without a report; why is for people. */
	void (*defer)(void *arg, void *cookie, uint64_t rcpt, struct str why);

	/* Make these notices.  May call, now or later: sched_notice_done(). */
	void (*notice)(void *arg, void *cookie, struct sched_msg *m,
	    unsigned kinds);

	/* The message leaves the scheduler; *m is gone when this returns. */
	void (*finish)(void *arg, void *cookie, struct sched_msg *m,
	    const struct sched_outcome *o);
};

/* --- the scheduler -------------------------------------------------------- */

/* key is random, against next hops that were chosen to collide. */
struct sched *sched_new(const struct sched_limits *l,
    const struct sched_ops *ops, void *arg, const uint8_t key[SIPHASH_KEY]);

/* Frees everything, calls nobody: what was active is active no more. */
void sched_free(struct sched **sp);

/* New limits, at once; what exceeds them drains. */
void sched_limits_set(struct sched *s, const struct sched_limits *l);

/* The time: monotonic milliseconds and wall-clock microseconds. */
void sched_tick(struct sched *s, int64_t now_ms, int64_t wall_us);

/*
 * Do what is to be done.  Returns the monotonic time of the next call that is
 * wanted if nothing happens before (now, if there is more to do than one turn
 * should hold), or -1.
 */
int64_t sched_run(struct sched *s);

/* --- transports ----------------------------------------------------------- */

/* Make a transport, or give an existing one new limits. */
struct sched_transport *sched_transport_set(struct sched *s, struct str name,
    const struct sched_transport_conf *c);

/* Find a transport; NULL when there is none (or it was retired). */
struct sched_transport *sched_transport_get(struct sched *s, struct str name);

/*
 * It is no longer configured: what is queued for it is put off, deliveries
 * under way go on.  sched_transport_set() brings it back.
 */
void sched_transport_retire(struct sched *s, struct sched_transport *t);

/* An agent has room again, after SCHED_START_BUSY. */
void sched_transport_ready(struct sched *s, struct sched_transport *t);

/*
 * It cannot deliver at all (the agent does not start, or dies in a loop): its
 * mail is put off, without attempts, for transport_retry_ms.
 */
void sched_transport_down(struct sched *s, struct sched_transport *t,
    struct str why);

/* --- messages ------------------------------------------------------------- */

/* There is something to take.  Cheap, call it for every message. */
void sched_waiting(struct sched *s, enum sched_source from);

/* A SCHED_TAKE_LATER came to nothing. */
void sched_take_none(struct sched *s, enum sched_source from);

struct sched_msg_info {
	enum sched_source from;
	int64_t arrival_us; /* wall time; age counts from here */
	uint32_t n_rcpt;    /* recipients not settled yet; 0: unknown */
	unsigned owed;	    /* as finish() gave it */
	bool null_sender;
	bool warned; /* as finish() gave it */
	bool force;  /* asked for by name: probe dead destinations */
};

/* A message that take() was asked for. */
struct sched_msg *
sched_msg_new(struct sched *s, void *cookie, const struct sched_msg_info *info);

/*
 * One recipient for an agent: t by sched_transport_get(), the next hop in
 * lower case, and the recipient's address as text, which matters where
 * deliveries are by recipient.  Returns -1, and the recipient is not added,
 * when a name is over SCHED_NAME_MAX (say so with sched_rcpt_note()), or when
 * more than read() asked for were added.
 */
int
sched_rcpt_add(struct sched *s, struct sched_msg *m, struct sched_transport *t,
    struct str nexthop, struct str rcpt, uint64_t id) WARN_UNUSED;

/* One recipient that no agent need see, and whose fate is on record. */
void sched_rcpt_note(struct sched *s, struct sched_msg *m, enum sched_fate f);

/* The answer to read() is complete; more says whether there are more. */
void sched_read_end(struct sched *s, struct sched_msg *m, bool more);

/* The answer to notice(): it is safely queued, or could not be made. */
void sched_notice_done(struct sched *s, struct sched_msg *m, bool ok);

/* --- deliveries ----------------------------------------------------------- */
void *sched_unit_cookie(const struct sched_unit *u); /* of its message */
struct sched_msg *sched_unit_msg(const struct sched_unit *u);
struct sched_transport *sched_unit_transport(const struct sched_unit *u);
struct str sched_unit_nexthop(const struct sched_unit *u);
uint32_t sched_unit_count(const struct sched_unit *u);
uint64_t sched_unit_rcpt(const struct sched_unit *u, uint32_t i);
/* Is there no recipient number i, or was its fate told? */
bool sched_unit_told(const struct sched_unit *u, uint32_t i);

/* A pointer of the caller's, NULL at first: which agent has it. */
void sched_unit_tag_set(struct sched_unit *u, void *tag);
void *sched_unit_tag(const struct sched_unit *u);

/*
 * Recipient number i of the unit has met this fate.  -1 when there is no such
 * recipient or its fate was told before: the agent misbehaves, and nothing
 * has changed.  A recipient told off may be put off: that is no failure of
 * the destination.
 */
int sched_report(struct sched *s, struct sched_unit *u, uint32_t i,
    enum sched_fate f) WARN_UNUSED;

/*
 * Recipient number i of the unit, whose fate was not told, leaves it for
 * another transport; arguments and -1 as above and in sched_rcpt_add().
 */
int sched_rcpt_move(struct sched *s, struct sched_unit *u, uint32_t i,
    struct sched_transport *t, struct str nexthop, struct str rcpt,
    uint64_t id) WARN_UNUSED;

enum sched_end {
	SCHED_END_OK,	/* the destination answered, whatever it said */
	SCHED_END_SITE, /* no connection, no handshake: this one counts */
	SCHED_END_DIED	/* the agent is gone */
};

/*
 * The delivery is over; *u is gone.  Recipients without a report are put off
 * with why.  If the agent died they are delivered again at once, until the
 * unit has had agent_deaths deaths.
 */
void sched_unit_end(struct sched *s, struct sched_unit *u, enum sched_end how,
    struct str why);

/* --- orders --------------------------------------------------------------- */

/* Forget that destinations (of this next hop) and transports were dead. */
void sched_flush(struct sched *s);
void sched_flush_site(struct sched *s, struct str nexthop);

/* As if info.force had been given. */
void sched_flush_msg(struct sched *s, struct sched_msg *m);

/*
 * Start no more deliveries of m; when those under way are over it finishes
 * as ordered (SCHED_HOLD, SCHED_DELETE or SCHED_REQUEUE), without notices:
 * what those owed is in the outcome.  DELETE beats REQUEUE beats HOLD.
 */
void sched_msg_stop(struct sched *s, struct sched_msg *m, enum sched_what w);

/* Take an order to hold back: it finishes as SCHED_RETRY, due at once. */
void sched_msg_release(struct sched *s, struct sched_msg *m);

/* --- looking in ----------------------------------------------------------- */
struct sched_stats {
	uint32_t active[SCHED_SOURCES]; /* messages, by where they came from */
	uint32_t rcpts;			/* recipients in memory, or asked for */
	uint32_t queued;		/* units that wait */
	uint32_t running;		/* units with an agent */
	uint32_t destinations, idle, dead;
	uint64_t started, ended, taken, finished; /* since the beginning */
};

void sched_stats(const struct sched *s, struct sched_stats *out);

/*
 * Is the destination with this key dead (or being probed while enough mail
 * waits for the answer)?  Then *until_ms is when it is worth asking again.
 */
bool sched_dead(const struct sched *s, uint64_t key, int64_t *until_ms);

/* Verify every invariant; NULL, or what is broken.  For tests: O(n). */
const char *sched_check(const struct sched *s);

#endif
