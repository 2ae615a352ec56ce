/* SPDX-License-Identifier: ISC */
#ifndef LOOP_POOL_H
#define LOOP_POOL_H

#include <stdbool.h>

#include <sys/queue.h>

#include "loop/loop.h"

/*
 * Helper threads for what waits for the disk.
 *
 * A job is embedded in what it is about.  run() is called by one of the
 * threads: it touches what the job points to and nothing else, allocates as
 * little as it can, and neither logs nor uses the loop.  Nobody else touches
 * the job's things until done() is called, by the loop.
 */
struct pool;

struct pool_job {
	STAILQ_ENTRY(pool_job) link;
	void (*run)(struct pool_job *j);
	void (*done)(struct pool_job *j);
};

/*
 * A pool of threads, or, when n is 0, of none: its jobs then run at the end
 * of the turn.  Threads cannot be made once the filter is there: a component
 * calls this in the `threads` hook of boot.h.  They have all run when it
 * returns.  NULL with errno.
 */
struct pool *pool_new(struct loop *l, unsigned n);

/* Wait for what runs; jobs that have not begun are forgotten. */
void pool_free(struct pool **pp);

/* Hand a job over.  They begin in this order. */
void pool_put(struct pool *p, struct pool_job *j);

/* How many jobs were put and are not done. */
unsigned pool_busy(const struct pool *p);

#endif
