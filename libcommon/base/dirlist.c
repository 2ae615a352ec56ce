/* SPDX-License-Identifier: ISC */
/*
 * The names in a directory.  How the kernel is asked, and what an entry looks
 * like, is in dirlist_linux.c and dirlist_bsd.c.
 */
#include "base/dirlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

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
		const char *name;

		if (d->at >= d->len) {
			ssize_t n = dirlist_read(d);

			if (n >= 0)
				errno = 0;
			if (n <= 0)
				return NULL;
			d->at = 0;
			d->len = (size_t)n;
		}
		d->at += dirlist_entry(d->data + d->at, &name);
		if (name[0] != '\0' && strcmp(name, ".") != 0 &&
		    strcmp(name, "..") != 0)
			return name;
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
