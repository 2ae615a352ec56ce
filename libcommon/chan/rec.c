/* SPDX-License-Identifier: ISC */
/*
 * Encoding and decoding of declared records.
 *
 * On the wire a record is a header of sixteen bytes (length of the whole,
 * type, number of descriptors, id) and its fields in the order of their
 * declaration, all little-endian.
 */
#include "chan/rec.h"

#include <string.h>

static void
put_le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
get_le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

const struct rec_type *
edge_type(const struct edge *e, unsigned type)
{
	return type == 0 || type > e->ntypes ? NULL : &e->types[type - 1];
}

bool
edge_answers(const struct edge *e, const struct rec_type *ask,
    const struct rec_type *answer)
{
	size_t i;

	if (answer->role != REC_ANSWER)
		return false;
	for (i = 0; e->types[i].role != REC_ASK; i++)
		if (&e->types[i] == answer)
			return true;
	for (i = ask->type; i < e->ntypes && e->types[i].role != REC_ANSWER;)
		i++;
	for (; i < e->ntypes && e->types[i].role != REC_ASK; i++)
		if (&e->types[i] == answer)
			return true;
	return false;
}

/* Bytes of a fixed-size field on the wire; 0 for a STR and an ADDR. */
static size_t
int_width(enum rec_kind kind)
{
	switch (kind) {
	case REC_U8:
		return 1;
	case REC_U16:
		return 2;
	case REC_U32:
		return 4;
	case REC_U64:
	case REC_I64:
		return 8;
	case REC_STR:
	case REC_ADDR:
		break;
	}
	return 0;
}

static uint64_t
load_int(const void *p, size_t width)
{
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (width) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		memcpy(&v16, p, sizeof(v16));
		return v16;
	case 4:
		memcpy(&v32, p, sizeof(v32));
		return v32;
	default:
		memcpy(&v64, p, sizeof(v64));
		return v64;
	}
}

static void
store_int(void *p, size_t width, uint64_t v)
{
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	switch (width) {
	case 1:
		*(uint8_t *)p = (uint8_t)v;
		break;
	case 2:
		memcpy(p, &v16, sizeof(v16));
		break;
	case 4:
		memcpy(p, &v32, sizeof(v32));
		break;
	default:
		memcpy(p, &v, sizeof(v));
		break;
	}
}

#define ADDR_WIRE 19

static int
encode_field(struct buf *b, const struct rec_field *f, const void *p)
{
	uint8_t tmp[ADDR_WIRE];
	const struct netaddr *a = p;
	const struct str *s = p;
	size_t w = int_width(f->kind);

	if (w > 0) {
		put_le(tmp, load_int(p, w), w);
		return buf_add(b, tmp, w);
	}
	if (f->kind == REC_ADDR) {
		tmp[0] = a->family;
		memcpy(tmp + 1, a->ip, sizeof(a->ip));
		put_le(tmp + 17, a->port, 2);
		return buf_add(b, tmp, ADDR_WIRE);
	}
	if (s->n > f->max)
		return -1;
	put_le(tmp, s->n, 4);
	if (buf_add(b, tmp, 4) == -1)
		return -1;
	return buf_str(b, *s);
}

size_t
rec_size(const struct rec_type *t, const void *rec)
{
	size_t n = REC_HEADER;

	for (const struct rec_field *f = t->fields(); f->name != NULL; f++) {
		const struct str *s =
		    (const void *)((const char *)rec + f->offset);

		if (f->kind == REC_ADDR)
			n += ADDR_WIRE;
		else if (f->kind != REC_STR)
			n += int_width(f->kind);
		else if (s->n > f->max)
			return 0;
		else
			n += 4 + s->n;
	}
	return n > REC_MAX ? 0 : n;
}

int
rec_encode(struct buf *b, const struct rec_type *t, uint64_t id,
    const void *rec)
{
	size_t start = b->len, size;
	uint8_t head[REC_HEADER] = { 0 };

	if (buf_add(b, head, sizeof(head)) == -1)
		goto fail;
	for (const struct rec_field *f = t->fields(); f->name != NULL; f++)
		if (encode_field(b, f, (const char *)rec + f->offset) == -1)
			goto fail;
	size = b->len - start;
	if (size > REC_MAX)
		goto fail;
	put_le(head, size, 4);
	put_le(head + 4, t->type, 2);
	put_le(head + 6, t->fds, 2);
	put_le(head + 8, id, 8);
	memcpy(b->base + b->off + start, head, sizeof(head));
	return 0;
fail:
	if (b->len > start)
		buf_trim(b, b->len - start);
	return -1;
}

int
rec_next(const struct edge *e, struct str *p, struct rec_head *out,
    struct str *out_body)
{
	const uint8_t *h = (const uint8_t *)p->p;
	uint64_t size;

	if (p->n < REC_HEADER)
		return -1;
	size = get_le(h, 4);
	if (size < REC_HEADER || size > p->n || size > REC_MAX)
		return -1;
	out->type = edge_type(e, (unsigned)get_le(h + 4, 2));
	out->fds = (unsigned)get_le(h + 6, 2);
	out->id = get_le(h + 8, 8);
	if (out->type == NULL || out->fds != out->type->fds)
		return -1;
	*out_body = str_sub(*p, REC_HEADER, size);
	*p = str_sub(*p, size, p->n);
	return 0;
}

/* Cut n bytes from the front of *r into *out. */
static int
cut(struct str *r, size_t n, struct str *out)
{
	if (n > r->n)
		return -1;
	*out = str_sub(*r, 0, n);
	*r = str_sub(*r, n, r->n);
	return 0;
}

static int
decode_addr(struct str wire, struct netaddr *a)
{
	const uint8_t *p = (const uint8_t *)wire.p;

	a->family = p[0];
	if (a->family != 0 && a->family != 4 && a->family != 6)
		return -1;
	memcpy(a->ip, p + 1, sizeof(a->ip));
	a->port = (uint16_t)get_le(p + 17, 2);
	return 0;
}

static int
decode_field(const struct rec_field *f, struct str *r, void *p)
{
	size_t w = int_width(f->kind);
	struct str s;
	uint64_t n;

	if (w > 0) {
		if (cut(r, w, &s) == -1)
			return -1;
		store_int(p, w, get_le((const uint8_t *)s.p, w));
		return 0;
	}
	if (f->kind == REC_ADDR) {
		if (cut(r, ADDR_WIRE, &s) == -1)
			return -1;
		return decode_addr(s, p);
	}
	if (cut(r, 4, &s) == -1)
		return -1;
	n = get_le((const uint8_t *)s.p, 4);
	if (n > f->max || cut(r, n, &s) == -1)
		return -1;
	memcpy(p, &s, sizeof(s));
	return 0;
}

int
rec_decode(const struct rec_type *t, struct str body, void *rec)
{
	memset(rec, 0, t->size);
	for (const struct rec_field *f = t->fields(); f->name != NULL; f++)
		if (decode_field(f, &body, (char *)rec + f->offset) == -1)
			return -1;
	return body.n == 0 ? 0 : -1;
}
