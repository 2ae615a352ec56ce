/* SPDX-License-Identifier: ISC */
/*
 * SMTP replies.
 */
#include "mail/reply.h"

#include <stdio.h>

#include "mail/utf8.h"

void
reply_init(struct reply *r)
{
	*r = (struct reply){ 0 };
	buf_init(&r->text, REPLY_TEXT_MAX);
}

void
reply_clear(struct reply *r)
{
	buf_clear(&r->text);
	reply_init(r);
}

void
reply_reset(struct reply *r)
{
	struct buf text = r->text;

	buf_reset(&text);
	*r = (struct reply){ .text = text };
}

/*
 * The code of a line (0: none), and what follows it: ' ', '-', or NUL at the
 * end of the line.
 */
static int
line_code(struct str line, char *sep)
{
	uint64_t code;

	if (line.n < 3 || str_u64(str_sub(line, 0, 3), 599, &code) == -1 ||
	    code < 200)
		return 0;
	*sep = line.n == 3 ? '\0' : line.p[3];
	return *sep == '\0' && line.n > 3 ? 0 : (int)code;
}

static void
keep_line(struct reply *r, struct str line)
{
	size_t left;

	if (r->clipped)
		return;
	left = REPLY_TEXT_MAX - buf_get(&r->text).n;
	if (line.n + 1 > left) {
		r->clipped = true;
		if (left == 0)
			return;
		line = str_sub(line, 0, left - 1);
	}
	if (r->lines > 0)
		buf_putc(&r->text, '\n');
	/* What a line does not hold must not be taken for its end. */
	for (size_t i = 0; i < line.n; i++)
		buf_putc(&r->text, line.p[i] == '\n' ? '?' : line.p[i]);
}

static void
note_dsn(struct reply *r, struct str text)
{
	struct dsn d, *seen;

	if (dsn_take(&text, &d) == -1)
		return;
	seen = &r->seen[d.class == 2 ? 0 : d.class - 3];
	if (seen->class == 0)
		*seen = d;
}

enum reply_result
reply_line(struct reply *r, struct str line)
{
	char sep = '\0';
	int code;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	keep_line(r, line);
	if (++r->lines > REPLY_LINES_MAX)
		return REPLY_BAD;
	code = line_code(line, &sep);
	if (code == 0 || (sep != '\0' && sep != ' ' && sep != '-')) {
		r->junk++;
		return REPLY_MORE;
	}
	note_dsn(r, str_sub(line, 4, line.n));
	if (sep == '-')
		return REPLY_MORE;
	r->code = code;
	if (code / 100 != 3)
		r->dsn = r->seen[code / 100 == 2 ? 0 : code / 100 - 3];
	return REPLY_DONE;
}

bool
reply_next_line(const struct reply *r, size_t *pos, struct str *line)
{
	struct str text = buf_get(&r->text);

	while (*pos < text.n) {
		struct str rest = str_sub(text, *pos, text.n);
		ptrdiff_t lf = str_chr(rest, '\n');
		char sep = '\0';

		*line = lf == -1 ? rest : str_sub(rest, 0, (size_t)lf);
		*pos += line->n + 1;
		if (line_code(*line, &sep) == 0 ||
		    (sep != '\0' && sep != ' ' && sep != '-'))
			continue;
		*line = str_sub(*line, 4, line->n);
		return true;
	}
	return false;
}

int
reply_flat(const struct reply *r, struct buf *out)
{
	struct str text = buf_get(&r->text);

	while (text.n > 0) {
		ptrdiff_t lf = str_chr(text, '\n');
		size_t n = lf == -1 ? text.n : (size_t)lf;

		utf8_sanitize(out, str_trim(str_sub(text, 0, n)), n, true);
		if (lf != -1)
			buf_putc(out, ' ');
		text = str_sub(text, lf == -1 ? n : n + 1, text.n);
	}
	return buf_full(out) ? -1 : 0;
}

struct dsn
reply_status(const struct reply *r)
{
	if (r->dsn.class != 0)
		return r->dsn;
	switch (r->code / 100) {
	case 2:
		return DSN(2, 0, 0);
	case 5:
		return DSN(5, 0, 0);
	default:
		return DSN(4, 0, 0);
	}
}

struct answer
answer_soften(struct answer a)
{
	if (a.code >= 500 && a.code <= 599)
		a.code -= 100;
	if (a.dsn.class == 5)
		a.dsn.class = 4;
	return a;
}

/*
 * How much of text goes on a line with room for n bytes: all, or up to the
 * last blank (whose place *skip tells), or up to the end of a character.
 */
static size_t
fit(struct str text, size_t n, bool utf8, size_t *skip)
{
	size_t i;

	*skip = 0;
	if (text.n <= n)
		return text.n;
	for (i = n; i > n / 2; i--) {
		if (text.p[i] == ' ') {
			*skip = 1;
			return i;
		}
	}
	for (i = n; utf8 && i > n - 3; i--)
		if (((unsigned char)text.p[i] & 0xc0) != 0x80)
			return i;
	return n;
}

int
answer_format(struct buf *out, struct answer a, bool utf8)
{
	char dsn[DSN_MAX], code[24];
	size_t n, skip, head;
	ptrdiff_t lf;

	dsn_text(a.code / 100 == 3 ? DSN_NONE : a.dsn, dsn);
	do {
		struct str line;

		lf = str_chr(a.text, '\n');
		line = lf == -1 ? a.text : str_sub(a.text, 0, (size_t)lf);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		/* "550-5.7.1 " and CR LF */
		head = 4 + strlen(dsn) + (dsn[0] != '\0');
		n = fit(line, REPLY_LINE_MAX - 2 - head, utf8, &skip);
		if (n < line.n)
			skip += n;
		else
			skip = lf == -1 ? a.text.n : (size_t)lf + 1;
		line = str_sub(line, 0, n);
		a.text = str_sub(a.text, skip, a.text.n);
		snprintf(code, sizeof(code), "%03u%c%s%s", a.code % 1000U,
		    a.text.n > 0 ? '-' : ' ', dsn, dsn[0] != '\0' ? " " : "");
		buf_puts(out, code);
		utf8_sanitize(out, line, line.n, utf8);
		buf_puts(out, "\r\n");
	} while (a.text.n > 0);
	return buf_full(out) ? -1 : 0;
}
