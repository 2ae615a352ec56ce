/* SPDX-License-Identifier: ISC */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/siphash.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/bounce.h"
#include "edge/commit.h"
#include "edge/deliver.h"
#include "edge/maildrop.h"
#include "edge/queue.h"
#include "edge/resolve.h"
#include "edge/spool.h"
#include "edge/ticket.h"
#include "loop/loop.h"
#include "queue/envelope.h"
#include "sched.h"
#include "store.h"

/*
 * The queue manager: store and scheduler, and what lies between them and the
 * other components.
 *
 *	main.c		wiring, the turn of the loop
 *	settings.c	what the configuration says
 *	slots.c		files handed out to submitters; commits
 *	active.c	messages in the active window
 *	resolve.c	the way of recipients that came without one
 *	way.c		what is done with one whose way is known
 *	agents.c	deliveries and their reports
 *	demand.c	components that come when there is work for them
 *	notices.c	bounces, delay warnings
 *	maildrop.c	what local users left while nobody listened
 *	requeue.c	messages that pass cleanup again
 *	orders.c	what an administrator asks for
 */
struct qmgr;
struct message;

/* --- slots.c -------------------------------------------------------------- */

/* Somebody who brings in messages: one for each channel of edge `spool`. */
struct submitter {
	TAILQ_ENTRY(submitter) link;
	struct chan *ch;
	uint32_t want; /* slots it would like to have ahead */
	uint32_t have;
	bool notices; /* what it brings in are notices */
};

/* A file that was handed out. */
struct slot {
	LIST_ENTRY(slot) hash;
	uint64_t number; /* nobody can guess it */
	uint64_t qid;
	uint64_t dev, ino; /* of the file: what is committed must be this one */
	struct submitter *owner; /* NULL: gone */
	bool committing;
	struct qmgr *q;
};

#define SLOT_BUCKETS 1024
LIST_HEAD(slot_bucket, slot);

extern const struct chan_on slots_on[], slots_etrn_on[], commits_on[];
void submitter_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
void submitter_down(struct chan *ch, unsigned instance, void *arg);
/* Hand out what is owed, now that there is room again. */
void slots_refill(struct qmgr *q);

/* --- active.c ------------------------------------------------------------- */

/* A recipient in memory: read from the envelope, not settled yet. */
struct rcpt {
	TAILQ_ENTRY(rcpt) link;
	uint32_t pos; /* in the envelope */
	uint32_t notify;
	uint64_t ticket;
	struct sched_unit *unit; /* local passes it on: it was number at of */
	uint32_t at;
	struct str addr, orig, orcpt, transport, nexthop; /* into text */
	char text[];
};

/* A message in the active window. */
struct message {
	TAILQ_ENTRY(message) link;
	LIST_ENTRY(message) hash;
	struct qmgr *q;
	uint64_t qid;
	char name[QID_TEXT_MAX];
	struct sched_msg *sm; /* NULL: over, but for a notice of it */
	int64_t arrival_us;
	int64_t active_us;
	uint64_t size; /* as it goes out: with its edits */
	uint32_t flags;
	uint32_t nrcpts;
	uint32_t left; /* recipients not settled */
	uint32_t attempts;
	uint8_t ret;
	char *sender;
	char *envid;
	struct buf edits; /* encoded, for jobs */
	struct env_place place; /* where reading goes on */
	uint8_t *settled; /* a bit a recipient; NULL: none is */
	bool fresh; /* committed in this life: routes are still good */
	bool forced; /* flushed: tried whatever speaks against it */
	bool reading; /* the answer to a read() is not complete */
	uint32_t resolving; /* recipients whose way is being asked for */
	bool more;
	bool success; /* a sender wants to hear of a success */
	bool report; /* he wants one on the first attempt, and has none yet */
	uint8_t ordered; /* enum queue_op: how an administrator ends it */
	uint32_t orders; /* EVENT_ORDER_*, of its events */
	struct sched_outcome after; /* what follows when the report is made */
	TAILQ_HEAD(, rcpt) rcpts; /* in memory */
	uint64_t keys[STORE_KEYS_MAX]; /* destinations it waits for */
	uint32_t nkeys;
	char *reason; /* the latest of a recipient put off */
};

