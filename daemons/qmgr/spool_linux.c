/* SPDX-License-Identifier: ISC */
/*
 * What only Linux has: openat2(2), which follows no link anywhere on the
 * way, and leases.
 */
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include "spool_open.h"

int
spool_beneath_whole(int fd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags,
		.mode = (flags & O_CREAT) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		    RESOLVE_NO_MAGICLINKS,
	};
	long rc;

	/* EAGAIN: somebody renamed on the way; a link count is not at stake. */
	do
		rc = syscall(SYS_openat2, fd, name, &how, sizeof(how));
	while (rc == -1 && (errno == EAGAIN || errno == EINTR));
	return (int)rc;
}

int
spool_reserve(int fd, uint64_t size)
{
	int rc;

	do
		rc = posix_fallocate(fd, 0, (off_t)size);
	while (rc == EINTR);
	errno = rc;
	return rc == 0 || rc == EOPNOTSUPP || rc == EINVAL ? 0 : -1;
}

/*
 * A lease is refused as long as there is a writable descriptor of the file
 * anywhere, in a process or on its way in a socket; afterwards nobody but us
 * can make one.
 */
int
spool_unwritten(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == -1) {
		if (errno == EAGAIN || errno == EACCES) {
			errno = EBUSY;
			return -1;
		}
		return errno == EINVAL || errno == EOPNOTSUPP ? 0 : -1;
	}
	return fcntl(fd, F_SETLEASE, F_UNLCK);
}
