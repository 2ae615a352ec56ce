/* SPDX-License-Identifier: ISC */
/*
 * Header blocks, whole and through a window that grows (the first byte says
 * how fast): both must find the same.  Dates are parsed, and written again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_field(struct str msg, const struct header *h, size_t last, size_t limit)
{
	char line[64];

	must(h->off == last && h->off < h->end && h->end <= msg.n);
	must(h->id == HEADER_MBOX_FROM || h->name.p == msg.p + h->off);
	must(h->value.p >= msg.p + h->off);
	must(h->value.p + h->value.n <= msg.p + h->end);
	must(h->value.n <= limit);
	must(h->id == HEADER_MBOX_FROM || header_lookup(h->name) == h->id);
	must(header_unfold(h->value, line, sizeof(line)) == strlen(line));
	must(strchr(line, '\n') == NULL);
}

/* The next header by the window; *it is at the end of the last one. */
static enum header_result
next_windowed(struct header_iter *it, struct header *h, struct str msg,
    size_t step)
{
	enum header_result r;

	while ((r = header_next(it, h)) == HEADER_MORE) {
		must(!it->whole);
		it->whole = it->msg.n + step >= msg.n;
		it->msg = str_sub(msg, 0, it->msg.n + step);
	}
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header_iter a, b;
	enum header_result ra, rb;
	struct header ha, hb;
	size_t step, limit, last = 0;
	struct str msg;

	if (size == 0)
		return 0;
	step = data[0] % 16U + 1;
	limit = data[0] < 128 ? HEADER_SIZE_LIMIT : 20;
	msg = str_make(data + 1, size - 1);
	header_iter_init(&a, msg, limit, true);
	header_iter_init(&b, str_sub(msg, 0, 0), limit, false);
	do {
		ra = header_next(&a, &ha);
		rb = next_windowed(&b, &hb, msg, step);
		must(ra == rb && a.pos == b.pos && a.blank == b.blank);
		if (ra != HEADER_FIELD)
			break;
		must(ha.id == hb.id && str_eq(ha.value, hb.value) &&
		    ha.end == hb.end);
		check_field(msg, &ha, last, limit);
		last = ha.end;
	} while (true);
	must(ra == HEADER_END && a.pos <= msg.n);
	return 0;
}