/* A committed or recovered message is ready to be taken. */
void active_ready(struct qmgr *q, uint64_t qid, bool fresh);
/*
 * A message that only asks what would become of it (ENV_PROBE): whatever is
 * found out about a recipient settles it, and nobody gets a notice but the
 * report.
 */
bool message_probe(const struct message *m);
/* Is the recipient at this position done? */
bool message_settled(const struct message *m, uint32_t pos);
struct message *active_find(struct qmgr *q, uint64_t qid);
extern const struct sched_ops active_ops;
/* The key of a destination, by which its waiting mail is found. */
uint64_t active_key(struct qmgr *q, struct str transport, struct str nexthop);

/* A recipient as the envelope has it, added to m's; and its end. */
struct rcpt *rcpt_new(struct message *m, const struct env_rcpt *e,
    uint32_t pos);
void rcpt_free(struct message *m, struct rcpt *r);

/*
 * Put a fate on record; r is gone afterwards.  A fate that is not final names
 * the destination the message will wait for.
 */
void active_fate(struct message *m, struct rcpt *r, enum event_fate fate,
    struct str dsn, struct str text, struct str mta);
/* The log line of a fate that no agent decided. */
void active_log(const struct message *m, const struct rcpt *r,
    struct str dsn, const char *status, struct str text);

/* --- resolve.c ------------------------------------------------------------ */

/* Ask rewrite the way of r; active_resolved() hears, perhaps at once. */
void resolve_rcpt(struct message *m, struct rcpt *r);
/* The way is known; or not, for the reason why: then status is not OK. */
void active_resolved(struct message *m, struct rcpt *r,
    enum resolve_status status, struct str why);

/* --- way.c ---------------------------------------------------------------- */

/* Hand a recipient whose way is known to the scheduler, or settle it here. */
void way_add(struct message *m, struct rcpt *r);
/* One less is being waited for: are all recipients read? */
void way_end_read(struct message *m);

/* --- demand.c ------------------------------------------------------------- */

/* A component on demand, and whether the broker was asked for it. */
struct demand {
	struct qmgr *q;
	const char *component;
	bool always; /* its policy says so */
	bool asked; /* and not there yet */
	struct timer again;
	void (*refused)(struct qmgr *q); /* or NULL */
};

void demand_init(struct demand *d, struct qmgr *q, const char *component,
    void (*refused)(struct qmgr *q));
/* There is work.  Asks once, until it is met; when refused, again later. */
void demand_ask(struct demand *d);
/* It is there (or may be asked for anew). */
void demand_met(struct demand *d);

/* --- agents.c ------------------------------------------------------------- */

/* A component that delivers. */
struct agent {
	struct demand demand;
	struct chan *ch; /* NULL while it is down */
	bool waiting; /* a transport of it was told BUSY */
};

enum { AGENT_SMTP, AGENT_LOCAL, AGENT_VIRTUAL, AGENT_PIPE, AGENT_N };

extern const struct chan_on agents_on[];
void agents_init(struct qmgr *q);
void agent_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
void agent_down(struct chan *ch, unsigned instance, void *arg);
enum sched_start agents_deliver(struct qmgr *q, struct sched_unit *u);
void agents_resume(struct qmgr *q);

/* --- notices.c ------------------------------------------------------------ */
extern const struct chan_on notices_on[];
void notices_init(struct qmgr *q);
void notices_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
/* A message of bounce's is in the queue. */
void notices_accepted(uint64_t qid);
void notices_make(struct message *m, unsigned kinds);
/*
 * The DSN of success, when all else is done.  The message is kept until it is
 * in the queue; done() is called then, or with false.
 */
void notices_success(struct message *m, void (*done)(struct message *m,
    bool ok));
/* The same for the report of what all recipients' first attempt came to. */
void notices_status(struct message *m, void (*done)(struct message *m,
    bool ok));

