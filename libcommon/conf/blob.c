/* SPDX-License-Identifier: ISC */
/*
 * Encoding and decoding of the parts of a snapshot.
 */
#include "conf/blob.h"

#include "base/siphash.h"
#include "conf/params.h"

uint64_t
blob_declaration(void)
{
	static const uint8_t key[SIPHASH_KEY] = "parameter table";
	uint64_t h[2] = { F_COUNT, 0 };

	for (size_t i = 0; i < P_COUNT; i++) {
		h[1] = siphash(key, params[i].name, strlen(params[i].name));
		h[1] ^= (uint64_t)params[i].type;
		h[0] = siphash(key, h, sizeof(h));
	}
	return h[0];
}

void
blob_u8(struct buf *b, uint8_t v)
{
	buf_putc(b, v);
}

void
blob_u32(struct buf *b, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		buf_putc(b, (int)(v >> (8 * i) & 0xff));
}

void
blob_i64(struct buf *b, int64_t v)
{
	for (int i = 0; i < 8; i++)
		buf_putc(b, (int)((uint64_t)v >> (8 * i) & 0xff));
}

void
blob_str(struct buf *b, struct str s)
{
	blob_u32(b, (uint32_t)s.n);
	buf_str(b, s);
	buf_putc(b, '\0');
}

static uint64_t
get(struct blob_rd *r, size_t n)
{
	uint64_t v = 0;

	if (r->bad || r->rest.n < n) {
		r->bad = 1;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)(uint8_t)r->rest.p[i] << (8 * i);
	r->rest = str_sub(r->rest, n, r->rest.n);
	return v;
}

uint8_t
blob_get_u8(struct blob_rd *r)
{
	return (uint8_t)get(r, 1);
}

uint32_t
blob_get_u32(struct blob_rd *r, uint32_t max)
{
	uint32_t v = (uint32_t)get(r, 4);

	if (v > max) {
		r->bad = 1;
		return 0;
	}
	return v;
}

int64_t
blob_get_i64(struct blob_rd *r)
{
	return (int64_t)get(r, 8);
}

struct str
blob_get_str(struct blob_rd *r)
{
	uint32_t n = blob_get_u32(r, BLOB_MAX);
	struct str s;

	/* The terminator has to be there, and be the only one. */
	if (r->bad || r->rest.n < (size_t)n + 1 || r->rest.p[n] != '\0' ||
	    memchr(r->rest.p, '\0', n) != NULL) {
		r->bad = 1;
		return STR("");
	}
	s = str_sub(r->rest, 0, n);
	r->rest = str_sub(r->rest, (size_t)n + 1, r->rest.n);
	return s;
}
