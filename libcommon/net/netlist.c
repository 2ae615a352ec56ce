/* SPDX-License-Identifier: ISC */
/*
 * Lists of networks.
 */
#include "net/netlist.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/domain.h"
#include "net/netaddr.h"

/* 192.0.2.0/24, [2001:db8::]/32, 2001:db8::/32, or an address. */
static int
parse_block(struct str s, struct netlist_item *out)
{
	ptrdiff_t slash = str_rchr(s, '/');
	uint64_t bits;
	struct str addr = slash < 0 ? s : str_sub(s, 0, (size_t)slash);

	if (netaddr_parse(addr, &out->net) == -1)
		return -1;
	bits = netaddr_bits(&out->net);
	if (slash >= 0 &&
	    str_u64(str_sub(s, (size_t)slash + 1, s.n), bits, &bits) == -1)
		return -1;
	out->bits = (uint8_t)bits;
	return 0;
}

void
netlist_init(struct netlist *l, struct conf_list list)
{
	*l = (struct netlist){ .n = 0 };
	l->v = list.n == 0 ? NULL : xcalloc(list.n, sizeof(*l->v));
	for (size_t i = 0; i < list.n; i++) {
		const struct conf_item *c = &list.v[i];
		struct netlist_item *it = &l->v[l->n];

		it->negate = c->negate;
		if (c->kind == CONF_TABLE) {
			it->table = c->full;
		} else if (c->kind == CONF_WORD &&
		    parse_block(c->text, it) == 0) {
			/* a block */
		} else if (c->kind == CONF_WORD &&
		    domain_valid_hostname(c->text)) {
			it->name = c->text;
		} else {
			if (l->bad++ == 0)
				l->first_bad = c->full;
			continue;
		}
		l->n++;
	}
}

void
netlist_clear(struct netlist *l)
{
	free(l->v);
	*l = (struct netlist){ .n = 0 };
}

static bool
item_fits(const struct netlist_item *it, const struct netaddr *a,
    struct str name)
{
	if (it->name.n > 0)
		return str_caseeq(it->name, name);
	return it->net.family != 0 && netaddr_within(a, &it->net, it->bits);
}

enum netlist_result
netlist_match(const struct netlist *l, const struct netaddr *a, struct str name,
    size_t *at)
{
	for (; *at < l->n; ++*at) {
		const struct netlist_item *it = &l->v[*at];

		if (it->table.n > 0)
			return NETLIST_TABLE;
		if (item_fits(it, a, name))
			return it->negate ? NETLIST_NO : NETLIST_YES;
	}
	return NETLIST_NO;
}

bool
netlist_has(const struct netlist *l, const struct netaddr *a)
{
	enum netlist_result r;
	size_t at = 0;

	while ((r = netlist_match(l, a, STR_NONE, &at)) == NETLIST_TABLE)
		at++;
	return r == NETLIST_YES;
}
