/* SPDX-License-Identifier: ISC */
/*
 * Memory files where nothing can be sealed: OpenBSD.
 *
 * What is made whole by one process and then only read (configuration, keys,
 * tables) is a shared memory object without a name, handed out through a
 * descriptor that was opened for reading: nobody else ever held another.
 * That is as good as a seal.  A file that a stranger's component is to fill
 * cannot be had here: memfd_new fails, and messages start out as files of the
 * queue, as they do where memory is short.
 */
#include "base/fd.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
memfd_new(const char *name)
{
	(void)name;
	errno = ENOSYS;
	return -1;
}

int
memfd_seal(int fd)
{
	(void)fd;
	errno = ENOSYS;
	return -1;
}

int
memfd_sealed(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags != -1 && (flags & O_ACCMODE) == O_RDONLY;
}

int
memfd_from(const char *name, const void *p, size_t n)
{
	char path[] = "/tmp/postern.XXXXXXXXXX";
	int fd = shm_mkstemp(path), out = -1, e;

	(void)name;
	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)n) == 0 && fd_write_all(fd, p, n) == 0)
		out = shm_open(path, O_RDONLY, 0);
	e = errno;
	shm_unlink(path);
	close(fd);
	errno = e;
	return out;
}
