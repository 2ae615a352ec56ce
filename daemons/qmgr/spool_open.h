/* SPDX-License-Identifier: ISC */
#ifndef QMGR_SPOOL_OPEN_H
#define QMGR_SPOOL_OPEN_H

#include <sys/types.h>

#include <stdint.h>

#include "base/attr.h"

/*
 * Open name (of one or more components) beneath the directory fd, following
 * no link anywhere on the way; O_CLOEXEC is added.  -1 with errno.
 */
int spool_beneath(int fd, const char *name, int flags, mode_t mode) WARN_UNUSED;

/* The same in one call; -1 with ENOSYS where the kernel has none for it. */
int spool_beneath_whole(int fd, const char *name, int flags,
    mode_t mode) WARN_UNUSED;

/*
 * Have the file system set so many bytes aside for the file.  0 also when it
 * cannot do that: writing them does it, too.  -1 with errno when it is full.
 */
int spool_reserve(int fd, uint64_t size) WARN_UNUSED;

/*
 * Prove that nobody can write to the file any more.  0 when that is so, or
 * when neither the system nor the file system can tell: then what counts is
 * the committed length and the checksum.  -1 with EBUSY when somebody can.
 */
int spool_unwritten(int fd) WARN_UNUSED;

#endif
