/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_WIRE_H
#define QUEUE_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Bytes of the formats of this folder: little-endian integers of fixed width,
 * strings with a 32-bit length before them, and records of a 16-bit type, a
 * 32-bit length of the body, and the body.
 */
#define WIRE_HEADER 6

/*
 * A reader over borrowed bytes.  One that has gone bad (too short, or over a
 * maximum) stays bad and yields zeros, so a decoder is straight lines and one
 * test of rd_end() or rd.bad.
 */
struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static inline struct rd
rd_make(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	return (struct rd){ p, s.n == 0 ? p : p + s.n, false };
}

static inline size_t
rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* 0 when everything was read and nothing was wrong, else -1. */
static inline int
rd_end(const struct rd *r)
{
	return r->bad || r->p != r->end ? -1 : 0;
}

static inline uint64_t
wire_get(const void *v, unsigned n)
{
	const uint8_t *p = v;
	uint64_t x = 0;

	for (unsigned i = n; i-- > 0;)
		x = x << 8 | p[i];
	return x;
}

static inline void
wire_put(void *v, uint64_t x, unsigned n)
{
	uint8_t *p = v;

	for (unsigned i = 0; i < n; i++, x >>= 8)
		p[i] = (uint8_t)x;
}

static inline uint64_t
rd_uint(struct rd *r, unsigned n)
{
	uint64_t x;

	if (rd_left(r) < n) {
		r->bad = true;
		return 0;
	}
	x = wire_get(r->p, n);
	r->p += n;
	return x;
}

static inline uint8_t
rd_u8(struct rd *r)
{
	return (uint8_t)rd_uint(r, 1);
}

static inline uint16_t
rd_u16(struct rd *r)
{
	return (uint16_t)rd_uint(r, 2);
}

static inline uint32_t
rd_u32(struct rd *r)
{
	return (uint32_t)rd_uint(r, 4);
}

static inline uint64_t
rd_u64(struct rd *r)
{
	return rd_uint(r, 8);
}

static inline int64_t
rd_i64(struct rd *r)
{
	return (int64_t)rd_uint(r, 8);
}

/* n bytes as they are, borrowed. */
static inline struct str
rd_bytes(struct rd *r, size_t n)
{
	struct str s = STR_NONE;

	if (rd_left(r) < n) {
		r->bad = true;
		return s;
	}
	s = str_make(r->p, n);
	if (n > 0)
		r->p += n;
	return s;
}

/* A string of at most max bytes, borrowed. */
static inline struct str
rd_str(struct rd *r, size_t max)
{
	uint32_t n = rd_u32(r);

	if (r->bad || n > max) {
		r->bad = true;
		return STR_NONE;
	}
	return rd_bytes(r, n);
}

/* Writers; a buffer that is full says so at the end, buf_full(). */
static inline void
wr_uint(struct buf *b, uint64_t x, unsigned n)
{
	uint8_t v[8];

	wire_put(v, x, n);
	(void)buf_add(b, v, n);
}

static inline void
wr_str(struct buf *b, struct str s)
{
	wr_uint(b, s.n, 4);
	(void)buf_str(b, s);
}

/* A record: begin, write the body, end with what begin returned. */
static inline size_t
wr_begin(struct buf *b, unsigned type)
{
	wr_uint(b, type, 2);
	wr_uint(b, 0, 4);
	return b->len;
}

static inline void
wr_done(struct buf *b, size_t at)
{
	if (!buf_full(b))
		wire_put(b->base + b->off + at - 4, b->len - at, 4);
}

#endif
