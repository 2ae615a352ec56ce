/* SPDX-License-Identifier: ISC */
/*
 * Records in a stream.
 */
#include "edge/control.h"

#include <string.h>

EDGE_DEFINE(control, EDGE_CONTROL);

/* How long the record at the front says it is; it may lie. */
static uint32_t
length_of(struct str in)
{
	const uint8_t *p = (const uint8_t *)in.p;

	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

int
control_cut(struct str *in, enum side from, struct control_rec *out)
{
	struct rec_head h;
	struct str body;
	uint32_t n;

	if (in->n < REC_HEADER)
		return 0;
	n = length_of(*in);
	if (n < REC_HEADER || n > REC_MAX)
		return -1;
	if (in->n < n)
		return 0;
	if (rec_next(&edge_control, in, &h, &body) == -1 ||
	    (h.type->from & from) == 0 ||
	    rec_decode(h.type, body, out->body) == -1)
		return -1;
	out->type = h.type->type;
	out->id = h.id;
	return 1;
}

int
control_put(struct buf *b, unsigned type, uint64_t id, const void *rec)
{
	return rec_encode(b, edge_type(&edge_control, type), id, rec);
}
