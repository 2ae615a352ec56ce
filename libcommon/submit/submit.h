/* SPDX-License-Identifier: ISC */
#ifndef SUBMIT_SUBMIT_H
#define SUBMIT_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/attr.h"
#include "base/str.h"
#include "chan/chan.h"
#include "edge/intake.h"
#include "edge/spool.h"
#include "loop/loop.h"

/*
 * Bringing in a message: for pickup, bounce and local, who post one now and
 * then.  qmgr's empty files are held ahead (edge/spool.h); one is taken, filled
 * and sent to a cleanup with its envelope (edge/intake.h); the word that it is
 * on disk, or why not, comes to a callback exactly once.
 *
 * The channels are the component's, made by boot:
 *
 *	static struct pickup { struct submit submit; ... } pk;
 *	{ "qmgr", &edge_spool, SIDE_A, submit_spool_on, NULL,
 *	    submit_qmgr_up, submit_qmgr_down, false },
 *	{ "cleanup", &edge_intake, SIDE_A, submit_intake_on, NULL,
 *	    submit_cleanup_up, submit_cleanup_down, false },
 *
 * The handlers take boot's arg for a struct submit: have it as the first
 * member of the component's state.
 */
struct submit;
struct submit_slot;

/* What became of it. */
struct submit_result {
	int code;	/* 250, or an SMTP reply code: 4xx, 5xx */
	struct str dsn; /* "4.3.0" */
	struct str text;
	struct str qid;
};

/*
 * Called once for every slot that was taken and neither dropped nor abandoned;
 * the slot is gone then.  It may come before the message was sent, when qmgr
 * goes away, but never inside a call of the owner's.
 */
typedef void submit_done_fn(const struct submit_result *res, void *arg);

struct submit_slot {
	LIST_ENTRY(submit_slot) by_id;
	TAILQ_ENTRY(submit_slot) link; /* free ones; orphans */
	enum {
		SUBMIT_FREE,
		SUBMIT_HELD,
		SUBMIT_SENT,
		SUBMIT_ORPHAN, /* its cleanup died: did it commit? */
	} state;
	uint64_t id;
	int64_t until_ms; /* of an orphan */
	struct chan *cleanup;
	submit_done_fn *fn;
	void *arg;
	int fd; /* to be filled with write(2) only */
	size_t qid_len;
	char qid[QID_MAX + 1];
};

/* One who waits for a slot; embedded, zeroed at first. */
struct submit_wait {
	TAILQ_ENTRY(submit_wait) link;
	bool waiting;
	void (*cb)(void *arg);
	void *arg;
};

#define SUBMIT_BUCKETS 64
#define SUBMIT_CLEANUPS 64

TAILQ_HEAD(submit_slots, submit_slot);
TAILQ_HEAD(submit_waits, submit_wait);

struct submit {
	struct loop *loop;
	struct chan *qmgr; /* NULL: down */
	struct chan *cleanup[SUBMIT_CLEANUPS];
	size_t ncleanup, turn;
	LIST_HEAD(submit_bucket, submit_slot) bucket[SUBMIT_BUCKETS];
	struct submit_slots free, orphans;
	struct submit_waits waits;
	struct timer timer; /* for orphans */
	unsigned ahead, ahead_max;
	bool full; /* no new mail now: the disk is */
};

/* Hold `ahead` slots, at times up to `most` (256 is the most qmgr gives). */
void
submit_init(struct submit *s, struct loop *l, unsigned ahead, unsigned most);
void submit_clear(struct submit *s);

extern const struct chan_on submit_spool_on[], submit_intake_on[];
void
submit_qmgr_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
void submit_qmgr_down(struct chan *ch, unsigned instance, void *arg);
void
submit_cleanup_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
void submit_cleanup_down(struct chan *ch, unsigned instance, void *arg);

/* Can a message be brought in at all now?  If not, answer 4xx at once. */
bool submit_possible(const struct submit *s);

/* A slot, or NULL when there is none: then wait for w->cb, and try again. */
struct submit_slot *
submit_take(struct submit *s, submit_done_fn *fn, void *arg);
void submit_wait(struct submit *s, struct submit_wait *w);
void submit_unwait(struct submit *s, struct submit_wait *w);

/* It will not be sent; fn is not called.  *slp becomes NULL. */
void submit_drop(struct submit *s, struct submit_slot **slp);

/*
 * Send it: content is in the slot's file, form is its envelope.  fn will hear.
 */
void submit_send(struct submit *s, struct submit_slot *sl, struct str form);

/* It was sent, and whoever it was for has gone: nobody is called. */
void submit_abandon(struct submit_slot **slp);

static inline struct str
submit_qid(const struct submit_slot *sl)
{
	return str_make(sl->qid, sl->qid_len);
}

#endif
