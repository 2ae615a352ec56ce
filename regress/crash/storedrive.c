/* SPDX-License-Identifier: ISC */
/*
 * storedrive - what the crash tests drive the store with.
 *
 *	storedrive load SPOOL LOG SEED SECONDS THREADS
 *		Commits messages and does to them what a queue manager does, and
 *		appends to LOG: "A id size seed" after each acknowledgement, "R
 *		id" before each removal.  SECONDS 0: a fixed short sequence.
 *		Exit 3 when the store cannot be opened, 4 when at last no
 *		message is taken any more.
 *	storedrive verify SPOOL LOG-BEFORE LOG-AFTER
 *		Recovers, and counts.  Every message acknowledged in LOG-BEFORE
 *		and not removed in LOG-AFTER must be there, whole; whatever is
 *		there must be a message that was made.  Exit 1 if not so.
 */
#include <sys/stat.h>
#include <sys/uio.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "daemons/qmgr/store.h"
#include "queue/qid.h"

#define LARGE (48 << 10)
#define SIZE_MAX_ 120000

static struct store *st;
static struct store_threads *threads;
static int log_fd = -1;
static uint64_t rng;
static unsigned failed;
static unsigned complaints;

static uint64_t
rnd(uint64_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (rng >> 33) % n;
}

static void
say(uint64_t qid, const char *text, void *arg)
{
	char id[QID_TEXT_MAX] = "-";

	(void)arg;
	if (qid != 0)
		qid_format(qid, id);
	complaints++;
	fprintf(stderr, "store: %s: %s\n", id, text);
}

/* A line is one write, so that one that is there is whole. */
static void
note(char what, uint64_t qid, uint64_t size, uint64_t seed)
{
	char id[QID_TEXT_MAX], line[128];
	int n;

	qid_format(qid, id);
	n = snprintf(line, sizeof(line), "%c %s %llu %llu\n", what, id,
	    (unsigned long long)size, (unsigned long long)seed);
	/* Not write(): what fails on purpose is the store's. */
	if (writev(log_fd, &(struct iovec){ line, (size_t)n }, 1) != n)
		err(1, "log");
}

/* The content of a message is a function of its size and seed. */
static void
content(char *p, uint64_t size, uint64_t seed)
{
	uint64_t x = seed * 2 + 1;
	int n = snprintf(p, 64, "%llu %llu\n", (unsigned long long)size,
	    (unsigned long long)seed);

	for (uint64_t i = (uint64_t)n; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (char)x;
	}
}

static int
open_store(const char *spool, unsigned nthreads)
{
	int dirfd = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *why = "";
	struct store_opts o;

	if (dirfd == -1)
		err(2, "%s", spool);
	store_opts_init(&o);
	o.segment_size = 1 << 20;
	o.segments_max = 4;
	o.large = LARGE;
	o.age_ms = 50;
	o.log = say;
	if (nthreads > 0)
		threads = store_threads_start(nthreads);
	st = store_open(dirfd, &o, threads, &why);
	if (st == NULL) {
		warn("store_open: %s", why);
		return -1;
	}
	return 0;
}

/* --- load ----------------------------------------------------------------- */

struct sent {
	uint64_t qid;
	uint64_t size;
	uint64_t seed;
	bool done;
	int error;
};

/* Acknowledged and in hand. */
static uint64_t hand[4096];
static size_t nhand;

static void
on_commit(uint64_t qid, int error, void *arg)
{
	struct sent *x = arg;

	x->done = true;
	x->error = error;
	if (error != 0) {
		failed++;
		return;
	}
	note('A', qid, x->size, x->seed);
	if (nhand < NELEM(hand))
		hand[nhand++] = qid;
	else
		store_park(st, qid);
}

static void
turn(void)
{
	struct pollfd p = { .fd = store_fd(st), .events = POLLIN };

	store_flush(st);
	if (threads != NULL)
		(void)poll(&p, 1, 5);
	store_dispatch(st);
	(void)store_tick(st, clock_ms());
}

