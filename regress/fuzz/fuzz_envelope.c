/* SPDX-License-Identifier: ISC */
/*
 * Envelopes and events from memory and from a descriptor: both must say the
 * same, and what is accepted encodes to the same bytes again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "queue/content.h"
#include "queue/envelope.h"
#include "queue/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static void
again(struct str in)
{
	struct env_reader r;
	struct envelope e;
	struct env_edit d;
	struct env_rcpt rc;
	struct buf b;
	uint32_t nd = 0, nr = 0;

	buf_init(&b, in.n);
	env_open(&r, in);
	MUST(env_read_head(&r, &e) == 0);
	MUST(env_put_head(&b, &e) == 0);
	for (; env_read_edit(&r, &d) == 1; nd++)
		MUST(env_put_edit(&b, &d) == 0);
	for (; env_read_rcpt(&r, &rc) == 1; nr++)
		MUST(env_put_rcpt(&b, &rc) == 0);
	MUST(env_put_end(&b, nd, nr) == 0);
	MUST(str_eq(buf_get(&b), in));
	buf_clear(&b);
}

static void
edited(struct str in, uint64_t size)
{
	struct env_edit *v;
	struct content c;
	struct str piece;
	uint64_t total = 0;
	size_t n;
	char *zeros;
	int fd;

	if (size > 4096 || env_edits(in, &v, &n) == -1)
		return;
	zeros = calloc(1, size + 1);
	MUST(zeros != NULL);
	fd = memfd_from("c", zeros, size);
	MUST(content_init(&c, fd, 0, size, v, n) == 0);
	while (content_next(&c, &piece) == 1)
		total += piece.n;
	MUST(total == content_size(&c));
	content_clear(&c);
	close(fd);
	free(zeros);
	free(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make(data, size), ev = in;
	struct env_reader r;
	struct env_counts a, b;
	struct event e;
	struct buf out;
	int fd, from_mem, from_fd;

	/* The size of the content comes from the input's length. */
	env_open(&r, in);
	from_mem = env_check(&r, size, NULL, &a);
	fd = memfd_from("e", data, size);
	env_open_fd(&r, fd, 0, size);
	from_fd = env_check(&r, size, NULL, &b);
	env_close(&r);
	close(fd);
	MUST(from_mem == from_fd);
	if (from_mem == 0) {
		MUST(a.nrcpts == b.nrcpts && a.edited_size == b.edited_size);
		again(in);
		edited(in, size);
	}
	buf_init(&out, size + 1);
	while (event_get(&ev, 1795268000123456, &e) == 1) {
		for (uint32_t i = 0; e.type == EVENT_FATE && i < e.nranges; i++)
			MUST(event_range(&e, i).count > 0);
	}
	buf_clear(&out);
	return 0;
}
