/* SPDX-License-Identifier: ISC */
/*
 * Included before everything by regress/hostile/bsd-syntax.t: what a BSD's
 * own headers declare and this system's do not.
 */
#ifndef BSD_STUB_H
#define BSD_STUB_H

#include <stddef.h>

int pledge(const char *promises, const char *execpromises);
int unveil(const char *path, const char *permissions);
void closefrom(int lowfd);
size_t strlcpy(char *dst, const char *src, size_t size);
size_t strlcat(char *dst, const char *src, size_t size);

#ifndef O_RESOLVE_BENEATH
#define O_RESOLVE_BENEATH 0x00800000
#endif

#endif