static void
envelope(struct buf *b)
{
	struct envelope e = { .arrival_us = clock_wall_us(),
		.origin = ENV_FROM_SMTPD,
		.sender = STR("sender@example.org") };
	struct env_rcpt r = { .addr = STR("rcpt@example.com") };

	buf_init(b, 4096);
	if (env_put_head(b, &e) == -1 || env_put_rcpt(b, &r) == -1 ||
	    env_put_end(b, 0, 1) == -1)
		errx(2, "envelope");
}

/* One message; *x says what became of it. */
static void
send_one(struct sent *x)
{
	static const uint64_t sizes[] = { 100, 3000, 3000, 10000, 10000, 40000,
		60000, SIZE_MAX_ };
	static char text[SIZE_MAX_ + 64];
	struct store_new nw;
	struct buf env;
	int rc = 0;

	*x = (struct sent){ .size = sizes[rnd(NELEM(sizes))],
		.seed = rnd(1 << 30),
		.done = true };
	if (store_create(st, rnd(4) == 0 ? LARGE : 0, &nw) == -1) {
		failed++;
		return;
	}
	x->qid = nw.qid;
	content(text, x->size, x->seed);
	rc = fd_write_all(nw.fd, text, x->size);
	if (rc == 0 && !nw.file)
		rc = memfd_seal(nw.fd);
	close(nw.fd);
	if (rc == -1) {
		failed++;
		store_discard(st, nw.qid);
		return;
	}
	envelope(&env);
	x->done = false;
	if (store_commit(st, nw.qid, buf_get(&env), -1, on_commit, x) == -1) {
		failed++;
		x->done = true;
	}
	buf_clear(&env);
}

struct waiting {
	bool done;
	int error;
};

static void
on_moved(uint64_t qid, int error, void *arg)
{
	struct waiting *w = arg;

	(void)qid;
	w->done = true;
	w->error = error;
}

/* Wait for an operation; with an error the message is in hand as before. */
static void
move_one(uint64_t qid)
{
	int64_t now = clock_wall_us();
	struct event e = { .type = EVENT_DEFER,
		.time_us = now,
		.due_us = now + (int64_t)rnd(4000) * 1000000,
		.reason = STR("connection refused") };
	uint64_t key = rnd(3) + 1;
	struct waiting w = { 0 };
	int rc;

	if (rnd(4) == 0)
		rc = store_hold(st, qid, STR("test"), on_moved, &w);
	else
		rc = store_defer(st, qid, &e, &key, 1, on_moved, &w);
	while (rc == 0 && !w.done)
		turn();
	if (rc == -1 || w.error != 0) {
		failed++;
		store_park(st, qid);
	}
}

/* Something happens to a message in hand. */
static void
happen(void)
{
	struct event_range g = { 0, 1 };
	struct event e = { .type = EVENT_FATE,
		.time_us = 1,
		.fate = EVENT_TRIED,
		.ranges = &g,
		.nranges = 1,
		.reason = STR("busy") };
	size_t i = rnd(nhand);
	uint64_t qid = hand[i];
	uint64_t what = rnd(10);

	if (what < 2) {
		(void)store_event(st, qid, &e);
		return;
	}
	hand[i] = hand[--nhand];
	if (what < 8) {
		note('R', qid, 0, 0);
		while (store_remove(st, qid) == -1 && errno == EBUSY)
			turn();
	} else if (what == 8)
		move_one(qid);
	else
		store_park(st, qid);
}

static void
on_found(uint64_t qid, void *arg)
{
	(void)arg;
	if (nhand < NELEM(hand))
		hand[nhand++] = qid;
}

