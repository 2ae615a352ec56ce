/* SPDX-License-Identifier: ISC */
/*
 * Looking in: messages as they are shown to an administrator, wherever they
 * are, without taking them in hand.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/sandbox.h"
#include "store_parts.h"

/* In memory, all of it or all but the envelope. */
static int
look_at_msg(struct store *s, const struct msg *m, struct store_look *out)
{
	int fd;

	out->info = (struct store_info){ m->state, m->in_hand,
		m->job != NULL || m->fn != NULL, m->size, m->nrcpts, m->nedits,
		m->due_us };
	out->events = buf_get(&m->events);
	if (m->state == STORE_FLIGHT && m->env_fd == -1) {
		env_open(&out->env, str_make(m->env, m->env_len));
	} else if (m->state == STORE_FLIGHT) {
		env_open_fd(&out->env, m->env_fd, 0, m->env_len);
	} else {
		fd = spool_file(&s->sp, m->at, m->qid, O_RDONLY);
		if (fd == -1)
			return -1;
		env_open_fd(&out->env, fd, m->q.env_off, m->q.env_len);
		out->env.own_fd = true;
	}
	return 0;
}

static int
look_at_file(struct store *s, uint64_t qid, struct store_look *out)
{
	struct spool_at at;
	struct qfile q;
	struct stat st;
	uint64_t end;
	int fd;

	if (spool_find(&s->sp, qid, &at, &st) == -1)
		return -1;
	out->info.state = msg_state_in(at.dir);
	out->info.due_us = (int64_t)st.st_mtime * 1000000;
	fd = spool_file(&s->sp, at, qid, O_RDONLY);
	if (fd == -1)
		return -1;
	errno = 0;
	if (qfile_open(fd, qid, &q) != QFILE_OK ||
	    qfile_events(fd, &q, &out->read, &end) == -1) {
		if (errno == 0)
			errno = EBADMSG;
		fd_close(&fd);
		return -1;
	}
	out->info.size = q.content_len;
	out->events = buf_get(&out->read);
	env_open_fd(&out->env, fd, q.env_off, q.env_len);
	out->env.own_fd = true;
	return 0;
}

static bool
in_memory(const struct msg *m)
{
	return m != NULL && (m->in_hand || m->state == STORE_FLIGHT);
}

int
store_look(struct store *s, uint64_t qid, struct store_look *out)
{
	struct msg *m = msg_find(s, qid);
	int rc;

	*out = (struct store_look){ .info = { .state = STORE_NONE } };
	buf_init(&out->read, EVENTS_MAX);
	env_open(&out->env, STR_NONE);
	if (m != NULL && (m->doomed || m->state == STORE_NEW)) {
		errno = ENOENT;
		return -1;
	}
	rc = in_memory(m) ? look_at_msg(s, m, out) : look_at_file(s, qid, out);
	if (rc == -1) {
		int e = errno;

		buf_clear(&out->read);
		errno = e;
	}
	return rc;
}

void
store_look_clear(struct store_look *l)
{
	env_close(&l->env);
	buf_clear(&l->read);
}

size_t
store_flight_slot(struct store *s, unsigned slot, uint64_t *out, size_t max)
{
	struct msg *m;
	size_t n = 0;

	LIST_FOREACH(m, &s->table[slot % TABLE], chain)
		if (m->state == STORE_FLIGHT && !m->doomed && m->fn == NULL &&
		    n < max)
			out[n++] = m->qid;
	return n;
}

static_assert(STORE_SLOTS == TABLE, "all slots are gone over");

int
store_show(struct store *s, uint64_t qid, struct store_content *out, bool *file)
{
	struct msg *m = msg_find(s, qid);
	struct spool_at at;
	struct stat st;

	*out = (struct store_content){ .fd = -1 };
	*file = !in_memory(m) || m->state != STORE_FLIGHT;
	if (m != NULL && (m->doomed || m->state == STORE_NEW)) {
		errno = ENOENT;
		return -1;
	}
	if (!*file) {
		out->size = m->size;
		out->fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
		return out->fd == -1 ? -1 : 0;
	}
	if (spool_find(&s->sp, qid, &at, &st) == -1)
		return -1;
	out->size = (uint64_t)st.st_size;
	out->fd = spool_file(&s->sp, at, qid, O_RDONLY);
	return out->fd == -1 ? -1 : 0;
}

uint64_t
store_count(struct store *s, enum store_state st, uint64_t max)
{
	struct store_walk *w = store_walk_state(s, st);
	struct store_due due;
	uint64_t n = 0;

	while (w != NULL && n < max && store_walk_next(w, &due) == 1)
		n++;
	store_walk_free(&w);
	return n;
}
