/* SPDX-License-Identifier: ISC */
/*
 * xtext, and the addresses of ORCPT.
 */
#include "mail/xtext.h"

#include <stdint.h>

#include "mail/utf8.h"

static int
hex_value(int c)
{
	if (ascii_isdigit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_xchar(int c)
{
	return ascii_isgraph(c) && c != '+' && c != '=';
}

int
xtext_encode(struct buf *out, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char code[3] = { '+', hex[c >> 4], hex[c & 15] };
		int r;

		r = is_xchar(c) ? buf_putc(out, c) : buf_add(out, code, 3);
		if (r == -1)
			return -1;
	}
	return 0;
}

/*
 * The next byte of xtext at *i, or -1.
 */
static int
xtext_byte(struct str s, size_t *i)
{
	unsigned char c = (unsigned char)s.p[(*i)++];
	int hi, lo;

	if (c != '+')
		return is_xchar(c) || c >= 0x80 ? c : -1;
	if (s.n - *i < 2)
		return -1;
	hi = hex_value((unsigned char)s.p[*i]);
	lo = hex_value((unsigned char)s.p[*i + 1]);
	*i += 2;
	if (hi == -1 || lo == -1 || (hi | lo) == 0)
		return -1;
	return hi * 16 + lo;
}

int
xtext_decode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		int c = xtext_byte(s, &i);

		if (c == -1 || buf_putc(out, c) == -1)
			return -1;
	}
	return 0;
}

static bool
is_addr_type(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum((unsigned char)s.p[i]) && s.p[i] != '-')
			return false;
	return s.n > 0;
}

static int
put_utf8(struct buf *out, uint32_t c)
{
	char p[4];
	size_t n;

	if (c < 0x20 || c == 0x7f || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return -1;
	if (c < 0x80) {
		n = 1;
		p[0] = (char)c;
	} else if (c < 0x800) {
		n = 2;
		p[0] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		n = 3;
		p[0] = (char)(0xe0 | c >> 12);
	} else {
		n = 4;
		p[0] = (char)(0xf0 | c >> 18);
	}
	for (size_t i = n; i-- > 1; c >>= 6)
		p[i] = (char)(0x80 | (c & 0x3f));
	return buf_add(out, p, n);
}

/*
 * utf-8-addr-xtext and utf-8-addr-unitext: \x{1 to 6 hex digits} stands for
 * one character.  Of other escapes there are none.
 */
static int
unitext_decode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint32_t c = 0;
		size_t digits = 0;

		if (s.p[i] != '\\') {
			if (buf_putc(out, s.p[i]) == -1)
				return -1;
			continue;
		}
		if (!str_starts(str_sub(s, i, s.n), STR("\\x{")))
			return -1;
		for (i += 3; i < s.n && s.p[i] != '}'; i++) {
			int v = hex_value((unsigned char)s.p[i]);

			if (v == -1 || ++digits > 6)
				return -1;
			c = c << 4 | (uint32_t)v;
		}
		if (i == s.n || digits == 0 || put_utf8(out, c) == -1)
			return -1;
	}
	return 0;
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

int
orcpt_decode(struct str s, struct str *type, struct buf *out)
{
	ptrdiff_t semi = str_chr(s, ';');
	size_t before = buf_get(out).n;
	struct buf tmp;
	int r = -1;

	if (semi == -1)
		return -1;
	*type = str_sub(s, 0, (size_t)semi);
	s = str_sub(s, (size_t)semi + 1, s.n);
	if (!is_addr_type(*type))
		return -1;
	if (!str_caseeq(*type, STR("utf-8"))) {
		if (xtext_decode(out, s) == -1)
			return -1;
	} else {
		/* An escape may itself be hidden in xtext. */
		buf_init(&tmp, s.n);
		if (xtext_decode(&tmp, s) == 0)
			r = unitext_decode(out, buf_get(&tmp));
		buf_clear(&tmp);
		if (r == -1 ||
		    !utf8_valid(str_sub(buf_get(out), before, buf_get(out).n)))
			return -1;
	}
	s = str_sub(buf_get(out), before, buf_get(out).n);
	return s.n == 0 || has_control(s) ? -1 : 0;
}

bool
orcpt_valid(struct str s)
{
	ptrdiff_t semi = str_chr(s, ';');

	return semi != -1 && is_addr_type(str_sub(s, 0, (size_t)semi)) &&
	    (size_t)semi + 1 < s.n && !has_control(s);
}

/*
 * One character for type utf-8: what xtext could carry stays, the rest is
 * written as \x{...}.
 */
static int
unitext_put(struct buf *out, struct str c)
{
	uint32_t v = (unsigned char)c.p[0];

	if (c.n == 1 && is_xchar((int)v) && v != '\\')
		return buf_putc(out, (int)v);
	if (c.n > 1) {
		v &= 0xffU >> (c.n + 1);
		for (size_t i = 1; i < c.n; i++)
			v = v << 6 | ((unsigned char)c.p[i] & 0x3f);
	}
	return buf_printf(out, "\\x{%02X}", v);
}

int
orcpt_encode(struct buf *out, struct str type, struct str addr)
{
	if (utf8_is_ascii(addr) || !utf8_valid(addr)) {
		buf_str(out, type);
		buf_putc(out, ';');
		return xtext_encode(out, addr);
	}
	buf_puts(out, "utf-8;");
	while (addr.n > 0) {
		size_t n = utf8_len(addr);

		if (unitext_put(out, str_sub(addr, 0, n)) == -1)
			return -1;
		addr = str_sub(addr, n, addr.n);
	}
	return buf_full(out) ? -1 : 0;
}
