/* SPDX-License-Identifier: ISC */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <sys/types.h>

#include <stddef.h>

#include "base/str.h"

/* Close *fd if it is open (not -1), and clear it to -1.  errno is kept. */
void fd_close(int *fd);

/* Close n descriptors and set *n to 0. */
void fds_close(int *fds, size_t *n);

/* Set or clear O_NONBLOCK; -1 with errno. */
int fd_nonblock(int fd, int on);

/*
 * Write everything, whatever EINTR and short writes do.  For regular files and
 * blocking descriptors.  -1 with errno; part of it may then be written.
 */
int fd_write_all(int fd, const void *p, size_t n);

/*
 * Read exactly n bytes at an offset.  Returns the number of bytes read, less
 * than n only at the end of the file; -1 with errno.
 */
ssize_t fd_pread_all(int fd, void *p, size_t n, off_t off);

/*
 * Read a whole descriptor from its beginning, at most max bytes, into heap
 * memory with a terminator behind it; the caller frees *out.  -1 with errno,
 * EFBIG when it is longer than max.
 */
int fd_slurp(int fd, size_t max, char **out, size_t *out_len);

/*
 * A sealable memory file, close-on-exec.  name shows in /proc.  -1 with errno.
 */
int memfd_new(const char *name);

/*
 * Seal against writing, growing, shrinking and unsealing, for every holder and
 * for ever.  -1 with errno: EBUSY when somebody has it mapped for writing.
 */
int memfd_seal(int fd);

/* 1 if fd carries all seals of memfd_seal(), 0 if not (or no memory file). */
int memfd_sealed(int fd);

/*
 * A sealed memory file with these bytes.  -1 with errno.
 */
int memfd_from(const char *name, const void *p, size_t n);

#endif
