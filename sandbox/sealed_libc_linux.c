/* SPDX-License-Identifier: ISC */
/*
 * Three functions of libc in a form that a sealed process may use.
 *
 * glibc makes fstat() by way of newfstatat, which takes a path, and stat of a
 * path is the one thing Landlock does not see: from a directory in hand it
 * would reach every file's size and times.  So newfstatat is refused to
 * components, and these stand in libc's place: fstat by its own call, the
 * others by opening beneath the directory first.  Before sealing, and in
 * commands, they are what they were.
 *
 * Linked into whatever calls sandbox_enter().
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/linux.h"
#include "sandbox/sandbox.h"

static bool sealed;

void
sealed_libc_on(void)
{
	sealed = true;
}

int
fstat(int fd, struct stat *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}

int
fstatat(int dir_fd, const char *restrict path, struct stat *restrict st,
    int flags)
{
	int fd, rc;

	if (!sealed)
		return (int)syscall(SYS_newfstatat, dir_fd, path, st, flags);
	if (*path == '\0' && (flags & AT_EMPTY_PATH) != 0)
		return fstat(dir_fd, st);
	fd = beneath_open(dir_fd, path,
	    O_PATH | ((flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0), 0);
	if (fd == -1)
		return -1;
	rc = fstat(fd, st);
	fd_close(&fd);
	return rc;
}

int
utimensat(int dir_fd, const char *path, const struct timespec times[2],
    int flags)
{
	int fd, rc;

	if (!sealed)
		return (int)syscall(SYS_utimensat, dir_fd, path, times, flags);
	fd = beneath_open(dir_fd, path,
	    O_RDONLY | O_NONBLOCK |
		((flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0),
	    0);
	if (fd == -1)
		return -1;
	rc = (int)syscall(SYS_utimensat, fd, NULL, times, 0);
	fd_close(&fd);
	return rc;
}
