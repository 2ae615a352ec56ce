/* SPDX-License-Identifier: ISC */
#ifndef HOSTILE_FORGE_H
#define HOSTILE_FORGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chan/rec.h"

/*
 * What a captured peer sends, made from the declarations of an edge: every
 * record it may and may not send, mutilated in every way the wire allows, and
 * such that are formed well and mean nonsense.
 */
#define FORGE_FDS 250 /* the kernel passes 253 at most */
#define FORGE_BYTES 65536

/* What goes where a record wants a descriptor. */
enum thing {
	THING_RIGHT, /* what an honest peer would send, as far as we can */
	THING_UNSEALED,
	THING_PIPE_READ,
	THING_PIPE_WRITE,
	THING_SOCKET,
	THING_CHANNEL,
	THING_DIR,
	THING_PATH, /* O_PATH */
	THING_READ_WRITE,
	THING_NULL,
	THING_ZERO,
	THING_EVENT,
	THING_HUGE, /* sealed memory of a terabyte, all of it a hole */
	THING_N
};

/* What must come of it. */
enum forge_end {
	FORGE_CLOSED, /* the channel, and a line in the log says why */
	FORGE_QUIET,  /* the channel is closed, as if we had ended */
	FORGE_LIVES   /* whatever the victim does: it goes on */
};

struct forged {
	char name[96];
	const struct edge *edge;
	enum forge_end end;
	size_t len;
	size_t nfds;
	enum thing thing; /* every descriptor of it */
	uint8_t data[FORGE_BYTES];
};

/*
 * All attacks by side `from` of an edge, in turn; false behind the last.  The
 * same seed gives the same bytes.
 */
struct forger {
	const struct edge *edge;
	enum side from;
	uint64_t seed;
	unsigned type, n; /* where we are; begin with 0 */
};
bool forge_next(struct forger *fr, struct forged *out);

/*
 * A record with values that decode, from a seed; and its length.  An answer
 * (or what is told) carries this id.
 */
size_t forge_record(const struct rec_type *t, uint64_t id, uint64_t seed,
    uint8_t *p, size_t size);

#endif
