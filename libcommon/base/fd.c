/* SPDX-License-Identifier: ISC */
/*
 * Descriptors.  What is special to Linux here are memory files; a system
 * without them gets another file in place of memfd.c.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

void
fd_close(int *fd)
{
	int e = errno;

	if (*fd != -1)
		close(*fd);
	*fd = -1;
	errno = e;
}

void
fds_close(int *fds, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		fd_close(&fds[i]);
	*n = 0;
}

int
fd_nonblock(int fd, int on)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl == -1)
		return -1;
	return fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK);
}

int
fd_write_all(int fd, const void *p, size_t n)
{
	const char *q = p;

	while (n > 0) {
		ssize_t k = write(fd, q, n);

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		q += k;
		n -= (size_t)k;
	}
	return 0;
}

ssize_t
fd_pread_all(int fd, void *p, size_t n, off_t off)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = pread(fd, (char *)p + got, n - got,
		    off + (off_t)got);

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

int
fd_slurp(int fd, size_t max, char **out, size_t *out_len)
{
	size_t cap = 4096, len = 0;
	char *p = xmalloc(cap + 1);

	for (;;) {
		ssize_t k = fd_pread_all(fd, p + len, cap - len, (off_t)len);

		if (k == -1)
			goto fail;
		len += (size_t)k;
		if (len < cap)
			break;
		if (cap > max) {
			errno = EFBIG;
			goto fail;
		}
		cap *= 2;
		p = xreallocarray(p, cap + 1, 1);
	}
	if (len > max) {
		errno = EFBIG;
		goto fail;
	}
	p[len] = '\0';
	*out = p;
	*out_len = len;
	return 0;
fail:
	free(p);
	return -1;
}
