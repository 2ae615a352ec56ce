/* SPDX-License-Identifier: ISC */
/*
 * Lists of networks.
 */
#include "net/netlist.h"

#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/domain.h"
#include "net/netaddr.h"

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
		    net_parse(c->text, &it->net, NULL) == 0) {
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

static struct net
net_of(const struct netaddr *a)
{
	struct net n = { .family = a->family == 4 ? AF_INET : AF_INET6,
		.bits = netaddr_bits(a) };

	memcpy(n.addr, a->ip, sizeof(n.addr));
	return n;
}

static bool
item_fits(const struct netlist_item *it, const struct net *client,
    struct str name)
{
	if (it->name.n > 0)
		return str_caseeq(it->name, name);
	return net_contains(&it->net, client);
}

enum netlist_result
netlist_match(const struct netlist *l, const struct netaddr *a, struct str name,
    size_t *at)
{
	struct net client = net_of(a);

	for (; a->family != 0 && *at < l->n; ++*at) {
		const struct netlist_item *it = &l->v[*at];

		if (it->table.n > 0)
			return NETLIST_TABLE;
		if (item_fits(it, &client, name))
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
