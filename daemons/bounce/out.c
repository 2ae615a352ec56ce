/* SPDX-License-Identifier: ISC */
/*
 * Writing a notice.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/fd.h"
#include "mail/utf8.h"

#include "bounce.h"

#define BLOCK ((size_t)32 << 10)
#define LINE_LIMIT 900
#define FOLD 72 /* columns after which a blank becomes a line end */

void
out_init(struct out *o, int fd)
{
	o->fd = fd;
	o->failed = false;
	o->total = 0;
	buf_init(&o->b, 2 * BLOCK);
}

static void
flush(struct out *o)
{
	struct str s = buf_get(&o->b);

	if (!o->failed && s.n > 0 && fd_write_all(o->fd, s.p, s.n) == -1)
		o->failed = true;
	buf_reset(&o->b);
}

int
out_end(struct out *o)
{
	flush(o);
	buf_clear(&o->b);
	return o->failed ? -1 : 0;
}

void
out_str(struct out *o, struct str s)
{
	while (s.n > 0) {
		struct str piece = str_sub(s, 0, BLOCK);

		buf_str(&o->b, piece);
		o->total += piece.n;
		if (o->b.len >= BLOCK)
			flush(o);
		s = str_sub(s, piece.n, s.n);
	}
}

void
out_puts(struct out *o, const char *s)
{
	out_str(o, str_of(s));
}

void
out_printf(struct out *o, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		out_str(o,
		    str_make(line,
			(size_t)n < sizeof(line) ? (size_t)n :
						   sizeof(line) - 1));
}

/* Column we are at: bytes behind the last line end. */
static size_t
column(const struct out *o)
{
	struct str s = buf_get(&o->b);
	ptrdiff_t lf = str_rchr(s, '\n');

	return lf == -1 ? s.n : s.n - (size_t)lf - 1;
}

void
out_text(struct out *o, struct str s, size_t max, bool utf8, const char *indent)
{
	struct str word, rest;
	struct buf clean;
	size_t col = column(o);
	bool first = true;

	buf_init(&clean, max);
	(void)utf8_sanitize(&clean, s, max, utf8);
	rest = buf_get(&clean);
	while (str_token(&rest, " ", &word)) {
		if (!first && col + word.n > FOLD && col > strlen(indent)) {
			out_puts(o, "\n");
			out_puts(o, indent);
			col = strlen(indent);
		} else if (!first) {
			out_puts(o, " ");
			col++;
		}
		first = false;
		/* A word that would pass the limit of a line is cut up. */
		while (col + word.n > LINE_LIMIT) {
			size_t room = col < LINE_LIMIT ? LINE_LIMIT - col : 0;

			out_str(o, str_sub(word, 0, room));
			word = str_sub(word, room, word.n);
			out_puts(o, "\n");
			out_puts(o, indent);
			col = strlen(indent);
		}
		out_str(o, word);
		col += word.n;
	}
	buf_clear(&clean);
}
