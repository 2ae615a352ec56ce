/* SPDX-License-Identifier: ISC */
/*
 * The journal's thread: one write and one barrier for all that waits.
 *
 * A COMMIT's crash, step by step.  Stopped before the write, or in it, or
 * before the barrier: recovery finds none of the batch, or some of it whole,
 * each record for itself; nobody was told that any of it is safe, so a message
 * that is found was not acknowledged and is delivered all the same, which
 * is right as its client will have asked again: at worst it is there twice.
 * Stopped after the barrier: recovery finds it all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "journal_parts.h"
#include "queue/sum.h"

/* The most that is written at once, unless a single record is larger. */
#define BATCH_MAX (1 << 20)

static uint64_t
add_size(const struct journal_add *a)
{
	return journal_rec_size((uint32_t)a->body.n, a->size);
}

/* The loop's answer for one record. */
static void
finish(struct journal *j, struct journal_add *a, int error)
{
	a->error = error;
	pthread_mutex_lock(&j->lock);
	STAILQ_INSERT_TAIL(&j->finished, a, link);
	pthread_mutex_unlock(&j->lock);
}

/* Take what was added meanwhile. */
static void
take(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	STAILQ_CONCAT(&j->w.work, &j->pending);
	pthread_mutex_unlock(&j->lock);
}