/* A few that are due are taken up again. */
static void
take_due(void)
{
	struct store_due d;
	struct waiting w = { 0 };

	if (store_due_next(st, clock_wall_us() + 2000000000, &d) != 1)
		return;
	if (store_load(st, d.qid, on_moved, &w) == -1)
		return;
	while (!w.done)
		turn();
	if (w.error != 0)
		failed++;
	else if (nhand < NELEM(hand))
		hand[nhand++] = d.qid;
	else
		store_park(st, d.qid);
}

static int
load(const char *spool, const char *log, uint64_t seed, int64_t seconds,
    unsigned nthreads)
{
	int64_t end = clock_ms() + seconds * 1000;
	struct sent x[20];
	bool ended_well = false;

	rng = seed * 77 + 5;
	log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (log_fd == -1)
		err(2, "%s", log);
	if (open_store(spool, nthreads) == -1)
		return 3;
	if (store_recover(st, on_found, NULL) == -1) {
		warn("store_recover");
		return 3;
	}
	for (int round = 0; seconds == 0 ? round < 6 : clock_ms() < end;
	     round++) {
		size_t n = 1 + rnd(seconds == 0 ? 4 : NELEM(x)), waiting = n;

		for (size_t i = 0; i < n; i++)
			send_one(&x[i]);
		while (waiting > 0) {
			turn();
			waiting = 0;
			for (size_t i = 0; i < n; i++)
				waiting += !x[i].done;
		}
		for (size_t i = 0; i < n && nhand > 0; i++)
			happen();
		if (rnd(3) == 0)
			take_due();
		turn();
	}
	/* Whatever it was, it is over: mail flows again. */
	for (int i = 0; i < 3; i++) {
		unsigned before = failed;

		send_one(&x[0]);
		while (!x[0].done)
			turn();
		ended_well = failed == before;
		if (ended_well)
			break;
	}
	if (seconds == 0)
		store_close(&st);
	return ended_well ? 0 : 4;
}

/* --- verify --------------------------------------------------------------- */

struct known {
	uint64_t qid;
	uint64_t size;
	uint64_t seed;
	bool acked; /* before */
	bool removed;
	bool seen;    /* in the queue */
	bool yielded; /* by the index */
	bool on_hold;
};

static struct known *known;
static size_t nknown;

static int
by_qid(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->qid < y->qid ? -1 : x->qid > y->qid;
}

static struct known *
lookup(uint64_t qid)
{
	struct known k = { .qid = qid };

	return nknown == 0 ? NULL :
			     bsearch(&k, known, nknown, sizeof(k), by_qid);
}

static void
read_log(const char *path, bool before)
{
	FILE *f = fopen(path, "r");
	char line[256];

	if (f == NULL)
		err(2, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long long size, seed;
		char id[64];
		uint64_t qid;

		/* A line that is cut was not an acknowledgement. */
		if (strchr(line, '\n') == NULL)
			break;
		if (sscanf(line, "A %63s %llu %llu", id, &size, &seed) == 3 &&
		    qid_parse(str_of(id), &qid) == 0 && before) {
			known =
			    xreallocarray(known, nknown + 1, sizeof(*known));
			known[nknown++] = (struct known){ .qid = qid,
				.size = size,
				.seed = seed,
				.acked = true };
		} else if (!before && sscanf(line, "R %63s", id) == 1 &&
		    qid_parse(str_of(id), &qid) == 0 && lookup(qid) != NULL)
			lookup(qid)->removed = true;
	}
	fclose(f);
	if (before && nknown > 0)
		qsort(known, nknown, sizeof(*known), by_qid);
}

static unsigned bad, seen, extra;

