/* SPDX-License-Identifier: ISC */
/*
 * The journal, the loop's side: adding, answering, and keeping segments ready.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "journal_parts.h"

static void on_ran(struct job *job);

struct journal *
journal_open(const struct spool *sp, struct store_threads *t,
    uint64_t segment_size, unsigned segments_max)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	if (segment_size < JOURNAL_SEGMENT_MIN)
		segment_size = JOURNAL_SEGMENT_MIN;
	if (segment_size > JOURNAL_SEGMENT_MAX)
		segment_size = JOURNAL_SEGMENT_MAX;
	j->job = (struct job){ .run = journal_run, .done = on_ran };
	j->sp = sp;
	j->t = t;
	j->segment_size = journal_page_up(segment_size);
	j->segments_max = segments_max < 2 ? 2 : segments_max;
	STAILQ_INIT(&j->fresh);
	STAILQ_INIT(&j->lazy);
	STAILQ_INIT(&j->pending);
	STAILQ_INIT(&j->finished);
	STAILQ_INIT(&j->w.work);
	TAILQ_INIT(&j->used);
	TAILQ_INIT(&j->free);
	pthread_mutex_init(&j->lock, NULL);
	if (segment_load_all(j) == -1) {
		int e = errno;

		journal_close(&j);
		errno = e;
	}
	return j;
}

void
journal_close(struct journal **jp)
{
	struct journal *j = *jp;
	struct segment *s;

	*jp = NULL;
	if (j == NULL)
		return;
	while ((s = TAILQ_FIRST(&j->used)) != NULL) {
		TAILQ_REMOVE(&j->used, s, link);
		segment_free(&s);
	}
	while ((s = TAILQ_FIRST(&j->free)) != NULL) {
		TAILQ_REMOVE(&j->free, s, link);
		segment_free(&s);
	}
	segment_free(&j->making.seg);
	pthread_mutex_destroy(&j->lock);
	free(j->w.buf);
	free(j);
}

/* --- reading -------------------------------------------------------------- */

/* Where s was acknowledged up to, as its successor says; 0: nobody knows. */
static uint64_t
limit_of(struct segment *s)
{
	struct segment *next = TAILQ_NEXT(s, link);

	return next != NULL && next->head.prev_gen == s->head.gen ?
	    next->head.prev_end :
	    0;
}

/*
 * What the medium lost is for somebody to look at: when nothing in it is
 * needed any more the segment is not used again, but kept.
 */
static void
damaged(struct segment *s, const struct journal_reader *r)
{
	char name[16], text[160];

	if (s->damaged)
		return;
	s->bad = s->damaged = true;
	segment_name(s, name);
	snprintf(text, sizeof(text),
	    "journal segment %s is damaged: mail may be lost; "
	    "it will be kept as corrupt/journal.%llu",
	    name, (unsigned long long)s->head.gen);
	r->damage(r->arg, text);
}

static int
read_segment(struct journal *j, struct segment *s,
    const struct journal_reader *r)
{
	struct journal_scan scan;
	struct journal_rec rec;
	struct str body, content;
	uint8_t *p = xmalloc((size_t)s->head.size);
	ssize_t n = fd_pread_all(s->fd, p, (size_t)s->head.size, 0);
	int rc = -1;

	if (n == -1)
		goto out;
	rc = 0;
	if (journal_scan_init(&scan, p, (uint64_t)n, limit_of(s)) == -1)
		goto out;
	while (journal_scan_next(&scan, &rec, &body, &content) == 1)
		r->record(r->arg, &rec, body, content, s->head.gen);
	if (scan.gaps > 0)
		damaged(s, r);
	if (TAILQ_NEXT(s, link) == NULL) {
		j->w.last_gen = s->head.gen;
		j->w.last_end = scan.end;
	}
out:
	free(p);
	return rc;
}

int
journal_read(struct journal *j, const struct journal_reader *r)
{
	struct segment *s;

	TAILQ_FOREACH(s, &j->used, link) {
		if (s->head.qid_max > j->qid_max)
			j->qid_max = s->head.qid_max;
		if (read_segment(j, s, r) == -1)
			return -1;
	}
	return 0;
}

static struct segment *
by_gen(struct journal *j, uint64_t gen)
{
	struct segment *s;

	TAILQ_FOREACH(s, &j->used, link) {
		if (s->head.gen == gen)
			return s;
	}
	return NULL;
}

