/* SPDX-License-Identifier: ISC */
#include "sandbox/policy_names.h"

#include <stdlib.h>

#include "sandbox/policy.h"

/* clang-format off */
const struct named kind_table[] = {
	{ "null", KIND_NULL },
	{ "channel", KIND_CHANNEL },
	{ "stream", KIND_STREAM },
	{ "tcp-listen", KIND_TCP_LISTEN },
	{ "unix-listen", KIND_UNIX_LISTEN },
	{ "udp-conn", KIND_UDP_CONN },
	{ "unix-dgram", KIND_UNIX_DGRAM },
	{ "file-append", KIND_FILE_APPEND },
	{ "file-read", KIND_FILE_READ },
	{ "file", KIND_FILE },
	{ "memfd-read", KIND_MEMFD_READ },
	{ "memfd", KIND_MEMFD },
	{ "pipe", KIND_PIPE },
	{ "kernel-log", KIND_KMSG },
	{ "event", KIND_EVENT },
	{ "dir", KIND_DIR },
	{ "namespace", KIND_NAMESPACE },
	{ NULL, 0 }
};

const struct named right_table[] = {
	{ "read", RIGHT_READ },
	{ "write", RIGHT_WRITE },
	{ "append", RIGHT_APPEND },
	{ "recvfd", RIGHT_RECVFD },
	{ "sendfd", RIGHT_SENDFD },
	{ "accept", RIGHT_ACCEPT },
	{ "sync", RIGHT_SYNC },
	{ "seek", RIGHT_SEEK },
	{ "event", RIGHT_EVENT },
	{ "create", RIGHT_CREATE },
	{ "seal", RIGHT_SEAL },
	{ "peer", RIGHT_PEER },
	{ NULL, 0 }
};

const struct named reads_table[] = {
	{ "clients", 1 },
	{ "servers", 2 },
	{ "resolvers", 3 },
	{ "users", 4 },
	{ "programs", 5 },
	{ "messages", 6 },
	{ "addresses", 7 },
	{ "lines", 8 },
	{ NULL, 0 }
};

/* Single walls first, then groups: wall_name() finds the single ones. */
const struct named wall_table[] = {
	{ "uid", WALL_UID },
	{ "root", WALL_ROOT },
	{ "net", WALL_NET },
	{ "pid", WALL_PID },
	{ "mount", WALL_MOUNT },
	{ "ipc", WALL_IPC },
	{ "uts", WALL_UTS },
	{ "cgroup", WALL_CGROUP },
	{ "caps", WALL_CAPS },
	{ "bounds", WALL_BOUNDS },
	{ "securebits", WALL_SECUREBITS },
	{ "nnp", WALL_NNP },
	{ "dump", WALL_DUMP },
	{ "mdwe", WALL_MDWE },
	{ "landlock", WALL_LANDLOCK },
	{ "seccomp", WALL_SECCOMP },
	{ "rlimits", WALL_RLIMITS },
	{ "namespaces", WALL_NAMESPACES },
	{ "all", WALL_ALL },
	{ NULL, 0 }
};
/* clang-format on */

int
named_find(const struct named *table, struct str s, uint64_t *out)
{
	for (; table->name != NULL; table++) {
		if (str_eq(s, str_of(table->name))) {
			*out = table->value;
			return 0;
		}
	}
	return -1;
}

const char *
named_of(const struct named *table, uint64_t value)
{
	for (; table->name != NULL; table++) {
		if (table->value == value)
			return table->name;
	}
	return NULL;
}

/* Insertions, deletions and exchanges between two words of up to 31 letters. */
size_t
name_distance(struct str a, struct str b)
{
	size_t row[32], diag, up;

	if (a.n > 31 || b.n > 31)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		diag = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			up = row[j];
			diag +=
			    ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]);
			if (up + 1 < diag)
				diag = up + 1;
			if (row[j - 1] + 1 < diag)
				diag = row[j - 1] + 1;
			row[j] = diag;
			diag = up;
		}
	}
	return row[b.n];
}

const char *
named_near(const struct named *table, struct str s)
{
	const char *best = NULL;
	size_t least = 3, d;

	for (; table->name != NULL; table++) {
		d = name_distance(s, str_of(table->name));
		if (d < least && d < s.n) {
			least = d;
			best = table->name;
		}
	}
	return best;
}

const char *
kind_name(enum policy_kind kind)
{
	const char *s = named_of(kind_table, kind);

	return s == NULL ? "?" : s;
}

int
kind_parse(struct str s, enum policy_kind *out)
{
	uint64_t v;

	if (named_find(kind_table, s, &v) == -1)
		return -1;
	*out = (enum policy_kind)v;
	return 0;
}

static void
bits_names(const struct named *table, uint32_t bits, const char *sep,
    struct buf *out)
{
	const char *between = "";

	for (uint32_t b = 1; b != 0; b <<= 1) {
		const char *s = (bits & b) == 0 ? NULL : named_of(table, b);

		if (s == NULL)
			continue;
		buf_printf(out, "%s%s", between, s);
		between = sep;
	}
}

void
rights_names(uint32_t rights, struct buf *out)
{
	bits_names(right_table, rights, ",", out);
}

void
walls_names(uint32_t walls, struct buf *out)
{
	bits_names(wall_table, walls, " ", out);
}

const char *
wall_name(uint32_t wall)
{
	return named_of(wall_table, wall);
}

int
wall_parse(struct str s, uint32_t *out)
{
	uint64_t v;

	if (named_find(wall_table, s, &v) == -1)
		return -1;
	*out = (uint32_t)v;
	return 0;
}
