/* SPDX-License-Identifier: ISC */
/*
 * Directories, by getdents64(2).  Other systems list with getdirentries(2),
 * in a file of their own.
 */
#include "base/dirlist.h"

#include <sys/syscall.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

void
dirlist_init(struct dirlist *d, int fd)
{
	d->fd = fd;
	d->at = d->len = 0;
}

const char *
dirlist_next(struct dirlist *d)
{
	for (;;) {
		const struct entry *e;

		if (d->at >= d->len) {
			long n = syscall(SYS_getdents64, d->fd, d->data,
			    sizeof(d->data));

			if (n >= 0)
				errno = 0;
			if (n <= 0)
				return NULL;
			d->at = 0;
			d->len = (size_t)n;
		}
		e = (const void *)(d->data + d->at);
		d->at += e->len;
		if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
			return e->name;
	}
}

void
dirlist_clear(struct dirlist *d)
{
	fd_close(&d->fd);
}