static int
write_at(int fd, const uint8_t *p, uint64_t n, uint64_t off)
{
	while (n > 0) {
		ssize_t k = pwrite(fd, p, (size_t)n, (off_t)off);

		if (k == -1 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (uint64_t)k;
		off += (uint64_t)k;
	}
	return 0;
}

/* No more records in this one. */
static void
end_segment(struct journal *j, bool bad)
{
	struct writer *w = &j->w;

	pthread_mutex_lock(&j->lock);
	w->seg->state = SEGMENT_FULL;
	if (bad)
		w->seg->bad = true;
	pthread_mutex_unlock(&j->lock);
	w->seg = NULL;
}

/* The next free segment, in the order in which they were begun, or NULL. */
static struct segment *
next_free(struct journal *j)
{
	struct writer *w = &j->w;
	struct segment *s;

	pthread_mutex_lock(&j->lock);
	s = TAILQ_FIRST(&j->free);
	if (s != NULL) {
		TAILQ_REMOVE(&j->free, s, link);
		s->state = SEGMENT_CURRENT;
		s->held = 0;
		s->head = (struct journal_head){ .gen = ++j->gen,
			.size = j->segment_size,
			.qid_max = j->qid_max,
			.prev_gen = w->last_gen,
			.prev_end = w->last_end };
		TAILQ_INSERT_TAIL(&j->used, s, link);
	} else
		j->starved = true;
	pthread_mutex_unlock(&j->lock);
	return s;
}

/*
 * Begin the next segment.  Its header is on disk before anything else of it is
 * overwritten: stopped before that, recovery finds the segment of old, whole,
 * of which nothing is needed any more; in it, a header that does not verify;
 * after it, a segment without records.  Returns -1 when there is no segment,
 * else 0 or why it failed.
 */
static int
begin_segment(struct journal *j)
{
	struct writer *w = &j->w;
	struct segment *s = next_free(j);
	uint8_t page[JOURNAL_PAGE];
	int e = 0;

	if (s == NULL)
		return -1;
	arc4random_buf(s->head.key, sizeof(s->head.key));
	arc4random_buf(&s->head.seed, sizeof(s->head.seed));
	journal_put_head(&s->head, page);
	w->seg = s;
	w->pos = JOURNAL_PAGE;
	w->mac = journal_first_mac(&s->head);
	w->batch = 0;
	if (write_at(s->fd, page, sizeof(page), 0) == -1 ||
	    fdatasync(s->fd) == -1) {
		e = errno;
		end_segment(j, true);
	} else {
		w->last_gen = s->head.gen;
		w->last_end = JOURNAL_PAGE;
	}
	return e;
}

/* Encode one record at p; -1 when its content cannot be read. */
static int
encode(struct writer *w, struct journal_add *a, uint64_t mac, uint8_t *p,
    uint64_t *out_mac)
{
	struct journal_rec r = { .type = a->type,
		.qid = a->qid,
		.batch = w->batch,
		.body_len = (uint32_t)a->body.n,
		.content_len = a->size,
		.prev = mac };
	uint8_t *body = p + JOURNAL_RECORD;
	uint64_t size = add_size(a), used = JOURNAL_RECORD + a->body.n;

	if (a->body.n > 0)
		memcpy(body, a->body.p, a->body.n);
	if (a->size > 0) {
		ssize_t k =
		    fd_pread_all(a->fd, body + a->body.n, (size_t)a->size, 0);

		if (k >= 0 && (uint64_t)k < a->size)
			errno = EIO;
		if (k == -1 || (uint64_t)k < a->size)
			return -1;
		used += a->size;
	}
	memset(p + used, 0, (size_t)(size - used));
	r.sum = sum64(body, a->body.n + (size_t)a->size, w->seg->head.seed);
	journal_put_rec(&w->seg->head, &r, p);
	*out_mac = r.mac;
	return 0;
}

static void
buffer_for(struct writer *w, uint64_t n)
{
	if (n <= w->cap)
		return;
	free(w->buf);
	w->cap = (size_t)(n < 65536 ? 65536 : journal_page_up(n) * 2);
	w->buf = xmalloc(w->cap);
}

/* How many bytes of work go into the next batch; at least one record. */
static uint64_t
batch_size(struct writer *w, uint64_t room)
{
	struct journal_add *a;
	uint64_t n = 0;

	STAILQ_FOREACH(a, &w->work, link) {
		uint64_t k = add_size(a);

		if (k > room - n || (n > 0 && n + k > BATCH_MAX))
			break;
		n += k;
	}
	return n;
}

/*
 * Write the first n bytes of the buffer and wait for the disk.  An error of the
 * barrier means that the state of the pages is unknown: a later barrier would
 * succeed without them.  The segment is given up, and what it has beyond the
 * last acknowledged record does not count, as the next segment's header says.
 */
static int
barrier(struct journal *j, uint64_t n)
{
	struct writer *w = &j->w;
	int e;

	if (write_at(w->seg->fd, w->buf, n, w->pos) == -1) {
		e = errno;
	} else if (fdatasync(w->seg->fd) == -1) {
		e = errno;
		end_segment(j, true);
	} else
		e = 0;
	pthread_mutex_lock(&j->lock);
	j->barriers++;
	j->errors += e != 0;
	pthread_mutex_unlock(&j->lock);
	return e;
}

/* Move a batch's records to the loop, with their segment held. */
static void
answer(struct journal *j, struct journal_adds *batch, struct segment *s, int e)
{
	struct journal_add *a;

	pthread_mutex_lock(&j->lock);
	STAILQ_FOREACH(a, batch, link) {
		a->error = e;
		a->segment = s->head.gen;
		if (e == 0 && a->type == JOURNAL_COMMIT)
			s->held++;
	}
	STAILQ_CONCAT(&j->finished, batch);
	pthread_mutex_unlock(&j->lock);
	jobs_news(j->t);
}

/* One batch into the current segment, n bytes of records. */
static void
write_batch(struct journal *j, uint64_t n)
{
	struct writer *w = &j->w;
	struct segment *s = w->seg;
	uint64_t len = 0, mac = w->mac;
	struct journal_adds batch;
	struct journal_add *a;
	uint64_t size;
	int e;

	STAILQ_INIT(&batch);
	buffer_for(w, journal_page_up(n));
	w->batch++;
	while (n > 0 && (a = STAILQ_FIRST(&w->work)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->work, link);
		n -= add_size(a);
		if (encode(w, a, mac, w->buf + len, &mac) == -1) {
			finish(j, a, errno);
			continue;
		}
		len += add_size(a);
		STAILQ_INSERT_TAIL(&batch, a, link);
	}
	if (STAILQ_EMPTY(&batch))
		return;
	size = journal_page_up(len);
	memset(w->buf + len, 0, (size_t)(size - len));
	e = barrier(j, size);
	if (e == 0) {
		w->last_gen = s->head.gen;
		w->last_end = w->pos + len;
		w->pos += size;
		w->mac = mac;
	}
	answer(j, &batch, s, e);
}

/* Fail everything that was taken. */
static void
fail_work(struct journal *j, int e)
{
	struct journal_add *a;

	while ((a = STAILQ_FIRST(&j->w.work)) != NULL) {
		STAILQ_REMOVE_HEAD(&j->w.work, link);
		finish(j, a, e);
	}
	jobs_news(j->t);
}

void
journal_run(struct job *job)
{
	struct journal *j = (struct journal *)job;
	struct writer *w = &j->w;

	for (;;) {
		uint64_t n;

		take(j);
		if (STAILQ_EMPTY(&w->work))
			return;
		if (w->seg == NULL) {
			int e = begin_segment(j);

			if (e == -1)
				return;
			if (e > 0) {
				fail_work(j, e);
				return;
			}
		}
		n = batch_size(w, j->segment_size - w->pos);
		if (n > 0)
			write_batch(j, n);
		else if (w->pos > JOURNAL_PAGE)
			end_segment(j, false);
		else
			/* Larger than a segment: journal_fits() knew. */
			fail_work(j, EFBIG);
	}
}
