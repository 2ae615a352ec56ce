/* SPDX-License-Identifier: ISC */
/*
 * Directories on Linux: by getdents64(2).
 */
#include "base/dirlist.h"

#include <sys/syscall.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

struct dirlist *
dirlist_open(int fd)
{
	struct dirlist *d;

	if (fd == -1)
		return NULL;
	d = xmalloc(sizeof(*d));
	d->fd = fd;
	d->at = d->len = 0;
	return d;
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
dirlist_close(struct dirlist **dp)
{
	struct dirlist *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	fd_close(&d->fd);
	free(d);
}
