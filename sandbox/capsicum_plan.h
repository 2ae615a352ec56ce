/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_CAPSICUM_PLAN_H
#define SANDBOX_CAPSICUM_PLAN_H

#include <stdint.h>

#include "base/buf.h"
#include "sandbox/policy.h"

/*
 * Which Capsicum rights a descriptor of a policy keeps, in numbers of our own,
 * so that the mapping can be read and tested on every system.  freebsd.c turns
 * them into cap_rights_t.
 */
enum capsicum_right {
	CR_READ = 1u << 0,
	CR_WRITE = 1u << 1,
	CR_SEEK = 1u << 2,
	CR_EVENT = 1u << 3,
	CR_SHUTDOWN = 1u << 4,
	CR_ACCEPT = 1u << 5,
	CR_FSYNC = 1u << 6,
	CR_FSTAT = 1u << 7,
	CR_GETSOCKOPT = 1u << 8,
	CR_SETSOCKOPT = 1u << 9,
	CR_GETPEERNAME = 1u << 10,
	CR_GETSOCKNAME = 1u << 11,
	CR_LOOKUP = 1u << 12,
	CR_CREATE = 1u << 13,
	CR_UNLINKAT = 1u << 14,
	CR_RENAMEAT = 1u << 15, /* source and target */
	CR_LINKAT = 1u << 16,	/* source and target */
	CR_MKDIRAT = 1u << 17,
	CR_FTRUNCATE = 1u << 18,
	CR_FLOCK = 1u << 19,
	CR_FSTATFS = 1u << 20,
	CR_FCNTL = 1u << 21, /* F_ADD_SEALS and F_GET_SEALS of memory files */
	CR_KQUEUE = 1u << 22,
};

/* The rights of a descriptor of this kind with these rights of a policy. */
uint32_t capsicum_rights(enum policy_kind kind, uint32_t rights);

/* Their names, for tests and for people: "read,event". */
void capsicum_names(uint32_t rights, struct buf *out);

#endif
