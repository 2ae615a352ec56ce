/* SPDX-License-Identifier: ISC */
#ifndef HOSTILE_ROGUE_H
#define HOSTILE_ROGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge/broker.h"
#include "edge/edges.h"
#include "forge.h"

/*
 * A captured component of a running system: in its place and its sandbox, with
 * the channels and descriptors that it was given.
 *
 * A life has three parts.  In office it hears what its peers say and lies about
 * its own work: that is a part of its own for each component (rogue_parts.c).
 * Then it says what the declarations of records make up (forge.h), and at last
 * it breaks a rule on every channel, the broker's being the last.
 */
#define ROGUE_ASKED 16 /* questions of a peer that are remembered */

/* What would be a line of its own in a reply, a header or the log. */
#define ROGUE_WILD "\r\n\r\n250 2.0.0 Ok\r\nBcc: x\0\x1b[2J\xff"

struct rogue_question {
	unsigned type;
	uint64_t id;
};

/* A channel that we attack. */
struct rogue_target {
	int fd;
	const struct edge *edge;
	enum side from; /* ours */
	const char *peer;
	unsigned instance;
	struct forger fr;
	struct rogue_question asked[ROGUE_ASKED]; /* and not answered */
	size_t nasked;
	struct rogue_question had; /* was answered, if it has a type */
	bool deaf;		   /* nothing is read from it */
	bool shut;		   /* the kernel takes no descriptors for it */
	bool closed;		   /* by the peer */
	int64_t broke_ms;	   /* a rule was broken, at that time; 0 */
	char broke[96];		   /* and which */
	bool judged;		   /* the log has what came of it */
	char last[96];		   /* what was said last */
};

/* The targets of this peer (NULL: all), one after the other. */
struct rogue_target *rogue_next(const char *peer, struct rogue_target *after);

/* A channel that was had by asking. */
struct rogue_target *rogue_target_add(int fd, const struct edge *e,
    enum side from, const char *peer, unsigned instance);

/*
 * Say it, with fd if its type has one (or two: twice the same).  The fd is
 * still ours.  False when it cannot be said now.
 */
bool rogue_say(struct rogue_target *t, unsigned type, uint64_t id,
    const void *rec, int fd);

/* What was just said is against the rules: the channel is to be closed. */
void rogue_broke(struct rogue_target *t, const char *what);

/* A question was answered. */
void rogue_answered(struct rogue_target *t, uint64_t id);

/* Is this a life to break a rule in, and which of so many? */
bool rogue_breaks(void);
unsigned rogue_which(unsigned n);

/* Which life it is, from 1, and what the test has ordered: NULL when not. */
unsigned rogue_life(void);
const char *rogue_order(const char *name);

/* Descriptors that it holds anyway; -1 behind the last. */
int rogue_held(unsigned n);
int rogue_pipe(void); /* one to write to */

/* What this component does in office; any of them may be NULL. */
struct rogue_part {
	const char *name;
	void (*heard)(struct rogue_target *t, const struct rec_head *h,
	    const void *rec, int *fds);
	void (*turn)(unsigned n);
	void (*granted)(const struct broker_grant *g, int fd); /* keeps it */
	/* Not to be made up: what it has every right to say. */
	const struct edge *spared;
	unsigned spare;
};
const struct rogue_part *rogue_part_find(const char *name);
extern const struct rogue_part rogue_qmgr; /* rogue_qmgr.c */

/* Ask the broker more often than the policy has it (rogue_rates.c). */
void rogue_rates(const char *component);

#endif
