/* SPDX-License-Identifier: ISC */
/*
 * Opening beneath a directory: in one call where the kernel has one for it,
 * else one component after the other.
 */
#include "spool_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static int
stepwise(int fd, const char *name, int flags, mode_t mode)
{
	char step[256];
	const char *slash;
	int at = -1, next;

	while ((slash = strchr(name, '/')) != NULL) {
		if ((size_t)(slash - name) >= sizeof(step)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(step, name, (size_t)(slash - name));
		step[slash - name] = '\0';
		next = openat(at == -1 ? fd : at, step,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd_close(&at);
		if (next == -1)
			return -1;
		at = next;
		name = slash + 1;
	}
	next = openat(at == -1 ? fd : at, name, flags | O_NOFOLLOW, mode);
	fd_close(&at);
	return next;
}

int
spool_beneath(int fd, const char *name, int flags, mode_t mode)
{
	int rc = spool_beneath_whole(fd, name, flags | O_CLOEXEC,
	    mode);

	if (rc == -1 && errno == ENOSYS)
		return stepwise(fd, name, flags | O_CLOEXEC, mode);
	return rc;
}
