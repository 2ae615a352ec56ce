/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_HTML_H
#define MAILCTL_HTML_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/*
 * Pages that are one file: no script, nothing loaded from anywhere, readable
 * on a light and on a dark screen, and on paper.  They are XML as well.
 */
void html_begin(struct buf *b, const char *title);
void html_end(struct buf *b);

/* Text, with what means something to HTML made harmless. */
void html_put(struct buf *b, struct str s);
void html_printf(struct buf *b, const char *fmt, ...) PRINTFLIKE(2, 3);

/* "2026-11-21 16:20:05 +0000" */
void html_time(struct buf *b, int64_t seconds);

#endif
