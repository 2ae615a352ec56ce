/* SPDX-License-Identifier: ISC */
/*
 * Directories on the BSDs: by getdirentries(2), which OpenBSD has replaced by
 * getdents(2).  Both fill the buffer with struct dirent.
 */
#include "base/dirlist.h"

#include <dirent.h>
#include <unistd.h>

ssize_t
dirlist_read(struct dirlist *d)
{
#ifdef __OpenBSD__
	return getdents(d->fd, d->data, sizeof(d->data));
#else
	off_t base;

	return getdirentries(d->fd, d->data, sizeof(d->data), &base);
#endif
}

/* A number of 0 is a name that is gone. */
size_t
dirlist_entry(const char *at, const char **name)
{
	const struct dirent *e = (const void *)at;

	*name = e->d_fileno == 0 ? "" : e->d_name;
	return e->d_reclen;
}
