/* SPDX-License-Identifier: ISC */
/*
 * Directories on Linux: by getdents64(2).
 */
#include "base/dirlist.h"

#include <sys/syscall.h>

#include <stdint.h>
#include <unistd.h>

struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

ssize_t
dirlist_read(struct dirlist *d)
{
	return syscall(SYS_getdents64, d->fd, d->data, sizeof(d->data));
}

size_t
dirlist_entry(const char *at, const char **name)
{
	const struct entry *e = (const void *)at;

	*name = e->name;
	return e->len;
}
