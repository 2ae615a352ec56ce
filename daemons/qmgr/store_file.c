/* SPDX-License-Identifier: ISC */
/*
 * What threads do to queue files.  They use what is copied into the job, the
 * memory file's and the spool's descriptors, and the envelope's bytes,
 * which stay where they are as long as a job of the message is on its way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "queue/sum.h"
#include "spool_open.h"
#include "store_parts.h"

#define WINDOW 65536

/* Read and verify all of it; the events come along. */
static enum qfile_state
load_file(struct file_job *f, int fd)
{
	enum qfile_state bad = qfile_open(fd, f->qid, &f->q);

	if (bad == QFILE_OK)
		bad = qfile_verify_env(fd, &f->q, &f->counts);
	if (bad == QFILE_OK)
		bad = qfile_verify_content(fd, &f->q);
	if (bad == QFILE_OK &&
	    qfile_events(fd, &f->q, &f->loaded, &f->end) == -1)
		bad = QFILE_UNREADABLE;
	return bad;
}

static void
file_load_run(struct file_job *f)
{
	int fd = -1;

	f->bad = QFILE_UNREADABLE;
	if (f->found || spool_find(f->sp, f->qid, &f->at, NULL) == 0)
		fd = spool_file(f->sp, f->at, f->qid, O_RDONLY);
	if (fd != -1)
		f->bad = load_file(f, fd);
	if (f->bad == QFILE_OK)
		f->error = 0;
	else if (f->bad == QFILE_UNREADABLE)
		f->error = errno != 0 ? errno : EIO;
	else
		f->error = EBADMSG;
	fd_close(&fd);
}

static void
job_run(struct job *job)
{
	struct file_job *f = (struct file_job *)job;

	errno = 0;
	if (f->kind == FILE_PLACE)
		file_place_run(f);
	else if (f->kind == FILE_STREAM)
		file_stream_run(f);
	else
		file_load_run(f);
}

static void
job_done(struct job *job)
{
	file_done((struct file_job *)job);
}

struct file_job *
file_job(struct store *s, struct msg *m, enum file_kind k)
{
	struct file_job *f = xcalloc(1, sizeof(*f));

	f->job = (struct job){ .run = job_run, .done = job_done };
	f->s = s;
	f->m = m;
	f->kind = k;
	f->sp = &s->sp;
	f->qid = m->qid;
	f->due_s = -1;
	buf_init(&f->loaded, EVENTS_MAX);
	return f;
}

/*
 * Give it to a thread, or let it wait for the one before.  What a thread needs
 * to know is copied now and not earlier.
 */
void
file_put(struct file_job *f)
{
	struct msg *m = f->m;
	struct str events = buf_get(&m->events);

	if (m->job != NULL) {
		m->next = f;
		return;
	}
	m->job = f;
	f->have_file = m->state != STORE_FLIGHT && m->state != STORE_NEW;
	events = str_sub(events, f->have_file ? m->saved : 0, events.n);
	if (f->kind == FILE_PLACE && events.n > 0) {
		f->events = xmalloc(events.n);
		memcpy(f->events, events.p, events.n);
		f->events_len = events.n;
	}
	f->at = m->at;
	f->q = m->q;
	f->end = m->end;
	if (f->fn == NULL)
		f->s->moving++;
	jobs_put(f->s->t, JOB_FILE, &f->job);
}

/* --- writing -------------------------------------------------------------- */

