/* SPDX-License-Identifier: ISC */
/*
 * The store, step by step: a message's ways through it, restarts, damage.
 * What crashes do to it is in t_store_model.c and in regress/crash.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "daemons/qmgr/store.h"
#include "queue/content.h"

struct ctx {
	char dir[64];
	int dirfd;
	struct store *s;
	struct store_threads *t;
	struct store_opts o;
	uint64_t found[4096];
	size_t nfound;
	char said[1024];
};

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
on_log(uint64_t qid, const char *text, void *arg)
{
	struct ctx *c = arg;

	(void)qid;
	snprintf(c->said, sizeof(c->said), "%s", text);
}

static void
on_found(uint64_t qid, void *arg)
{
	struct ctx *c = arg;

	assert_true(c->nfound < NELEM(c->found));
	c->found[c->nfound++] = qid;
}

static void
up(struct ctx *c)
{
	const char *why = NULL;

	c->s = store_open(c->dirfd, &c->o, c->t, &why);
	assert_non_null(c->s);
	c->nfound = 0;
	assert_int_equal(store_recover(c->s, on_found, c), 0);
}

/* Proper stop and start. */
static void
again(struct ctx *c)
{
	store_close(&c->s);
	up(c);
}

static int
setup(void **state)
{
	struct ctx *c = xcalloc(1, sizeof(*c));

	strcpy(c->dir, "/tmp/t_store.XXXXXX");
	if (mkdtemp(c->dir) == NULL)
		return -1;
	c->dirfd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	store_opts_init(&c->o);
	c->o.segment_size = 256 << 10;
	c->o.segments_max = 4;
	c->o.large = 64 << 10;
	c->o.lazy_ms = 0;
	c->o.log = on_log;
	c->o.log_arg = c;
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	struct ctx *c = *state;

	store_close(&c->s);
	store_threads_stop(&c->t);
	close(c->dirfd);
	nftw(c->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(c);
	return 0;
}

struct result {
	int calls;
	int error;
};

static void
on_done(uint64_t qid, int error, void *arg)
{
	struct result *r = arg;

	(void)qid;
	r->calls++;
	r->error = error;
}

static void
envelope(struct buf *b, const char *sender, unsigned nrcpts)
{
	struct envelope e = { .arrival_us = 1,
		.origin = ENV_FROM_SMTPD,
		.sender = str_of(sender) };

	buf_init(b, 1 << 20);
	assert_int_equal(env_put_head(b, &e), 0);
	for (unsigned i = 0; i < nrcpts; i++) {
		char *a = xasprintf("user%u@example.com", i);
		struct env_rcpt r = { .addr = str_of(a) };

		assert_int_equal(env_put_rcpt(b, &r), 0);
		free(a);
	}
	assert_int_equal(env_put_end(b, 0, nrcpts), 0);
}

static void
fill(int fd, char c, size_t n)
{
	char *p = xmalloc(n + 1);

	memset(p, c, n);
	assert_int_equal(fd_write_all(fd, p, n), 0);
	free(p);
}

/* Turn the loop until nothing happens any more. */
static void
settle(struct ctx *c)
{
	for (int i = 0; i < 20; i++) {
		store_flush(c->s);
		if (c->t != NULL)
			usleep(2000);
		store_dispatch(c->s);
		store_tick(c->s, clock_ms());
	}
}

/* A committed message of n times the byte c. */
static uint64_t
put(struct ctx *c, char ch, size_t n, size_t want)
{
	struct store_new nw;
	struct result r = { 0 };
	struct buf env;

	assert_int_equal(store_create(c->s, want, &nw), 0);
	fill(nw.fd, ch, n);
	if (!nw.file)
		assert_int_equal(memfd_seal(nw.fd), 0);
	close(nw.fd);
	envelope(&env, "a@example.org", 3);
	assert_int_equal(store_commit(c->s, nw.qid, buf_get(&env), -1, on_done,
			     &r),
	    0);
	buf_clear(&env);
	assert_int_equal(r.calls, 0);
	for (int i = 0; i < 1000 && r.calls == 0; i++) {
		store_flush(c->s);
		if (c->t != NULL)
			usleep(1000);
		store_dispatch(c->s);
	}
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.error, 0);
	return nw.qid;
}

