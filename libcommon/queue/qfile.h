/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_QFILE_H
#define QUEUE_QFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "queue/envelope.h"

/*
 * A queue file: a message that waits.  postern-queue(5) has the picture.
 *
 *	header	QFILE_HEADER bytes: magic, version, id, where the envelope and
 *		the content are, their checksums, the committed length, and a
 *		checksum of the header itself
 *	envelope and content, in either order
 *	events	(event.h) from the committed length on, appended
 *
 * The header of a file whose writer streams content into it is zeros until
 * commit, so an uncommitted file never passes for a queue file.  What was
 * committed is never written again; an event that is torn is as if it had
 * never been, and so is what follows it.
 *
 * These functions are pure: they read with pread, allocate only what they say
 * and never write.  queue manager, postcat and recovery share them.
 */
#define QFILE_HEADER 128
#define QFILE_VERSION 1

/* Where content begins in a file that its writer streams into. */
#define QFILE_STREAM 4096

struct qfile {
	uint64_t qid;
	uint64_t env_off;
	uint64_t env_len;
	uint64_t content_off;
	uint64_t content_len;
	uint64_t env_sum; /* sum64() seeded with qid */
	uint64_t content_sum;
	uint64_t committed; /* length of all that; events follow */
};

/* The header for q; -1 when the numbers cannot be those of a file. */
int qfile_header(const struct qfile *q, uint8_t out[QFILE_HEADER]) WARN_UNUSED;

/* Why a file was refused, in words for the log. */
enum qfile_state {
	QFILE_OK,
	QFILE_UNREADABLE, /* errno says why; nothing is known about the file */
	QFILE_EMPTY,	  /* zeros or nothing: it was never committed */
	QFILE_NOT,	  /* not one of ours */
	QFILE_VERSION_BAD,
	QFILE_SHORT, /* less than was committed */
	QFILE_HEADER_BAD,
	QFILE_ENV_BAD,
	QFILE_CONTENT_BAD,
	QFILE_ID_BAD, /* not the id that its name says */
};
const char *qfile_state_text(enum qfile_state s);

/*
 * Parse a header (n bytes of which are there) of a file of the given size.
 * qid 0: any.
 */
enum qfile_state qfile_parse(const uint8_t *p, size_t n, uint64_t file_size,
    uint64_t qid, struct qfile *out);

/* The same from a descriptor. */
enum qfile_state qfile_open(int fd, uint64_t qid, struct qfile *out);

/*
 * Verify the envelope (its checksum and that it is proper), and the content's
 * checksum.  In windows: no allocation grows with the file.
 */
enum qfile_state
qfile_verify_env(int fd, const struct qfile *q, struct env_counts *out);
enum qfile_state qfile_verify_content(int fd, const struct qfile *q);

/*
 * Read the events, at most max bytes of them, into b (reset before).  *end
 * is the file offset behind the last whole one, where the next is to go.  -1
 * with errno when unreadable; EFBIG when there are more than max.
 */
int qfile_events(int fd, const struct qfile *q, struct buf *b,
    uint64_t *end) WARN_UNUSED;

#endif
