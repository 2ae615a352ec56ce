/* SPDX-License-Identifier: ISC */
/*
 * The index of messages that wait.
 */
#include "store_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/queue.h>

#include "base/dirlist.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "queue/sum.h"
#include "queue/wire.h"

#define SPAN_MAX 32 /* seconds of a bucket */
#define ENTRY 32
#define WINDOW (128 * ENTRY)
#define APPEND_FDS 8
#define ROTATE (2048 * ENTRY) /* of a ready file */
#define SEED UINT64_C(0x5f0c9b1de2a47836)
#define STATE_SIZE 40

static const uint8_t magic[8] = { 0xd7, 'P', 's', 't', 'n', 'I', 0x0a, 1 };

struct index_bucket {
	TAILQ_ENTRY(index_bucket) link;
	bool ready;	 /* .r, by sequence; else .t, by time */
	bool over;	 /* read to the end, nothing is added any more */
	uint64_t number; /* sequence, or the last second of its time */
	int fd;
	uint64_t off; /* of the next entry in fd behind win */
	uint8_t *win;
	size_t win_at;
	size_t win_end;
	unsigned unsettled;
};

/* A file that is open for appending. */
struct appender {
	bool ready;
	uint64_t number;
	int fd;
	unsigned used; /* when, for replacement */
};

struct store_index {
	const struct spool *sp;
	TAILQ_HEAD(, index_bucket) buckets; /* being read, or unsettled */
	struct index_bucket *reading[2];    /* [ready] */
	struct appender app[APPEND_FDS];
	unsigned tick;
	uint64_t span;
	uint64_t ready_number; /* of the file that is appended to */
	uint64_t ready_next;   /* the next to be read */
	uint64_t done; /* time buckets below this are read or being read */
	uint64_t next; /* the lowest bucket not read; known if next_known */
	bool next_known;
	bool dirty;
	int state_fd;
	int64_t synced_s;
};

static void
file_name(char out[32], uint64_t number, bool ready)
{
	snprintf(out, 32, "%010llx.%c", (unsigned long long)number,
	    ready ? 'r' : 't');
}

static int
parse_name(const char *name, uint64_t *number, bool *ready)
{
	char again[32];
	unsigned long long x;
	char c;

	if (sscanf(name, "%10llx.%c", &x, &c) != 2 || (c != 'r' && c != 't'))
		return -1;
	*number = x;
	*ready = c == 'r';
	file_name(again, x, *ready);
	return strcmp(again, name) == 0 ? 0 : -1;
}

