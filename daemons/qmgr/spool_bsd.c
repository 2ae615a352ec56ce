/* SPDX-License-Identifier: ISC */
/*
 * The BSDs.  There are no leases: a writer that keeps its descriptor can
 * spoil the message it wrote, which then does not verify, and no other.
 */
#include <errno.h>
#include <fcntl.h>

#include "spool_open.h"

int
spool_beneath_whole(int fd, const char *name, int flags, mode_t mode)
{
	(void)fd, (void)name, (void)flags, (void)mode;
	errno = ENOSYS;
	return -1;
}

int
spool_reserve(int fd, uint64_t size)
{
	(void)fd, (void)size;
	return 0;
}

int
spool_unwritten(int fd)
{
	(void)fd;
	return 0;
}
