/* SPDX-License-Identifier: ISC */
/*
 * Messages in hand, and what becomes of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "store_parts.h"

static int
fail(int e)
{
	errno = e;
	return -1;
}

int
store_info(struct store *s, uint64_t qid, struct store_info *out)
{
	struct msg *m = msg_find(s, qid);
	struct spool_at at;
	struct qfile q;
	struct stat st;
	int fd;

	*out = (struct store_info){ 0 };
	if (m != NULL && m->doomed)
		return fail(ENOENT);
	if (m != NULL &&
	    (m->in_hand || m->state == STORE_NEW || m->state == STORE_FLIGHT)) {
		*out = (struct store_info){ m->state, m->in_hand,
			m->job != NULL || m->fn != NULL, m->size, m->nrcpts,
			m->nedits, m->due_us };
		return 0;
	}
	if (spool_find(&s->sp, qid, &at, &st) == -1)
		return -1;
	out->state = msg_state_in(at.dir);
	out->busy = m != NULL && m->job != NULL;
	out->due_us = (int64_t)st.st_mtime * 1000000;
	fd = spool_file(&s->sp, at, qid, O_RDONLY);
	if (fd == -1)
		return -1;
	if (qfile_open(fd, qid, &q) == QFILE_OK)
		out->size = q.content_len;
	fd_close(&fd);
	return 0;
}

int
store_load(struct store *s, uint64_t qid, store_fn *fn, void *arg)
{
	struct msg *m = msg_find(s, qid);
	struct file_job *f;

	if (m != NULL &&
	    (m->in_hand || m->job != NULL || m->doomed ||
		m->state == STORE_NEW || m->state == STORE_FLIGHT))
		return fail(EBUSY);
	if (m == NULL)
		m = msg_new(s, qid, STORE_NONE);
	f = file_job(s, m, FILE_LOAD);
	f->found = m->state != STORE_NONE;
	f->fn = fn;
	f->arg = arg;
	file_put(f);
	return 0;
}

void
store_park(struct store *s, uint64_t qid)
{
	struct msg *m = msg_find(s, qid);
	int64_t due_s = INDEX_NOW(clock_wall_us() / 1000000);

	if (m == NULL || m->doomed || m->state == STORE_NEW)
		return;
	msg_hand(s, m, false);
	if (m->job != NULL) {
		m->job->leave = true;
		return;
	}
	if (m->state == STORE_FLIGHT) {
		struct file_job *f = file_job(s, m, FILE_PLACE);

		f->to = SPOOL_INCOMING;
		f->leave = true;
		file_put(f);
		return;
	}
	/* A deferred one is due by its file's time: it must be the entry's. */
	if (m->state == STORE_DEFERRED &&
	    spool_set_due(&s->sp, qid, m->at, due_s) == -1)
		check_later(s);
	if (m->state == STORE_DEFERRED || m->state == STORE_INCOMING)
		(void)land_index(s, m, due_s, NULL, 0);
	msg_free(s, &m);
}

int
store_envelope(struct store *s, uint64_t qid, struct env_reader *r)
{
	struct msg *m = msg_in_hand(s, qid);
	int fd;

	if (m == NULL)
		return fail(ENOENT);
	if (m->state == STORE_FLIGHT) {
		env_open(r, str_make(m->env, m->env_len));
		return 0;
	}
	fd = spool_file(&s->sp, m->at, qid, O_RDONLY);
	if (fd == -1)
		return -1;
	env_open_fd(r, fd, m->q.env_off, m->q.env_len);
	r->own_fd = true;
	return 0;
}

struct str
store_events(struct store *s, uint64_t qid)
{
	struct msg *m = msg_in_hand(s, qid);

	return m == NULL ? STR_NONE : buf_get(&m->events);
}

