/* SPDX-License-Identifier: ISC */
/*
 * Queue files.  A file as it is; and the same with its checksums made right,
 * so that what is behind them is reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "queue/qfile.h"
#include "queue/sum.h"
#include "queue/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look(const uint8_t *p, size_t n)
{
	int fd = memfd_from("q", p, n);
	struct env_counts c;
	struct qfile q;
	struct buf b;
	uint64_t end;

	buf_init(&b, 1 << 20);
	if (qfile_open(fd, 0, &q) == QFILE_OK) {
		if (q.committed > n)
			abort();
		if (qfile_verify_env(fd, &q, &c) == QFILE_OK && c.nrcpts > n)
			abort();
		(void)qfile_verify_content(fd, &q);
		if (qfile_events(fd, &q, &b, &end) == 0 && end > n)
			abort();
	}
	buf_clear(&b);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *p;
	struct qfile q;

	look(data, size);
	if (size < QFILE_HEADER)
		return 0;
	p = malloc(size);
	if (p == NULL)
		return 0;
	memcpy(p, data, size);
	/* As qfile.c lays the header out: id and lengths from 24 on. */
	q.qid = wire_get(p + 24, 8);
	q.env_off = wire_get(p + 32, 8);
	q.env_len = wire_get(p + 40, 8);
	if (q.env_off < size && q.env_len <= size - q.env_off)
		wire_put(p + 64, sum64(p + q.env_off, q.env_len, q.qid), 8);
	wire_put(p + QFILE_HEADER - 8, sum64(p, QFILE_HEADER - 8, q.qid), 8);
	look(p, size);
	free(p);
	return 0;
}
