/* SPDX-License-Identifier: ISC */
#ifndef TABLE_CDB_READ_H
#define TABLE_CDB_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Read constant databases (D. J. Bernstein's cdb format: 256 hash tables at
 * the end of the file, found through 2048 bytes at its beginning).
 *
 * The file is read with pread(2), not mapped: the sandboxes have no mapping
 * of files, and a mapped file that somebody truncates kills whoever reads it.
 * A small file is read as a whole when it is opened, and costs no system call
 * afterwards; a large one costs one for a miss and two for a hit.
 *
 * The file is not trusted: whatever it holds, no read leaves it, and the work
 * of one lookup is bounded.
 */
#define CDB_HEADER 2048
#define CDB_WHOLE_MAX (128 * 1024) /* read as a whole up to here */

struct cdb_read {
	int fd;
	uint32_t size;
	uint32_t records_end; /* where the first hash table begins */
	char *bytes;	      /* the header, or the whole file */
	size_t nbytes;
	bool zeros; /* keys and values end in a zero byte (as postmap -N) */
};

/*
 * Take the file behind fd, which stays the caller's.  Returns NULL, or what
 * is wrong with it, in words that go behind the file's name.
 */
const char *cdb_read_open(struct cdb_read *c, int fd);
void cdb_read_close(struct cdb_read *c);

/*
 * The value of a key into value, which is reset first: 1, 0 without, -1 when
 * the file is damaged, cannot be read, or the value exceeds value's maximum;
 * *error then says it.
 */
int cdb_read_get(const struct cdb_read *c, struct str key, struct buf *value,
    const char **error);

/*
 * Call fn for each record in the order of the file until it returns other
 * than 0, which is returned; -1 when the file is damaged (*error).
 */
int cdb_read_walk(const struct cdb_read *c,
    int (*fn)(void *arg, struct str key, struct str value), void *arg,
    const char **error);

#endif
