/* SPDX-License-Identifier: ISC */
/*
 * Taking messages in: descriptors handed out ahead, and the commit.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "store_parts.h"

/* What a memory file that is being written is taken to need. */
#define GUESS (64 << 10)

static uint64_t
next_id(struct store *s)
{
	return qid_next(&s->maker, clock_wall_us());
}

/*
 * A file to stream into.  The writer can append and nothing else, and we
 * keep a descriptor that can only read, so that a lease on it will tell.
 */
static int
create_file(struct store *s, struct msg *m, struct store_new *out)
{
	int fd = spool_new(&s->sp, m->qid, O_WRONLY | O_APPEND);

	if (fd == -1)
		return -1;
	m->is_file = true;
	m->fd = spool_new_open(&s->sp, m->qid, O_RDONLY);
	if (m->fd == -1 || ftruncate(fd, QFILE_STREAM) == -1) {
		spool_new_remove(&s->sp, m->qid);
		fd_close(&fd);
		return -1;
	}
	*out = (struct store_new){ m->qid, fd, true };
	return 0;
}

static int
create_memory(struct store *s, struct msg *m, struct store_new *out)
{
	int fd;

	m->fd = memfd_new("message");
	if (m->fd == -1)
		return -1;
	s->nmemory++;
	fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	*out = (struct store_new){ m->qid, fd, false };
	return 0;
}

int
store_create(struct store *s, uint64_t want, struct store_new *out)
{
	bool file = want >= s->o.large || s->nmemory >= s->o.memory_files ||
	    s->memory + s->nnew * GUESS >= s->o.memory_max;
	struct msg *m;

	if (!s->recovered) {
		errno = EINVAL;
		return -1;
	}
	m = msg_new(s, next_id(s), STORE_NEW);
	s->nnew++;
	if ((file ? create_file : create_memory)(s, m, out) == 0)
		return 0;
	msg_free(s, &m);
	return -1;
}

void
store_discard(struct store *s, uint64_t qid)
{
	struct msg *m = msg_find(s, qid);

	if (m == NULL || m->state != STORE_NEW || m->job != NULL ||
	    m->fn != NULL)
		return;
	if (m->is_file)
		spool_new_remove(&s->sp, qid);
	msg_free(s, &m);
}

static void
commit_done(struct journal_add *a, int error)
{
	struct msg *m = (struct msg *)((char *)a - offsetof(struct msg, add));
	struct store *s = a->arg;
	store_fn *fn = m->fn;
	void *arg = m->arg;

	m->fn = NULL;
	if (error == 0) {
		s->nnew--;
		msg_fly(s, m, a->segment);
		msg_hand(s, m, true);
		s->commits++;
	} else
		msg_free(s, &m);
	fn(a->qid, error, arg);
}

/* What was committed is what it will always be: prove it, and measure it. */
static int
check_content(struct msg *m)
{
	struct stat st;

	if (fstat(m->fd, &st) == -1)
		return -1;
	if (m->is_file ? st.st_size < QFILE_STREAM : !memfd_sealed(m->fd)) {
		errno = EINVAL;
		return -1;
	}
	m->size = (uint64_t)st.st_size - (m->is_file ? QFILE_STREAM : 0);
	return 0;
}

/* Keep the envelope: its bytes when there are few, else a descriptor. */
static int
keep_envelope(struct msg *m, struct str env, int env_fd)
{
	struct stat st;

	if (env.n == 0) {
		if (fstat(env_fd, &st) == -1)
			return -1;
		if (!memfd_sealed(env_fd) || st.st_size > ENV_SIZE_MAX) {
			errno = EINVAL;
			return -1;
		}
		m->env_len = (size_t)st.st_size;
		m->env_fd = fcntl(env_fd, F_DUPFD_CLOEXEC, 0);
		return m->env_fd == -1 ? -1 : 0;
	}
	m->env_len = env.n;
	m->env = xmalloc(env.n);
	memcpy(m->env, env.p, env.n);
	return 0;
}

/* Is it proper?  What is not will never be in the queue. */
static int
check_envelope(struct msg *m)
{
	struct env_counts c;
	struct env_reader r;
	int rc;

	if (m->env_fd != -1)
		env_open_fd(&r, m->env_fd, 0, m->env_len);
	else
		env_open(&r, str_make(m->env, m->env_len));
	rc = env_check(&r, m->size, NULL, &c);
	env_close(&r);
	if (rc == -1)
		return -1;
	m->nrcpts = c.nrcpts;
	m->nedits = c.nedits;
	return 0;
}

/* A small one goes to the journal, along with all others of this turn. */
static void
commit_journal(struct store *s, struct msg *m, store_fn *fn, void *arg)
{
	m->fn = fn;
	m->arg = arg;
	m->add = (struct journal_add){ .type = JOURNAL_COMMIT,
		.qid = m->qid,
		.body = str_make(m->env, m->env_len),
		.fd = m->fd,
		.size = m->size,
		.done = commit_done,
		.arg = s };
	journal_add(s->j, &m->add);
}

static void
commit_file(struct store *s, struct msg *m, store_fn *fn, void *arg)
{
	struct file_job *f;

	f = file_job(s, m, m->is_file ? FILE_STREAM : FILE_PLACE);
	f->to = SPOOL_INCOMING;
	f->commit = true;
	f->fn = fn;
	f->arg = arg;
	file_put(f);
}

int
store_commit(struct store *s, uint64_t qid, struct str env, int env_fd,
    store_fn *fn, void *arg)
{
	struct msg *m = msg_find(s, qid);

	if (m == NULL || m->state != STORE_NEW || m->job != NULL ||
	    m->fn != NULL) {
		errno = m == NULL ? ENOENT : EBUSY;
		return -1;
	}
	if (check_content(m) == -1 || keep_envelope(m, env, env_fd) == -1 ||
	    check_envelope(m) == -1) {
		int e = errno;

		store_discard(s, qid);
		errno = e;
		return -1;
	}
	if (m->is_file || m->env_fd != -1 || m->env_len > ENV_MEMORY ||
	    m->size >= s->o.large || !journal_fits(s->j, m->env_len, m->size))
		commit_file(s, m, fn, arg);
	else {
		m->memory = m->size;
		s->memory += m->size;
		commit_journal(s, m, fn, arg);
	}
	return 0;
}
