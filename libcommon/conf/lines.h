/* SPDX-License-Identifier: ISC */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Logical lines, as main.cf, master.cf and table sources share them: a line
 * that begins with a blank continues the one above; empty lines and lines
 * whose first character that is no blank is # are not there at all, not even
 * between a line and its continuation.
 */
struct lines {
	struct str rest;
	unsigned line;	    /* number of the last physical line that was read */
	unsigned first;	    /* where the present logical line begins */
	unsigned backslash; /* a physical line of it that ends in \, or 0 */
	bool orphan; /* it begins with a blank: there is nothing to continue */
};

void lines_init(struct lines *l, struct str text);

/*
 * The next logical line into out, which is reset first; newlines are left
 * out.  False at the end.  A line too long for out is cut, see buf_full().
 */
bool lines_next(struct lines *l, struct buf *out);

#endif