/* --- maildrop.c ----------------------------------------------------------- */
extern const struct chan_on maildrop_on[];
void maildrop_scan(struct qmgr *q);
/* Begin to list the files there; NULL when it cannot be. */
struct dirlist *maildrop_list(struct qmgr *q);
/* What the kernel knows of one; -1: it is gone, or nothing for us. */
int maildrop_stat(struct qmgr *q, const char *name, struct stat *st);
/* An administrator wants it, or all of them, removed: how many were. */
uint32_t maildrop_remove(struct qmgr *q, struct str name);
uint32_t maildrop_remove_all(struct qmgr *q);

/* --- requeue.c ------------------------------------------------------------ */

/*
 * Have m pass cleanup again.  True: it is on its way, and m is of no use any
 * more; false: it cannot be now, or is too old for it, and is a message like
 * others.
 */
bool requeue_begin(struct message *m);

/* --- orders.c ------------------------------------------------------------- */
extern const struct chan_on orders_on[];
void orders_down(struct chan *ch, unsigned instance, void *arg);
struct orders *orders_get(struct qmgr *q);
/*
 * A message that is to be tried now, whenever it is due: 1 and one; 0 when
 * there is none; -1: ask again in the next turn.
 */
int orders_flush_next(struct qmgr *q, uint64_t *qid);

/* --- settings.c ----------------------------------------------------------- */

/* What stands behind a transport's name. */
enum transport_kind {
	TRANSPORT_NONE, /* not in master.cf */
	TRANSPORT_AGENT,
	TRANSPORT_ERROR,
	TRANSPORT_RETRY,
	TRANSPORT_DISCARD,
	TRANSPORT_UNSUPPORTED, /* a component this version does not have */
};

struct transport_info {
	TAILQ_ENTRY(transport_info) link;
	char *name;
	enum transport_kind kind;
	int agent; /* AGENT_* */
	struct sched_transport *st;
	bool current;
};

void settings_store(const struct conf *c, struct store_opts *o);
void settings_apply(struct qmgr *q);
struct transport_info *transport_find(struct qmgr *q, struct str name);

/* --- main.c --------------------------------------------------------------- */
#define MESSAGE_BUCKETS 4096
LIST_HEAD(message_bucket, message);
TAILQ_HEAD(message_list, message);

/* Committed, and not yet taken by the scheduler. */
struct ready {
	STAILQ_ENTRY(ready) link;
	uint64_t qid;
	bool fresh;
};

struct qmgr {
	struct loop *loop;
	const struct conf *conf;
	struct store *store;
	struct store_threads *threads;
	struct sched *sched;
	struct watch store_watch;
	struct turn turn;
	struct timer wake; /* of scheduler and store */
	int64_t look_ms;   /* when to look for what is due, monotonic */
	struct timer drop_scan;
	int64_t drop_scan_ms; /* the wake-up time of pickup's line; 0: never */
	struct timer patience; /* how long we wait for agents at the end */
	int spool_fd;
	struct ticket_key way_key; /* what local passes on, rewrite signs */
	uint8_t secret[SIPHASH_KEY];
	uint64_t slot_count;
	struct slot_bucket slots[SLOT_BUCKETS];
	TAILQ_HEAD(, submitter) submitters;
	struct message_bucket messages[MESSAGE_BUCKETS];
	STAILQ_HEAD(, ready) ready;
	struct agent agents[AGENT_N];
	TAILQ_HEAD(, transport_info) transports;
	struct chan *rewrite;
	struct chan *bounce;
	struct demand bounce_demand;
	struct chan *pickup;
	uint32_t loading; /* store_load() under way */
	uint32_t deferring; /* store_defer() under way */
	uint64_t accepted, delivered;
	bool due_again; /* store_due_next() wants to be called again */
	bool flushing; /* dead destinations are tried, too */
	unsigned requeues; /* on their way through pickup */
	bool forcing; /* for the message being made: the same */
	bool full; /* submitters were told so */
	bool stopping;
};

/* Something happened: work is due at the end of this turn. */
void qmgr_touch(struct qmgr *q);
int64_t qmgr_wall_us(void);

#endif