static void
want_content(struct ctx *c, uint64_t qid, char ch, size_t n)
{
	struct store_content sc;
	struct env_reader er;
	struct env_counts ec;
	char *p = xmalloc(n + 1);

	assert_int_equal(store_content(c->s, qid, &sc), 0);
	assert_int_equal(sc.size, n);
	assert_int_equal(fd_pread_all(sc.fd, p, n, (off_t)sc.off), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], ch);
	assert_int_equal(fd_write_all(sc.fd, "x", 1), -1);
	close(sc.fd);
	free(p);
	assert_int_equal(store_envelope(c->s, qid, &er), 0);
	assert_int_equal(env_check(&er, n, NULL, &ec), 0);
	env_close(&er);
	assert_int_equal(ec.nrcpts, 3);
}

static enum store_state
state_of(struct ctx *c, uint64_t qid)
{
	struct store_info i;

	return store_info(c->s, qid, &i) == -1 ? STORE_NONE : i.state;
}

static void
load(struct ctx *c, uint64_t qid, int want)
{
	struct result r = { 0 };

	assert_int_equal(store_load(c->s, qid, on_done, &r), 0);
	settle(c);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.error, want);
}

static void
defer(struct ctx *c, uint64_t qid, int64_t due_us, const uint64_t *keys,
    size_t n)
{
	struct event e = { .type = EVENT_DEFER,
		.time_us = 5,
		.due_us = due_us,
		.attempts = 1,
		.reason = STR("later") };
	struct result r = { 0 };

	assert_int_equal(store_defer(c->s, qid, &e, keys, n, on_done, &r), 0);
	settle(c);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.error, 0);
	assert_int_equal(state_of(c, qid), STORE_DEFERRED);
}

static void
event(struct ctx *c, uint64_t qid, uint32_t rcpt)
{
	struct event_range g = { rcpt, 1 };
	struct event e = { .type = EVENT_FATE,
		.time_us = 5,
		.fate = EVENT_DELIVERED,
		.ranges = &g,
		.nranges = 1 };

	assert_int_equal(store_event(c->s, qid, &e), 0);
}

static unsigned
fates(struct ctx *c, uint64_t qid)
{
	struct str in = store_events(c->s, qid);
	struct event e;
	unsigned bits = 0;

	while (event_get(&in, qid, &e) == 1) {
		if (e.type == EVENT_FATE)
			bits |= 1u << event_range(&e, 0).first;
	}
	assert_int_equal(in.n, 0);
	return bits;
}

static void
flight(void **state)
{
	struct ctx *c = *state;
	struct store_stats st;
	uint64_t a, b;

	up(c);
	assert_int_equal(c->nfound, 0);
	a = put(c, 'a', 10000, 0);
	b = put(c, 'b', 0, 0);
	assert_int_equal(state_of(c, a), STORE_FLIGHT);
	want_content(c, a, 'a', 10000);
	want_content(c, b, 'b', 0);
	event(c, a, 1);
	settle(c);
	store_stats(c->s, &st);
	assert_int_equal(st.flight, 2);
	assert_int_equal(st.memory, 10000);
	assert_int_equal(st.files, 0);
	/* Both come back, with what happened to them. */
	again(c);
	assert_int_equal(c->nfound, 2);
	want_content(c, a, 'a', 10000);
	assert_int_equal(fates(c, a), 2);
	assert_int_equal(store_remove(c->s, a), 0);
	assert_int_equal(store_remove(c->s, b), 0);
	assert_int_equal(store_remove(c->s, b), -1);
	assert_int_equal(errno, ENOENT);
	again(c);
	assert_int_equal(c->nfound, 0);
	store_stats(c->s, &st);
	assert_int_equal(st.memory, 0);
	assert_int_equal(st.in_hand, 0);
}

static void
refused(void **state)
{
	struct ctx *c = *state;
	struct result r = { 0 };
	struct store_new nw;
	struct buf env;
	int extra;

	up(c);
	envelope(&env, "x", 1);
	/* Not sealed. */
	assert_int_equal(store_create(c->s, 0, &nw), 0);
	assert_int_equal(store_commit(c->s, nw.qid, buf_get(&env), -1, on_done,
			     &r),
	    -1);
	assert_int_equal(errno, EINVAL);
	close(nw.fd);
	/* A second time, and an id of nobody. */
	assert_int_equal(store_commit(c->s, nw.qid, buf_get(&env), -1, on_done,
			     &r),
	    -1);
	assert_int_equal(errno, ENOENT);
	/* An envelope that is cut. */
	assert_int_equal(store_create(c->s, 0, &nw), 0);
	assert_int_equal(memfd_seal(nw.fd), 0);
	assert_int_equal(store_commit(c->s, nw.qid,
			     str_sub(buf_get(&env), 0, env.len - 1), -1,
			     on_done, &r),
	    -1);
	assert_int_equal(errno, EINVAL);
	close(nw.fd);
	/* A file that somebody can still write to. */
	assert_int_equal(store_create(c->s, c->o.large, &nw), 0);
	assert_true(nw.file);
	extra = dup(nw.fd);
	close(nw.fd);
	assert_int_equal(store_commit(c->s, nw.qid, buf_get(&env), -1, on_done,
			     &r),
	    0);
	settle(c);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.error, EBUSY);
	close(extra);
	buf_clear(&env);
	again(c);
	assert_int_equal(c->nfound, 0);
}

