/* SPDX-License-Identifier: ISC */
#ifndef MAIL_LEX_H
#define MAIL_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/address.h"

/*
 * The words of RFC 5322, shared by mail/path.c and mail/addrlist.c.  Blanks,
 * folds and comments are skipped.  Always ends: every call but the last takes
 * at least a byte.
 */
enum lex_type {
	LEX_END,
	LEX_ATOM,   /* with backslashed characters inside; any other byte too */
	LEX_QUOTED, /* with its quotes */
	LEX_LITERAL, /* with its brackets */
	LEX_SPECIAL  /* one of . @ , ; : < > ) ] */
};

struct lex_tok {
	enum lex_type type;
	char c;	   /* of a special */
	bool gap;  /* blanks or comments before */
	bool open; /* never closed; on LEX_END: a comment */
	size_t off, end;
};

/* The next token of s at *pos; *pos moves behind it. */
void lex_next(struct str s, size_t *pos, struct lex_tok *out);

static inline bool
lex_is(const struct lex_tok *t, char c)
{
	return t->type == LEX_SPECIAL && t->c == c;
}

/* An atom, a quoted string or a literal. */
static inline bool
lex_is_word(const struct lex_tok *t)
{
	return t->type != LEX_END && t->type != LEX_SPECIAL;
}

#define LEX_SOURCE_ROUTE 0x01 /* was there, has been dropped */
#define LEX_WAS_QUOTED 0x02   /* the local part, or some of it */

/*
 * Make the internal form of the address that is all of s (no angle brackets),
 * in the lenient way of mail/path.h.  out's content is replaced; it is empty
 * on anything but ADDR_OK.  *flags may be NULL.
 */
enum addr_result lex_addr(struct str s, struct buf *out, unsigned *flags);

/*
 * The rules of the internal form (mail/address.h) that parsers cannot break
 * half way: given where the last @ is (or -1).
 */
enum addr_result lex_check(struct str addr, ptrdiff_t at);

#endif
