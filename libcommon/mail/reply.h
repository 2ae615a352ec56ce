/* SPDX-License-Identifier: ISC */
#ifndef MAIL_REPLY_H
#define MAIL_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/dsn.h"

/*
 * SMTP replies: those of servers, read line by line, and our own.
 */

#define REPLY_TEXT_MAX 4096  /* kept of a server's reply */
#define REPLY_LINES_MAX 1000 /* then the server is not talking to us */
#define REPLY_LINE_MAX 512   /* of our own, with CR LF (RFC 5321 4.5.3.1.5) */

/*
 * A server's reply.  text holds the lines as they came, codes included, joined
 * by LF and cut at REPLY_TEXT_MAX, whereas parsing goes on to the last line.
 * The code is that of the last line.  The enhanced code is the first found in
 * a line of the same class as the final code, else DSN_NONE.
 */
struct reply {
	int code; /* 200 to 599, or 0 while incomplete */
	struct dsn dsn;
	struct buf text;
	unsigned lines;
	unsigned junk;	    /* lines that were no reply lines */
	bool clipped;	    /* text is not all of it */
	struct dsn seen[3]; /* first 2.x.x, 4.x.x and 5.x.x */
};

enum reply_result {
	REPLY_MORE, /* further lines will come */
	REPLY_DONE, /* code and dsn are set */
	REPLY_BAD   /* too many lines: hang up */
};

void reply_init(struct reply *r);
void reply_clear(struct reply *r);

/* Forget the reply before the next one, keep the memory. */
void reply_reset(struct reply *r);

/*
 * Take one line, without its LF (a CR before it is dropped).  A line that does
 * not begin with a code and a blank, hyphen or its end is junk: it is kept as
 * text and passed over.
 */
enum reply_result reply_line(struct reply *r, struct str line);

/*
 * The lines of the EHLO reply and the like without their codes: begin with
 * *pos = 0; false at the end.  Junk lines are passed over.
 */
bool reply_next_line(const struct reply *r, size_t *pos, struct str *line);

/*
 * Append the text in one line for logs and bounces: lines joined by a blank,
 * printable.  -1 when the buffer is full.
 */
int reply_flat(const struct reply *r, struct buf *out);

/*
 * The code's own enhanced code, or that of its class: 4.0.0 for 450.  For code
 * 0 (no reply) 4.0.0.
 */
struct dsn reply_status(const struct reply *r);

/*
 * What we answer, and what restrictions, tables and filters hand around: a
 * code, an enhanced code (or none) and text.
 */
struct answer {
	int code;
	struct dsn dsn;
	struct str text; /* borrowed; lines are separated by LF */
};

/* soft_bounce: 5xx becomes 4xx, and 5.x.x becomes 4.x.x. */
struct answer answer_soften(struct answer a);

/*
 * Append the answer with CR LF, as many lines as it needs: at each LF of the
 * text and where REPLY_LINE_MAX would be passed (between words if possible).
 * Every line has the enhanced code, but none has when the code is 3xx or the
 * answer has DSN_NONE.  Control characters become '?'; UTF-8 is kept where it
 * is well-formed and utf8 is set.  -1 when the buffer is full.
 */
int answer_format(struct buf *out, struct answer a, bool utf8);

#endif
