/* SPDX-License-Identifier: ISC */
/*
 * Helper threads.
 */
#include "loop/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define STACK (256 << 10)
#define THREADS_MAX 32

STAILQ_HEAD(job_list, pool_job);

struct pool {
	struct loop *loop;
	struct watch watch;
	struct turn turn; /* without threads */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t begun;
	struct job_list jobs;
	struct job_list finished;
	pthread_t id[THREADS_MAX];
	unsigned n;
	unsigned idle;	  /* threads that wait for a job */
	unsigned running; /* threads that have begun to live */
	unsigned busy;	  /* of the loop's thread alone */
	bool told;	  /* a byte is in the pipe */
	bool stop;
	int rd;
	int wr;
};

/* With the lock held: let the loop know, once. */
static void
tell(struct pool *p)
{
	if (p->told)
		return;
	p->told = true;
	/* A pipe that holds one byte at most is never full. */
	while (write(p->wr, "", 1) == -1 && errno == EINTR)
		;
}

static void *
worker(void *arg)
{
	struct pool *p = arg;
	struct pool_job *j;

	/* What libc does for a thread's first allocation is done now. */
	free(xmalloc(64));
	pthread_mutex_lock(&p->lock);
	p->running++;
	pthread_cond_signal(&p->begun);
	for (;;) {
		p->idle++;
		while (!p->stop && STAILQ_EMPTY(&p->jobs))
			pthread_cond_wait(&p->wake, &p->lock);
		p->idle--;
		if (p->stop)
			break;
		j = STAILQ_FIRST(&p->jobs);
		STAILQ_REMOVE_HEAD(&p->jobs, link);
		pthread_mutex_unlock(&p->lock);
		j->run(j);
		pthread_mutex_lock(&p->lock);
		STAILQ_INSERT_TAIL(&p->finished, j, link);
		tell(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void
finish(struct pool *p, struct job_list *now)
{
	struct pool_job *j;

	while ((j = STAILQ_FIRST(now)) != NULL) {
		STAILQ_REMOVE_HEAD(now, link);
		p->busy--;
		j->done(j);
	}
}

static void
on_finished(int what, void *arg)
{
	struct pool *p = arg;
	struct job_list now = STAILQ_HEAD_INITIALIZER(now);
	char drain[16];

	(void)what;
	pthread_mutex_lock(&p->lock);
	STAILQ_CONCAT(&now, &p->finished);
	while (read(p->rd, drain, sizeof(drain)) == -1 && errno == EINTR)
		;
	p->told = false;
	pthread_mutex_unlock(&p->lock);
	finish(p, &now);
}

static void
run_inline(void *arg)
{
	struct pool *p = arg;
	struct job_list now = STAILQ_HEAD_INITIALIZER(now);
	struct pool_job *j;

	STAILQ_CONCAT(&now, &p->jobs);
	STAILQ_FOREACH(j, &now, link)
		j->run(j);
	finish(p, &now);
}

static int
start_threads(struct pool *p, unsigned n)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc = 0;

	/*
	 * One heap for all: the C library would otherwise ask how many
	 * processors there are, by reading a file.
	 */
	mallopt(M_ARENA_MAX, 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (rc == 0 && p->n < n && p->n < THREADS_MAX) {
		rc = pthread_create(&p->id[p->n], &attr, worker, p);
		if (rc == 0)
			p->n++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	pthread_mutex_lock(&p->lock);
	while (p->running < p->n)
		pthread_cond_wait(&p->begun, &p->lock);
	pthread_mutex_unlock(&p->lock);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

struct pool *
pool_new(struct loop *l, unsigned n)
{
	struct pool *p = xcalloc(1, sizeof(*p));
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		free(p);
		return NULL;
	}
	p->loop = l;
	p->rd = fds[0];
	p->wr = fds[1];
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_cond_init(&p->begun, NULL);
	STAILQ_INIT(&p->jobs);
	STAILQ_INIT(&p->finished);
	turn_init(&p->turn, l, run_inline, p);
	watch_init(&p->watch, l, p->rd, on_finished, p);
	watch_set(&p->watch, LOOP_READ);
	if (start_threads(p, n) == -1) {
		int e = errno;

		pool_free(&p);
		errno = e;
	}
	return p;
}

void
pool_free(struct pool **pp)
{
	struct pool *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n; i++)
		pthread_join(p->id[i], NULL);
	turn_cancel(&p->turn);
	watch_clear(&p->watch);
	pthread_cond_destroy(&p->wake);
	pthread_cond_destroy(&p->begun);
	pthread_mutex_destroy(&p->lock);
	fd_close(&p->rd);
	fd_close(&p->wr);
	free(p);
}

void
pool_put(struct pool *p, struct pool_job *j)
{
	bool wake;

	p->busy++;
	if (p->n == 0) {
		STAILQ_INSERT_TAIL(&p->jobs, j, link);
		turn_ask(&p->turn);
		return;
	}
	pthread_mutex_lock(&p->lock);
	STAILQ_INSERT_TAIL(&p->jobs, j, link);
	wake = p->idle > 0;
	pthread_mutex_unlock(&p->lock);
	if (wake)
		pthread_cond_signal(&p->wake);
}

unsigned
pool_busy(const struct pool *p)
{
	return p->busy;
}
