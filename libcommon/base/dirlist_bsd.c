/* SPDX-License-Identifier: ISC */
/*
 * Directories on the BSDs: by getdirentries(2), which OpenBSD has replaced by
 * getdents(2).  Both fill the buffer with struct dirent.
 */
#include "base/dirlist.h"

#include <sys/types.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static ssize_t
more(struct dirlist *d)
{
#ifdef __OpenBSD__
	return getdents(d->fd, d->data, sizeof(d->data));
#else
	off_t base;

	return getdirentries(d->fd, d->data, sizeof(d->data), &base);
#endif
}

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
		const struct dirent *e;

		if (d->at >= d->len) {
			ssize_t n = more(d);

			if (n >= 0)
				errno = 0;
			if (n <= 0)
				return NULL;
			d->at = 0;
			d->len = (size_t)n;
		}
		e = (const void *)(d->data + d->at);
		d->at += e->d_reclen;
		/* A number of 0 is a name that is gone. */
		if (e->d_fileno != 0 && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			return e->d_name;
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
