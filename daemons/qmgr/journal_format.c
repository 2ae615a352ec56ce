/* SPDX-License-Identifier: ISC */
/*
 * The bytes of a journal segment.
 */
#include "journal_format.h"

#include <string.h>

#include "queue/qid.h"
#include "queue/sum.h"
#include "queue/wire.h"

#define HEAD_SUM_AT 128
#define REC_MAC_AT (JOURNAL_RECORD - 8)

static const uint8_t magic[16] = { 0xd7, 'P', 's', 't', 'n', 'J', 0x1a, 0x0a,
	0xc6, 0x1f, 0x70, 0xb9, 0x8d, 0x2a, 0xe5, 0x34 };

void
journal_put_head(const struct journal_head *h, uint8_t out[JOURNAL_PAGE])
{
	memset(out, 0, JOURNAL_PAGE);
	memcpy(out, magic, sizeof(magic));
	wire_put(out + 16, JOURNAL_VERSION, 4);
	wire_put(out + 24, h->gen, 8);
	wire_put(out + 32, h->size, 8);
	memcpy(out + 40, h->key, SIPHASH_KEY);
	wire_put(out + 56, h->seed, 8);
	wire_put(out + 64, h->qid_max, 8);
	wire_put(out + 72, h->prev_gen, 8);
	wire_put(out + 80, h->prev_end, 8);
	wire_put(out + HEAD_SUM_AT, sum64(out, HEAD_SUM_AT, h->gen), 8);
}

int
journal_get_head(const uint8_t *p, size_t n, struct journal_head *out)
{
	struct journal_head h;

	if (n < JOURNAL_PAGE || memcmp(p, magic, sizeof(magic)) != 0 ||
	    wire_get(p + 16, 4) != JOURNAL_VERSION)
		return -1;
	h.gen = wire_get(p + 24, 8);
	h.size = wire_get(p + 32, 8);
	memcpy(h.key, p + 40, SIPHASH_KEY);
	h.seed = wire_get(p + 56, 8);
	h.qid_max = wire_get(p + 64, 8);
	h.prev_gen = wire_get(p + 72, 8);
	h.prev_end = wire_get(p + 80, 8);
	if (wire_get(p + HEAD_SUM_AT, 8) != sum64(p, HEAD_SUM_AT, h.gen) ||
	    h.gen == 0 || h.size < JOURNAL_SEGMENT_MIN ||
	    h.size > JOURNAL_SEGMENT_MAX)
		return -1;
	*out = h;
	return 0;
}

uint64_t
journal_first_mac(const struct journal_head *h)
{
	return siphash(h->key, &h->seed, sizeof(h->seed));
}

void
journal_put_rec(const struct journal_head *h, struct journal_rec *r,
    uint8_t out[JOURNAL_RECORD])
{
	wire_put(out, r->type, 2);
	wire_put(out + 2, 0, 2);
	wire_put(out + 4, r->body_len, 4);
	wire_put(out + 8, r->content_len, 8);
	wire_put(out + 16, r->qid, 8);
	wire_put(out + 24, h->gen, 8);
	wire_put(out + 32, r->batch, 8);
	wire_put(out + 40, r->sum, 8);
	wire_put(out + 48, r->prev, 8);
	r->mac = siphash(h->key, out, REC_MAC_AT);
	wire_put(out + REC_MAC_AT, r->mac, 8);
}

uint64_t
journal_rec_size(uint32_t body_len, uint64_t content_len)
{
	return (JOURNAL_RECORD + (uint64_t)body_len + content_len + 7) &
	    ~UINT64_C(7);
}