static int
write_at(int fd, const void *p, size_t n, uint64_t off)
{
	const char *q = p;

	while (n > 0) {
		ssize_t k = pwrite(fd, q, n, (off_t)off);

		if (k == -1 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		q += k;
		n -= (size_t)k;
		off += (uint64_t)k;
	}
	return 0;
}

/*
 * Checksum n bytes of a descriptor and, when out is not -1, copy them to it at
 * out_off.
 */
static int
copy_sum(int in, uint64_t in_off, uint64_t n, int out, uint64_t out_off,
    uint64_t seed, uint64_t *sum)
{
	char *win = xmalloc(WINDOW);
	struct sum s;
	int rc = -1;

	sum_init(&s, seed);
	while (n > 0) {
		size_t k = n < WINDOW ? (size_t)n : WINDOW;
		ssize_t got = fd_pread_all(in, win, k, (off_t)in_off);

		if (got >= 0 && (size_t)got < k)
			errno = EIO;
		if (got == -1 || (size_t)got < k)
			goto out;
		sum_add(&s, win, k);
		if (out != -1 && write_at(out, win, k, out_off) == -1)
			goto out;
		in_off += k;
		out_off += k;
		n -= k;
	}
	*sum = sum_end(&s);
	rc = 0;
out:
	free(win);
	return rc;
}

/* The envelope, from memory or its descriptor, to q->env_off. */
static int
put_envelope(const struct msg *m, int fd, struct qfile *q)
{
	q->env_len = m->env_len;
	if (m->env_fd != -1)
		return copy_sum(m->env_fd, 0, m->env_len, fd, q->env_off,
		    q->qid, &q->env_sum);
	q->env_sum = sum64(m->env, m->env_len, q->qid);
	return write_at(fd, m->env, m->env_len, q->env_off);
}

/* The header, the events, the due time; then all of it is on disk. */
static int
seal_file(struct file_job *f, int fd)
{
	const struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = f->due_s } };
	uint8_t head[QFILE_HEADER];

	if (qfile_header(&f->q, head) == -1 ||
	    write_at(fd, head, sizeof(head), 0) == -1 ||
	    write_at(fd, f->events, f->events_len, f->q.committed) == -1)
		return -1;
	f->end = f->q.committed + f->events_len;
	if (f->due_s != -1 && futimens(fd, ts) == -1)
		return -1;
	return fsync(fd);
}

/*
 * A memory file becomes a queue file.  Stopped before spool_publish(), there
 * is incoming/new.ID, which means nothing and is removed at the next start,
 * and the message is in the journal or was not acknowledged.  Stopped in it,
 * the same, or the file is there and wins over the journal.
 */
static int
make_file(struct file_job *f)
{
	const struct msg *m = f->m;
	int fd = spool_new(f->sp, f->qid, O_RDWR);
	int rc = -1;

	if (fd == -1 && errno == EEXIST) {
		spool_new_remove(f->sp, f->qid);
		fd = spool_new(f->sp, f->qid, O_RDWR);
	}
	if (fd == -1)
		return -1;
	f->q = (struct qfile){ .qid = f->qid,
		.env_off = QFILE_HEADER,
		.content_len = m->size };
	if (put_envelope(m, fd, &f->q) == -1)
		goto out;
	f->q.content_off = f->q.env_off + f->q.env_len;
	f->q.committed = f->q.content_off + m->size;
	if (copy_sum(m->fd, 0, m->size, fd, f->q.content_off, f->qid,
		&f->q.content_sum) == -1)
		goto out;
	if (seal_file(f, fd) == -1)
		goto out;
	rc = spool_publish(f->sp, f->qid, f->to, true, &f->at);
out:
	if (rc == -1)
		spool_new_remove(f->sp, f->qid);
	fd_close(&fd);
	return rc;
}

/* Its modification time is when a deferred message is due: keep it. */
static int
keep_due(int fd, const struct stat *st)
{
	const struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
		st->st_mtim };

	return futimens(fd, ts);
}

/*
 * Append the events that the file does not have, behind the last whole one.
 * Stopped in it, a torn event is as if it had not been.  Stopped before the
 * modification time is set back, a deferred message is found by the check of
 * the index.
 */
