/* SPDX-License-Identifier: ISC */
/*
 * One message to the end of an mbox.
 *
 * If we stop while it is being written, the file has a part of a message at
 * its end, and the queue has the message: the next delivery begins on a line
 * of its own behind an empty one, so that readers see where it starts.  What
 * was there before is never written to.  After the fsync the message stays,
 * and only then the answer is given.  An error cuts the file to what it was.
 *
 * Others write to and read from the file too, so it is locked in the ways the
 * configuration names.  A lock that somebody holds is not waited for here: the
 * delivery is put back and tried again later, and no thread stands still.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "mail/address.h"
#include "mail/date.h"
#include "sandbox/sandbox.h"

#include "mailbox.h"

/* A file that is being delivered to. */
struct target {
	struct delivery *d;
	int dir_fd;
	const char *name;
	char lock[300]; /* the lock file's name, empty when it is not ours */
};

static void
fail(struct delivery *d, int error, const char *what)
{
	/* A message too large for the mailbox stays so. */
	delivery_fail(d, error, "cannot update mailbox %s. %s", d->path, what);
}

/* --- locks ---------------------------------------------------------------- */

static void
dotlock_drop(struct target *t)
{
	if (t->lock[0] != '\0')
		unlinkat(t->dir_fd, t->lock, 0);
	t->lock[0] = '\0';
}

/* A lock file older than this was left by somebody who is no more. */
static bool
dotlock_stale(const struct target *t, const char *lock)
{
	struct stat st;
	int fd = beneath_open(t->dir_fd, lock,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	bool stale = false;

	if (fd != -1 && sealed_fstat(fd, &st) == 0)
		stale = clock_wall_us() / 1000000 - (int64_t)st.st_mtime >
		    t->d->mb->lock_stale_s;
	fd_close(&fd);
	return stale;
}

/*
 * 0, or -1 with errno: EAGAIN when another has it.  Where we may not make
 * files the kernel's locks must do, as for any program that runs as this user.
 */
static int
dotlock_take(struct target *t)
{
	char lock[sizeof(t->lock)];
	int fd;

	if ((t->d->flags & MAILBOX_DOTLOCK) == 0)
		return 0;
	if ((size_t)snprintf(lock, sizeof(lock), "%s.lock", t->name) >=
	    sizeof(lock))
		return 0;
	for (int i = 0; i < 2; i++) {
		fd = beneath_open(t->dir_fd, lock,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd != -1 || errno != EEXIST)
			break;
		if (!dotlock_stale(t, lock)) {
			/* It may be gone by now; it was there, though. */
			errno = EEXIST;
			break;
		}
		unlinkat(t->dir_fd, lock, 0);
	}
	if (fd != -1) {
		fd_close(&fd);
		strlcpy(t->lock, lock, sizeof(t->lock));
		return 0;
	}
	if (errno == EEXIST) {
		errno = EAGAIN;
		return -1;
	}
	/* Kernel locks alone: only if there are any to be taken. */
	if ((errno == EACCES || errno == EPERM || errno == EROFS) &&
	    (t->d->flags & (MAILBOX_FLOCK | MAILBOX_FCNTL)) != 0)
		return 0;
	return -1;
}

/* The same of the kernel's locks; they end with the descriptor. */
static int
kernel_locks(struct delivery *d)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if ((d->flags & MAILBOX_FCNTL) != 0 &&
	    fcntl(d->file_fd, F_OFD_SETLK, &fl) == -1) {
		if (errno == EACCES)
			errno = EAGAIN;
		return -1;
	}
	if ((d->flags & MAILBOX_FLOCK) != 0 &&
	    flock(d->file_fd, LOCK_EX | LOCK_NB) == -1)
		return -1;
	return 0;
}

/* --- the file ------------------------------------------------------------- */

/*
 * Open, or make.  A symbolic link is refused, since it may lead to a file that
 * is not meant to be a mailbox; path_parent() has made sure of the rest.
 */
static int
open_file(struct target *t)
{
	int fd = -1;

	for (int i = 0; i < 2 && fd == -1; i++) {
		fd = beneath_open(t->dir_fd, t->name,
		    O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0);
		if (fd != -1 || errno != ENOENT)
			break;
		fd = beneath_open(t->dir_fd, t->name,
		    O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd == -1 && errno != EEXIST)
			break;
	}
	return fd;
}

/* Nothing but a plain file with one name, owned by whose mail it is. */
static const char *
bad_file(const struct delivery *d, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (st->st_nlink != 1)
		return "it has more than one name";
	if ((d->flags & MAILBOX_FILE) == 0 && d->mb->strict_owner &&
	    st->st_uid != d->mb->uid)
		return "it is not owned by its user";
	return NULL;
}

