/* SPDX-License-Identifier: ISC */
/*
 * The threads that wait for the disk.
 */
#include "store_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "store.h"

/* Of a thread: pread windows and job structs are on the heap. */
#define STACK (256 << 10)
#define THREADS_MAX 32

STAILQ_HEAD(job_list, job);

struct lane {
	struct job_list jobs;
	pthread_cond_t wake;
};

struct store_threads {
	pthread_mutex_t lock;
	struct lane lane[JOB_QUEUES];
	struct job_list finished;
	pthread_t id[THREADS_MAX];
	unsigned n;
	unsigned running; /* threads that have begun their work */
	pthread_cond_t begun;
	unsigned pending; /* put and not yet dispatched */
	bool inlined;
	bool stop;
	bool told; /* a byte is in the pipe */
	bool news;
	int rd;
	int wr;
};

struct start {
	struct store_threads *t;
	struct lane *lane;
};

/* With the lock held: let the loop know. */
static void
tell(struct store_threads *t)
{
	if (t->told)
		return;
	t->told = true;
	/* A pipe that holds one byte at most is never full. */
	while (write(t->wr, "", 1) == -1 && errno == EINTR)
		;
}

static void *
worker(void *arg)
{
	struct start *st = arg;
	struct store_threads *t = st->t;
	struct lane *lane = st->lane;
	struct job *j;

	free(st);
	pthread_mutex_lock(&t->lock);
	t->running++;
	pthread_cond_signal(&t->begun);
	for (;;) {
		while (!t->stop && STAILQ_EMPTY(&lane->jobs))
			pthread_cond_wait(&lane->wake, &t->lock);
		if (STAILQ_EMPTY(&lane->jobs))
			break;
		j = STAILQ_FIRST(&lane->jobs);
		STAILQ_REMOVE_HEAD(&lane->jobs, link);
		pthread_mutex_unlock(&t->lock);
		j->run(j);
		pthread_mutex_lock(&t->lock);
		STAILQ_INSERT_TAIL(&t->finished, j, link);
		tell(t);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static struct store_threads *
make(void)
{
	struct store_threads *t = xcalloc(1, sizeof(*t));
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		free(t);
		return NULL;
	}
	t->rd = fds[0];
	t->wr = fds[1];
	pthread_mutex_init(&t->lock, NULL);
	for (int i = 0; i < JOB_QUEUES; i++) {
		STAILQ_INIT(&t->lane[i].jobs);
		pthread_cond_init(&t->lane[i].wake, NULL);
	}
	pthread_cond_init(&t->begun, NULL);
	STAILQ_INIT(&t->finished);
	return t;
}

static int
start(struct store_threads *t, struct lane *lane)
{
	struct start *st = xmalloc(sizeof(*st));
	pthread_attr_t attr;
	int rc;

	*st = (struct start){ t, lane };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(&t->id[t->n], &attr, worker, st);
	pthread_attr_destroy(&attr);
	if (rc != 0) {
		free(st);
		errno = rc;
		return -1;
	}
	t->n++;
	return 0;
}

struct store_threads *
store_threads_start(unsigned files)
{
	struct store_threads *t = make();
	sigset_t all, old;
	int rc = 0;

	if (t == NULL)
		return NULL;
	/* What breaks a lease of ours (store_file.c) is no reason to die. */
	signal(SIGIO, SIG_IGN);
	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = start(t, &t->lane[JOB_JOURNAL]);
	for (unsigned i = 0; rc == 0 && i < files && t->n < THREADS_MAX; i++)
		rc = start(t, &t->lane[JOB_FILE]);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	/* A thread's first calls are libc's own, and none a sealed one may. */
	pthread_mutex_lock(&t->lock);
	while (t->running < t->n)
		pthread_cond_wait(&t->begun, &t->lock);
	pthread_mutex_unlock(&t->lock);
	if (rc == -1)
		store_threads_stop(&t);
	return t;
}

struct store_threads *
jobs_inline(void)
{
	struct store_threads *t = make();

	if (t != NULL)
		t->inlined = true;
	return t;
}

bool
jobs_are_inline(const struct store_threads *t)
{
	return t->inlined;
}

void
store_threads_stop(struct store_threads **tp)
{
	struct store_threads *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	for (int i = 0; i < JOB_QUEUES; i++)
		pthread_cond_broadcast(&t->lane[i].wake);
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->n; i++)
		pthread_join(t->id[i], NULL);
	for (int i = 0; i < JOB_QUEUES; i++)
		pthread_cond_destroy(&t->lane[i].wake);
	pthread_cond_destroy(&t->begun);
	pthread_mutex_destroy(&t->lock);
	fd_close(&t->rd);
	fd_close(&t->wr);
	free(t);
}

void
jobs_put(struct store_threads *t, enum job_queue q, struct job *j)
{
	pthread_mutex_lock(&t->lock);
	STAILQ_INSERT_TAIL(&t->lane[q].jobs, j, link);
	t->pending++;
	pthread_cond_signal(&t->lane[q].wake);
	pthread_mutex_unlock(&t->lock);
}

void
jobs_news(struct store_threads *t)
{
	pthread_mutex_lock(&t->lock);
	t->news = true;
	tell(t);
	pthread_mutex_unlock(&t->lock);
}

/* Jobs that were put by done() of others are run as well. */
static void
run_inline(struct store_threads *t)
{
	for (int q = 0; q < JOB_QUEUES; q++) {
		struct job *j;

		while ((j = STAILQ_FIRST(&t->lane[q].jobs)) != NULL) {
			STAILQ_REMOVE_HEAD(&t->lane[q].jobs, link);
			j->run(j);
			STAILQ_INSERT_TAIL(&t->finished, j, link);
		}
	}
}

bool
jobs_dispatch(struct store_threads *t)
{
	struct job_list now;
	struct job *j;
	char drain[16];
	bool news;

	if (t->inlined)
		run_inline(t);
	STAILQ_INIT(&now);
	pthread_mutex_lock(&t->lock);
	STAILQ_CONCAT(&now, &t->finished);
	if (t->told) {
		while (
		    read(t->rd, drain, sizeof(drain)) == -1 && errno == EINTR)
			;
		t->told = false;
	}
	news = t->news;
	t->news = false;
	STAILQ_FOREACH(j, &now, link)
		t->pending--;
	pthread_mutex_unlock(&t->lock);
	while ((j = STAILQ_FIRST(&now)) != NULL) {
		STAILQ_REMOVE_HEAD(&now, link);
		j->done(j);
	}
	return news;
}

bool
jobs_wait(struct store_threads *t)
{
	struct pollfd p = { .fd = t->rd, .events = POLLIN };
	bool some;

	pthread_mutex_lock(&t->lock);
	some = t->pending > 0 || t->news;
	pthread_mutex_unlock(&t->lock);
	if (some && !t->inlined)
		(void)poll(&p, 1, -1);
	return some;
}

int
jobs_fd(const struct store_threads *t)
{
	return t->rd;
}
