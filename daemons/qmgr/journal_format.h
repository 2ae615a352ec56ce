/* SPDX-License-Identifier: ISC */
#ifndef QMGR_JOURNAL_FORMAT_H
#define QMGR_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/siphash.h"
#include "base/str.h"

/*
 * The bytes of a journal segment.  postern-queue(5) has the picture.
 *
 * A segment is a header page and records.  Records of one barrier make a
 * batch, which begins at a page boundary and never shares a page with
 * another one: what was acknowledged is never written again.
 *
 * Segments are used again and again, so behind the newest record are bytes
 * of the past, which strangers wrote: mail that looks like a record.  What
 * tells them apart is the segment's key, drawn anew each time it is begun and
 * seen by nobody: each record's header carries a keyed hash of itself, which
 * covers the checksum of the rest, the generation of the segment, and the
 * hash of the record before.
 */
#define JOURNAL_PAGE 4096
#define JOURNAL_RECORD 64 /* header of a record; records are 8-aligned */
#define JOURNAL_VERSION 1
#define JOURNAL_SEGMENT_MIN (16 * JOURNAL_PAGE)
#define JOURNAL_SEGMENT_MAX (256 << 20)

enum journal_type {
	JOURNAL_COMMIT = 1, /* envelope and content */
	JOURNAL_EVENT,	    /* events, as in a queue file */
	JOURNAL_DONE,	    /* nothing is left of the message */
	JOURNAL_MOVED,	    /* it has a queue file now */
};

struct journal_head {
	uint64_t gen; /* counts up with each segment begun */
	uint64_t size;
	uint8_t key[SIPHASH_KEY];
	uint64_t seed;	   /* of the checksums */
	uint64_t qid_max;  /* no higher id was committed before */
	uint64_t prev_gen; /* the segment before this one, */
	uint64_t prev_end; /* and where its last acknowledged record ends */
};

struct journal_rec {
	enum journal_type type;
	uint64_t qid;
	uint64_t batch; /* counts up, within a segment */
	uint32_t body_len;
	uint64_t content_len;
	uint64_t sum;  /* of body and content, seeded */
	uint64_t prev; /* mac of the record before, or of the header */
	uint64_t mac;
};

void journal_put_head(const struct journal_head *h, uint8_t out[JOURNAL_PAGE]);
int journal_get_head(const uint8_t *p, size_t n,
    struct journal_head *out) WARN_UNUSED;

/* What the first record of a segment has as prev. */
uint64_t journal_first_mac(const struct journal_head *h);

/* Write a record's header, filling in its mac. */
void journal_put_rec(const struct journal_head *h, struct journal_rec *r,
    uint8_t out[JOURNAL_RECORD]);

/* Bytes it takes with body and content. */
uint64_t journal_rec_size(uint32_t body_len, uint64_t content_len);

static inline uint64_t
journal_page_up(uint64_t n)
{
	return (n + JOURNAL_PAGE - 1) & ~(uint64_t)(JOURNAL_PAGE - 1);
}

/*
 * Going over a segment in memory, size bytes at p.
 *
 * The records of an undamaged segment make a chain.  Where it breaks is its
 * end: a batch that was torn was not acknowledged.  But if more was
 * acknowledged than that (limit says so, from the next segment's header, or
 * records of later batches are found behind), the medium lost something: scan
 * goes on behind the gap and counts it.
 */
struct journal_scan {
	struct journal_head head;
	const uint8_t *p;
	uint64_t size;
	uint64_t limit; /* acknowledged up to here; 0: not known */
	uint64_t pos;
	uint64_t mac;
	uint64_t batch; /* of the last record */
	uint64_t end;	/* of the last good record */
	unsigned gaps;
};

/* -1 when p is not a segment that was ever begun. */
int journal_scan_init(struct journal_scan *s, const void *p, uint64_t size,
    uint64_t limit) WARN_UNUSED;

/* 1 and a record with its parts (borrowed from p), or 0 at the end. */
int journal_scan_next(struct journal_scan *s, struct journal_rec *out,
    struct str *body, struct str *content);

#endif