int
store_content(struct store *s, uint64_t qid, struct store_content *out)
{
	struct msg *m = msg_in_hand(s, qid);

	if (m == NULL)
		return fail(ENOENT);
	out->size = m->size;
	if (m->state == STORE_FLIGHT) {
		out->off = 0;
		out->fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	} else {
		out->off = m->q.content_off;
		out->fd = spool_file(&s->sp, m->at, qid, O_RDONLY);
	}
	return out->fd == -1 ? -1 : 0;
}

int
store_event(struct store *s, uint64_t qid, const struct event *e)
{
	struct msg *m = msg_in_hand(s, qid);
	size_t had;

	if (m == NULL)
		return fail(ENOENT);
	had = m->events.len;
	if (event_put(&m->events, qid, e) == -1) {
		/* Half of one must not stay in front of the next. */
		bool full = buf_full(&m->events);

		m->events.full = false;
		if (m->events.len > had)
			buf_trim(&m->events, m->events.len - had);
		return fail(full ? EFBIG : EINVAL);
	}
	if (m->state == STORE_FLIGHT)
		store_lazy(s, JOURNAL_EVENT, qid,
		    str_sub(buf_get(&m->events), had, m->events.len));
	else if (m->job == NULL)
		return file_append(s, m);
	return 0;
}

int
store_defer(struct store *s, uint64_t qid, const struct event *e,
    const uint64_t *keys, size_t nkeys, store_fn *fn, void *arg)
{
	struct msg *m = msg_in_hand(s, qid);
	struct file_job *f;
	struct event with;

	if (m == NULL)
		return fail(ENOENT);
	if (m->next != NULL || (m->job != NULL && m->job->fn != NULL))
		return fail(EBUSY);
	if (e->type != EVENT_DEFER || nkeys > STORE_KEYS_MAX || e->due_us < 0)
		return fail(EINVAL);
	with = *e;
	with.keys = keys;
	with.nkeys = (uint32_t)nkeys;
	if (event_put(&m->events, qid, &with) == -1)
		return fail(EINVAL);
	f = file_job(s, m, FILE_PLACE);
	f->to = SPOOL_DEFERRED;
	f->due_s = e->due_us / 1000000;
	f->nkeys = nkeys;
	if (nkeys > 0)
		memcpy(f->keys, keys, nkeys * sizeof(*keys));
	f->leave = true;
	f->fn = fn;
	f->arg = arg;
	file_put(f);
	return 0;
}

/* Not known here: is there a file?  A new struct for it, or NULL. */
static struct msg *
adopt(struct store *s, uint64_t qid)
{
	struct spool_at at;
	struct msg *m;

	if (spool_find(&s->sp, qid, &at, NULL) == -1)
		return NULL;
	m = msg_new(s, qid, msg_state_in(at.dir));
	m->at = at;
	return m;
}

int
store_remove(struct store *s, uint64_t qid)
{
	struct msg *m = msg_find(s, qid);

	if (m == NULL)
		m = adopt(s, qid);
	if (m == NULL)
		return -1;
	if (m->doomed || m->state == STORE_NEW || m->state == STORE_CORRUPT) {
		if (m->state == STORE_CORRUPT)
			msg_free(s, &m);
		return fail(ENOENT);
	}
	if (m->next != NULL || (m->job != NULL && m->job->fn != NULL))
		return fail(EBUSY);
	if (m->state == STORE_FLIGHT)
		store_lazy(s, JOURNAL_DONE, qid, STR_NONE);
	msg_hand(s, m, false);
	if (m->job != NULL) {
		m->doomed = true;
		return 0;
	}
	if (m->state == STORE_DEFERRED && s->deferred > 0)
		s->deferred--;
	if (m->state > STORE_FLIGHT && spool_unlink(&s->sp, qid, m->at) == -1 &&
	    errno != ENOENT) {
		/* Still there; as far as we are concerned it is due again. */
		int e = errno;

		(void)land_index(s, m, m->due_us / 1000000, NULL, 0);
		msg_free(s, &m);
		return fail(e);
	}
	msg_free(s, &m);
	return 0;
}