/* A header at pos that is of this very segment, with the whole record. */
static bool
get_rec(const struct journal_scan *s, uint64_t pos, struct journal_rec *r)
{
	const uint8_t *p = s->p + pos;

	if (pos > s->size || s->size - pos < JOURNAL_RECORD ||
	    wire_get(p + 24, 8) != s->head.gen)
		return false;
	r->type = (enum journal_type)wire_get(p, 2);
	r->body_len = (uint32_t)wire_get(p + 4, 4);
	r->content_len = wire_get(p + 8, 8);
	r->qid = wire_get(p + 16, 8);
	r->batch = wire_get(p + 32, 8);
	r->sum = wire_get(p + 40, 8);
	r->prev = wire_get(p + 48, 8);
	r->mac = wire_get(p + REC_MAC_AT, 8);
	if (r->mac != siphash(s->head.key, p, REC_MAC_AT))
		return false;
	/* From here on it is what we wrote; believe it no more than needed. */
	if (r->type < JOURNAL_COMMIT || r->type > JOURNAL_MOVED ||
	    wire_get(p + 2, 2) != 0 || !qid_valid(r->qid) ||
	    r->content_len > s->size ||
	    journal_rec_size(r->body_len, r->content_len) > s->size - pos)
		return false;
	return sum64(p + JOURNAL_RECORD, r->body_len + r->content_len,
		   s->head.seed) == r->sum;
}

int
journal_scan_init(struct journal_scan *s, const void *p, uint64_t size,
    uint64_t limit)
{
	*s = (struct journal_scan){ .p = p, .limit = limit };
	if (journal_get_head(p, size, &s->head) == -1)
		return -1;
	s->size = size < s->head.size ? size : s->head.size;
	if (limit != 0 && limit < s->size)
		s->size = limit;
	s->pos = s->end = JOURNAL_PAGE;
	s->mac = journal_first_mac(&s->head);
	return 0;
}

/* The chain's next record: here, or at the beginning of the next page. */
static bool
chained(struct journal_scan *s, struct journal_rec *r)
{
	uint64_t up = journal_page_up(s->pos);

	if (get_rec(s, s->pos, r) && r->prev == s->mac)
		return true;
	if (up == s->pos || !get_rec(s, up, r) || r->prev != s->mac)
		return false;
	s->pos = up;
	return true;
}

/*
 * Behind a break: the next record of a batch that cannot have been written
 * without what is missing.  Batches are written one after the other, each
 * after the barrier of the one before; so the batch next to the last good one
 * may be torn, but any further one proves that it was whole.
 */
static bool
salvage(struct journal_scan *s, struct journal_rec *r)
{
	uint64_t found = 0;
	struct journal_rec first = { 0 };

	for (uint64_t at = (s->pos + 7) & ~UINT64_C(7);
	     s->size >= JOURNAL_RECORD && at <= s->size - JOURNAL_RECORD;
	     at += 8) {
		if (!get_rec(s, at, r) || r->batch < s->batch)
			continue;
		if (found == 0) {
			found = at;
			first = *r;
		}
		if (s->limit != 0 || r->batch > s->batch + 1) {
			*r = first;
			s->pos = found;
			return true;
		}
		at += journal_rec_size(r->body_len, r->content_len) - 8;
	}
	return false;
}

/*
 * The chain is broken.  Was that the end, or is something lost?
 */
static bool
behind_gap(struct journal_scan *s, struct journal_rec *r)
{
	bool lost = s->limit != 0 && s->end < s->limit;
	bool found = (lost || s->limit == 0) && salvage(s, r);

	if (lost || found)
		s->gaps++;
	if (!found) {
		s->pos = s->size = s->limit = s->end;
		return false;
	}
	return true;
}

int
journal_scan_next(struct journal_scan *s, struct journal_rec *out,
    struct str *body, struct str *content)
{
	const uint8_t *p;

	if (!chained(s, out) && !behind_gap(s, out))
		return 0;
	p = s->p + s->pos + JOURNAL_RECORD;
	*body = str_make(p, out->body_len);
	*content = str_make(p + out->body_len, (size_t)out->content_len);
	s->pos += journal_rec_size(out->body_len, out->content_len);
	s->end = s->pos;
	s->mac = out->mac;
	s->batch = out->batch;
	return 1;
}
