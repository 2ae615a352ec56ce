/* SPDX-License-Identifier: ISC */
/*
 * Arguments of MAIL and RCPT, their parameters, and ORCPT.
 *
 * What one parser takes must keep the promises of mail/address.h, and survive
 * being quoted and read again; what is strict must be lenient too.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/path.h"
#include "mail/utf8.h"
#include "mail/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_addr(struct str addr)
{
	struct buf quoted, again;
	struct path p;

	must(addr_valid(addr));
	must(addr_local(addr).n > 0);
	buf_init(&quoted, ADDR_QUOTED_MAX + 2);
	buf_init(&again, ADDR_MAX);
	buf_putc(&quoted, '<');
	must(addr_quote(&quoted, addr) == 0);
	buf_putc(&quoted, '>');
	must(path_parse(buf_get(&quoted), 0, &again, &p) == ADDR_OK);
	must(str_eq(p.addr, addr));
	must(p.rest.n == 0);
	buf_clear(&quoted);
	buf_clear(&again);
}

static void
check_params(struct str rest)
{
	struct path_param param;
	struct buf b, again, kept;
	struct str type;
	size_t last;

	do
		last = rest.n;
	while (path_param(&rest, &param) == 1 && rest.n < last);
	buf_init(&b, 500);
	buf_init(&again, 4000);
	buf_init(&kept, 70000);
	if (orcpt_decode(param.value, &type, &b) == 0) {
		bool utf8 =
		    !utf8_is_ascii(buf_get(&b)) && utf8_valid(buf_get(&b));

		must(orcpt_encode(&again, type, buf_get(&b)) == 0);
		rest = buf_get(&again);
		must(!utf8 || str_starts(rest, STR("utf-8;")));
		rest = str_sub(rest, (size_t)str_chr(rest, ';') + 1, rest.n);
		must(xtext_decode(&kept, rest) == 0);
		buf_reset(&kept);
		buf_str(&kept, type);
		buf_putc(&kept, ';');
		buf_str(&kept, buf_get(&b));
		must(orcpt_valid(buf_get(&kept)));
	}
	buf_reset(&b);
	buf_reset(&again);
	xtext_encode(&again, str_sub(param.value, 0, 500));
	if (str_chr(str_sub(param.value, 0, 500), '\0') == -1) {
		must(xtext_decode(&b, buf_get(&again)) == 0);
		must(str_eq(buf_get(&b), str_sub(param.value, 0, 500)));
	}
	buf_clear(&kept);
	buf_clear(&b);
	buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str arg = str_make(data, size);
	enum addr_result strict, lenient;
	struct buf sb, lb;
	struct path sp, lp;

	if (path_keyword(&arg, "FROM") == -1)
		path_keyword(&arg, "TO");
	buf_init(&sb, ADDR_MAX);
	buf_init(&lb, ADDR_MAX);
	strict = path_parse(arg, PATH_STRICT, &sb, &sp);
	lenient = path_parse(arg, 0, &lb, &lp);
	if (strict == ADDR_OK) {
		must(lenient == ADDR_OK && str_eq(sp.addr, lp.addr));
		must(sp.flags == lp.flags && str_eq(sp.rest, lp.rest));
		must(addr_local(sp.addr).n <= ADDR_LOCAL_LIMIT);
		must(addr_domain(sp.addr).n <= ADDR_DOMAIN_LIMIT);
	}
	if (lenient == ADDR_OK) {
		must((lp.addr.n == 0) == ((lp.flags & PATH_NULL) != 0));
		if (lp.addr.n > 0)
			check_addr(lp.addr);
		check_params(lp.rest);
	} else
		must(buf_get(&lb).n == 0 && lp.addr.n == 0);
	buf_clear(&sb);
	buf_clear(&lb);
	return 0;
}
