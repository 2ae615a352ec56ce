/* SPDX-License-Identifier: ISC */
/*
 * The internal form of addresses.
 */
#include "mail/address.h"

#include "mail/lex.h"

const char *
addr_result_text(enum addr_result r)
{
	switch (r) {
	case ADDR_OK:
		return "ok";
	case ADDR_EMPTY:
		return "empty address";
	case ADDR_SYNTAX:
		return "syntax error";
	case ADDR_CTRL:
		return "control character";
	case ADDR_LITERAL:
		return "bad address literal";
	case ADDR_LONG:
		return "address too long";
	}
	return "?";
}

struct str
addr_local(struct str addr)
{
	ptrdiff_t at = str_rchr(addr, '@');

	return at == -1 ? addr : str_sub(addr, 0, (size_t)at);
}

struct str
addr_domain(struct str addr)
{
	ptrdiff_t at = str_rchr(addr, '@');

	return at == -1 ? STR_NONE : str_sub(addr, (size_t)at + 1, addr.n);
}

bool
addr_is_routed(struct str addr)
{
	struct str local = addr_local(addr);

	return str_chr(local, '%') != -1 || str_chr(local, '!') != -1 ||
	    str_chr(local, '@') != -1;
}

/* atext of RFC 5322, and what RFC 6531 adds to it. */
static bool
is_atext(unsigned char c)
{
	return c >= 0x80 ||
	    (ascii_isgraph(c) && memchr("()<>[]:;@\\,.\"", c, 13) == NULL);
}

bool
addr_local_is_plain(struct str local)
{
	bool dot = true; /* one more is not allowed here */

	for (size_t i = 0; i < local.n; i++) {
		unsigned char c = (unsigned char)local.p[i];

		if (c == '.' ? dot : !is_atext(c))
			return false;
		dot = c == '.';
	}
	return !dot;
}

int
addr_quote(struct buf *out, struct str addr)
{
	struct str local = addr_local(addr);

	if (addr.n == 0 || addr_local_is_plain(local))
		return buf_str(out, addr);
	buf_putc(out, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, local.p[i]);
	}
	buf_putc(out, '"');
	return buf_str(out, str_sub(addr, local.n, addr.n));
}

bool
addr_valid(struct str addr)
{
	for (size_t i = 0; i < addr.n; i++)
		if ((unsigned char)addr.p[i] < 0x20 || addr.p[i] == 0x7f)
			return false;
	return lex_check(addr, str_rchr(addr, '@')) == ADDR_OK;
}
