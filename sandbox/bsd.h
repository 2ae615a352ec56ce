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

int bsd_limits(const struct policy *p, char *err, size_t err_size);
int bsd_ids(const struct sandbox_place *place, char *err, size_t err_size);
/* An empty directory as root, where nothing is opened by name later. */
int bsd_root(const struct policy *p, char *err, size_t err_size);
void bsd_prepare(void);

/* Walls that this system has nothing for, and that therefore cannot be had. */
uint32_t bsd_lacks(void);

/* Walls that exist only on Linux, or are part of pledge and Capsicum. */
#define BSD_ABSENT                                                     \
	(WALL_NAMESPACES | WALL_CAPS | WALL_BOUNDS | WALL_SECUREBITS | \
	    WALL_LANDLOCK | WALL_MDWE | WALL_DUMP | WALL_NNP)

#endif