static void
large(void **state)
{
	struct ctx *c = *state;
	struct store_due d;
	uint64_t streamed, copied;

	up(c);
	streamed = put(c, 's', 300000, c->o.large);
	copied = put(c, 'c', 200000, 0);
	assert_int_equal(state_of(c, streamed), STORE_INCOMING);
	assert_int_equal(state_of(c, copied), STORE_INCOMING);
	want_content(c, streamed, 's', 300000);
	want_content(c, copied, 'c', 200000);
	event(c, copied, 2);
	again(c);
	assert_int_equal(c->nfound, 0);
	assert_int_equal(store_due_next(c->s, clock_wall_us(), &d), 1);
	load(c, d.qid, 0);
	assert_int_equal(store_due_next(c->s, clock_wall_us(), &d), 1);
	load(c, d.qid, 0);
	assert_int_equal(store_due_next(c->s, clock_wall_us(), &d), 0);
	want_content(c, streamed, 's', 300000);
	want_content(c, copied, 'c', 200000);
	assert_int_equal(fates(c, copied), 4);
	assert_int_equal(store_remove(c->s, copied), 0);
	assert_int_equal(store_remove(c->s, streamed), 0);
	again(c);
	assert_int_equal(store_due_next(c->s, clock_wall_us(), &d), 0);
}

static void
deferred(void **state)
{
	struct ctx *c = *state;
	int64_t now = clock_wall_us();
	struct store_stats st;
	struct store_due d;
	struct store_walk *w;
	uint64_t a, b, keys[2];

	up(c);
	settle(c);
	keys[0] = store_key(c->s, STR("smtp:one.example"));
	keys[1] = store_key(c->s, STR("smtp:two.example"));
	a = put(c, 'a', 5000, 0);
	b = put(c, 'b', 6000, 0);
	event(c, a, 0);
	defer(c, a, now + 600 * 1000000LL, keys, 2);
	defer(c, b, now + 300 * 1000000LL, keys, 1);
	for (int round = 0; round < 2; round++) {
		store_stats(c->s, &st);
		assert_int_equal(st.deferred, 2);
		assert_int_equal(st.in_hand, 0);
		assert_int_equal(store_due_next(c->s, now, &d), 0);
		again(c);
		assert_int_equal(c->nfound, 0);
	}
	/* By destination: one has both, two has a. */
	for (int i = 0; i < 2; i++) {
		int n = 0;

		w = store_walk_key(c->s, keys[i]);
		while (store_walk_next(w, &d) == 1) {
			assert_true(d.qid == a || (i == 0 && d.qid == b));
			n++;
		}
		assert_int_equal(n, 2 - i);
		store_walk_free(&w);
	}
	/* The earlier one first; then nothing, until it is time. */
	now += 400 * 1000000LL;
	assert_int_equal(store_due_next(c->s, now, &d), 1);
	assert_int_equal(d.qid, b);
	assert_int_equal(d.key, keys[0]);
	assert_int_equal(store_postpone(c->s, b, now + 900 * 1000000LL,
			     keys[0]),
	    0);
	assert_int_equal(store_due_next(c->s, now, &d), 0);
	now += 300 * 1000000LL;
	assert_int_equal(store_due_next(c->s, now, &d), 1);
	assert_int_equal(d.qid, a);
	assert_int_equal(d.key, 0);
	load(c, a, 0);
	want_content(c, a, 'a', 5000);
	assert_int_equal(fates(c, a), 1);
	event(c, a, 2);
	defer(c, a, now + 600 * 1000000LL, keys, 2);
	assert_int_equal(store_due_next(c->s, now, &d), 0);
	now += 1200 * 1000000LL;
	assert_int_equal(store_due_next(c->s, now, &d), 1);
	assert_int_equal(store_due_next(c->s, now, &d), 1);
	assert_int_equal(store_due_next(c->s, now, &d), 0);
	load(c, a, 0);
	assert_int_equal(fates(c, a), 5);
	assert_int_equal(store_remove(c->s, a), 0);
	assert_int_equal(store_remove(c->s, b), 0);
	store_stats(c->s, &st);
	assert_int_equal(st.deferred, 0);
}