/* What must come first so that ours is a message of its own. */
static const char *
separator(int fd, off_t size)
{
	char tail[2];

	if (size < 2 || fd_pread_all(fd, tail, 2, size - 2) != 2)
		return size == 0 ? "" : "\n\n";
	if (tail[1] != '\n')
		return "\n\n";
	return tail[0] != '\n' ? "\n" : "";
}

static void
from_line(const struct delivery *d, const char *before, struct buf *out)
{
	struct str sender = str_of(d->sender);

	buf_puts(out, before);
	buf_puts(out, "From ");
	if (sender.n == 0)
		buf_puts(out, "MAILER-DAEMON");
	else
		addr_quote(out, sender);
	buf_puts(out, "  ");
	buf_str(out, date_mbox(clock_wall_us()));
	buf_puts(out, "\n");
}

/*
 * With the locks held: write it all, or leave the file as it was.  Of one that
 * is empty nobody knows whether its name is on disk: whoever made it, we in an
 * attempt that failed perhaps, may have left it at that.
 */
static void
append(struct target *t, const struct stat *st, char *buf)
{
	struct delivery *d = t->d;
	bool fresh = st->st_size == 0;
	uint64_t max = 0;
	struct buf from;
	int e = 0;

	if (d->limit > 0) {
		if ((uint64_t)st->st_size >= d->limit) {
			fail(d, EFBIG, "error writing message");
			return;
		}
		max = d->limit - (uint64_t)st->st_size;
	}
	buf_init(&from, 4096);
	from_line(d, separator(d->file_fd, st->st_size), &from);
	if (delivery_copy(d, buf_get(&from), max, buf) == -1 ||
	    fsync(d->file_fd) == -1 || (fresh && fsync(t->dir_fd) == -1))
		e = errno;
	buf_clear(&from);
	if (e == 0) {
		delivery_sent(d, "delivered to mailbox");
		return;
	}
	fail(d, e, "error writing message");
	if (ftruncate(d->file_fd, st->st_size) == -1 || fsync(d->file_fd) == -1)
		strlcat(d->text, " (a part of it could not be removed)",
		    sizeof(d->text));
}

/* The end of an attempt that found a lock. */
static void
locked(struct delivery *d)
{
	d->tries++;
	if ((int)d->tries < d->mb->lock_attempts) {
		d->again = true;
		return;
	}
	d->fate = FATE_DEFERRED;
	strlcpy(d->dsn, "4.2.0", sizeof(d->dsn));
	snprintf(d->text, sizeof(d->text),
	    "cannot update mailbox %s. unable "
	    "to lock for exclusive access: Resource temporarily unavailable",
	    d->path);
}

static void
with_dir(struct target *t, char *buf)
{
	struct delivery *d = t->d;
	struct stat st;
	const char *bad;

	if (dotlock_take(t) == -1) {
		if (errno == EAGAIN)
			locked(d);
		else
			fail(d, errno, "unable to create lock file");
		return;
	}
	d->file_fd = open_file(t);
	if (d->file_fd == -1) {
		/* A new process is given a mailbox in the mail spool. */
		d->leave = errno == EACCES && d->root == MAILBOX_SPOOL;
		fail(d, errno,
		    errno == ELOOP ? "it is a symbolic link" :
				     "cannot open file");
	} else if (kernel_locks(d) == -1) {
		if (errno == EAGAIN)
			locked(d);
		else
			fail(d, errno, "unable to lock");
	} else if (sealed_fstat(d->file_fd, &st) == -1) {
		fail(d, errno, "cannot look at file");
	} else if ((bad = bad_file(d, &st)) != NULL) {
		d->fate = FATE_DEFERRED;
		strlcpy(d->dsn, "4.2.0", sizeof(d->dsn));
		snprintf(d->text, sizeof(d->text), "mailbox %s: %s", d->path,
		    bad);
	} else {
		append(t, &st, buf);
	}
	fd_close(&d->file_fd);
	dotlock_drop(t);
}

void
mbox_write(struct delivery *d, char *buf)
{
	struct target t = { .d = d };
	char dir[MAILBOX_PATH];
	const char *slash = strrchr(d->path, '/');

	d->again = false;
	t.dir_fd = path_parent(d->root_fd, d->path, &t.name);
	if (t.dir_fd == -1 && errno == ENOENT && slash != NULL &&
	    (d->flags & MAILBOX_FILE) == 0 &&
	    str_copy(str_make(d->path, (size_t)(slash - d->path)), dir,
		sizeof(dir)) == 0 &&
	    path_make(d->root_fd, dir) == 0)
		t.dir_fd = path_parent(d->root_fd, d->path, &t.name);
	if (t.dir_fd == -1) {
		fail(d, errno, "cannot open its directory");
		return;
	}
	with_dir(&t, buf);
	fd_close(&t.dir_fd);
}
