/* SPDX-License-Identifier: ISC */
/*
 * Opening beneath a directory: openat2() where the kernel has it, else one
 * component after the other.
 */
#include "spool_open.h"

#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#ifdef SYS_openat2
#include <linux/openat2.h>

static int
whole(int fd, const char *name, int flags, mode_t mode)
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
#else
static int
whole(int fd, const char *name, int flags, mode_t mode)
{
	(void)fd, (void)name, (void)flags, (void)mode;
	errno = ENOSYS;
	return -1;
}
#endif

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
	int rc = whole(fd, name, flags | O_CLOEXEC, mode);

	if (rc == -1 && errno == ENOSYS)
		return stepwise(fd, name, flags | O_CLOEXEC, mode);
	return rc;
}
