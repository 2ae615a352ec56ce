/* SPDX-License-Identifier: ISC */
#ifndef TABLE_DELIMITED_H
#define TABLE_DELIMITED_H

#include "base/buf.h"
#include "base/str.h"

/*
 * Cut "/pattern/flags" off the front of *text.  Any visible character that is
 * no letter, digit, backslash or ! may be the delimiter; with a backslash
 * before it, it is part of the pattern.  false, and words in err, for what is
 * no such thing.
 */
bool delimited_cut(struct str *text, struct str *pattern, struct str *flags,
    struct buf *err);

#endif
