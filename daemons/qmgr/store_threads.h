/* SPDX-License-Identifier: ISC */
#ifndef QMGR_STORE_THREADS_H
#define QMGR_STORE_THREADS_H

#include <stdbool.h>

#include <sys/queue.h>

/*
 * Work that waits for the disk.  A job's run() is called by a thread, touches
 * what the job points to and nothing else, and must not be touched by anybody
 * until done() is called in the loop's thread, by jobs_dispatch().
 */
struct job {
	STAILQ_ENTRY(job) link;
	void (*run)(struct job *);
	void (*done)(struct job *);
};

/* Which threads: the one of the journal, or those of queue files. */
enum job_queue {
	JOB_JOURNAL,
	JOB_FILE,
	JOB_QUEUES
};

struct store_threads;

/*
 * Without threads: jobs run in jobs_dispatch().  Never fails.
 */
struct store_threads *jobs_inline(void);
bool jobs_are_inline(const struct store_threads *t);

void jobs_put(struct store_threads *t, enum job_queue q, struct job *j);

/* From a running job: call fn(arg) in the loop soon (jobs_on_news()). */
void jobs_news(struct store_threads *t);

/*
 * Run inline jobs, if that is what we have, and done() of all that ran.
 * Returns whether jobs_news() was called since the last time.
 */
bool jobs_dispatch(struct store_threads *t);

/* Wait until something is there to dispatch; false when nothing runs. */
bool jobs_wait(struct store_threads *t);

int jobs_fd(const struct store_threads *t);

#endif
