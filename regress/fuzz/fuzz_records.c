/* SPDX-License-Identifier: ISC */
/*
 * Channel records: the first byte picks the edge, the rest is a packet from a
 * captured peer.  What decodes must encode to the same bytes again.
 */
#include <stdint.h>
#include <string.h>

#include "edge/edges.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_Alignas(16) char rec[REC_STRUCT_MAX];
	const struct edge *e;
	struct rec_head h;
	struct str p, body;
	struct buf b;

	if (size == 0 || (e = edge_at(data[0] % 32)) == NULL)
		return 0;
	p = str_make(data + 1, size - 1);
	buf_init(&b, REC_MAX);
	while (rec_next(e, &p, &h, &body) == 0) {
		if (rec_decode(h.type, body, rec) == -1)
			continue;
		buf_reset(&b);
		if (rec_encode(&b, h.type, h.id, rec) == -1 ||
		    b.len != body.n + REC_HEADER ||
		    memcmp(buf_get(&b).p + REC_HEADER, body.p, body.n) != 0)
			__builtin_trap();
	}
	buf_clear(&b);
	return 0;
}
