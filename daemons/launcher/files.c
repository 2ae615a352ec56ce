/* SPDX-License-Identifier: ISC */
/*
 * Directories and files: the queue directory with its owners and modes, the
 * log, the tables that the configuration names, the lock.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/uids.h"
#include "queue/foreign.h"
#include "table/table.h"

#include "launcher.h"

uid_t
files_uid(const struct launcher *l, const char *component)
{
	int64_t uid = conf_component_uid(l->uid_base, component);

	/* In a user namespace there is one id; it is called 0 there. */
	if (l->cradle.level != LEVEL_ROOT)
		return 0;
	return (uid_t)(uid != -1 ? uid : l->uid_base + CONF_UIDS - 1);
}

/* A directory, made if need be, with exactly this owner and mode. */
static int
need_dir(const char *path, uid_t uid, gid_t gid, mode_t mode, bool chown_it,
    struct buf *err)
{
	struct stat st;
	int fd;

	if (mkdir(path, mode & 0777) == -1 && errno != EEXIST) {
		buf_printf(err, "%s: %s", path, strerror(errno));
		return -1;
	}
	/* Look at what was opened, not at a name that may change. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1 ||
	    (chown_it && (st.st_uid != uid || st.st_gid != gid) &&
	    fchown(fd, uid, gid) == -1) ||
	    ((st.st_mode & 07777) != mode && fchmod(fd, mode) == -1)) {
		buf_printf(err, "%s: %s", path, strerror(errno));
		fd_close(&fd);
		return -1;
	}
	return fd;
}

int
files_spool(struct launcher *l, struct buf *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} dirs[] = {
		/*
		 * Anybody may leave a file, nobody may list or take others';
		 * what is left is qmgr's group to read, and nobody else's.
		 */
		{ "maildrop", 03733 },
		{ "incoming", 0700 }, { "active", 0700 }, { "deferred", 0700 },
		{ "hold", 0700 }, { "corrupt", 0700 }, { "journal", 0700 },
		{ "public", 0755 }, { "private", 0700 }, { "pid", 0755 },
	};
	uid_t uid = files_uid(l, "qmgr");
	bool own = l->cradle.level == LEVEL_ROOT;
	int fd;

	fd = need_dir(l->queue_dir, uid, (gid_t)uid, 0755, own, err);
	if (fd == -1)
		return -1;
	fd_close(&l->spool_fd);
	l->spool_fd = fd;
	for (size_t i = 0; i < NELEM(dirs); i++) {
		char *path = xasprintf("%s/%s", l->queue_dir, dirs[i].name);
		bool ours = dirs[i].name[0] == 'p';
		uid_t owner = ours ? 0 : uid;
		gid_t group = ours ? 0 : (gid_t)uid;

		/* Where other servers put the sockets they get mail by. */
		if (strcmp(dirs[i].name, "private") == 0)
			borrow_owner(l, &owner, &group);

		fd = need_dir(path, owner, group, dirs[i].mode, own, err);
		free(path);
		if (fd == -1)
			return -1;
		close(fd);
	}
	return 0;
}

#define LOCK_TRIES 10 /* so many times */
#define LOCK_US 20000 /* with so long between */
#define LOCK_TRIES_OFFLINE 1500

/*
 * Somebody who looks whether we run holds the lock for a moment, too, and an
 * order on the queue of a stopped system (it says so in the file) for longer.
 */
static int
try_lock(int fd)
{
	char text[32];

	for (int i = 0; i < LOCK_TRIES_OFFLINE; i++) {
		ssize_t n;

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		n = pread(fd, text, sizeof(text), 0);
		if (i >= LOCK_TRIES && (n <= 0 ||
		    memmem(text, (size_t)n, "offline", 7) == NULL))
			break;
		usleep(LOCK_US);
	}
	return -1;
}

int
files_lock(struct launcher *l, struct buf *err)
{
	char *dir = xasprintf("%s/pid", l->queue_dir);
	char *path = xasprintf("%s/pid/master.pid", l->queue_dir);
	char text[32];
	int n, fd = -1;

	if (queue_is_foreign(l->queue_dir)) {
		buf_printf(err, "%s: " QUEUE_FOREIGN_ADVICE, l->queue_dir);
	} else if ((mkdir(l->queue_dir, 0755) == -1 && errno != EEXIST) ||
	    (mkdir(dir, 0755) == -1 && errno != EEXIST) ||
	    (fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0644)) == -1) {
		buf_printf(err, "%s: %s", path, strerror(errno));
	} else if (try_lock(fd) == -1) {
		buf_printf(err, "the mail system is already running (%s is "
		    "locked)", path);
		fd_close(&fd);
	} else {
		n = snprintf(text, sizeof(text), "%10d\n%s", (int)getpid(),
		    l->offline ? "offline\n" : "");
		/* In this order: readers never find it empty. */
		if (pwrite(fd, text, (size_t)n, 0) != n ||
		    ftruncate(fd, n) == -1) {
			buf_printf(err, "%s: %s", path, strerror(errno));
			fd_close(&fd);
		}
	}
	l->lock_fd = fd;
	free(dir);
	free(path);
	return fd == -1 ? -1 : 0;
}

/* --- the log -------------------------------------------------------------- */

static int
open_syslog(void)
{
	static const struct sockaddr_un un = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd != -1 &&
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1)
		fd_close(&fd);
	return fd;
}

int
files_log(struct launcher *l)
{
	const char *path = l->log_path;

	if (path == NULL || path[0] == '\0')
		return open_syslog();
	if (strcmp(path, "/dev/stdout") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (strcmp(path, "/dev/stderr") == 0)
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOCTTY | O_NONBLOCK, 0644);
}

/* --- tables --------------------------------------------------------------- */

/*
 * lookup names a file behind one of the tables in the configuration, keys one
 * of a key or a certificate; any other is refused.
 */
static int
open_named(struct launcher *l, enum launch_what what, struct str name)
{
	struct table_name *t;
	int at, fd;

	LIST_FOREACH(t, &l->tables, link) {
		if (t->what != what || !str_eq(name, str_of(t->name)))
			continue;
		at = open(l->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd = openat(at, t->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
		    O_NOCTTY);
		fd_close(&at);
		if (what == OPEN_TABLE)
			borrow_note(fd);
		return fd;
	}
	errno = EPERM;
	return -1;
}

int
files_open(struct launcher *l, const struct launch_open *q)
{
	switch ((enum launch_what)q->what) {
	case OPEN_LOG:
		return files_log(l);
	case OPEN_TABLE:
	case OPEN_KEY:
		return open_named(l, (enum launch_what)q->what, q->name);
	case OPEN_INCLUDE:
		return borrow_include(l, q->name);
	case OPEN_UNIX:
		return borrow_socket(l, q->name, q->ticket);
	}
	errno = EINVAL;
	return -1;
}
