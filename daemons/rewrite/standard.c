/* SPDX-License-Identifier: ISC */
/*
 * The standard form of an address.
 */
#include "mail/address.h"

#include "rewrite.h"

/* `host!user` is user@host, `user%host` is user@host: the old routing signs. */
static void
swap_signs(const struct conf *c, struct str addr, struct str *local,
    struct str *domain)
{
	ptrdiff_t bang = str_chr(addr, '!'), percent = str_rchr(addr, '%');

	if (bang > 0 && (size_t)bang + 1 < addr.n &&
	    conf_bool(c, P_SWAP_BANGPATH)) {
		*domain = str_sub(addr, 0, (size_t)bang);
		*local = str_sub(addr, (size_t)bang + 1, addr.n);
	} else if (percent > 0 && (size_t)percent + 1 < addr.n &&
	    conf_bool(c, P_ALLOW_PERCENT_HACK)) {
		*local = str_sub(addr, 0, (size_t)percent);
		*domain = str_sub(addr, (size_t)percent + 1, addr.n);
	}
}

static bool
has_dot(struct str domain)
{
	return str_chr(domain, '.') != -1 || domain.p[0] == '[';
}

int
standard_form(const struct conf *c, struct str addr, struct buf *out)
{
	struct str local = addr_local(addr), domain = addr_domain(addr);

	buf_reset(out);
	if (addr.n == 0)
		return 0;
	if (domain.n == 0)
		swap_signs(c, addr, &local, &domain);
	buf_str(out, local);
	if (domain.n == 0 && conf_bool(c, P_APPEND_AT_MYORIGIN)) {
		buf_putc(out, '@');
		buf_str(out, conf_str(c, P_MYORIGIN));
	} else if (domain.n > 0) {
		buf_putc(out, '@');
		buf_str(out, domain);
		if (!has_dot(domain) && conf_bool(c, P_APPEND_DOT_MYDOMAIN)) {
			buf_putc(out, '.');
			buf_str(out, conf_str(c, P_MYDOMAIN));
		}
	}
	return !buf_full(out) && addr_valid(buf_get(out)) ? 0 : -1;
}
