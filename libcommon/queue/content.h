/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_CONTENT_H
#define QUEUE_CONTENT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "queue/envelope.h"

/*
 * Reading a message's content as it goes out: the bytes as received, in a
 * part of a read-only descriptor, with the edits of its envelope applied.  The
 * descriptor's offset is neither used nor moved, so many readers may share it.
 *
 * A line is bytes and LF.  CR is a byte like any other.
 */
#define CONTENT_WINDOW 16384

struct content {
	int fd;			      /* borrowed */
	uint64_t off;		      /* of the content in fd */
	uint64_t size;		      /* as received */
	uint64_t edited;	      /* with edits */
	const struct env_edit *edits; /* borrowed */
	size_t nedits;
	size_t edit;  /* the next, or the one being inserted */
	uint64_t pos; /* next byte as received */
	size_t ins;   /* bytes inserted of the current edit */
	bool inserting;
	char *win;     /* heap, CONTENT_WINDOW bytes */
	size_t win_at; /* [win_at, win_end) was not yet handed out */
	size_t win_end;
	bool mid; /* the last piece did not end with LF */
};

/*
 * Start.  -1 with EINVAL when the edits overlap, descend or go beyond size.
 * fd and edits are borrowed until content_clear().
 */
int content_init(struct content *c, int fd, uint64_t off, uint64_t size,
    const struct env_edit *edits, size_t nedits) WARN_UNUSED;
void content_clear(struct content *c);

/* How many bytes content_read() will yield from the beginning. */
static inline uint64_t
content_size(const struct content *c)
{
	return c->edited;
}

/* Back to the beginning. */
void content_rewind(struct content *c);

/*
 * The next bytes, at most n, less only at the end, 0 there.  -1 with errno;
 * EIO when the descriptor has fewer bytes than were promised.
 */
ssize_t content_read(struct content *c, void *p, size_t n);

/*
 * The next bytes where they are, borrowed until the next call: at least one,
 * or 0 at the end, or -1.
 */
int content_next(struct content *c, struct str *out);

/*
 * The next line without its LF, borrowed until the next call.  A line of more
 * than CONTENT_WINDOW bytes comes in pieces.  1 and a piece, 0 at the end, -1.
 * *part says what the piece is: CONTENT_FIRST when a line begins with it,
 * CONTENT_LAST when it ends with it by an LF.  A last line that has no LF
 * has no CONTENT_LAST.
 */
#define CONTENT_FIRST 0x1
#define CONTENT_LAST 0x2
int content_line(struct content *c, struct str *out, int *part);

#endif