int
store_hold(struct store *s, uint64_t qid, struct str reason, store_fn *fn,
    void *arg)
{
	const struct event e = { .type = EVENT_HOLD,
		.time_us = clock_wall_us(),
		.reason = reason };
	struct msg *m = msg_find(s, qid);
	struct file_job *f;

	if (m == NULL)
		m = adopt(s, qid);
	if (m == NULL)
		return -1;
	if (m->state < STORE_FLIGHT || m->state > STORE_DEFERRED || m->doomed)
		return fail(ENOENT);
	if (m->next != NULL || (m->job != NULL && m->job->fn != NULL))
		return fail(EBUSY);
	if (event_put(&m->events, qid, &e) == -1)
		return fail(EINVAL);
	f = file_job(s, m, FILE_PLACE);
	f->to = SPOOL_HOLD;
	f->sync = true;
	f->leave = true;
	f->fn = fn;
	f->arg = arg;
	file_put(f);
	return 0;
}

/*
 * From hold to deferred, due at once.  Stopped in between, it is on hold
 * still, or it is deferred, which the check of the index finds.
 */
int
store_release(struct store *s, uint64_t qid)
{
	int64_t now_us = clock_wall_us();
	int64_t due_s = INDEX_NOW(now_us / 1000000);
	const struct event e = { .type = EVENT_RELEASE, .time_us = now_us };
	struct msg *m;
	int rc = -1;

	if (msg_find(s, qid) != NULL)
		return fail(EBUSY);
	m = adopt(s, qid);
	if (m == NULL)
		return -1;
	if (m->state != STORE_HOLD) {
		errno = ENOENT;
		goto out;
	}
	if (event_put(&m->events, qid, &e) == -1 || file_append(s, m) == -1 ||
	    spool_set_due(&s->sp, qid, m->at, due_s) == -1 ||
	    spool_move(&s->sp, qid, &m->at, SPOOL_DEFERRED, false) == -1)
		goto out;
	s->deferred++;
	m->state = STORE_DEFERRED;
	(void)land_index(s, m, due_s, NULL, 0);
	rc = 0;
out:
	msg_free(s, &m);
	return rc;
}

/*
 * Stopped before the due time is set, the order stands and is carried out when
 * the message is due.
 */
int
store_append(struct store *s, uint64_t qid, const struct event *e)
{
	int64_t due_s = INDEX_NOW(clock_wall_us() / 1000000);
	struct msg *m = msg_find(s, qid);
	int rc = -1;

	if (m != NULL && m->in_hand && m->job == NULL)
		return store_event(s, qid, e);
	if (m != NULL)
		return fail(EBUSY);
	m = adopt(s, qid);
	if (m == NULL)
		return -1;
	if (m->state == STORE_CORRUPT) {
		errno = ENOENT;
		goto out;
	}
	if (event_put(&m->events, qid, e) == -1 || file_append(s, m) == -1)
		goto out;
	if (m->state == STORE_DEFERRED) {
		if (spool_set_due(&s->sp, qid, m->at, due_s) == -1)
			goto out;
		(void)land_index(s, m, due_s, NULL, 0);
	}
	rc = 0;
out:
	msg_free(s, &m);
	return rc;
}

int
store_corrupt(struct store *s, uint64_t qid, const char *why)
{
	struct msg *m = msg_find(s, qid);
	int rc;

	if (m == NULL)
		m = adopt(s, qid);
	if (m == NULL || m->doomed)
		return fail(ENOENT);
	if (m->job != NULL)
		return fail(EBUSY);
	if (m->state < STORE_INCOMING)
		return fail(EINVAL);
	rc = spool_move(&s->sp, qid, &m->at, SPOOL_CORRUPT, true);
	if (rc == 0) {
		store_say(s, qid, "%s: moved to corrupt", why);
		s->corrupt++;
		if (m->state == STORE_DEFERRED && s->deferred > 0)
			s->deferred--;
	}
	msg_free(s, &m);
	return rc;
}
