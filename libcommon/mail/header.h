/* SPDX-License-Identifier: ISC */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * The header block of a message, read in one pass where it lies in memory.
 * Lines end in LF, before which a CR may have stayed; all other bytes are
 * arbitrary.  Nothing is copied or changed.
 *
 *	header_iter_init(&it, msg, HEADER_SIZE_LIMIT, true);
 *	while ((r = header_next(&it, &h)) == HEADER_FIELD)
 *		...
 *	body = str_sub(msg, it.pos, msg.n);
 *
 * As in Postfix the block ends at the first empty line, or at the first line
 * that is neither a header nor the continuation of one: that line is then the
 * first of the body, and it.blank says that there was no empty line.
 */

#define HEADER_SIZE_LIMIT 102400 /* default of header_size_limit */

enum header_id {
	HEADER_OTHER,
	HEADER_MBOX_FROM, /* "From " or ">From " as the first line */
	HEADER_APPARENTLY_TO,
	HEADER_AUTHENTICATION_RESULTS,
	HEADER_AUTO_SUBMITTED,
	HEADER_BCC,
	HEADER_CC,
	HEADER_CONTENT_DESCRIPTION,
	HEADER_CONTENT_DISPOSITION,
	HEADER_CONTENT_ID,
	HEADER_CONTENT_LENGTH,
	HEADER_CONTENT_TRANSFER_ENCODING,
	HEADER_CONTENT_TYPE,
	HEADER_DATE,
	HEADER_DELIVERED_TO,
	HEADER_DISPOSITION_NOTIFICATION_TO,
	HEADER_DKIM_SIGNATURE,
	HEADER_ERRORS_TO,
	HEADER_FROM,
	HEADER_LIST_ID,
	HEADER_MAIL_FOLLOWUP_TO,
	HEADER_MESSAGE_ID,
	HEADER_MIME_VERSION,
	HEADER_PRECEDENCE,
	HEADER_RECEIVED,
	HEADER_RECEIVED_SPF,
	HEADER_REPLY_TO,
	HEADER_RESENT_BCC,
	HEADER_RESENT_CC,
	HEADER_RESENT_DATE,
	HEADER_RESENT_FROM,
	HEADER_RESENT_MESSAGE_ID,
	HEADER_RESENT_REPLY_TO,
	HEADER_RESENT_SENDER,
	HEADER_RESENT_TO,
	HEADER_RETURN_PATH,
	HEADER_RETURN_RECEIPT_TO,
	HEADER_SENDER,
	HEADER_SUBJECT,
	HEADER_TO,
	HEADER_X_ORIGINAL_TO,
	HEADER_IDS
};

/* What Postfix does with a header. */
#define HEADER_IS_SENDER 0x01 /* addresses rewritten as header_sender */
#define HEADER_IS_RCPT 0x02   /* addresses rewritten as header_recipient */
#define HEADER_IS_RESENT 0x04 /* belongs to a resent- block */
#define HEADER_EXTRACT 0x08   /* sendmail -t takes recipients from it */
#define HEADER_DROP 0x10      /* never kept in a message taken in */
#define HEADER_MIME 0x20      /* also matched by mime_header_checks */

/* The standard header of this name in any case, or HEADER_OTHER. */
enum header_id header_lookup(struct str name);

/* Its usual spelling, and its flags; "" and 0 for the first two ids. */
const char *header_name(enum header_id id);
unsigned header_flags(enum header_id id);

/*
 * One logical header.  name and value are borrowed; the value begins at the
 * first byte behind the colon and its blanks, keeps its folds, and ends before
 * the last line's (CR) LF.  A header longer than the limit has its value cut
 * there, which clipped tells; off and end always cover all of it, and the name
 * is never cut.
 */
struct header {
	enum header_id id;
	struct str name;
	struct str value;
	size_t off; /* first byte of the name */
	size_t end; /* behind the LF of its last line */
	bool clipped;
};

struct header_iter {
	struct str msg;
	size_t pos;	 /* next line; the body's offset after HEADER_END */
	size_t limit;	 /* of one header, in bytes */
	bool whole;	 /* msg is all there is */
	bool blank;	 /* HEADER_END by an empty line, already behind pos */
	unsigned fields; /* returned so far */
};

enum header_result {
	HEADER_FIELD, /* *out is filled */
	HEADER_END,   /* the body begins at it->pos */
	HEADER_MORE   /* the window ends inside a header or a line */
};

/*
 * Begin at the front of msg.  whole is false when msg is a window and more of
 * the message will follow; then HEADER_MORE may come, nothing is consumed, and
 * the caller sets it->msg (the same bytes, and more) and perhaps it->whole and
 * calls again, or gives up at a size of its choice.  A header is looked at from
 * its beginning each time, so windows should grow by a factor, not by bytes.
 */
void header_iter_init(struct header_iter *it, struct str msg, size_t limit,
    bool whole);
enum header_result header_next(struct header_iter *it, struct header *out);

/*
 * Take apart a line that could begin a header: a name of visible ASCII without
 * a colon, blanks or none, a colon.  *value is the rest of the line without
 * its first blanks.  False, with nothing set, when the line is none.
 */
bool header_split(struct str line, struct str *name, struct str *value);

/*
 * Copy the value in one line into dst of size bytes, terminated: folds become
 * the blanks that follow them, NUL becomes '?', and what does not fit is
 * dropped.  Returns the length.
 */
size_t header_unfold(struct str value, char *dst, size_t size);

#endif
