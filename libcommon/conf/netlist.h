/* SPDX-License-Identifier: ISC */
#ifndef CONF_NETLIST_H
#define CONF_NETLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "conf/conf.h"

/*
 * Addresses, blocks of addresses, and lists of domains, addresses, users.
 * Nothing here looks anything up: what a table knows is asked through a
 * callback.
 */

/* An address, or a block of them; IPv4-mapped IPv6 is taken for IPv4. */
struct net {
	int family; /* AF_INET, AF_INET6 */
	unsigned bits;
	uint8_t addr[16];
};

/*
 * 192.0.2.1, 192.0.2.0/24, [2001:db8::1], [2001:db8::]/32.  An IPv6 address
 * alone (a client's) may come without brackets.  -1 when it is none, or has
 * bits set behind its prefix (then *why, if not NULL, says so).
 */
int net_parse(struct str s, struct net *out, const char **why);

/* b is inside of block a. */
bool net_contains(const struct net *a, const struct net *b);

/* Text as in mynetworks: 192.0.2.0/24, [2001:db8::]/32.  size >= 56. */
void net_format(const struct net *n, char *dst, size_t size);

enum match {
	MATCH_NO,
	MATCH_YES,
	MATCH_RETRY
};

/*
 * Is key in the table item?  MATCH_RETRY: the table cannot be asked for the
 * moment.
 */
typedef enum match
match_table_fn(void *arg, const struct conf_item *table, struct str key);

/*
 * A domain in a list such as relay_domains.  With parents, an item also
 * stands for its subdomains; without, an item .domain does.
 */
enum match match_domain(struct conf_list list, struct str domain, bool parents,
    match_table_fn *fn, void *arg);

/* A word in a list, regardless of case: users, destinations. */
enum match match_word(struct conf_list list, struct str word,
    match_table_fn *fn, void *arg);

/* Does parent_domain_matches_subdomains name this list? */
bool match_parents(const struct conf *c, const char *list);

#endif