/* Without its index everything is found all the same. */
static void
index_lost(void **state)
{
	struct ctx *c = *state;
	int64_t now = clock_wall_us();
	struct store_stats st;
	struct store_walk *w;
	struct store_due d;
	char path[128];
	uint64_t key;
	int n = 0;

	up(c);
	key = store_key(c->s, STR("smtp:one.example"));
	for (int i = 0; i < 50; i++)
		defer(c, put(c, 'a', 50, 0), now + i * 10000000LL, &key, 1);
	store_close(&c->s);
	snprintf(path, sizeof(path), "%s/index", c->dir);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	up(c);
	store_stats(c->s, &st);
	assert_true(st.checking);
	settle(c);
	store_stats(c->s, &st);
	assert_false(st.checking);
	assert_int_equal(st.deferred, 50);
	w = store_walk_key(c->s, key);
	while (store_walk_next(w, &d) == 1)
		n++;
	store_walk_free(&w);
	assert_int_equal(n, 50);
	for (n = 0; store_due_next(c->s, now + 600 * 1000000LL, &d) == 1; n++)
		assert_int_equal(store_remove(c->s, d.qid), 0);
	assert_int_equal(n, 50);
}

static void
hold(void **state)
{
	struct ctx *c = *state;
	struct result r = { 0 };
	struct store_walk *w;
	struct store_due d;
	uint64_t a, b;

	up(c);
	a = put(c, 'a', 5000, 0);
	b = put(c, 'b', 5000, 0);
	defer(c, b, clock_wall_us() + 60000000, NULL, 0);
	assert_int_equal(store_hold(c->s, a, STR("why"), on_done, &r), 0);
	assert_int_equal(store_hold(c->s, b, STR("why"), on_done, &r), 0);
	settle(c);
	assert_int_equal(r.calls, 2);
	assert_int_equal(r.error, 0);
	again(c);
	assert_int_equal(state_of(c, a), STORE_HOLD);
	assert_int_equal(state_of(c, b), STORE_HOLD);
	assert_int_equal(store_due_next(c->s, INT64_MAX / 4, &d), 0);
	w = store_walk_state(c->s, STORE_HOLD);
	assert_int_equal(store_walk_next(w, &d), 1);
	assert_int_equal(store_walk_next(w, &d), 1);
	assert_int_equal(store_walk_next(w, &d), 0);
	store_walk_free(&w);
	assert_int_equal(store_release(c->s, a), 0);
	assert_int_equal(store_due_next(c->s, clock_wall_us(), &d), 1);
	assert_int_equal(d.qid, a);
	load(c, a, 0);
	want_content(c, a, 'a', 5000);
	store_park(c->s, a);
	assert_int_equal(store_due_next(c->s, clock_wall_us(), &d), 1);
	assert_int_equal(d.qid, a);
	assert_int_equal(store_remove(c->s, a), 0);
	assert_int_equal(store_remove(c->s, b), 0);
	assert_int_equal(state_of(c, b), STORE_NONE);
}

/* The log is used again and again, and what stays too long moves out. */
static void
rounds(void **state)
{
	struct ctx *c = *state;
	struct store_stats st;
	uint64_t slow, ids[8];

	up(c);
	slow = put(c, 's', 20000, 0);
	event(c, slow, 0);
	for (int i = 0; i < 200; i++) {
		for (int k = 0; k < 8; k++)
			ids[k] = put(c, (char)('a' + k), 9000, 0);
		for (int k = 0; k < 8; k++) {
			want_content(c, ids[k], (char)('a' + k), 9000);
			assert_int_equal(store_remove(c->s, ids[k]), 0);
		}
	}
	store_stats(c->s, &st);
	assert_true(st.segments <= c->o.segments_max);
	assert_int_equal(st.files, 1);
	assert_int_equal(state_of(c, slow), STORE_INCOMING);
	want_content(c, slow, 's', 20000);
	event(c, slow, 1);
	again(c);
	assert_int_equal(c->nfound, 0);
	load(c, slow, 0);
	assert_int_equal(fates(c, slow), 3);
}

