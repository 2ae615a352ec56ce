/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_MAILDROP_H
#define QUEUE_MAILDROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "queue/sum.h"

/*
 * A submission: a message as sendmail(1) hands it to pickup, the same bytes on
 * the submission socket and in a file of the maildrop directory.  Whoever
 * reads one trusts nothing in it.  It is
 *
 *	the magic	DROP_MAGIC bytes that begin no other file
 *	HEAD		once: version, when, flags, RET=
 *	SENDER		once; empty: the null sender
 *	FULLNAME	once or not at all
 *	ENVID		once or not at all: DSN, decoded
 *	VERP		once or not at all: delimiters
 *	CONTENT		0 or more: lines ending in LF, cut anywhere
 *	RCPT		1 or more
 *	END		once: number of recipients, bytes of content, and the
 *			checksum of all bytes before this record
 *
 * in records of queue/wire.h.  Nothing follows END.  By magic and checksum a
 * file of another kind passes for one with a chance of less than one in 2^128,
 * and one that was cut off or damaged with less than one in 2^63.
 *
 * In maildrop the owner's execute bit of a file says that it is complete.
 * Where the directory hands its group on (set-group-id) its mode is then 0740,
 * elsewhere 0744.
 */
#define DROP_MAGIC 16
#define DROP_VERSION 1

#define DROP_CHUNK_MAX 16384 /* content of one record */
#define DROP_TEXT_MAX 2048   /* any other text */
#define DROP_RCPTS_MAX 1000000
/* A buffer of this size holds any record. */
#define DROP_RECORD_MAX (DROP_CHUNK_MAX + 64)

enum drop_type {
	DROP_HEAD = 1,
	DROP_SENDER,
	DROP_FULLNAME,
	DROP_ENVID,
	DROP_VERP,
	DROP_CONTENT,
	DROP_RCPT,
	DROP_END,
};

/* Flags of HEAD. */
#define DROP_8BITMIME 0x1
#define DROP_SMTPUTF8 0x2
#define DROP_REPORT 0x4 /* tell the sender of the first attempt */
#define DROP_VERIFY 0x8 /* deliver nothing, only report */
#define DROP_REMOTE 0x10 /* from elsewhere: addresses stay as they are */
#define DROP_FLAGS_ALL 0x1f

struct drop {
	enum drop_type type;
	int64_t when_us; /* HEAD: the submitter's word */
	uint32_t flags;
	uint8_t ret;	  /* enum env_ret */
	struct str text;  /* SENDER to CONTENT; RCPT: the address */
	struct str orcpt; /* RCPT: "type;address", or empty */
	uint8_t notify;	  /* RCPT: ENV_NOTIFY_... */
};

/* --- writing -------------------------------------------------------------- */

struct drop_writer {
	struct sum sum;
	uint64_t content;
	uint32_t nrcpts;
};

/* Each appends to b.  -1 when b is full or a maximum is exceeded. */
int drop_begin(struct drop_writer *w, struct buf *b) WARN_UNUSED;
int drop_put(struct drop_writer *w, struct buf *b,
    const struct drop *d) WARN_UNUSED;
int drop_end(struct drop_writer *w, struct buf *b) WARN_UNUSED;

/* --- reading -------------------------------------------------------------- */

struct drop_reader {
	struct sum sum;
	uint64_t content;
	uint32_t nrcpts;
	unsigned last; /* type of the last record, 0: only the magic */
	bool begun;    /* the magic was there */
	bool over;
	bool bad;
};

void drop_reader_init(struct drop_reader *r);

/*
 * Cut the next record from the front of *in.  1 and the record, its texts
 * borrowed from *in; 0 when more bytes are needed (DROP_RECORD_MAX are always
 * enough); -1 when it is no proper submission.  After END, whose counts and
 * checksum were right, the next call is -1 unless *in is empty.
 */
int
drop_get(struct drop_reader *r, struct str *in, struct drop *out) WARN_UNUSED;

#endif
