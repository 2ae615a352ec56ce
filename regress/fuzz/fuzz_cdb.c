/* SPDX-License-Identifier: ISC */
/*
 * A compiled table of arbitrary bytes.  The first byte is how many of the
 * next are keys to ask for, the rest is the file; twice: read as a whole, and
 * by pieces, which must agree.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "table/cdb_read.h"
#include "table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
count(void *arg, struct str key, struct str value)
{
	size_t *n = arg;

	(void)key;
	(void)value;
	return ++*n > 100000 ? 2 : 0;
}

static void
ask(struct cdb_read *c, struct str key, struct buf *value)
{
	const char *e1 = NULL, *e2 = NULL;
	size_t whole = c->nbytes;
	struct buf other;
	int a, b;

	a = cdb_read_get(c, key, value, &e1);
	buf_init(&other, value->max);
	c->nbytes = CDB_HEADER;
	b = cdb_read_get(c, key, &other, &e2);
	c->nbytes = whole;
	if (a != b || (a == -1) != (e1 != NULL) || (b == -1) != (e2 != NULL))
		abort();
	if (a == 1 && !str_eq(buf_get(value), buf_get(&other)))
		abort();
	buf_clear(&other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	struct cdb_read c;
	struct buf value;
	size_t nkey, n = 0;
	int fd;

	if (size < 1 || size > CDB_WHOLE_MAX)
		return 0;
	nkey = data[0] % 32;
	if (size < 1 + nkey)
		return 0;
	fd = memfd_new("fuzz");
	if (fd == -1 ||
	    fd_write_all(fd, data + 1 + nkey, size - 1 - nkey) == -1)
		abort();
	if (cdb_read_open(&c, fd) == NULL) {
		buf_init(&value, 4096);
		for (size_t i = 0; i <= nkey; i++)
			ask(&c, str_make(data + 1, i), &value);
		cdb_read_walk(&c, count, &n, &error);
		buf_clear(&value);
		cdb_read_close(&c);
	}
	close(fd);
	return 0;
}