static void
aged(void **state)
{
	struct ctx *c = *state;
	uint64_t a, b;

	c->o.age_ms = 0;
	up(c);
	a = put(c, 'a', 60000, 0);
	store_tick(c->s, clock_ms() + 10);
	/* Its segment is the current one: it costs nothing. */
	assert_int_equal(state_of(c, a), STORE_FLIGHT);
	for (int i = 0; i < 5; i++)
		b = put(c, 'b', 60000, 0);
	store_tick(c->s, clock_ms() + 10);
	settle(c);
	assert_int_equal(state_of(c, a), STORE_INCOMING);
	assert_int_equal(state_of(c, b), STORE_FLIGHT);
	want_content(c, a, 'a', 60000);
}

static void
damaged(void **state)
{
	struct ctx *c = *state;
	char text[QID_TEXT_MAX], path[128];
	uint64_t a;
	int fd;

	up(c);
	a = put(c, 'a', 200000, 0);
	store_park(c->s, a);
	qid_format(a, text);
	snprintf(path, sizeof(path), "%s/incoming/%s", c->dir, text);
	fd = open(path, O_RDWR);
	assert_int_not_equal(fd, -1);
	assert_int_equal(pwrite(fd, "b", 1, 150000), 1);
	close(fd);
	load(c, a, EBADMSG);
	assert_int_equal(state_of(c, a), STORE_CORRUPT);
	assert_non_null(strstr(c->said, "damaged content"));
	assert_int_equal(store_remove(c->s, a), -1);
}

/* A bit flips in the middle of what was acknowledged. */
static void
journal_damaged(void **state)
{
	struct ctx *c = *state;
	char path[128];
	int fd;

	up(c);
	for (int i = 0; i < 5; i++)
		put(c, (char)('a' + i), 3000, 0);
	store_close(&c->s);
	snprintf(path, sizeof(path), "%s/journal/00000000", c->dir);
	fd = open(path, O_RDWR);
	assert_int_not_equal(fd, -1);
	/* The second batch: header page, a page for each message. */
	assert_int_equal(pwrite(fd, "XX", 2, 4096 * 2 + 1000), 2);
	close(fd);
	up(c);
	assert_int_equal(c->nfound, 4);
	assert_non_null(strstr(c->said, "damaged"));
	/* Nothing is lost by a second look. */
	again(c);
	assert_int_equal(c->nfound, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(store_remove(c->s, c->found[i]), 0);
	again(c);
	snprintf(path, sizeof(path), "%s/corrupt/journal.1", c->dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void
ids_rise(void **state)
{
	struct ctx *c = *state;
	struct store_new nw;
	uint64_t last = 0;

	up(c);
	for (int i = 0; i < 3; i++) {
		uint64_t a = put(c, 'a', 10, 0);

		assert_true(a > last);
		last = a;
		assert_int_equal(store_remove(c->s, a), 0);
		again(c);
	}
	assert_int_equal(store_create(c->s, 0, &nw), 0);
	assert_true(nw.qid > last);
	close(nw.fd);
	store_discard(c->s, nw.qid);
}

static void
threads(void **state)
{
	struct ctx *c = *state;
	struct result r = { 0 };
	uint64_t ids[400];
	struct buf env;

	c->t = store_threads_start(2);
	assert_non_null(c->t);
	up(c);
	envelope(&env, "x", 3);
	for (size_t i = 0; i < NELEM(ids); i++) {
		struct store_new nw;

		assert_int_equal(store_create(c->s, 0, &nw), 0);
		fill(nw.fd, 't', i % 7 == 0 ? 70000 : 4000);
		assert_int_equal(memfd_seal(nw.fd), 0);
		close(nw.fd);
		ids[i] = nw.qid;
		assert_int_equal(store_commit(c->s, nw.qid, buf_get(&env), -1,
				     on_done, &r),
		    0);
		if (i % 10 == 0)
			store_flush(c->s);
	}
	buf_clear(&env);
	for (int i = 0; i < 5000 && r.calls < 400; i++) {
		store_flush(c->s);
		usleep(1000);
		store_dispatch(c->s);
	}
	assert_int_equal(r.calls, 400);
	for (size_t i = 0; i < NELEM(ids); i++)
		want_content(c, ids[i], 't', i % 7 == 0 ? 70000 : 4000);
	again(c);
	assert_true(c->nfound > 0 && c->nfound <= 342);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(flight),
		T(refused),
		T(large),
		T(deferred),
		T(index_lost),
		T(hold),
		T(rounds),
		T(aged),
		T(damaged),
		T(journal_damaged),
		T(ids_rise),
		T(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
