/* SPDX-License-Identifier: ISC */
#ifndef QMGR_SPOOL_OPEN_H
#define QMGR_SPOOL_OPEN_H

#include <sys/types.h>

#include "base/attr.h"

/*
 * Open name (of one or more components) beneath the directory fd, following
 * no link anywhere on the way; O_CLOEXEC is added.  -1 with errno.
 */
int spool_beneath(int fd, const char *name, int flags, mode_t mode) WARN_UNUSED;

#endif
