/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_QID_H
#define QUEUE_QID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

/*
 * Queue ids.  One is a number that the queue manager never gives twice: the
 * microsecond of its making, moved on to the next free one when that was
 * given already.  As the highest id ever committed is on disk, a clock that
 * is set back over a restart does no harm.
 *
 * The text has one of two forms, in log lines and as a file's name:
 *
 *	short	0C4B36912A5F0		5 hex digits of microseconds, then the
 *					seconds in hex
 *	long	4Yk3X12kNszBv		6 or more digits of seconds and 4 of
 *					microseconds in base 52 (digits and
 *					consonants, so that no word arises),
 *					z, and two check digits in base 51
 *
 * The form is part of the id (QID_LONG), so a message keeps its name when
 * enable_long_queue_ids changes.  0 is no id.
 */
#define QID_LONG (UINT64_C(1) << 63)

/* Seconds go from 1 to this: the year 5138, and six or seven base 52 digits. */
#define QID_SECONDS_MAX UINT64_C(99999999999)

/* The longest text, with a terminator. */
#define QID_TEXT_MAX 24

/* Write the text with a terminator; returns its length. */
size_t qid_format(uint64_t qid, char text[QID_TEXT_MAX]);

/*
 * Parse a text in either form.  -1 unless it is exactly what qid_format()
 * writes for some id.
 */
int qid_parse(struct str text, uint64_t *out) WARN_UNUSED;

/* Is this number an id? */
bool qid_valid(uint64_t qid);

/* When it was made, by the queue manager's clock. */
static inline int64_t
qid_time_us(uint64_t qid)
{
	return (int64_t)(qid & ~QID_LONG);
}

/*
 * The hash directory at level 0..4 of a message: one of the characters
 * 0123456789ABCDEF, for both forms taken from the microseconds, which for the
 * short form are the first characters of the name.
 */
#define QID_HASH_LEVELS 5
char qid_hash(uint64_t qid, unsigned level);

/* The giver of ids.  last is the highest that was ever given. */
struct qid_maker {
	uint64_t last;
	bool long_form;
};

uint64_t qid_next(struct qid_maker *m, int64_t wall_us);

/* Ids up to this one were given in an earlier life. */
void qid_seen(struct qid_maker *m, uint64_t qid);

#endif
