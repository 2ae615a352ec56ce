/* SPDX-License-Identifier: ISC */
#ifndef BASE_DIRLIST_H
#define BASE_DIRLIST_H

#include <sys/types.h>

#include <stddef.h>

/*
 * The names in a directory, read from a descriptor.
 *
 * opendir(3) and fdopendir(3) look at the descriptor in ways that a sealed
 * component may not (fstat by path, fcntl); this only lists.
 */
struct dirlist {
	int fd;
	size_t at, len;
	_Alignas(8) char data[8192];
};

/* Take over fd, a directory opened for reading; NULL when fd is -1. */
struct dirlist *dirlist_open(int fd);

/*
 * The next name but `.` and `..`, borrowed until the next call; NULL at the
 * end, or with errno not 0 when the directory cannot be read.
 */
const char *dirlist_next(struct dirlist *d);

/* Close the descriptor and free *dp; NULL inside is allowed. */
void dirlist_close(struct dirlist **dp);

/*
 * The system's part: fill data, as read(2) would; and the name in the entry at
 * that place ("" when it is to be passed over), with the size of the entry.
 */
ssize_t dirlist_read(struct dirlist *d);
size_t dirlist_entry(const char *at, const char **name);

#endif