/* Whole, and what its sender made. */
static void
check(uint64_t qid)
{
	static char got[SIZE_MAX_ + 64], want[SIZE_MAX_ + 64];
	unsigned long long size = 0, seed = 0;
	struct store_content c;
	struct known *k = lookup(qid);
	char id[QID_TEXT_MAX];
	bool ok = false;

	qid_format(qid, id);
	if (store_content(st, qid, &c) == 0) {
		if (c.size <= SIZE_MAX_ &&
		    fd_pread_all(c.fd, got, c.size, (off_t)c.off) ==
			(ssize_t)c.size) {
			got[c.size] = '\0';
			ok = sscanf(got, "%llu %llu\n", &size, &seed) == 2 &&
			    size == c.size;
		}
		close(c.fd);
	}
	if (ok) {
		content(want, size, seed);
		ok = memcmp(got, want, size) == 0;
	}
	if (k != NULL && (k->size != size || k->seed != seed))
		ok = false;
	if (!ok) {
		printf("bad content: %s\n", id);
		bad++;
	}
	seen++;
	if (k == NULL)
		extra++;
	else
		k->seen = true;
}

static void
on_flight(uint64_t qid, void *arg)
{
	(void)arg;
	check(qid);
	if (lookup(qid) != NULL)
		lookup(qid)->yielded = true;
}

static void
check_state(enum store_state state)
{
	struct store_walk *w = store_walk_state(st, state);
	struct store_due d;

	while (w != NULL && store_walk_next(w, &d) == 1) {
		struct waiting wt = { 0 };
		struct store_info info;
		struct known *k = lookup(d.qid);

		if (k != NULL && state == STORE_HOLD)
			k->on_hold = true;
		if (store_info(st, d.qid, &info) == 0 && info.in_hand)
			continue;
		if (store_load(st, d.qid, on_moved, &wt) == -1)
			err(2, "load");
		while (!wt.done)
			turn();
		if (wt.error == 0)
			check(d.qid);
		else
			bad++;
	}
	store_walk_free(&w);
}

static int
verify(const char *spool, const char *before, const char *after)
{
	struct store_stats stats;
	struct store_due d;
	unsigned lost = 0, hidden = 0;
	int rc;

	read_log(before, true);
	read_log(after, false);
	if (open_store(spool, 0) == -1 ||
	    store_recover(st, on_flight, NULL) == -1)
		err(3, "recover");
	do {
		turn();
		store_stats(st, &stats);
	} while (stats.checking);
	/* Everything that waits must be found by its time. */
	while (
	    (rc = store_due_next(st, clock_wall_us() + 9000000000, &d)) == 1 ||
	    (rc == -1 && errno == EAGAIN)) {
		if (rc == 1 && lookup(d.qid) != NULL)
			lookup(d.qid)->yielded = true;
	}
	check_state(STORE_INCOMING);
	check_state(STORE_DEFERRED);
	check_state(STORE_HOLD);
	for (size_t i = 0; i < nknown; i++) {
		struct known *k = &known[i];
		char id[QID_TEXT_MAX];
		struct store_info info = { 0 };

		qid_format(k->qid, id);
		(void)store_info(st, k->qid, &info);
		if (!k->removed && !k->seen) {
			printf("lost: %s\n", id);
			lost++;
		} else if (k->seen && !k->yielded && !k->on_hold) {
			printf("not in the index: %s, %s\n", id,
			    info.state == STORE_DEFERRED ? "deferred" :
							   "incoming");
			hidden++;
		}
	}
	printf("acknowledged %zu, there %u (%u more), lost %u, bad %u, "
	       "hidden %u, complaints %u\n",
	    nknown, seen, extra, lost, bad, hidden, complaints);
	return lost + bad + hidden + complaints > 0;
}

int
main(int argc, char *argv[])
{
	if (argc == 7 && strcmp(argv[1], "load") == 0)
		return load(argv[2], argv[3], (uint64_t)atoll(argv[4]),
		    atoll(argv[5]), (unsigned)atoi(argv[6]));
	if (argc == 5 && strcmp(argv[1], "verify") == 0)
		return verify(argv[2], argv[3], argv[4]);
	fprintf(stderr,
	    "usage: storedrive load spool log seed seconds threads\n"
	    "       storedrive verify spool log-before log-after\n");
	return 64;
}
