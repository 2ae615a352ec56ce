/* SPDX-License-Identifier: ISC */
#ifndef TABLE_ALIAS_VALUE_H
#define TABLE_ALIAS_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * The right-hand side of an alias, a line of a .forward file, or a line of an
 * :include: file: a list of destinations separated by commas.
 *
 *	user, user@example.com, Full Name <user@example.com>
 *	/file/name, "/file/name with blanks"
 *	|command, "|command with arguments, even commas"
 *	:include:/file/name, ":include:/file/name"
 *	\user		deliver to user and look no further
 *	~/file/name	a file in the user's home, where he is known (.forward)
 *
 * Text in (parentheses) is a comment.  .forward text is the user's: the
 * parser is linear, allocates nothing that grows with the number of items, and
 * stops at a maximum.
 */
enum alias_kind {
	ALIAS_ADDRESS,
	ALIAS_FILE,    /* text starts with /, or with ~/ */
	ALIAS_COMMAND, /* text is what follows the | */
	ALIAS_INCLUDE, /* text is the path */
};

struct alias_item {
	enum alias_kind kind;
	struct str text; /* unquoted but for addresses; borrowed until next */
	bool direct;	 /* a leading backslash: no further expansion */
};

#define ALIAS_ITEM_MAX 8192 /* bytes of one item */

struct alias_parser {
	struct str rest;
	struct buf item;
	size_t left; /* items still allowed */
	bool home; /* there may be ~/files; off after alias_parse() */
	const char *error;
};

/*
 * Is a line of a .forward or :include: file a comment (its first visible
 * character is #)?  To be asked before alias_parse(), to which # is a character
 * like others: an alias may be called #sales.
 */
bool alias_is_comment(struct str line);

/* Parse text, which must outlive the parser, for at most max_items items. */
void alias_parse(struct alias_parser *ap, struct str text, size_t max_items);

/*
 * The next item: 1, or 0 at the end, or -1 for an error, in words in
 * ap->error (then and ever after).  What came before the error is good.
 */
int alias_next(struct alias_parser *ap, struct alias_item *item);

/* Free the parser's memory.  Not needed after 0 or -1. */
void alias_end(struct alias_parser *ap);

/*
 * Write an item in its standard form, with quotes where needed, so that
 * parsing gives the same item again.  -1 when out is full.
 */
int alias_print(const struct alias_item *item, struct buf *out);

#endif
