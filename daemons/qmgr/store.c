/* SPDX-License-Identifier: ISC */
/*
 * The store: opening, closing, turning.
 */
#include "store.h"

#include <sys/statvfs.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store_parts.h"

void
store_opts_init(struct store_opts *o)
{
	*o = (struct store_opts){
		.segment_size = 16 << 20,
		.segments_max = 16,
		.memory_max = 128 << 20,
		.memory_files = 4096,
		.large = 1 << 20,
		.age_ms = 5000,
		.lazy_ms = 20,
		.hash_depth = 1,
	};
}

void
store_say(struct store *s, uint64_t qid, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (s->o.log == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->o.log(qid, text, s->o.log_arg);
}

/*
 * Segments are made ahead, and there may be many: on a small disk they are
 * small, so that together they take half of it at most.
 */
static uint64_t
segment_size(const struct store *s)
{
	uint64_t part, size = s->o.segment_size;
	struct statvfs v;

	if (fstatvfs(s->sp.fd, &v) == -1 || s->o.segments_max == 0)
		return size;
	part = (uint64_t)v.f_frsize * v.f_blocks / 2 / s->o.segments_max;
	return part < size ? part : size;
}

struct store *
store_open(int dirfd, const struct store_opts *o, struct store_threads *t,
    const char **why)
{
	struct store *s = xcalloc(1, sizeof(*s));
	struct index_state was;

	s->o = *o;
	if (s->o.hash_depth >= QID_HASH_LEVELS)
		s->o.hash_depth = QID_HASH_LEVELS - 1;
	s->maker.long_form = o->long_ids;
	s->sp.fd = -1;
	TAILQ_INIT(&s->flight);
	for (int i = 0; i < SPOOL_NDIRS; i++)
		s->sp.dir[i] = -1;
	s->t = t;
	if (t == NULL) {
		*why = "pipe";
		s->t = jobs_inline();
		s->own_t = true;
		if (s->t == NULL)
			goto fail;
	}
	if (spool_open(&s->sp, dirfd, s->o.hash_depth, why) == -1)
		goto fail;
	*why = "index";
	s->x = index_open(&s->sp, &was);
	if (s->x == NULL)
		goto fail;
	s->deferred = was.count;
	*why = "journal";
	s->j = journal_open(&s->sp, s->t, segment_size(s), o->segments_max);
	if (s->j == NULL)
		goto fail;
	if (!was.clean)
		check_begin(s, was.synced_s);
	return s;
fail:
	store_close(&s);
	return NULL;
}

/* Wait for everything that is on its way. */
static void
drain(struct store *s)
{
	s->closing = true;
	for (int quiet = 0; quiet < 2;) {
		journal_kick_lazy(s->j);
		quiet = jobs_wait(s->t) ? 0 : quiet + 1;
		(void)jobs_dispatch(s->t);
		journal_collect(s->j);
		if (journal_starved(s->j))
			journal_fail(s->j, ENOSPC);
	}
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;
	int e = errno;

	*sp = NULL;
	if (s == NULL)
		return;
	if (s->j != NULL && s->recovered)
		drain(s);
	/* Before the messages: nobody must take them for finished. */
	journal_close(&s->j);
	index_close(&s->x, s->deferred,
	    s->recovered && !s->checking && !s->check_again);
	for (size_t i = 0; i < TABLE; i++) {
		struct msg *m, *next;

		LIST_FOREACH_SAFE(m, &s->table[i], chain, next) {
			if (m->state == STORE_NEW && m->is_file)
				spool_new_remove(&s->sp, m->qid);
			msg_free(s, &m);
		}
	}
	spool_walk_clear(&s->check);
	spool_clear(&s->sp);
	if (s->own_t)
		store_threads_stop(&s->t);
	free(s);
	errno = e;
}

int
store_fd(const struct store *s)
{
	return jobs_fd(s->t);
}

void
store_dispatch(struct store *s)
{
	(void)jobs_dispatch(s->t);
	journal_collect(s->j);
	land_pressed(s);
	/* Waiting for a segment, and no message could make room. */
	if (journal_starved(s->j) && s->moving == 0)
		journal_fail(s->j, ENOSPC);
}

void
store_flush(struct store *s)
{
	journal_kick(s->j);
	if (!jobs_are_inline(s->t))
		return;
	do {
		store_dispatch(s);
		journal_kick(s->j);
	} while (jobs_wait(s->t));
	store_dispatch(s);
}

/* What is older than age_ms and in a closed segment gets a file. */
static void
age(struct store *s, int64_t now_ms)
{
	struct msg *m, *next;

	TAILQ_FOREACH_SAFE(m, &s->flight, flight, next) {
		if (now_ms - m->since_ms < s->o.age_ms ||
		    s->moving >= MOVING_MAX)
			break;
		/* Out of hand, only a file brings it back. */
		if (journal_closed(s->j, m->segment) || !m->in_hand)
			land_move(s, m);
	}
}

int64_t
store_tick(struct store *s, int64_t now_ms)
{
	int64_t wait = 1000;

	if (s->lazy_at != 0 && now_ms >= s->lazy_at) {
		s->lazy_at = 0;
		journal_kick_lazy(s->j);
	}
	age(s, now_ms);
	land_pressed(s);
	check_step(s);
	check_sync(s, now_ms);
	store_flush(s);
	if (s->checking)
		wait = 10;
	if (s->lazy_at != 0 && s->lazy_at - now_ms < wait)
		wait = s->lazy_at > now_ms ? s->lazy_at - now_ms : 0;
	return wait;
}

/* --- lazy records --------------------------------------------------------- */

struct lazy {
	struct journal_add add; /* first */
	struct store *s;
	char body[];
};

/*
 * Written, or not: then again a second later, for as long as it takes.  As
 * long as it is not written, a crash means that something is done twice.
 */
static void
lazy_done(struct journal_add *a, int error)
{
	struct lazy *l = (struct lazy *)a;

	if (error != 0 && !l->s->closing) {
		l->s->lazy_at = clock_ms() + 1000;
		journal_add_lazy(l->s->j, a);
	} else
		free(l);
}

void
store_lazy(struct store *s, enum journal_type type, uint64_t qid,
    struct str body)
{
	struct lazy *l = xmalloc(sizeof(*l) + body.n);

	*l = (struct lazy){ .s = s };
	if (body.n > 0)
		memcpy(l->body, body.p, body.n);
	l->add = (struct journal_add){ .type = type,
		.qid = qid,
		.body = str_make(l->body, body.n),
		.fd = -1,
		.done = lazy_done };
	journal_add_lazy(s->j, &l->add);
	if (s->lazy_at == 0)
		s->lazy_at = clock_ms() + s->o.lazy_ms;
}

/* --- figures -------------------------------------------------------------- */

int
store_space(struct store *s, uint64_t size)
{
	int64_t now = clock_ms();
	struct statvfs v;

	if (s->space_at == 0 || now - s->space_at >= 1000) {
		if (fstatvfs(s->sp.fd, &v) == -1)
			return -1;
		s->space = (uint64_t)v.f_bavail * v.f_frsize;
		s->space_at = now;
	}
	if (s->space < s->o.minfree || s->space - s->o.minfree < size) {
		errno = ENOSPC;
		return -1;
	}
	return 0;
}

void
store_stats(const struct store *s, struct store_stats *out)
{
	struct journal_stats js;

	journal_stats(s->j, &js);
	*out = (struct store_stats){
		.in_hand = s->nhand,
		.handed_out = s->nnew,
		.flight = s->nflight,
		.memory = s->memory,
		.deferred = s->deferred,
		.checking = s->checking,
		.segments = js.segments,
		.segments_free = js.segments_free,
		.commits = s->commits,
		.barriers = js.barriers,
		.barrier_errors = js.errors,
		.files = s->files,
		.corrupt = s->corrupt,
	};
}
