/* SPDX-License-Identifier: ISC */
#ifndef EDGE_GRANTS_H
#define EDGE_GRANTS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

/*
 * The broker's record of everything that was handed out, and refused: the
 * newest lines of it.  Nothing is decided by it.
 */
struct grant_note {
	uint64_t serial;
	int64_t when_us;
	pid_t pid;
	const char *component; /* lives for ever */
	uint32_t instance;
	char verb[16]; /* channel, listener, connect, ... */
	char what[80];
	bool ok;
};

#define GRANT_NOTES 4096 /* are kept */

struct grants {
	struct grant_note *notes;
	uint64_t serial; /* of the next */
};

void grants_init(struct grants *g);
/* A line: who (component is not copied), whether, what he asked for, which. */
void grants_note(struct grants *g, pid_t pid, const char *component,
    uint32_t instance, bool ok, const char *verb, const char *fmt, ...)
    PRINTFLIKE(7, 8);
/* As JSON, appended to b. */
void grants_json(const struct grants *g, struct buf *b);

#endif