static int
append(struct file_job *f)
{
	struct stat st;
	int fd, rc = -1;

	if (f->events_len == 0)
		return 0;
	fd = spool_file(f->sp, f->at, f->qid, O_RDWR);
	if (fd == -1)
		return -1;
	if (f->end == 0 &&
	    (qfile_open(fd, f->qid, &f->q) != QFILE_OK ||
		qfile_events(fd, &f->q, &f->loaded, &f->end) == -1))
		goto out;
	/* A torn tail must not come back to life behind what we write. */
	if (fstat(fd, &st) == -1 ||
	    ((uint64_t)st.st_size > f->end &&
		ftruncate(fd, (off_t)f->end) == -1))
		goto out;
	if (write_at(fd, f->events, f->events_len, f->end) == -1) {
		int e = errno;

		if (ftruncate(fd, (off_t)f->end) == -1 ||
		    keep_due(fd, &st) == -1)
			e = EIO;
		errno = e;
		goto out;
	}
	f->end += f->events_len;
	rc = keep_due(fd, &st);
	if (rc == 0 && f->sync)
		rc = fsync(fd);
out:
	if (rc == -1 && errno == 0)
		errno = EBADMSG;
	fd_close(&fd);
	return rc;
}

/*
 * A queue file changes its directory.  Stopped between the steps, it is where
 * it was, perhaps with later events, perhaps with another due time, which
 * then is looked for in vain: incoming has none, and for deferred the check
 * of the index finds it.
 */
static int
move_file(struct file_job *f)
{
	if (append(f) == -1)
		return -1;
	if (f->due_s != -1 &&
	    spool_set_due(f->sp, f->qid, f->at, f->due_s) == -1)
		return -1;
	return spool_move(f->sp, f->qid, &f->at, f->to, f->sync);
}

void
file_place_run(struct file_job *f)
{
	int rc = f->have_file ? move_file(f) : make_file(f);

	f->error = rc == 0 ? 0 : errno != 0 ? errno : EIO;
}

/*
 * What was streamed into incoming/new.ID is a message now.  Until its header
 * is written the file begins with zeros and is no queue file; until it has its
 * name it means nothing.
 */
static int
stream_file(struct file_job *f)
{
	const struct msg *m = f->m;
	int fd, rc = -1;

	if (spool_unwritten(m->fd) == -1)
		return -1;
	fd = spool_new_open(f->sp, f->qid, O_RDWR);
	if (fd == -1)
		return -1;
	f->q = (struct qfile){ .qid = f->qid,
		.content_off = QFILE_STREAM,
		.content_len = m->size };
	f->q.env_off = QFILE_STREAM + m->size;
	if (copy_sum(m->fd, QFILE_STREAM, m->size, -1, 0, f->qid,
		&f->q.content_sum) == -1 ||
	    put_envelope(m, fd, &f->q) == -1)
		goto out;
	f->q.committed = f->q.env_off + f->q.env_len;
	if (seal_file(f, fd) == -1)
		goto out;
	rc = spool_publish(f->sp, f->qid, f->to, true, &f->at);
out:
	fd_close(&fd);
	return rc;
}

void
file_stream_run(struct file_job *f)
{
	f->error = stream_file(f) == 0 ? 0 : errno != 0 ? errno : EIO;
}

/* In the loop: append what the file does not have, without a barrier. */
int
file_append(struct store *s, struct msg *m)
{
	struct str events = buf_get(&m->events);
	struct file_job f = { .sp = &s->sp,
		.qid = m->qid,
		.at = m->at,
		.q = m->q,
		.end = m->end };
	int rc;

	events = str_sub(events, m->saved, events.n);
	f.events_len = events.n;
	f.events = xmalloc(events.n + 1);
	memcpy(f.events, events.p, events.n);
	buf_init(&f.loaded, EVENTS_MAX);
	errno = 0;
	rc = append(&f);
	if (rc == 0) {
		m->saved += events.n;
		m->end = f.end;
	} else if (m->at.dir == SPOOL_DEFERRED)
		check_later(s);
	free(f.events);
	buf_clear(&f.loaded);
	return rc;
}
