/* SPDX-License-Identifier: ISC */
/*
 * A batch of deliveries into Maildirs.
 *
 * Each step is done for the whole batch before the next begins, so that the
 * file system can bring it all to disk in one go.  If we stop
 *
 *	1. while a file below tmp/ is being written: readers of the Maildir do
 *	   not look there, and a part of a message is left for whoever sweeps
 *	   it; the queue still has the message and delivers it anew;
 *	2. after its fsync: the same, with a whole message in tmp/;
 *	3. after its rename: after a power cut the message is in tmp/ or in
 *	   new/, whole in both cases, since its bytes were on disk first; the
 *	   queue has it too, and delivers it a second time;
 *	4. after the fsync of new/: it stays in new/.  Only now the answer is
 *	   given, the queue may forget it, and if that answer is lost it comes
 *	   a second time.
 *
 * So a file in new/ is never less than a message, and what was answered is
 * never lost.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sandbox/sandbox.h"

#include "mailbox.h"
#include "rename.h"

#define NAME_TRIES 16

/* A Maildir that a batch has messages for. */
struct maildir {
	const struct delivery *first; /* names it: root and path */
	int tmp_fd, new_fd;
	bool made;
	bool dirty; /* something was renamed into new/ */
	int error;  /* of its fsync */
};

static int
open_sub(const struct delivery *d, const char *sub, bool *made)
{
	char path[MAILBOX_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", d->path, sub);
	fd = path_dir(d->root_fd, path);
	if (fd == -1 && errno == ENOENT && !*made) {
		*made = true;
		for (int i = 0; i < 3; i++) {
			static const char *const subs[] = { "tmp", "new",
				"cur" };

			snprintf(path, sizeof(path), "%s/%s", d->path, subs[i]);
			if (path_make(d->root_fd, path) == -1)
				return -1;
		}
		snprintf(path, sizeof(path), "%s/%s", d->path, sub);
		fd = path_dir(d->root_fd, path);
	}
	return fd;
}

/* The batch's Maildir of this delivery, opened; NULL with the fate told. */
static struct maildir *
maildir_of(struct maildir *ms, unsigned *n, struct delivery *d)
{
	struct maildir *m;

	for (unsigned i = 0; i < *n; i++)
		if (ms[i].first->root_fd == d->root_fd &&
		    strcmp(ms[i].first->path, d->path) == 0)
			return &ms[i];
	m = &ms[*n];
	*m = (struct maildir){ .first = d, .tmp_fd = -1, .new_fd = -1 };
	m->tmp_fd = open_sub(d, "tmp", &m->made);
	if (m->tmp_fd != -1)
		m->new_fd = open_sub(d, "new", &m->made);
	if (m->new_fd == -1) {
		delivery_fail(d, errno,
		    "maildir delivery failed: open maildir %s", d->path);
		fd_close(&m->tmp_fd);
		return NULL;
	}
	(*n)++;
	return m;
}

/*
 * A name that no other process, thread or moment chooses: the instance of this
 * process is unique in a life of the system, the counter in ours.
 */
static int
create(struct delivery *d, int tmp_fd)
{
	static _Atomic unsigned count;
	int64_t now = clock_wall_us();
	int fd = -1;

	for (int i = 0; i < NAME_TRIES; i++) {
		snprintf(d->name, sizeof(d->name),
		    "%" PRId64 ".M%" PRId64 "P%uQ%u.%s", now / 1000000,
		    now % 1000000, (unsigned)d->mb->instance, ++count,
		    d->mb->host);
		fd = beneath_open(tmp_fd, d->name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd != -1 || errno != EEXIST)
			break;
	}
	return fd;
}

static void
discard(struct delivery *d, int tmp_fd)
{
	fd_close(&d->file_fd);
	unlinkat(tmp_fd, d->name, 0);
}

/* Step 1. */
static void
write_tmp(struct delivery *d, struct maildir *m, char *buf)
{
	d->file_fd = create(d, m->tmp_fd);
	if (d->file_fd == -1) {
		delivery_fail(d, errno,
		    "maildir delivery failed: create "
		    "maildir file %s/tmp/%s",
		    d->path, d->name);
		return;
	}
	if (delivery_copy(d, STR_NONE, d->limit, buf) == -1) {
		delivery_fail(d, errno,
		    "maildir delivery failed: error writing message");
		discard(d, m->tmp_fd);
	}
}

/* Step 2. */
static void
sync_tmp(struct delivery *d, struct maildir *m)
{
	if (fsync(d->file_fd) == -1) {
		delivery_fail(d, errno,
		    "maildir delivery failed: error writing message");
		discard(d, m->tmp_fd);
	}
}

/*
 * Step 3.  The name has what a Maildir reader expects: the time, something
 * unique (device and inode: the file exists, so no other has them), the host.
 */
static void
rename_new(struct delivery *d, struct maildir *m)
{
	int64_t now = clock_wall_us();
	char name[sizeof(d->name)] = "";
	struct stat st;
	int rc = -1;

	if (sealed_fstat(d->file_fd, &st) == 0) {
		for (int i = 0; rc == -1 && i < NAME_TRIES; i++) {
			snprintf(name, sizeof(name),
			    "%" PRId64 ".V%" PRIx64 "I%" PRIx64 "M%" PRId64
			    ".%s",
			    now / 1000000, (uint64_t)st.st_dev,
			    (uint64_t)st.st_ino, now % 1000000 + i,
			    d->mb->host);
			rc = rename_fresh(m->tmp_fd, d->name, m->new_fd, name);
			if (rc == -1 && errno != EEXIST)
				break;
		}
	}
	if (rc == -1) {
		delivery_fail(d, errno,
		    "maildir delivery failed: create "
		    "maildir file %s/new/%s",
		    d->path, name);
		discard(d, m->tmp_fd);
		return;
	}
	m->dirty = true;
	fd_close(&d->file_fd);
	delivery_sent(d, "delivered to maildir");
}

/* Step 4. */
static void
sync_new(struct maildir *m)
{
	if (m->dirty && fsync(m->new_fd) == -1)
		m->error = errno;
	fd_close(&m->tmp_fd);
	fd_close(&m->new_fd);
}

void
maildir_write(struct delivery **v, unsigned n, char *buf)
{
	struct maildir ms[BATCH_MAX], *of[BATCH_MAX];
	unsigned nms = 0;

	for (unsigned i = 0; i < n; i++) {
		of[i] = maildir_of(ms, &nms, v[i]);
		if (of[i] != NULL)
			write_tmp(v[i], of[i], buf);
	}
	for (unsigned i = 0; i < n; i++)
		if (v[i]->file_fd != -1)
			sync_tmp(v[i], of[i]);
	for (unsigned i = 0; i < n; i++)
		if (v[i]->file_fd != -1)
			rename_new(v[i], of[i]);
	for (unsigned i = 0; i < nms; i++)
		sync_new(&ms[i]);
	for (unsigned i = 0; i < n; i++)
		if (of[i] != NULL && of[i]->error != 0 &&
		    v[i]->fate == FATE_SENT)
			delivery_fail(v[i], of[i]->error,
			    "maildir delivery failed: sync %s/new", v[i]->path);
}
