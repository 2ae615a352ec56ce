/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_BSD_H
#define SANDBOX_BSD_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

/*
 * Shared by the back ends of the BSDs, and by nobody else.
 */

/* "wall NAME: what: strerror(errno)" in err; always -1. */
int wall_fail(char *err, size_t size, const char *wall, const char *what);

/*
 * The walls every BSD has, as far as they are not waived: limits, an empty
 * directory as root where nothing is opened by name later, user and groups.
 */
int bsd_walls(const struct policy *p, const struct sandbox_place *place,
    char *err, size_t err_size);
/* Helper threads, if any: before the last wall. */
int bsd_threads(const struct sandbox_place *place, char *err, size_t err_size);

/* Walls that this system has nothing for, and that therefore cannot be had. */
uint32_t bsd_lacks(void);

/* Walls that exist only on Linux, or are part of pledge and Capsicum. */
#define BSD_ABSENT                                                     \
	(WALL_NAMESPACES | WALL_CAPS | WALL_BOUNDS | WALL_SECUREBITS | \
	    WALL_LANDLOCK | WALL_MDWE | WALL_DUMP | WALL_NNP)

#endif
