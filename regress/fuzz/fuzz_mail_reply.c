/* SPDX-License-Identifier: ISC */
/*
 * Replies of servers, line by line; and the same bytes as the text of an
 * answer of our own, which must come out as legal reply lines that read back.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/reply.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_flat(const struct reply *r)
{
	size_t pos = 0, n = 0;
	struct str line;
	struct buf b;

	buf_init(&b, REPLY_TEXT_MAX);
	must(reply_flat(r, &b) == 0);
	must(utf8_valid(buf_get(&b)));
	for (size_t i = 0; i < buf_get(&b).n; i++)
		must((unsigned char)buf_get(&b).p[i] >= 0x20);
	while (reply_next_line(r, &pos, &line))
		must(str_chr(line, '\n') == -1 && ++n <= r->lines);
	buf_clear(&b);
}

static void
read_replies(struct str rest, bool answer)
{
	enum reply_result res = REPLY_MORE;
	struct reply r;

	reply_init(&r);
	while (rest.n > 0) {
		ptrdiff_t lf = str_chr(rest, '\n');
		size_t n = lf == -1 ? rest.n : (size_t)lf;

		res = reply_line(&r, str_sub(rest, 0, n));
		rest = str_sub(rest, n + 1, rest.n);
		must(r.lines <= REPLY_LINES_MAX + 1);
		must(!answer || r.junk == 0);
		if (res == REPLY_MORE)
			continue;
		check_flat(&r);
		must(res == REPLY_BAD || (r.code >= 200 && r.code <= 599));
		must(reply_status(&r).class != 0);
		must(!answer || rest.n == 0 || res == REPLY_BAD);
		if (res == REPLY_BAD)
			break;
		reply_reset(&r);
	}
	must(!answer || res != REPLY_MORE);
	check_flat(&r);
	reply_clear(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size), rest;
	struct answer a = { 550, { 5, 7, 1 }, text };
	struct buf b;

	read_replies(text, false);
	if (size % 3 == 0)
		a = answer_soften(a);
	buf_init(&b, 40 * size + 1000);
	must(answer_format(&b, a, size % 2 == 0) == 0);
	for (rest = buf_get(&b); rest.n > 0;) {
		ptrdiff_t lf = str_chr(rest, '\n');

		must(lf > 0 && lf < REPLY_LINE_MAX && rest.p[lf - 1] == '\r');
		rest = str_sub(rest, (size_t)lf + 1, rest.n);
	}
	read_replies(buf_get(&b), true);
	buf_clear(&b);
	return 0;
}
