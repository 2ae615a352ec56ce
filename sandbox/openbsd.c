/* SPDX-License-Identifier: ISC */
/*
 * sandbox_enter() on OpenBSD: an empty root or unveil, a user id, pledge.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "sandbox/bsd.h"
#include "sandbox/promise.h"
#include "sandbox/sandbox.h"

/* The directories it holds stay visible, by way of the working directory. */
static int
unveil_dirs(const struct policy *p)
{
	char flags[4];

	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];
		size_t n = 0;

		if (s->kind != KIND_DIR)
			continue;
		if (s->optional && fcntl(s->fd, F_GETFD) == -1)
			continue;
		if ((s->rights & RIGHT_READ) != 0)
			flags[n++] = 'r';
		if ((s->rights & RIGHT_WRITE) != 0)
			flags[n++] = 'w';
		if ((s->rights & RIGHT_CREATE) != 0)
			flags[n++] = 'c';
		flags[n] = '\0';
		if (fchdir(s->fd) == -1 || unveil(".", flags) == -1)
			return -1;
	}
	return unveil(NULL, NULL);
}

static int
pledge_policy(const struct policy *p)
{
	struct buf words;
	int rc;

	buf_init(&words, 256);
	promise_pledge(p, &words);
	rc = pledge(buf_cstr(&words), "");
	buf_clear(&words);
	return rc;
}

uint32_t
bsd_lacks(void)
{
	return 0;
}

int
sandbox_enter(const struct policy *policy, const struct sandbox_place *place,
    char *err, size_t err_size)
{
	uint32_t walls = policy->walls & ~place->waived;

	if (bsd_walls(policy, place, err, err_size) == -1)
		return -1;
	if (policy_promises(policy, "dir") && unveil_dirs(policy) == -1)
		return wall_fail(err, err_size, "root", "unveil");
	if (bsd_threads(place, err, err_size) == -1)
		return -1;
	if ((walls & WALL_SECCOMP) != 0 && pledge_policy(policy) == -1)
		return wall_fail(err, err_size, "seccomp", "pledge");
	return 0;
}

/* Rights go with the holder's pledge here, not with the descriptor. */
int
sandbox_limit(int fd, enum policy_kind kind, uint32_t rights)
{
	(void)fd;
	(void)kind;
	(void)rights;
	return 0;
}

/* No resolving beneath in this kernel: unveil stands, and the path is read. */
int
beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	const char *p = path;

	if (*p == '/') {
		errno = EACCES;
		return -1;
	}
	while (p != NULL) {
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0')) {
			errno = EACCES;
			return -1;
		}
		p = strchr(p, '/');
		while (p != NULL && *p == '/')
			p++;
	}
	return openat(dir_fd, path, flags | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW,
	    mode);
}