static struct dirlist *
list(const struct spool *sp)
{
	int fd = spool_openat(sp, SPOOL_INDEX, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirlist *d = fd == -1 ? NULL : dirlist_open(fd);

	if (d == NULL)
		fd_close(&fd);
	return d;
}

/*
 * The lowest number of a kind that is at least from, and the highest of all.
 * 1 when there is one, 0, or -1.
 */
static int
lowest(const struct spool *sp, bool kind, uint64_t from, uint64_t *out,
    uint64_t *highest)
{
	struct dirlist *d = list(sp);
	const char *de;
	int rc = 0;

	if (d == NULL)
		return -1;
	*highest = 0;
	while ((de = dirlist_next(d)) != NULL) {
		uint64_t n;
		bool ready;

		if (parse_name(de, &n, &ready) == -1 || ready != kind)
			continue;
		if (n > *highest)
			*highest = n;
		if (n >= from && (rc == 0 || n < *out)) {
			*out = n;
			rc = 1;
		}
	}
	dirlist_close(&d);
	return rc;
}

/* --- the state file ------------------------------------------------------- */

/*
 * One small write.  Torn, its checksum is wrong, and the index is checked as
 * if there had been none.
 */
static int
put_state(struct store_index *x, bool clean, uint64_t count)
{
	uint8_t p[STATE_SIZE] = { 0 };

	memcpy(p, magic, sizeof(magic));
	wire_put(p + 8, clean, 8);
	wire_put(p + 16, count, 8);
	wire_put(p + 24, (uint64_t)x->synced_s, 8);
	wire_put(p + 32, sum64(p, 32, SEED), 8);
	if (pwrite(x->state_fd, p, sizeof(p), 0) != (ssize_t)sizeof(p))
		return -1;
	return fsync(x->state_fd);
}

static void
get_state(struct store_index *x, struct index_state *was)
{
	uint8_t p[STATE_SIZE];

	*was = (struct index_state){ 0 };
	if (fd_pread_all(x->state_fd, p, sizeof(p), 0) != (ssize_t)sizeof(p) ||
	    memcmp(p, magic, sizeof(magic)) != 0 ||
	    wire_get(p + 32, 8) != sum64(p, 32, SEED))
		return;
	was->clean = wire_get(p + 8, 8) == 1;
	was->count = wire_get(p + 16, 8);
	was->synced_s = (int64_t)wire_get(p + 24, 8);
}

struct store_index *
index_open(const struct spool *sp, struct index_state *was)
{
	struct store_index *x = xcalloc(1, sizeof(*x));
	uint64_t low = 0, high;
	int rc;

	x->sp = sp;
	x->span = SPAN_MAX;
	TAILQ_INIT(&x->buckets);
	for (int i = 0; i < APPEND_FDS; i++)
		x->app[i].fd = -1;
	x->state_fd =
	    spool_openat(sp, SPOOL_INDEX, "state", O_RDWR | O_CREAT, 0600);
	if (x->state_fd == -1)
		goto fail;
	get_state(x, was);
	x->synced_s = was->synced_s;
	if (put_state(x, false, was->count) == -1)
		goto fail;
	rc = lowest(sp, true, 0, &low, &high);
	if (rc == -1)
		goto fail;
	/* What was ready is read again; new ones go to a file of their own. */
	x->ready_next = low;
	x->ready_number = rc == 0 ? 0 : high + 1;
	return x;
fail:
	index_close(&x, 0, false);
	return NULL;
}

static void
bucket_free(struct store_index *x, struct index_bucket *b)
{
	TAILQ_REMOVE(&x->buckets, b, link);
	if (x->reading[b->ready] == b)
		x->reading[b->ready] = NULL;
	fd_close(&b->fd);
	free(b->win);
	free(b);
}

void
index_close(struct store_index **xp, uint64_t count, bool clean)
{
	struct store_index *x = *xp;
	struct index_bucket *b;
	int e = errno;

	*xp = NULL;
	if (x == NULL)
		return;
	if (clean && index_sync(x->sp) == 0)
		(void)put_state(x, true, count);
	while ((b = TAILQ_FIRST(&x->buckets)) != NULL)
		bucket_free(x, b);
	for (int i = 0; i < APPEND_FDS; i++)
		fd_close(&x->app[i].fd);
	fd_close(&x->state_fd);
	free(x);
	errno = e;
}

/* --- adding --------------------------------------------------------------- */

static void
put_entry(const struct index_entry *e, uint8_t p[ENTRY])
{
	wire_put(p, e->qid, 8);
	wire_put(p + 8, e->key, 8);
	wire_put(p + 16, (uint64_t)e->due_s << 8 | e->first, 8);
	wire_put(p + 24, sum64(p, 24, SEED), 8);
}

static int
get_entry(const uint8_t p[ENTRY], struct index_entry *e)
{
	uint64_t v = wire_get(p + 16, 8);

	if (wire_get(p + 24, 8) != sum64(p, 24, SEED))
		return -1;
	e->qid = wire_get(p, 8);
	e->key = wire_get(p + 8, 8);
	e->due_s = (int64_t)(v >> 8);
	e->first = (v & 1) != 0;
	return qid_valid(e->qid) ? 0 : -1;
}

/* The open file to append to; the one that was not used for longest goes. */
static struct appender *
appender(struct store_index *x, uint64_t number, bool ready)
{
	struct appender *a, *old = &x->app[0];
	char name[32];
	struct stat st;

	for (a = x->app; a < x->app + APPEND_FDS; a++) {
		if (a->fd != -1 && a->number == number && a->ready == ready)
			return a;
		if (old->fd != -1 && (a->fd == -1 || a->used < old->used))
			old = a;
	}
	fd_close(&old->fd);
	file_name(name, number, ready);
	old->fd = spool_openat(x->sp, SPOOL_INDEX, name,
	    O_RDWR | O_CREAT | O_APPEND, 0600);
	if (old->fd == -1)
		return NULL;
	/* An entry that was torn would put all later ones out of step. */
	if (fstat(old->fd, &st) == -1 ||
	    (st.st_size % ENTRY != 0 &&
		ftruncate(old->fd, st.st_size - st.st_size % ENTRY) == -1)) {
		fd_close(&old->fd);
		return NULL;
	}
	old->number = number;
	old->ready = ready;
	return old;
}

void
index_span(struct store_index *x, int64_t seconds)
{
	x->span = seconds < 1  ? 1 :
	    seconds > SPAN_MAX ? SPAN_MAX :
				 (uint64_t)seconds;
}

int
index_add(struct store_index *x, const struct index_entry *e, int64_t now_s)
{
	uint64_t due = e->due_s < 0 ? 0 : (uint64_t)e->due_s;
	uint64_t number = due - due % x->span + x->span - 1;
	uint64_t now = now_s < 0 ? 0 : (uint64_t)now_s;
	bool ready = number < now || number < x->done;
	struct appender *a;
	uint8_t p[ENTRY];
	ssize_t k;

	if (ready)
		number = x->ready_number;
	a = appender(x, number, ready);
	if (a == NULL)
		return -1;
	a->used = ++x->tick;
	put_entry(e, p);
	do
		k = write(a->fd, p, sizeof(p));
	while (k == -1 && errno == EINTR);
	if (k != (ssize_t)sizeof(p)) {
		/* Part of it: opening it anew cuts that off. */
		if (k != -1)
			errno = ENOSPC;
		fd_close(&a->fd);
		return -1;
	}
	x->dirty = true;
	if (!ready && x->next_known && number < x->next)
		x->next = number;
	return 0;
}

/* --- reading -------------------------------------------------------------- */

static struct index_bucket *
bucket_open(struct store_index *x, uint64_t number, bool ready)
{
	struct index_bucket *b;
	char name[32];
	int fd;

	file_name(name, number, ready);
	fd = spool_openat(x->sp, SPOOL_INDEX, name, O_RDONLY, 0);
	if (fd == -1)
		return NULL;
	b = xcalloc(1, sizeof(*b));
	b->number = number;
	b->ready = ready;
	b->fd = fd;
	b->win = xmalloc(WINDOW);
	TAILQ_INSERT_TAIL(&x->buckets, b, link);
	x->reading[ready] = b;
	return b;
}

/* Everything in it was read and nothing will be added. */
static void
bucket_over(struct store_index *x, struct index_bucket *b)
{
	char name[32];

	if (x->reading[b->ready] == b)
		x->reading[b->ready] = NULL;
	b->over = true;
	fd_close(&b->fd);
	free(b->win);
	b->win = NULL;
	if (b->unsettled > 0)
		return;
	file_name(name, b->number, b->ready);
	(void)unlinkat(x->sp->dir[SPOOL_INDEX], name, 0);
	bucket_free(x, b);
}

void
index_settle(struct store_index *x, struct index_bucket *b)
{
	if (b == NULL)
		return;
	b->unsettled--;
	if (b->over)
		bucket_over(x, b);
}

/* 1 and the next proper entry with first set, 0 at the end, -1. */
static int
bucket_next(struct index_bucket *b, struct index_entry *out)
{
	for (;;) {
		ssize_t k;

		while (b->win_end - b->win_at >= ENTRY) {
			const uint8_t *p = b->win + b->win_at;

			b->win_at += ENTRY;
			if (get_entry(p, out) == 0 && out->first)
				return 1;
		}
		k = fd_pread_all(b->fd, b->win, WINDOW, (off_t)b->off);
		if (k == -1)
			return -1;
		b->win_at = 0;
		b->win_end = (size_t)k - (size_t)k % ENTRY;
		b->off += b->win_end;
		if (b->win_end == 0)
			return 0;
	}
}

/* The ready file to read next: 1, 0 when there is none, -1. */
static int
open_ready(struct store_index *x)
{
	uint64_t high;
	int rc;

	if (x->ready_next > x->ready_number)
		return 0;
	if (bucket_open(x, x->ready_next, true) != NULL)
		return 1;
	if (errno != ENOENT)
		return -1;
	/* Not there: the current one was not begun, or there is a gap. */
	if (x->ready_next == x->ready_number)
		return 0;
	rc = lowest(x->sp, true, x->ready_next, &x->ready_next, &high);
	if (rc == 0)
		x->ready_next = x->ready_number;
	return rc == -1 ? -1 : open_ready(x);
}

static int
next_ready(struct store_index *x, struct index_entry *out,
    struct index_bucket **in)
{
	for (;;) {
		struct index_bucket *b = x->reading[1];
		int rc;

		if (b == NULL) {
			rc = open_ready(x);
			if (rc != 1)
				return rc;
			b = x->reading[1];
		}
		*in = b;
		rc = bucket_next(b, out);
		if (rc != 0)
			return rc;
		if (b->number == x->ready_number) {
			/* Still being appended to. */
			if (b->off < ROTATE)
				return 0;
			x->ready_number++;
		}
		x->ready_next = b->number + 1;
		bucket_over(x, b);
	}
}

/* The time bucket to read next: 1, 0 when none is due, -1. */
static int
open_time(struct store_index *x, uint64_t now)
{
	uint64_t high;

	if (!x->next_known) {
		int rc = lowest(x->sp, false, x->done, &x->next, &high);

		if (rc == -1)
			return -1;
		if (rc == 0)
			x->next = UINT64_MAX;
		x->next_known = true;
	}
	if (x->next >= now)
		return 0;
	if (bucket_open(x, x->next, false) == NULL && errno != ENOENT)
		return -1;
	x->done = x->next + 1;
	x->next_known = false;
	return 1;
}

static int
next_time(struct store_index *x, uint64_t now, struct index_entry *out,
    struct index_bucket **in)
{
	for (;;) {
		struct index_bucket *b = x->reading[0];
		int rc;

		if (b == NULL) {
			rc = open_time(x, now);
			if (rc != 1)
				return rc;
			continue;
		}
		*in = b;
		rc = bucket_next(b, out);
		if (rc != 0)
			return rc;
		bucket_over(x, b);
	}
}

/* The clock was set back: what is due is another question now. */
static void
check_clock(struct store_index *x, uint64_t now)
{
	if (x->done <= now + 1)
		return;
	x->done = now;
	x->next_known = false;
}

int
index_next(struct store_index *x, int64_t now_s, struct index_entry *out,
    struct index_bucket **in)
{
	uint64_t now = now_s < 0 ? 0 : (uint64_t)now_s;
	int rc;

	check_clock(x, now);
	rc = next_ready(x, out, in);
	if (rc == 0)
		rc = next_time(x, now, out, in);
	if (rc == 1)
		(*in)->unsettled++;
	return rc;
}

int64_t
index_at(struct store_index *x, int64_t now_s)
{
	struct index_bucket *b = x->reading[1];
	struct stat st;

	/* Something to read in what is ready? */
	if (x->reading[0] != NULL || x->ready_next < x->ready_number)
		return now_s;
	if (b != NULL &&
	    (b->win_at < b->win_end ||
		(fstat(b->fd, &st) == 0 && (uint64_t)st.st_size > b->off)))
		return now_s;
	if (b == NULL && open_ready(x) != 0)
		return now_s;
	if (x->reading[0] == NULL && open_time(x, 0) == -1)
		return now_s;
	if (x->next >= INT64_MAX)
		return INT64_MAX;
	return (int64_t)x->next + 1;
}

/* --- syncing -------------------------------------------------------------- */

int
index_sync(const struct spool *sp)
{
	struct dirlist *d = list(sp);
	const char *de;
	int rc = 0;

	if (d == NULL)
		return -1;
	while (rc == 0 && (de = dirlist_next(d)) != NULL) {
		uint64_t n;
		bool ready;
		int fd;

		if (parse_name(de, &n, &ready) == -1)
			continue;
		fd = spool_openat(sp, SPOOL_INDEX, de, O_RDWR, 0);
		if (fd == -1)
			rc = errno == ENOENT ? 0 : -1;
		else
			rc = fdatasync(fd);
		fd_close(&fd);
	}
	if (rc == 0)
		rc = fsync(d->fd);
	dirlist_close(&d);
	return rc;
}

bool
index_dirty(const struct store_index *x)
{
	return x->dirty;
}

void
index_synced(struct store_index *x, int64_t at_s)
{
	x->synced_s = at_s;
	x->dirty = false;
	(void)put_state(x, false, 0);
}

void
index_distrust(struct store_index *x)
{
	if (x->synced_s == 0)
		return;
	x->synced_s = 0;
	(void)put_state(x, false, 0);
}

/* --- walking -------------------------------------------------------------- */

struct index_walk {
	const struct spool *sp;
	struct dirlist *d;
	struct index_bucket b;
	uint64_t key;
};

struct index_walk *
index_walk_open(struct store_index *x, uint64_t key)
{
	struct index_walk *w = xcalloc(1, sizeof(*w));

	w->sp = x->sp;
	w->key = key;
	w->b.fd = -1;
	w->d = list(x->sp);
	if (w->d == NULL)
		index_walk_free(&w);
	return w;
}

void
index_walk_free(struct index_walk **wp)
{
	struct index_walk *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	if (w->d != NULL)
		dirlist_close(&w->d);
	fd_close(&w->b.fd);
	free(w->b.win);
	free(w);
}

/* The next entry of the file that is open: as bucket_next(), of any kind. */
static int
walk_file(struct index_walk *w, struct index_entry *out)
{
	struct index_bucket *b = &w->b;

	for (;;) {
		ssize_t k;

		while (b->win_end - b->win_at >= ENTRY) {
			const uint8_t *p = b->win + b->win_at;

			b->win_at += ENTRY;
			if (get_entry(p, out) == 0 &&
			    (w->key == 0 ? out->first : out->key == w->key))
				return 1;
		}
		k = fd_pread_all(b->fd, b->win, WINDOW, (off_t)b->off);
		if (k <= 0)
			return (int)k;
		b->win_at = 0;
		b->win_end = (size_t)k - (size_t)k % ENTRY;
		b->off += b->win_end;
		if (b->win_end == 0)
			return 0;
	}
}

int
index_walk_next(struct index_walk *w, struct index_entry *out)
{
	for (;;) {
		const char *de;
		uint64_t n;
		bool ready;
		int rc;

		if (w->b.fd != -1) {
			rc = walk_file(w, out);
			if (rc != 0)
				return rc;
			fd_close(&w->b.fd);
		}
		errno = 0;
		de = dirlist_next(w->d);
		if (de == NULL)
			return errno == 0 ? 0 : -1;
		if (parse_name(de, &n, &ready) == -1)
			continue;
		w->b.fd = spool_openat(w->sp, SPOOL_INDEX, de, O_RDONLY, 0);
		if (w->b.win == NULL)
			w->b.win = xmalloc(WINDOW);
		w->b.off = 0;
		w->b.win_at = w->b.win_end = 0;
	}
}
