/* SPDX-License-Identifier: ISC */
/*
 * What follows when a thread is done with a message's file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store_parts.h"

static void
job_free(struct file_job *f)
{
	buf_clear(&f->loaded);
	free(f->events);
	free(f);
}

/*
 * The index entries of a message that waits: one for each destination, the
 * first of which tells the time.  An entry that could not be added is
 * found by checking the directory.
 */
int
land_index(struct store *s, const struct msg *m, int64_t due_s,
    const uint64_t *keys, size_t nkeys)
{
	int64_t now_s = clock_wall_us() / 1000000;
	struct index_entry e = { .qid = m->qid, .due_s = due_s, .first = true };
	int rc;

	e.key = nkeys == 1 ? keys[0] : 0;
	rc = index_add(s->x, &e, now_s);
	e.first = false;
	for (size_t i = 0; rc == 0 && nkeys > 1 && i < nkeys; i++) {
		e.key = keys[i];
		rc = index_add(s->x, &e, now_s);
	}
	if (rc == -1 && m->state != STORE_INCOMING)
		check_later(s);
	return rc;
}

/* Forget a message that a job was about, telling the caller. */
static void
leave(struct file_job *f, int error)
{
	store_fn *fn = f->fn;
	void *arg = f->arg;
	uint64_t qid = f->qid;

	msg_free(f->s, &f->m);
	if (fn != NULL)
		fn(qid, error, arg);
}

/* One deferred message less; after a crash the number is a guess at first. */
static void
uncount(struct store *s)
{
	if (s->deferred > 0)
		s->deferred--;
}

/* Removed while the job ran: remove what the job made or found. */
static void
doomed(struct file_job *f)
{
	struct store *s = f->s;
	struct msg *m = f->m;
	struct spool_at at = f->error == 0 ? f->at : m->at;

	if (m->state == STORE_DEFERRED ||
	    (m->state == STORE_NONE && at.dir == SPOOL_DEFERRED))
		uncount(s);
	if (f->error == 0 || m->state > STORE_FLIGHT)
		(void)spool_unlink(&s->sp, f->qid, at);
	leave(f, ENOENT);
}

/* It failed: what was in hand is in hand, unchanged. */
static void
failed(struct file_job *f)
{
	struct store *s = f->s;
	struct msg *m = f->m;

	/* Its due time may have changed all the same. */
	if (m->state == STORE_DEFERRED)
		check_later(s);
	if (f->commit) {
		spool_new_remove(&s->sp, f->qid);
		leave(f, f->error);
		return;
	}
	if (m->state == STORE_FLIGHT) {
		/* Our own idea, or the caller will try again: later. */
		m->since_ms = clock_ms();
		TAILQ_REMOVE(&s->flight, m, flight);
		TAILQ_INSERT_TAIL(&s->flight, m, flight);
		if (journal_starved(s->j))
			journal_fail(s->j, f->error);
	}
	if (f->fn != NULL) {
		if (!m->in_hand && m->bucket == NULL)
			leave(f, f->error);
		else
			f->fn(f->qid, f->error, f->arg);
	}
}

/* The file is where it should be. */
static void
placed(struct file_job *f)
{
	struct store *s = f->s;
	struct msg *m = f->m;
	enum store_state was = m->state;

	if (was == STORE_FLIGHT)
		store_lazy(s, JOURNAL_MOVED, f->qid, STR_NONE);
	if (!f->have_file) {
		msg_land(s, m);
		m->saved = 0;
		s->files++;
	}
	m->q = f->q;
	m->at = f->at;
	m->end = f->end;
	m->saved += f->events_len;
	m->state = msg_state_in(f->at.dir);
	if (was == STORE_DEFERRED)
		uncount(s);
	s->deferred += m->state == STORE_DEFERRED;
	if (f->due_s != -1)
		m->due_us = f->due_s * 1000000;
	if (f->commit) {
		msg_hand(s, m, true);
		s->commits++;
	}
	/* Events that came in meanwhile. */
	if (m->saved < m->events.len && m->next == NULL)
		(void)file_append(s, m);
	if (f->leave) {
		if (m->state == STORE_DEFERRED)
			(void)land_index(s, m, f->due_s, f->keys, f->nkeys);
		else if (m->state == STORE_INCOMING)
			(void)land_index(s, m,
			    INDEX_NOW(clock_wall_us() / 1000000), NULL, 0);
		leave(f, 0);
	} else if (f->fn != NULL)
		f->fn(f->qid, 0, f->arg);
}

static void
loaded(struct file_job *f)
{
	struct store *s = f->s;
	struct msg *m = f->m;

	if (f->error == EBADMSG) {
		store_say(s, f->qid, "queue file %s: moved to corrupt",
		    qfile_state_text(f->bad));
		if (f->at.dir == SPOOL_DEFERRED)
			uncount(s);
		if (spool_move(&s->sp, f->qid, &f->at, SPOOL_CORRUPT, true) ==
		    -1)
			store_say(s, f->qid, "cannot move it to corrupt: %s",
			    strerror(errno));
		s->corrupt++;
	}
	if (f->error != 0) {
		bool yielded = m->bucket != NULL && f->error != EBADMSG &&
		    f->error != ENOENT;

		if (!yielded)
			leave(f, f->error);
		else
			f->fn(f->qid, f->error, f->arg);
		return;
	}
	m->q = f->q;
	m->at = f->at;
	m->end = f->end;
	m->state = msg_state_in(f->at.dir);
	m->size = f->q.content_len;
	m->nrcpts = f->counts.nrcpts;
	m->nedits = f->counts.nedits;
	buf_clear(&m->events);
	m->events = f->loaded;
	buf_init(&f->loaded, EVENTS_MAX);
	m->saved = m->events.len;
	msg_hand(s, m, true);
	f->fn(f->qid, 0, f->arg);
}

void
file_done(struct file_job *f)
{
	struct msg *m = f->m;

	if (f->fn == NULL)
		f->s->moving--;
	m->job = NULL;
	if (m->next != NULL) {
		/* Only our own jobs have a successor; this one reports. */
		struct file_job *next = m->next;

		m->next = NULL;
		if (m->doomed)
			job_free(next);
		else {
			if (f->error == 0)
				placed(f);
			file_put(next);
			job_free(f);
			return;
		}
	}
	if (m->doomed)
		doomed(f);
	else if (f->kind == FILE_LOAD)
		loaded(f);
	else if (f->error != 0)
		failed(f);
	else
		placed(f);
	job_free(f);
}

/* Give a message in flight a file, as nobody asked us to. */
void
land_move(struct store *s, struct msg *m)
{
	struct file_job *f;

	if (m->job != NULL || s->moving >= MOVING_MAX)
		return;
	f = file_job(s, m, FILE_PLACE);
	f->to = SPOOL_INCOMING;
	f->leave = !m->in_hand;
	file_put(f);
}

/* The journal needs a segment back: what is in the oldest one gets files. */
void
land_pressed(struct store *s)
{
	uint64_t gen = journal_pressed(s->j);
	struct msg *m;

	if (gen == 0)
		return;
	TAILQ_FOREACH(m, &s->flight, flight) {
		if (m->segment == gen)
			land_move(s, m);
		if (s->moving >= MOVING_MAX)
			break;
	}
}
