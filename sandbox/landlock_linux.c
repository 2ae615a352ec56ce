/* SPDX-License-Identifier: ISC */
/*
 * Landlock, with our own definitions: Debian 12's headers stop at ABI 2.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/linux.h"
#include "sandbox/sandbox.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)

struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

#define RULE_PATH_BENEATH 1
#define CREATE_VERSION 1

int
landlock_abi(void)
{
	long abi =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

/* Everything this kernel can refuse is refused. */
static struct ruleset
ruleset_all(int abi, size_t *size)
{
	struct ruleset rs = { .fs = (1ULL << 13) - 1 };

	*size = sizeof(rs.fs);
	if (abi >= 2)
		rs.fs |= FS_REFER;
	if (abi >= 3)
		rs.fs |= FS_TRUNCATE;
	if (abi >= 4) {
		rs.net = 3; /* bind and connect of TCP */
		*size = 2 * sizeof(uint64_t);
	}
	if (abi >= 5)
		rs.fs |= 1ULL << 15; /* ioctl of devices */
	if (abi >= 6) {
		rs.scoped = 3; /* abstract local sockets, signals */
		*size = 3 * sizeof(uint64_t);
	}
	return rs;
}

static uint64_t
beneath_rights(uint32_t rights)
{
	uint64_t fs = 0;

	if ((rights & RIGHT_READ) != 0)
		fs |= FS_READ_FILE | FS_READ_DIR;
	if ((rights & RIGHT_WRITE) != 0)
		fs |= FS_WRITE_FILE | FS_TRUNCATE;
	if ((rights & RIGHT_CREATE) != 0)
		fs |= FS_MAKE_REG | FS_MAKE_DIR | FS_REMOVE_FILE |
		    FS_REMOVE_DIR | FS_REFER;
	return fs;
}

static int
landlock_dirs(int rs_fd, const struct policy *policy, uint64_t handled)
{
	for (size_t i = 0; i < policy->nslots; i++) {
		const struct policy_slot *s = &policy->slots[i];
		struct path_beneath pb = { .parent_fd = s->fd };
		struct stat st;

		if (s->kind != KIND_DIR)
			continue;
		/* An optional slot that is empty may have another tenant. */
		if (s->optional &&
		    (fstat(s->fd, &st) == -1 || !S_ISDIR(st.st_mode)))
			continue;
		pb.allowed = beneath_rights(s->rights) & handled;
		if (syscall(SYS_landlock_add_rule, rs_fd, RULE_PATH_BENEATH,
			&pb, 0) == -1)
			return -1;
	}
	return 0;
}

int
landlock_enter(const struct policy *policy)
{
	size_t size;
	struct ruleset rs = ruleset_all(landlock_abi(), &size);
	int rs_fd, rc;

	/* The broker's work is to connect; for the others all TCP is denied. */
	if (policy_promises(policy, "connect"))
		rs.net = 0;
	rs_fd = (int)syscall(SYS_landlock_create_ruleset, &rs, size, 0);
	if (rs_fd == -1)
		return -1;
	rc = landlock_dirs(rs_fd, policy, rs.fs);
	if (rc == 0)
		rc = (int)syscall(SYS_landlock_restrict_self, rs_fd, 0);
	fd_close(&rs_fd);
	return rc;
}
