/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_SLOTS_H
#define SMTPD_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/str.h"
#include "edge/spool.h"

/*
 * Slots: the queue manager's memory files, handed out ahead.  One is free,
 * then held by a session that writes a message, then sent: its file is with
 * cleanup and the session waits for a word about it.
 */
struct worker;
struct session;

enum slot_state {
	SLOT_FREE,
	SLOT_HELD,
	SLOT_SENT,
};

struct slot {
	TAILQ_ENTRY(slot) link;
	LIST_ENTRY(slot) by_id;
	uint64_t id;
	enum slot_state state;
	struct session *s; /* who holds it; NULL when it went away */
	int fd;		   /* -1 once it was sent */
	const void *via;   /* to whom it was sent */
	int64_t until;	   /* that is gone: given up then; else 0 */
	size_t qid_len;
	char qid[QID_MAX];
};

TAILQ_HEAD(slot_list, slot);

#define SLOT_BUCKETS 256

/* A session that waits for a slot; embedded. */
struct slot_wait {
	TAILQ_ENTRY(slot_wait) link;
	bool waiting;
	void (*cb)(void *arg);
	void *arg;
};

struct slots {
	struct worker *w;
	struct slot_list free;
	LIST_HEAD(slot_bucket, slot) bucket[SLOT_BUCKETS];
	TAILQ_HEAD(, slot_wait) waits;
	unsigned ahead; /* what was asked for */
	size_t nfree, n;
	bool lost; /* some may be waited for in vain */
};

#define SLOTS_AHEAD 16 /* at first */
#define SLOTS_AHEAD_MAX 256

void slots_init(struct slots *ss, struct worker *w);
void slots_clear(struct slots *ss);

/* The queue manager is there (anew), or gone: then every slot is void. */
void slots_up(struct slots *ss);
void slots_down(struct slots *ss);

/* How many are to be held ready from now on. */
void slots_ahead(struct slots *ss, unsigned n);

/* A session begins a message: where none were ahead there is to be one. */
void slots_expect(struct slots *ss);

/* A slot arrived; fd is taken over. */
void slots_add(struct slots *ss, uint64_t id, struct str qid, int fd);

/* A slot for this session, or NULL: then wait, or ask for more ahead. */
struct slot *slots_take(struct slots *ss, struct session *s);
void slots_wait(struct slots *ss, struct slot_wait *w);
void slots_unwait(struct slots *ss, struct slot_wait *w);

/* It will not be used: the queue manager is told.  *slp becomes NULL. */
void slots_drop(struct slots *ss, struct slot **slp);

/* It was sent; the word about it will come. */
void slots_sent(struct slot *sl);

/*
 * Whoever it was sent to is gone.  The message may have got through, so its
 * session waits a moment for the word before it answers with a failure;
 * slots_tick() then gives the slot up.
 */
#define SLOT_LOST_MS 2000
void slots_via_lost(struct slots *ss, const void *via);
void slots_tick(struct slots *ss);

/* The session went away without waiting for the word. */
void slots_abandon(struct slot **slp);

/* By number, or NULL; and the end of one that was answered. */
struct slot *slots_find(struct slots *ss, uint64_t id);
void slots_done(struct slots *ss, struct slot **slp);

#endif