void
journal_hold(struct journal *j, uint64_t segment)
{
	struct segment *s = by_gen(j, segment);

	if (s != NULL)
		s->held++;
}

/* --- segments ------------------------------------------------------------- */

/* Free what is held no more, oldest first and no further. */
static void
reap(struct journal *j)
{
	struct segment *s;

	pthread_mutex_lock(&j->lock);
	while ((s = TAILQ_FIRST(&j->used)) != NULL &&
	    s->state == SEGMENT_FULL && s->held == 0) {
		TAILQ_REMOVE(&j->used, s, link);
		if (s->bad) {
			j->nsegs--;
			segment_drop(j, s);
			continue;
		}
		s->state = SEGMENT_FREE;
		TAILQ_INSERT_TAIL(&j->free, s, link);
	}
	pthread_mutex_unlock(&j->lock);
}

static void
making_run(struct job *job)
{
	struct making *m = (struct making *)job;

	m->error = 0;
	if (segment_make(m->j->sp, m->seg, m->j->segment_size) == -1)
		m->error = errno;
}

static void run_if_needed(struct journal *j);

static void
making_done(struct job *job)
{
	struct making *m = (struct making *)job;
	struct journal *j = m->j;

	m->busy = false;
	j->make_error = m->error;
	if (m->error != 0) {
		j->make_after = clock_ms() + 1000;
		segment_free(&m->seg);
		return;
	}
	pthread_mutex_lock(&j->lock);
	TAILQ_INSERT_TAIL(&j->free, m->seg, link);
	j->nsegs++;
	pthread_mutex_unlock(&j->lock);
	m->seg = NULL;
	run_if_needed(j);
}

static struct segment *
new_segment(struct journal *j)
{
	struct segment *s = xcalloc(1, sizeof(*s));

	s->fd = -1;
	s->number = j->numbers++;
	return s;
}

/* Have a free segment ahead of need, as long as there may be more. */
static void
make_ahead(struct journal *j)
{
	bool need;

	pthread_mutex_lock(&j->lock);
	need = TAILQ_EMPTY(&j->free) && j->nsegs < j->segments_max;
	pthread_mutex_unlock(&j->lock);
	if (!need || j->making.busy ||
	    (j->make_error != 0 && clock_ms() < j->make_after))
		return;
	j->making =
	    (struct making){ .job = { .run = making_run, .done = making_done },
		    .j = j,
		    .seg = new_segment(j),
		    .busy = true };
	jobs_put(j->t, JOB_FILE, &j->making.job);
}

int
journal_start(struct journal *j, uint64_t qid_max)
{
	struct segment *s;

	if (qid_max > j->qid_max)
		j->qid_max = qid_max;
	reap(j);
	if (!TAILQ_EMPTY(&j->free))
		return 0;
	s = new_segment(j);
	if (segment_make(j->sp, s, j->segment_size) == -1) {
		int e = errno;

		segment_free(&s);
		errno = e;
		return -1;
	}
	TAILQ_INSERT_TAIL(&j->free, s, link);
	j->nsegs++;
	return 0;
}

uint64_t
journal_pressed(struct journal *j)
{
	uint64_t gen = 0;

	pthread_mutex_lock(&j->lock);
	if (TAILQ_EMPTY(&j->free) &&
	    (j->nsegs >= j->segments_max || j->make_error != 0)) {
		struct segment *s = TAILQ_FIRST(&j->used);

		if (s != NULL && s->state == SEGMENT_FULL)
			gen = s->head.gen;
	}
	pthread_mutex_unlock(&j->lock);
	return gen;
}

bool
journal_closed(struct journal *j, uint64_t segment)
{
	struct segment *s;
	bool closed;

	pthread_mutex_lock(&j->lock);
	s = by_gen(j, segment);
	closed = s == NULL || s->state == SEGMENT_FULL;
	pthread_mutex_unlock(&j->lock);
	return closed;
}

void
journal_release(struct journal *j, uint64_t segment)
{
	struct segment *s;
	bool empty = false;

	pthread_mutex_lock(&j->lock);
	s = by_gen(j, segment);
	if (s != NULL && s->held > 0)
		empty = --s->held == 0;
	pthread_mutex_unlock(&j->lock);
	if (empty) {
		reap(j);
		run_if_needed(j);
	}
}

