/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_WATCH_H
#define SANDBOX_WATCH_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sandbox/sandbox.h"

/*
 * Audits in rounds: every process of an instance, one a step, so that nobody
 * waits for long.  A difference counts when it is seen in two rounds, because
 * processes come and go; then it is said once, until it changes.
 */
struct sandbox_watch {
	const char *libexec; /* where programs are */
	const char
	    *datadir; /* where policies may be, beside their usual places */
	/* A line for the log: level 2 is a warning, 3 for information. */
	void (*say)(void *arg, int level, const char *text);
	void *arg;
	/* The rest is for watch.c. */
	struct watched *v; /* of the round under way */
	size_t n, at;
	struct audit_peers *peers;
	struct finding *found;
	size_t nfound;
	bool again;
	size_t unmeasured, blind; /* rows in this round; in the last one */
	int64_t last;		  /* end of the last round, seconds */
};

/* Who is to be looked at in the next round, one after the other. */
void watch_add(struct sandbox_watch *w, pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, bool image);
/* Begin when all are added: launcher is the parent of all. */
void watch_begin(struct sandbox_watch *w);
/*
 * The next process; false when the round is over.  Then `again' says that a
 * round should follow soon.
 */
bool watch_step(struct sandbox_watch *w, pid_t launcher);
bool watch_under_way(const struct sandbox_watch *w);
/* Give up the round. */
void watch_abandon(struct sandbox_watch *w);

/* A process is gone.  True when an alarm went with it. */
bool watch_forget(struct sandbox_watch *w, pid_t pid);

/*
 * {"last":SECONDS,"interval":SECONDS,"unmeasurable":ROWS,"alarms":[...]}
 */
void
watch_json(const struct sandbox_watch *w, int64_t interval_s, struct buf *out);

#endif
