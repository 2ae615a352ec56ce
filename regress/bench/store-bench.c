/* SPDX-License-Identifier: ISC */
/*
 * store-bench SPOOL [size]: how many messages a second the store takes in, with
 * 1, 20 and 100 at a time, each committed, acknowledged and removed.  SPOOL is
 * a directory of its own on the disk in question.
 *
 * store-bench SPOOL backlog N: N messages are deferred; then how long it takes
 * to open, to check the index after a crash, to find one destination's, and
 * to have all of them yielded as due and postponed; and in how much memory.
 */
#include <sys/resource.h>

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "daemons/qmgr/store.h"

static struct store *st;
static struct buf env;
static char *text;
static size_t size = 10000;
static unsigned long done;
static unsigned free_writers;

static void
on_commit(uint64_t qid, int error, void *arg)
{
	(void)arg;
	if (error != 0)
		errx(1, "commit: %s", strerror(error));
	if (store_remove(st, qid) == -1)
		err(1, "remove");
	done++;
	free_writers++;
}

static void
send_one(void)
{
	struct store_new nw;

	if (store_create(st, size, &nw) == -1)
		err(1, "create");
	if (fd_write_all(nw.fd, text, size) == -1 ||
	    (!nw.file && memfd_seal(nw.fd) == -1))
		err(1, "write");
	close(nw.fd);
	if (store_commit(st, nw.qid, buf_get(&env), -1, on_commit, NULL) == -1)
		err(1, "commit");
}

static double
cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
run(unsigned writers, double seconds)
{
	int64_t start = clock_wall_us(), now = start;
	struct store_stats a, b;
	double c = cpu();

	done = 0;
	free_writers = writers;
	store_stats(st, &a);
	while (
	    (double)(now - start) < seconds * 1e6 || free_writers < writers) {
		struct pollfd p = { .fd = store_fd(st), .events = POLLIN };

		while (
		    free_writers > 0 && (double)(now - start) < seconds * 1e6) {
			free_writers--;
			send_one();
		}
		store_flush(st);
		(void)poll(&p, 1, (int)store_tick(st, clock_ms()));
		store_dispatch(st);
		now = clock_wall_us();
	}
	store_stats(st, &b);
	printf("%3u at a time: %7.0f a second, %5.1f a barrier, "
	       "%.3f ms of CPU each\n",
	    writers, (double)done * 1e6 / (double)(now - start),
	    (double)done / (double)(b.barriers - a.barriers),
	    (cpu() - c) * 1e3 / (double)done);
}

static void
on_found(uint64_t qid, void *arg)
{
	(void)arg;
	if (store_remove(st, qid) == -1)
		warn("remove");
}

/* --- a backlog ------------------------------------------------------------ */

static size_t pending;

static void
on_deferred(uint64_t qid, int error, void *arg)
{
	(void)qid, (void)arg;
	if (error != 0)
		errx(1, "defer: %s", strerror(error));
	pending--;
}

static void
on_backlog(uint64_t qid, int error, void *arg)
{
	int64_t now = clock_wall_us();
	struct event e = { .type = EVENT_DEFER,
		.time_us = now,
		.due_us = now + (int64_t)(qid % 4000) * 1000000,
		.reason = STR("connection refused") };
	uint64_t key = 1 + qid % 1000;

	(void)arg;
	if (error != 0 ||
	    store_defer(st, qid, &e, &key, 1, on_deferred, NULL) == -1)
		errx(1, "commit: %s", strerror(error));
}

static void
turn(void)
{
	struct pollfd p = { .fd = store_fd(st), .events = POLLIN };

	store_flush(st);
	(void)poll(&p, 1, 1);
	store_dispatch(st);
	(void)store_tick(st, clock_ms());
}

static void
build(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct store_new nw;

		while (pending >= 200)
			turn();
		if (store_create(st, size, &nw) == -1)
			err(1, "create");
		if (fd_write_all(nw.fd, text, 1000) == -1 ||
		    memfd_seal(nw.fd) == -1)
			err(1, "write");
		close(nw.fd);
		pending++;
		if (store_commit(st, nw.qid, buf_get(&env), -1, on_backlog,
			NULL) == -1)
			err(1, "commit");
	}
	while (pending > 0)
		turn();
}

static long
rss_kb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void
backlog(int dirfd, const struct store_opts *o, struct store_threads *t,
    size_t n)
{
	const char *why = "";
	struct store_stats stats;
	struct store_walk *w;
	struct store_due d;
	int64_t t0 = clock_ms(), far = clock_wall_us() + 10000000000;
	size_t k;
	int rc;

	if (n > 0)
		build(n);
	printf("%zu deferred in %lld ms\n", n, (long long)(clock_ms() - t0));
	store_close(&st);
	t0 = clock_ms();
	st = store_open(dirfd, o, t, &why);
	if (st == NULL || store_recover(st, on_found, NULL) == -1)
		err(1, "open: %s", why);
	store_stats(st, &stats);
	printf("opened with %llu in %lld ms%s\n",
	    (unsigned long long)stats.deferred, (long long)(clock_ms() - t0),
	    stats.checking ? ", checking" : "");
	t0 = clock_ms();
	while (stats.checking) {
		(void)store_tick(st, clock_ms());
		store_stats(st, &stats);
	}
	printf("checked in %lld ms\n", (long long)(clock_ms() - t0));
	t0 = clock_ms();
	w = store_walk_key(st, 7);
	for (k = 0; (rc = store_walk_next(w, &d)) != 0;)
		k += rc == 1;
	store_walk_free(&w);
	printf("%zu of one destination in %lld ms\n", k,
	    (long long)(clock_ms() - t0));
	t0 = clock_ms();
	for (k = 0; (rc = store_due_next(st, far, &d)) != 0;) {
		if (rc == 1 &&
		    store_postpone(st, d.qid,
			far + 4000000000 + (int64_t)(k % 1000) * 1000000,
			d.key) == -1)
			err(1, "postpone");
		k += rc == 1;
	}
	printf("%zu due and postponed in %lld ms; %ld KB\n", k,
	    (long long)(clock_ms() - t0), rss_kb());
}

int
main(int argc, char *argv[])
{
	struct envelope e = { .arrival_us = 1,
		.origin = ENV_FROM_SMTPD,
		.sender = STR("sender@example.org") };
	struct env_rcpt r = { .addr = STR("rcpt@example.com") };
	struct store_threads *t = store_threads_start(2);
	struct store_opts o;
	const char *why = "";
	int dirfd;

	if (argc < 2)
		errx(64, "usage: store-bench spool [size | backlog n]");
	if (argc == 3)
		size = (size_t)atol(argv[2]);
	text = xcalloc(1, size + 1);
	buf_init(&env, 4096);
	if (env_put_head(&env, &e) == -1 || env_put_rcpt(&env, &r) == -1 ||
	    env_put_end(&env, 0, 1) == -1)
		errx(1, "envelope");
	dirfd = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dirfd == -1)
		err(1, "%s", argv[1]);
	store_opts_init(&o);
	st = store_open(dirfd, &o, t, &why);
	if (st == NULL || store_recover(st, on_found, NULL) == -1)
		err(1, "open: %s", why);
	if (argc == 4) {
		backlog(dirfd, &o, t, (size_t)atol(argv[3]));
		store_close(&st);
		return 0;
	}
	run(20, 0.5);
	run(1, 2);
	run(20, 3);
	run(100, 3);
	store_close(&st);
	store_threads_stop(&t);
	return 0;
}
