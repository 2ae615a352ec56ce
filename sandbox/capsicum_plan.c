/* SPDX-License-Identifier: ISC */
#include "sandbox/capsicum_plan.h"

#include "base/attr.h"

/* clang-format off */
static const struct {
	const char *name;
	uint32_t right;
} names[] = {
	{ "read", CR_READ }, { "write", CR_WRITE }, { "seek", CR_SEEK },
	{ "event", CR_EVENT }, { "shutdown", CR_SHUTDOWN },
	{ "accept", CR_ACCEPT }, { "fsync", CR_FSYNC },
	{ "fstat", CR_FSTAT }, { "getsockopt", CR_GETSOCKOPT },
	{ "setsockopt", CR_SETSOCKOPT }, { "getpeername", CR_GETPEERNAME },
	{ "getsockname", CR_GETSOCKNAME }, { "lookup", CR_LOOKUP },
	{ "create", CR_CREATE }, { "unlinkat", CR_UNLINKAT },
	{ "renameat", CR_RENAMEAT }, { "linkat", CR_LINKAT },
	{ "mkdirat", CR_MKDIRAT }, { "ftruncate", CR_FTRUNCATE },
	{ "flock", CR_FLOCK }, { "fstatfs", CR_FSTATFS },
	{ "fcntl", CR_FCNTL }, { "kqueue", CR_KQUEUE },
};

/* What a kind of descriptor needs whatever may be done with it. */
static const uint32_t kind_base[KIND_N] = {
	[KIND_CHANNEL] = CR_EVENT | CR_FSTAT,
	[KIND_STREAM] = CR_EVENT | CR_SHUTDOWN | CR_GETSOCKOPT,
	[KIND_TCP_LISTEN] = CR_EVENT,
	[KIND_UNIX_LISTEN] = CR_EVENT,
	[KIND_UDP_CONN] = CR_EVENT | CR_GETSOCKOPT,
	[KIND_UNIX_DGRAM] = CR_EVENT,
	[KIND_FILE_APPEND] = 0,
	[KIND_FILE_READ] = CR_FSTAT | CR_SEEK,
	[KIND_FILE] = CR_FSTAT | CR_SEEK | CR_FTRUNCATE,
	[KIND_MEMFD_READ] = CR_FSTAT | CR_SEEK | CR_FCNTL,
	[KIND_MEMFD] = CR_FSTAT | CR_SEEK,
	[KIND_PIPE] = CR_EVENT,
	[KIND_EVENT] = CR_KQUEUE | CR_EVENT,
	[KIND_DIR] = CR_LOOKUP | CR_FSTAT | CR_FSTATFS,
};
/* clang-format on */

/* A directory's rights are also the most that files opened beneath it get. */
static uint32_t
dir_rights(uint32_t rights)
{
	uint32_t r = 0;

	if ((rights & RIGHT_READ) != 0)
		r |= CR_READ | CR_SEEK;
	if ((rights & RIGHT_WRITE) != 0)
		r |= CR_WRITE | CR_SEEK | CR_FTRUNCATE | CR_FLOCK;
	if ((rights & RIGHT_CREATE) != 0)
		r |= CR_CREATE | CR_UNLINKAT | CR_RENAMEAT | CR_LINKAT |
		    CR_MKDIRAT;
	if ((rights & RIGHT_SYNC) != 0)
		r |= CR_FSYNC;
	return r;
}

uint32_t
capsicum_rights(enum policy_kind kind, uint32_t rights)
{
	uint32_t r = kind_base[kind];

	if (kind == KIND_DIR)
		return r | dir_rights(rights);
	if ((rights & (RIGHT_READ | RIGHT_RECVFD)) != 0)
		r |= CR_READ;
	/* An append right is a write right without those that move. */
	if ((rights & (RIGHT_WRITE | RIGHT_APPEND | RIGHT_SENDFD)) != 0)
		r |= CR_WRITE;
	if ((rights & RIGHT_ACCEPT) != 0)
		r |= CR_ACCEPT | CR_GETPEERNAME | CR_GETSOCKNAME |
		    CR_SETSOCKOPT | CR_READ | CR_WRITE | CR_SHUTDOWN |
		    CR_GETSOCKOPT;
	if ((rights & RIGHT_SYNC) != 0)
		r |= CR_FSYNC;
	if ((rights & RIGHT_SEAL) != 0)
		r |= CR_FCNTL;
	if ((rights & RIGHT_PEER) != 0)
		r |= CR_GETSOCKOPT;
	return r;
}

void
capsicum_names(uint32_t rights, struct buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < NELEM(names); i++) {
		if ((rights & names[i].right) == 0)
			continue;
		buf_printf(out, "%s%s", between, names[i].name);
		between = ",";
	}
}
