/* SPDX-License-Identifier: ISC */
#ifndef TABLE_SOURCE_H
#define TABLE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * The text form of tables, as the administrator writes it.
 *
 * A logical line starts with text at the margin and goes on over lines that
 * start with a blank.  Empty lines, and lines whose first visible character
 * is #, are not there, even in the middle of a logical line.
 */
struct source {
	struct str rest; /* what has not been read */
	struct buf line; /* the logical line, when it had to be joined */
	unsigned lineno; /* physical lines read so far */
	size_t max;	 /* of a logical line */
};

/* One logical line.  text is borrowed until the next line is read. */
struct source_line {
	struct str text;
	unsigned first; /* number of its first physical line */
	unsigned last;
};

/* Start reading text, which must outlive the reader. */
void source_init(struct source *s, struct str text);
void source_clear(struct source *s);

/*
 * The next logical line: 1, or 0 at the end, or -1 when a line is longer than
 * the maximum (it is skipped; line->first says where; reading can go on).
 */
int source_next(struct source *s, struct source_line *line);

/*
 * Split a logical line "key whitespace value".  Blanks within double quotes
 * do not end the key.  Returns NULL, or what is wrong with the line.  On
 * success *note is NULL, or a remark about a line that was accepted.
 */
const char *source_pair(struct str line, struct str *key, struct str *value,
    const char **note);

/*
 * Split an aliases(5) line "name: value, value".  The name may be quoted; it
 * is stored unquoted, in lower case.  The value is stored as items in their
 * standard form with ", " between them (alias_value.h).  key and value are
 * reset first.  Returns NULL or what is wrong, *note as above.
 */
const char *source_alias(struct str line, struct buf *key, struct buf *value,
    const char **note);

#endif
