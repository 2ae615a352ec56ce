/* SPDX-License-Identifier: ISC */
#ifndef TABLE_CDB_WRITE_H
#define TABLE_CDB_WRITE_H

#include <stdbool.h>

#include "table/index.h"

/*
 * Write all pairs as a constant database to fd, an empty file opened for
 * reading and writing; zeros: keys and values get a terminating zero byte.
 * Returns NULL, or what went wrong; the file is then of no use.  The caller
 * makes it durable and gives it its name.
 *
 * Programs that call this link with libcdb.
 */
const char *cdb_write(int fd, const struct index *ix, bool zeros);

#endif