/* --- adding --------------------------------------------------------------- */

uint64_t
journal_qid_max(const struct journal *j)
{
	return j->qid_max;
}

bool
journal_fits(const struct journal *j, uint64_t body, uint64_t content)
{
	uint64_t most = (j->segment_size - JOURNAL_PAGE) / 4;

	return body <= most && content <= most &&
	    journal_rec_size((uint32_t)body, content) <= most;
}

void
journal_add(struct journal *j, struct journal_add *a)
{
	a->lazy = false;
	STAILQ_INSERT_TAIL(&j->fresh, a, link);
}

void
journal_add_lazy(struct journal *j, struct journal_add *a)
{
	a->lazy = true;
	STAILQ_INSERT_TAIL(&j->lazy, a, link);
}

/* Let the thread run when there is something that it can do. */
static void
run_if_needed(struct journal *j)
{
	bool run;

	if (j->running)
		return;
	pthread_mutex_lock(&j->lock);
	if (j->starved && !TAILQ_EMPTY(&j->free))
		j->starved = false;
	run = !j->starved &&
	    (!STAILQ_EMPTY(&j->pending) || !STAILQ_EMPTY(&j->w.work));
	pthread_mutex_unlock(&j->lock);
	if (!run)
		return;
	j->running = true;
	jobs_put(j->t, JOB_JOURNAL, &j->job);
}

static void
on_ran(struct job *job)
{
	struct journal *j = (struct journal *)job;

	j->running = false;
	reap(j);
	make_ahead(j);
	run_if_needed(j);
}

static void
kick(struct journal *j)
{
	struct journal_add *a;

	pthread_mutex_lock(&j->lock);
	STAILQ_FOREACH(a, &j->fresh, link) {
		if (a->type == JOURNAL_COMMIT &&
		    (a->qid & ~QID_LONG) > j->qid_max)
			j->qid_max = a->qid & ~QID_LONG;
	}
	STAILQ_CONCAT(&j->pending, &j->lazy);
	STAILQ_CONCAT(&j->pending, &j->fresh);
	pthread_mutex_unlock(&j->lock);
	run_if_needed(j);
}

void
journal_kick(struct journal *j)
{
	if (!STAILQ_EMPTY(&j->fresh))
		kick(j);
}

void
journal_kick_lazy(struct journal *j)
{
	if (!STAILQ_EMPTY(&j->fresh) || !STAILQ_EMPTY(&j->lazy))
		kick(j);
}

void
journal_collect(struct journal *j)
{
	struct journal_adds now;
	struct journal_add *a;

	STAILQ_INIT(&now);
	pthread_mutex_lock(&j->lock);
	STAILQ_CONCAT(&now, &j->finished);
	pthread_mutex_unlock(&j->lock);
	while ((a = STAILQ_FIRST(&now)) != NULL) {
		STAILQ_REMOVE_HEAD(&now, link);
		a->done(a, a->error);
	}
	make_ahead(j);
}

bool
journal_starved(struct journal *j)
{
	bool starved;

	pthread_mutex_lock(&j->lock);
	starved = j->starved;
	pthread_mutex_unlock(&j->lock);
	return starved && !j->running && !j->making.busy;
}

void
journal_fail(struct journal *j, int error)
{
	struct journal_add *a;

	if (j->running)
		return;
	pthread_mutex_lock(&j->lock);
	STAILQ_CONCAT(&j->w.work, &j->pending);
	while ((a = STAILQ_FIRST(&j->w.work)) != NULL) {
		STAILQ_REMOVE_HEAD(&j->w.work, link);
		a->error = error;
		STAILQ_INSERT_TAIL(&j->finished, a, link);
	}
	j->starved = false;
	pthread_mutex_unlock(&j->lock);
	journal_collect(j);
}

void
journal_stats(struct journal *j, struct journal_stats *out)
{
	struct segment *s;

	*out = (struct journal_stats){ 0 };
	pthread_mutex_lock(&j->lock);
	out->segments = j->nsegs;
	TAILQ_FOREACH(s, &j->free, link)
		out->segments_free++;
	out->barriers = j->barriers;
	out->errors = j->errors;
	pthread_mutex_unlock(&j->lock);
}
