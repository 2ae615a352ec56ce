/* SPDX-License-Identifier: ISC */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"

/*
 * Owned bytes that grow, up to a maximum given at birth.  Bytes are added at
 * the end and may be consumed at the front.
 *
 * A buffer that was asked to exceed its maximum is full: it keeps what it had,
 * every later addition fails, and buf_full() says so until it is cleared or
 * reset.  A chain of additions therefore needs one check at its end.
 */
struct buf {
	char *base; /* allocation, or NULL */
	size_t off; /* first byte not consumed */
	size_t len; /* bytes from off on */
	size_t cap; /* size of the allocation */
	size_t max; /* len never exceeds this */
	bool full;
};

/* An empty buffer, for at most max bytes.  Nothing is allocated yet. */
void buf_init(struct buf *b, size_t max);

/* Free the memory; the buffer is empty and may be used again. */
void buf_clear(struct buf *b);

/* Empty, keep the memory. */
void buf_reset(struct buf *b);

/* Add bytes, a str, a C string, one byte.  -1 when the maximum is hit. */
int buf_add(struct buf *b, const void *p, size_t n);
int buf_str(struct buf *b, struct str s);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, int c);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTFLIKE(2, 3);

/*
 * Room for n bytes behind the end, for read(2) and the like; NULL when that
 * would exceed the maximum.  What was written is then added with buf_grow().
 */
void *buf_reserve(struct buf *b, size_t n);
void buf_grow(struct buf *b, size_t n);

/* Drop n bytes at the front (end); n must not exceed the length. */
void buf_consume(struct buf *b, size_t n);
void buf_trim(struct buf *b, size_t n);

/* The content, borrowed until the next addition. */
static inline struct str
buf_get(const struct buf *b)
{
	return (struct str){ b->base == NULL ? NULL : b->base + b->off,
		b->len };
}

static inline bool
buf_full(const struct buf *b)
{
	return b->full;
}

/*
 * The content with a terminator behind it (not counted), borrowed.  A full
 * buffer is terminated all the same: one byte more than max is set aside.
 */
const char *buf_cstr(struct buf *b);

/* The content as a heap string the caller frees; the buffer is then empty. */
char *buf_take(struct buf *b);

#endif
