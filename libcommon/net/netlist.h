/* SPDX-License-Identifier: ISC */
#ifndef NET_NETLIST_H
#define NET_NETLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "chan/rec.h"
#include "conf/conf.h"
#include "conf/netlist.h"

/*
 * A list of networks (conf/netlist.h), parsed once for who matches every client
 * against it, and cannot wait for a table: blocks in CIDR notation, single
 * addresses, host names, tables, ! before an exception.  The first item that
 * fits decides; at a table matching stops and says which.
 */
struct netlist_item {
	struct net net; /* a block */
	bool negate;
	struct str name;  /* a host name; empty for a block */
	struct str table; /* type:name; empty for the others */
};

struct netlist {
	struct netlist_item *v;
	size_t n;
	size_t bad; /* items that are no network: see netlist_init() */
	struct str first_bad;
};

/*
 * From a configuration list, whose text is borrowed.  An item that is neither
 * network, name nor table never matches, is counted, and the first such is
 * remembered for a warning.
 */
void netlist_init(struct netlist *l, struct conf_list list);
void netlist_clear(struct netlist *l);

enum netlist_result {
	NETLIST_NO,
	NETLIST_YES,
	NETLIST_TABLE, /* item *at is a table: ask it, then go on at *at + 1 */
};

/*
 * Match an address (and its verified name, empty without) from item *at on;
 * *at is then the item that decided.  To go on behind a table that did not
 * know the client, add one to *at and call again.
 */
enum netlist_result netlist_match(const struct netlist *l,
    const struct netaddr *a, struct str name, size_t *at);

/*
 * The same in one go for who cannot ask tables: they are passed over.
 */
bool netlist_has(const struct netlist *l, const struct netaddr *a);

#endif
