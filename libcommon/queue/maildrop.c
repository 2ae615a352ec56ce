/* SPDX-License-Identifier: ISC */
/*
 * The form of submissions.
 */
#include "queue/maildrop.h"

#include "queue/envelope.h"
#include "queue/wire.h"

/* Drawn by lot, but for what keeps it from being taken for text. */
static const uint8_t magic[DROP_MAGIC] = { 0x89, 'p', 'd', 'r', '\r', '\n',
	0x1a, 0x00, 0x6e, 0xd1, 0x9b, 0x37, 0xc4, 0x5f, 0xe2, 0x08 };

static bool
is_text(enum drop_type t)
{
	return t >= DROP_SENDER && t <= DROP_CONTENT;
}

static size_t
text_max(enum drop_type t)
{
	return t == DROP_CONTENT ? DROP_CHUNK_MAX : DROP_TEXT_MAX;
}

/* --- writing -------------------------------------------------------------- */

/* The checksum goes over what was added since `from`. */
static int
add_sum(struct drop_writer *w, const struct buf *b, size_t from)
{
	if (buf_full(b))
		return -1;
	sum_add(&w->sum, b->base + b->off + from, b->len - from);
	return 0;
}

int
drop_begin(struct drop_writer *w, struct buf *b)
{
	size_t from = b->len;

	*w = (struct drop_writer){ .content = 0 };
	sum_init(&w->sum, DROP_VERSION);
	(void)buf_add(b, magic, sizeof(magic));
	return add_sum(w, b, from);
}

static void
put_rcpt(struct buf *b, const struct drop *d)
{
	wr_uint(b, d->notify, 1);
	wr_str(b, d->text);
	wr_str(b, d->orcpt);
}

static void
put_head(struct buf *b, const struct drop *d)
{
	wr_uint(b, DROP_VERSION, 2);
	wr_uint(b, (uint64_t)d->when_us, 8);
	wr_uint(b, d->flags, 4);
	wr_uint(b, d->ret, 1);
}

int
drop_put(struct drop_writer *w, struct buf *b, const struct drop *d)
{
	size_t from = b->len, at;

	if (d->text.n > text_max(d->type) || d->orcpt.n > DROP_TEXT_MAX)
		return -1;
	at = wr_begin(b, d->type);
	if (is_text(d->type))
		(void)buf_str(b, d->text);
	else if (d->type == DROP_RCPT)
		put_rcpt(b, d);
	else
		put_head(b, d);
	wr_done(b, at);
	if (d->type == DROP_CONTENT)
		w->content += d->text.n;
	else if (d->type == DROP_RCPT)
		w->nrcpts++;
	return add_sum(w, b, from);
}

int
drop_end(struct drop_writer *w, struct buf *b)
{
	size_t at = wr_begin(b, DROP_END);

	wr_uint(b, w->nrcpts, 4);
	wr_uint(b, w->content, 8);
	wr_uint(b, sum_end(&w->sum), 8);
	wr_done(b, at);
	return buf_full(b) ? -1 : 0;
}

/* --- reading -------------------------------------------------------------- */

void
drop_reader_init(struct drop_reader *r)
{
	*r = (struct drop_reader){ .last = 0 };
	sum_init(&r->sum, DROP_VERSION);
}

static int
bad(struct drop_reader *r)
{
	r->bad = true;
	return -1;
}

/* As much of the magic as is there must be right. */
static int
get_magic(struct drop_reader *r, struct str *in)
{
	size_t n = in->n < DROP_MAGIC ? in->n : DROP_MAGIC;

	if (n > 0 && memcmp(in->p, magic, n) != 0)
		return bad(r);
	if (n < DROP_MAGIC)
		return 0;
	sum_add(&r->sum, in->p, n);
	*in = str_sub(*in, n, in->n);
	r->begun = true;
	return 1;
}

/* May this type come now? */
static bool
in_order(const struct drop_reader *r, unsigned type)
{
	switch (type) {
	case DROP_HEAD:
		return r->last == 0;
	case DROP_SENDER:
		return r->last == DROP_HEAD;
	case DROP_FULLNAME:
	case DROP_ENVID:
	case DROP_VERP:
		return r->last >= DROP_SENDER && r->last < type;
	case DROP_CONTENT:
	case DROP_RCPT:
		return r->last >= DROP_SENDER && r->last <= type;
	case DROP_END:
		return r->last == DROP_RCPT;
	}
	return false;
}

static int
body_head(struct rd *b, struct drop *d)
{
	if (rd_u16(b) != DROP_VERSION)
		return -1;
	d->when_us = rd_i64(b);
	d->flags = rd_u32(b);
	d->ret = rd_u8(b);
	return (d->flags & ~(uint32_t)DROP_FLAGS_ALL) != 0 ||
		d->ret > ENV_RET_HDRS ?
	    -1 :
	    rd_end(b);
}

static int
body_rcpt(struct rd *b, struct drop *d)
{
	d->notify = rd_u8(b);
	d->text = rd_str(b, DROP_TEXT_MAX);
	d->orcpt = rd_str(b, DROP_TEXT_MAX);
	return (d->notify & ~ENV_NOTIFY_ALL) != 0 ? -1 : rd_end(b);
}

static int
body_end(struct drop_reader *r, struct rd *b)
{
	uint32_t nrcpts = rd_u32(b);
	uint64_t content = rd_u64(b);
	uint64_t sum = rd_u64(b);

	r->over = true;
	return rd_end(b) == -1 || nrcpts != r->nrcpts ||
		content != r->content || sum != sum_end(&r->sum) ?
	    -1 :
	    0;
}

static int
body(struct drop_reader *r, struct str s, struct drop *d)
{
	struct rd b = rd_make(s);

	if (is_text(d->type)) {
		d->text = s;
		if (d->type == DROP_CONTENT)
			r->content += s.n;
		return s.n > text_max(d->type) ? -1 : 0;
	}
	switch (d->type) {
	case DROP_HEAD:
		return body_head(&b, d);
	case DROP_RCPT:
		return ++r->nrcpts > DROP_RCPTS_MAX ? -1 : body_rcpt(&b, d);
	default:
		return body_end(r, &b);
	}
}

int
drop_get(struct drop_reader *r, struct str *in, struct drop *out)
{
	uint32_t type, len;
	int k;

	if (r->bad)
		return -1;
	if (r->over)
		return in->n == 0 ? 0 : bad(r);
	if (!r->begun && (k = get_magic(r, in)) != 1)
		return k;
	if (in->n < WIRE_HEADER)
		return 0;
	type = (uint32_t)wire_get(in->p, 2);
	len = (uint32_t)wire_get(in->p + 2, 4);
	if (!in_order(r, type) || len > DROP_RECORD_MAX - WIRE_HEADER)
		return bad(r);
	if (in->n - WIRE_HEADER < len)
		return 0;
	*out = (struct drop){ .type = (enum drop_type)type };
	if (body(r, str_sub(*in, WIRE_HEADER, WIRE_HEADER + len), out) == -1)
		return bad(r);
	if (type != DROP_END)
		sum_add(&r->sum, in->p, WIRE_HEADER + len);
	r->last = type;
	*in = str_sub(*in, WIRE_HEADER + len, in->n);
	return 1;
}
