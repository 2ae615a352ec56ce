/* SPDX-License-Identifier: ISC */
#ifndef MAIL_UTF8_H
#define MAIL_UTF8_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* Every byte is below 0x80.  True for empty text. */
bool utf8_is_ascii(struct str s);

/*
 * Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing
 * beyond U+10FFFF.  NUL and other ASCII control characters are well-formed.
 */
bool utf8_valid(struct str s);

/*
 * Length in bytes of the character at the beginning of s: 1 to 4, or 0 when s
 * is empty or does not begin with a well-formed character.
 */
size_t utf8_len(struct str s);

/*
 * Append at most max bytes of s with everything that could disturb a line of
 * a header, a log or a reply turned into '?': control characters (C1 ones
 * too), malformed UTF-8, and, unless keep_utf8, every byte above 0x7e.  A
 * multi-byte character is never cut in two.  -1 when the buffer is full.
 */
int utf8_sanitize(struct buf *out, struct str s, size_t max, bool keep_utf8);

#endif
