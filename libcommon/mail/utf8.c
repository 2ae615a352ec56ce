/* SPDX-License-Identifier: ISC */
/*
 * UTF-8: is it, and what of it may stand in a line.
 */
#include "mail/utf8.h"

bool
utf8_is_ascii(struct str s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

/*
 * The table of well-formed sequences of Unicode 3.9: only the second byte has
 * ranges that depend on the first.
 */
size_t
utf8_len(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned lo = 0x80, hi = 0xbf;
	size_t n;

	if (s.n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (s.n < n)
		return 0;
	switch (p[0]) {
	case 0xe0:
		lo = 0xa0;
		break;
	case 0xed:
		hi = 0x9f;
		break;
	case 0xf0:
		lo = 0x90;
		break;
	case 0xf4:
		hi = 0x8f;
		break;
	}
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
utf8_valid(struct str s)
{
	size_t n;

	while (s.n > 0) {
		if ((n = utf8_len(s)) == 0)
			return false;
		s = str_sub(s, n, s.n);
	}
	return true;
}

/* U+0080 to U+009F: terminals take some of them for escape sequences. */
static bool
is_c1(struct str s)
{
	return (unsigned char)s.p[0] == 0xc2 && (unsigned char)s.p[1] < 0xa0;
}

int
utf8_sanitize(struct buf *out, struct str s, size_t max, bool keep_utf8)
{
	s = str_sub(s, 0, max);
	while (s.n > 0) {
		size_t n = utf8_len(s);
		int r;

		if (n == 1 && (s.p[0] == ' ' || ascii_isgraph(s.p[0])))
			r = buf_putc(out, s.p[0]);
		else if (n > 1 && keep_utf8 && !is_c1(s))
			r = buf_add(out, s.p, n);
		else {
			r = buf_putc(out, '?');
			/* One mark for each byte, so that lengths tell. */
			n = 1;
		}
		if (r == -1)
			return -1;
		s = str_sub(s, n, s.n);
	}
	return 0;
}
