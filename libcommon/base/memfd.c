/* SPDX-License-Identifier: ISC */
/*
 * Memory files that can be sealed: Linux, and FreeBSD from 13 on.  What
 * OpenBSD has instead is in memfd_openbsd.c.
 */
#include "base/fd.h"

#include <sys/mman.h>

#include <fcntl.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

int
memfd_new(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int
memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS);
}

int
memfd_sealed(int fd)
{
	int s = fcntl(fd, F_GET_SEALS);

	return s != -1 && (s & SEALS) == SEALS;
}

int
memfd_from(const char *name, const void *p, size_t n)
{
	int fd = memfd_new(name);

	if (fd == -1)
		return -1;
	if (fd_write_all(fd, p, n) == -1 || memfd_seal(fd) == -1)
		fd_close(&fd);
	return fd;
}
