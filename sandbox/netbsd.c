/* SPDX-License-Identifier: ISC */
/*
 * sandbox_enter() where there is neither pledge nor Capsicum: NetBSD,
 * DragonFly and whoever comes.  An empty root, a user id and limits are all
 * there is, and so it is said: the wall of system calls counts as one that
 * cannot be had, which ends the start until the configuration gives it up by
 * name, and shows in status and audit ever after.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/bsd.h"
#include "sandbox/sandbox.h"

uint32_t
bsd_lacks(void)
{
	return WALL_SECCOMP;
}

int
sandbox_enter(const struct policy *policy, const struct sandbox_place *place,
    char *err, size_t err_size)
{
	uint32_t walls = policy->walls & ~place->waived;

	if ((walls & WALL_SECCOMP) != 0) {
		errno = ENOSYS;
		return wall_fail(err, err_size, "seccomp",
		    "this system confines no system calls");
	}
	if (bsd_walls(policy, place, err, err_size) == -1)
		return -1;
	return bsd_threads(place, err, err_size);
}

/* Descriptors have no rights of their own here. */
int
sandbox_limit(int fd, enum policy_kind kind, uint32_t rights)
{
	(void)fd;
	(void)kind;
	(void)rights;
	return 0;
}

/* One component after the other, following no link. */
int
beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	char step[256];
	const char *slash;
	int at = -1, next;

	do {
		slash = strchr(path, '/');
		next = slash == NULL ? (int)strlen(path) : (int)(slash - path);
		if (next >= (int)sizeof(step) || slash == path) {
			fd_close(&at);
			errno = slash == path ? EACCES : ENAMETOOLONG;
			return -1;
		}
		memcpy(step, path, (size_t)next);
		step[next] = '\0';
		if (strcmp(step, "..") == 0) {
			fd_close(&at);
			errno = EACCES;
			return -1;
		}
		next = openat(at == -1 ? dir_fd : at, step,
		    (slash == NULL ? flags : O_RDONLY | O_DIRECTORY) |
			O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
		    mode);
		fd_close(&at);
		at = next;
		path = slash == NULL ? NULL : slash + 1;
	} while (at != -1 && path != NULL);
	return at;
}
