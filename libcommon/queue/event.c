/* SPDX-License-Identifier: ISC */
/*
 * Events: encoding and decoding.
 */
#include "queue/event.h"

#include "queue/sum.h"
#include "queue/wire.h"

#define SUM_SIZE 8

static int
put_fate(struct buf *b, const struct event *e)
{
	if (e->fate < EVENT_DELIVERED || e->fate > EVENT_FATE_LAST ||
	    e->nranges == 0 || e->nranges > EVENT_RANGES_MAX)
		return -1;
	wr_uint(b, e->fate, 1);
	wr_uint(b, e->nranges, 4);
	for (uint32_t i = 0; i < e->nranges; i++) {
		if (e->ranges[i].count == 0 ||
		    e->ranges[i].first > UINT32_MAX - e->ranges[i].count)
			return -1;
		wr_uint(b, e->ranges[i].first, 4);
		wr_uint(b, e->ranges[i].count, 4);
	}
	wr_str(b, e->dsn);
	wr_str(b, e->mta);
	wr_str(b, e->reason);
	return 0;
}

static int
put_body(struct buf *b, const struct event *e)
{
	wr_uint(b, (uint64_t)e->time_us, 8);
	switch (e->type) {
	case EVENT_FATE:
		return put_fate(b, e);
	case EVENT_DEFER:
		wr_uint(b, (uint64_t)e->due_us, 8);
		wr_uint(b, e->attempts, 4);
		if (e->nkeys > EVENT_KEYS_MAX)
			return -1;
		wr_uint(b, e->nkeys, 1);
		for (uint32_t i = 0; i < e->nkeys; i++)
			wr_uint(b, e->keys[i], 8);
		wr_str(b, e->reason);
		return 0;
	case EVENT_HOLD:
	case EVENT_RELEASE:
		wr_str(b, e->reason);
		return 0;
	case EVENT_NOTICE:
		wr_uint(b, e->notices, 4);
		return e->notices == 0 ||
			(e->notices & ~EVENT_NOTICE_ALL) != 0 ?
		    -1 :
		    0;
	case EVENT_ORDER:
		wr_uint(b, e->orders, 4);
		return e->orders == 0 || (e->orders & ~EVENT_ORDER_ALL) != 0 ?
		    -1 :
		    0;
	}
	return -1;
}

int
event_put(struct buf *b, uint64_t qid, const struct event *e)
{
	size_t start = b->len, at;

	if (e->dsn.n > EVENT_TEXT_MAX || e->mta.n > EVENT_TEXT_MAX ||
	    e->reason.n > EVENT_TEXT_MAX)
		return -1;
	at = wr_begin(b, e->type);
	if (put_body(b, e) == -1) {
		if (b->len > start)
			buf_trim(b, b->len - start);
		return -1;
	}
	if (buf_full(b))
		return -1;
	wr_done(b, at);
	wr_uint(b, sum64(b->base + b->off + start, b->len - start, qid),
	    SUM_SIZE);
	return buf_full(b) ? -1 : 0;
}

static void
get_fate(struct rd *r, struct event *e)
{
	e->fate = rd_u8(r);
	e->nranges = rd_u32(r);
	if (e->fate < EVENT_DELIVERED || e->fate > EVENT_FATE_LAST ||
	    e->nranges == 0 || e->nranges > EVENT_RANGES_MAX) {
		r->bad = true;
		return;
	}
	e->raw_ranges = rd_bytes(r, (size_t)e->nranges * 8);
	for (uint32_t i = 0; i < e->nranges && !r->bad; i++) {
		struct event_range g = event_range(e, i);

		if (g.count == 0 || g.first > UINT32_MAX - g.count)
			r->bad = true;
	}
	e->dsn = rd_str(r, EVENT_TEXT_MAX);
	e->mta = rd_str(r, EVENT_TEXT_MAX);
	e->reason = rd_str(r, EVENT_TEXT_MAX);
}

static int
get_body(struct rd *r, struct event *e)
{
	e->time_us = rd_i64(r);
	switch (e->type) {
	case EVENT_FATE:
		get_fate(r, e);
		break;
	case EVENT_DEFER:
		e->due_us = rd_i64(r);
		e->attempts = rd_u32(r);
		e->nkeys = rd_u8(r);
		if (e->nkeys > EVENT_KEYS_MAX)
			return -1;
		e->raw_keys = rd_bytes(r, (size_t)e->nkeys * 8);
		e->reason = rd_str(r, EVENT_TEXT_MAX);
		break;
	case EVENT_HOLD:
	case EVENT_RELEASE:
		e->reason = rd_str(r, EVENT_TEXT_MAX);
		break;
	case EVENT_NOTICE:
		e->notices = rd_u32(r);
		if (e->notices == 0 || (e->notices & ~EVENT_NOTICE_ALL) != 0)
			return -1;
		break;
	case EVENT_ORDER:
		e->orders = rd_u32(r);
		if (e->orders == 0 || (e->orders & ~EVENT_ORDER_ALL) != 0)
			return -1;
		break;
	default:
		return -1;
	}
	return rd_end(r);
}

int
event_get(struct str *in, uint64_t qid, struct event *out)
{
	struct rd r = rd_make(*in), body;
	unsigned type;
	uint32_t len;
	size_t size;

	if (in->n == 0)
		return 0;
	type = rd_u16(&r);
	len = rd_u32(&r);
	if (r.bad || len > EVENT_SIZE_MAX || rd_left(&r) < len + SUM_SIZE)
		return -1;
	body = rd_make(rd_bytes(&r, len));
	size = WIRE_HEADER + len;
	if (rd_u64(&r) != sum64(in->p, size, qid))
		return -1;
	*out = (struct event){ .type = type };
	if (get_body(&body, out) == -1)
		return -1;
	*in = str_sub(*in, size + SUM_SIZE, in->n);
	return 1;
}

struct event_range
event_range(const struct event *e, uint32_t i)
{
	const char *p = e->raw_ranges.p + (size_t)i * 8;

	return (struct event_range){ (uint32_t)wire_get(p, 4),
		(uint32_t)wire_get(p + 4, 4) };
}

uint64_t
event_key(const struct event *e, uint32_t i)
{
	return wire_get(e->raw_keys.p + (size_t)i * 8, 8);
}
