/* SPDX-License-Identifier: ISC */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/attr.h"

/*
 * Memory.  Running out of it ends the process with status 71 (EX_OSERR): the
 * broker starts another, and accepted mail is on disk.  None of these returns
 * NULL.  Sizes that an outsider chose must be bounded before they get here.
 */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

/* Format into fresh memory; the caller frees the result. */
char *xasprintf(const char *fmt, ...) PRINTFLIKE(1, 2);

#endif
