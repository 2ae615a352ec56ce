/* SPDX-License-Identifier: ISC */
/*
 * Calls that a sealed component makes instead of libc's.
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include <fcntl.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

int
sandbox_limit(int fd, enum policy_kind kind, uint32_t rights)
{
	(void)fd;
	(void)kind;
	(void)rights;
	return 0;
}

int
sealed_fstat(int fd, struct stat *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}

int
beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC |
		    ((flags & O_PATH) != 0 ? 0 : O_NOCTTY)),
		.mode = (flags & O_CREAT) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
}
