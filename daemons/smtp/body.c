/* SPDX-License-Identifier: ISC */
/*
 * Content on its way out.
 *
 * A CR that is not the end of a line must not leave (RFC 5321 section 2.3.8):
 * servers differ in what they take it for, and what one sees as a line with a
 * dot, another sees as the end of the message.  8-bit content is sent as it
 * is, also to a server that does not offer 8BITMIME: nearly all take it, and
 * recoding it here would break signatures.
 */
#include <string.h>

#include "smtp.h"

void
body_init(struct body *b, struct content *c, size_t limit)
{
	/* A line that goes on has a blank and something. */
	*b = (struct body){ .content = c,
		.limit = limit == 1 ? 2 : limit,
		.bol = true };
	content_rewind(c);
}

/* Bytes of one line, without an LF: fold, and mind the dot. */
static void
put_part(struct body *b, struct str s, struct buf *out)
{
	while (s.n > 0) {
		size_t n = s.n;

		if (b->limit > 0 && b->col == b->limit) {
			buf_add(out, "\r\n ", 3);
			b->col = 1;
			b->bol = false;
		}
		if (b->limit > 0 && n > b->limit - b->col)
			n = b->limit - b->col;
		if (b->bol && s.p[0] == '.')
			buf_putc(out, '.');
		b->bol = false;
		buf_add(out, s.p, n);
		b->col += n;
		s = str_sub(s, n, s.n);
	}
}

/* The same where there may be CRs in it. */
static void
put_text(struct body *b, struct str s, struct buf *out)
{
	ptrdiff_t cr;

	while (s.n > 0) {
		if (b->cr) {
			b->cr = false;
			put_part(b, STR(" "), out);
		}
		cr = str_chr(s, '\r');
		put_part(b, cr == -1 ? s : str_sub(s, 0, (size_t)cr), out);
		if (cr == -1)
			return;
		b->cr = true;
		s = str_sub(s, (size_t)cr + 1, s.n);
	}
}

static void
put_end(struct body *b, struct buf *out)
{
	b->cr = false; /* one before the LF just goes */
	buf_add(out, "\r\n", 2);
	b->bol = true;
	b->col = 0;
}

static void
put_lines(struct body *b, struct str s, struct buf *out)
{
	while (s.n > 0) {
		const char *lf = memchr(s.p, '\n', s.n);
		size_t n = lf == NULL ? s.n : (size_t)(lf - s.p);

		put_text(b, str_sub(s, 0, n), out);
		if (lf == NULL)
			return;
		put_end(b, out);
		s = str_sub(s, n + 1, s.n);
	}
}

int
body_fill(struct body *b, struct buf *out, size_t n)
{
	struct str s;
	int r;

	while (!b->ended && out->len < n) {
		r = content_next(b->content, &s);
		if (r == -1)
			return -1;
		if (r == 1) {
			put_lines(b, s, out);
			continue;
		}
		if (!b->bol || b->cr)
			put_end(b, out);
		buf_add(out, ".\r\n", 3);
		b->ended = true;
	}
	return buf_full(out) ? -1 : 0;
}
