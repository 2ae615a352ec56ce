/* SPDX-License-Identifier: ISC */
#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include "base/buf.h"
#include "base/str.h"

/* Certificates of authorities: of a file, and of every file in a directory. */
#define TLS_TRUST_MAX (4 << 20)

/*
 * A sealed memory file with all of them, PEM, to be handed to a process that
 * can open nothing.  file and path may be empty or relative to the directory
 * base.  -1 with a sentence in err.
 */
int tls_trust_memfd(const char *base, struct str file, struct str path,
    struct buf *err);

#endif
