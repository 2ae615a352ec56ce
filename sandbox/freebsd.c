/* SPDX-License-Identifier: ISC */
/*
 * sandbox_enter() on FreeBSD: rights of every descriptor cut to the policy's,
 * then capability mode.
 */
#include <sys/capsicum.h>
#include <sys/procctl.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "sandbox/bsd.h"
#include "sandbox/capsicum_plan.h"
#include "sandbox/sandbox.h"

/* clang-format off */
static const struct {
	uint32_t ours;
	uint64_t theirs;
} rights_map[] = {
	{ CR_READ, CAP_READ }, { CR_WRITE, CAP_WRITE },
	{ CR_SEEK, CAP_SEEK }, { CR_EVENT, CAP_EVENT },
	{ CR_SHUTDOWN, CAP_SHUTDOWN }, { CR_ACCEPT, CAP_ACCEPT },
	{ CR_FSYNC, CAP_FSYNC }, { CR_FSTAT, CAP_FSTAT },
	{ CR_GETSOCKOPT, CAP_GETSOCKOPT }, { CR_SETSOCKOPT, CAP_SETSOCKOPT },
	{ CR_GETPEERNAME, CAP_GETPEERNAME },
	{ CR_GETSOCKNAME, CAP_GETSOCKNAME }, { CR_LOOKUP, CAP_LOOKUP },
	{ CR_CREATE, CAP_CREATE }, { CR_UNLINKAT, CAP_UNLINKAT },
	{ CR_RENAMEAT, CAP_RENAMEAT_SOURCE },
	{ CR_RENAMEAT, CAP_RENAMEAT_TARGET },
	{ CR_LINKAT, CAP_LINKAT_SOURCE }, { CR_LINKAT, CAP_LINKAT_TARGET },
	{ CR_MKDIRAT, CAP_MKDIRAT }, { CR_FTRUNCATE, CAP_FTRUNCATE },
	{ CR_FLOCK, CAP_FLOCK }, { CR_FSTATFS, CAP_FSTATFS },
	{ CR_FCNTL, CAP_FCNTL }, { CR_KQUEUE, CAP_KQUEUE },
};
/* clang-format on */

int
sandbox_limit(int fd, enum policy_kind kind, uint32_t rights)
{
	uint32_t ours = capsicum_rights(kind, rights);
	cap_rights_t set;

	cap_rights_init(&set);
	for (size_t i = 0; i < NELEM(rights_map); i++) {
		if ((ours & rights_map[i].ours) != 0)
			cap_rights_set(&set, rights_map[i].theirs);
	}
	/* ENOSYS: a kernel without Capsicum, which cap_enter() reports. */
	if (cap_rights_limit(fd, &set) == -1 && errno != ENOSYS)
		return -1;
	/* O_APPEND stays: without F_SETFL it cannot be cleared. */
	if ((ours & CR_FCNTL) != 0 && cap_fcntls_limit(fd, 0) == -1 &&
	    errno != ENOSYS)
		return -1;
	return 0;
}

static int
limit_slots(const struct policy *p)
{
	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];

		/* Some are optional, and there is no filter here. */
		if (fcntl(s->fd, F_GETFD) == -1)
			continue;
		if (sandbox_limit(s->fd, s->kind, s->rights) == -1)
			return -1;
	}
	return 0;
}

static int
forbid(int what, int data)
{
	return procctl(P_PID, 0, what, &data);
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
	if ((walls & WALL_NNP) != 0 &&
	    forbid(PROC_NO_NEW_PRIVS_CTL, PROC_NO_NEW_PRIVS_ENABLE) == -1)
		return wall_fail(err, err_size, "nnp", "procctl");
	if ((walls & WALL_DUMP) != 0 &&
	    forbid(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE) == -1)
		return wall_fail(err, err_size, "dump", "procctl");
	if (limit_slots(policy) == -1)
		return wall_fail(err, err_size, "seccomp", "cap_rights_limit");
	if (bsd_threads(place, err, err_size) == -1)
		return -1;
	/* The broker connects: a socket it has just made knows no limits. */
	if ((walls & WALL_SECCOMP) != 0 &&
	    !policy_promises(policy, "connect") && cap_enter() == -1)
		return wall_fail(err, err_size, "seccomp", "cap_enter");
	return 0;
}

int
beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	return openat(dir_fd, path,
	    flags | O_CLOEXEC | O_NOCTTY | O_RESOLVE_BENEATH, mode);
}
