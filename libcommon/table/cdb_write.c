/* SPDX-License-Identifier: ISC */
/*
 * The writing side, by tinycdb.
 */
#include "table/cdb_write.h"

#include <cdb.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "table/table.h"

/* libcdb says ENOMEM when 32 bits no longer hold an offset. */
static const char *
why(void)
{
	if (errno == ENOMEM)
		return "more than 4 GB do not fit into a cdb file";
	return strerror(errno);
}

static const char *
add(struct cdb_make *m, struct str key, struct str value, struct buf *scratch)
{
	struct str k, v;

	if (scratch != NULL) {
		buf_reset(scratch);
		buf_str(scratch, key);
		buf_putc(scratch, '\0');
		buf_str(scratch, value);
		buf_putc(scratch, '\0');
		if (buf_full(scratch))
			return "a value too long";
		k = str_sub(buf_get(scratch), 0, key.n + 1);
		v = str_sub(buf_get(scratch), key.n + 1, SIZE_MAX);
	} else {
		k = key;
		v = value;
	}
	if (cdb_make_add(m, k.p, (unsigned)k.n, v.p, (unsigned)v.n) == -1)
		return why();
	return NULL;
}

const char *
cdb_write(int fd, const struct index *ix, bool zeros)
{
	struct str key, value;
	struct cdb_make m;
	struct buf scratch;
	const char *error = NULL;

	buf_init(&scratch, TABLE_KEY_MAX + TABLE_VALUE_MAX + 2);
	if (cdb_make_start(&m, fd) == -1)
		return why();
	for (size_t i = 0; i < ix->n && error == NULL; i++) {
		if (index_at(ix, i, &key, &value))
			error = add(&m, key, value, zeros ? &scratch : NULL);
	}
	/* This also frees what cdb_make_start() took: call it in any case. */
	if (cdb_make_finish(&m) == -1 && error == NULL)
		error = why();
	buf_clear(&scratch);
	return error;
}
