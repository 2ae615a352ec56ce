/* SPDX-License-Identifier: ISC */
/*
 * Bounded, growing bytes.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#define BUF_FIRST 256

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_clear(struct buf *b)
{
	free(b->base);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->off = b->len = 0;
	b->full = false;
}

/*
 * Make room for n more bytes and a terminator: first by moving what is there
 * to the front, else by doubling.
 */
static int
make_room(struct buf *b, size_t n)
{
	size_t need, cap;

	if (b->full || n > b->max - b->len) {
		b->full = true;
		return -1;
	}
	need = b->len + n + 1;
	if (need <= b->cap - b->off && b->base != NULL)
		return 0;
	if (b->off > 0 && need <= b->cap) {
		memmove(b->base, b->base + b->off, b->len);
		b->off = 0;
		return 0;
	}
	cap = b->cap == 0 ? BUF_FIRST : b->cap;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (b->off > 0) {
		memmove(b->base, b->base + b->off, b->len);
		b->off = 0;
	}
	b->base = xreallocarray(b->base, cap, 1);
	b->cap = cap;
	return 0;
}

int
buf_add(struct buf *b, const void *p, size_t n)
{
	if (make_room(b, n) == -1)
		return -1;
	if (n > 0)
		memcpy(b->base + b->off + b->len, p, n);
	b->len += n;
	return 0;
}

int
buf_str(struct buf *b, struct str s)
{
	return buf_add(b, s.p, s.n);
}

int
buf_puts(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_putc(struct buf *b, int c)
{
	char ch = (char)c;

	return buf_add(b, &ch, 1);
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || make_room(b, (size_t)n) == -1) {
		b->full = true;
		return -1;
	}
	va_start(ap, fmt);
	vsnprintf(b->base + b->off + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void *
buf_reserve(struct buf *b, size_t n)
{
	if (make_room(b, n) == -1)
		return NULL;
	return b->base + b->off + b->len;
}

void
buf_grow(struct buf *b, size_t n)
{
	b->len += n;
}

void
buf_consume(struct buf *b, size_t n)
{
	b->off += n;
	b->len -= n;
	if (b->len == 0)
		b->off = 0;
}

void
buf_trim(struct buf *b, size_t n)
{
	b->len -= n;
}

const char *
buf_cstr(struct buf *b)
{
	bool full = b->full;

	b->full = false;
	if (make_room(b, 0) == -1)
		return "";
	b->full = full;
	b->base[b->off + b->len] = '\0';
	return b->base + b->off;
}

char *
buf_take(struct buf *b)
{
	char *s = xstrndup(buf_cstr(b), b->len);

	buf_clear(b);
	return s;
}
