/* SPDX-License-Identifier: ISC */
/*
 * Addresses and match lists.
 */
#include "conf/netlist.h"

#include <sys/socket.h>

#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>

static int
bad(const char **why, const char *text)
{
	if (why != NULL)
		*why = text;
	return -1;
}

/* An IPv4 address inside of an IPv6 one is the same client. */
static void
unmap(struct net *n)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	if (n->family != AF_INET6 || n->bits < 96 ||
	    memcmp(n->addr, prefix, 12) != 0)
		return;
	memmove(n->addr, n->addr + 12, 4);
	memset(n->addr + 4, 0, 12);
	n->family = AF_INET;
	n->bits -= 96;
}

static bool
has_host_bits(const struct net *n)
{
	size_t size = n->family == AF_INET ? 4 : 16;

	for (unsigned i = n->bits; i < size * 8; i++)
		if ((n->addr[i / 8] & (0x80 >> (i % 8))) != 0)
			return true;
	return false;
}

int
net_parse(struct str s, struct net *out, const char **why)
{
	struct net n = { 0 };
	char text[INET6_ADDRSTRLEN];
	ptrdiff_t slash = str_rchr(s, '/');
	struct str host = slash == -1 ? s : str_sub(s, 0, (size_t)slash);
	bool bracket =
	    host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	uint64_t bits;

	if (bracket)
		host = str_sub(host, 1, host.n - 1);
	if (str_copy(host, text, sizeof(text)) == -1)
		return bad(why, "is not an address");
	if (inet_pton(AF_INET, text, n.addr) == 1) {
		n.family = AF_INET;
		n.bits = 32;
	} else if (inet_pton(AF_INET6, text, n.addr) == 1) {
		n.family = AF_INET6;
		n.bits = 128;
		if (!bracket && slash != -1)
			return bad(why, "is an IPv6 address without brackets");
	} else {
		return bad(why, "is not an address");
	}
	if (slash != -1) {
		s = str_sub(s, (size_t)slash + 1, s.n);
		if (str_u64(s, n.bits, &bits) == -1)
			return bad(why, "has a prefix length that cannot be");
		n.bits = (unsigned)bits;
		if (has_host_bits(&n))
			return bad(why, "has bits set behind its prefix");
	}
	unmap(&n);
	*out = n;
	return 0;
}

bool
net_contains(const struct net *a, const struct net *b)
{
	unsigned whole = a->bits / 8, rest = a->bits % 8;

	if (a->family != b->family || a->bits > b->bits)
		return false;
	if (memcmp(a->addr, b->addr, whole) != 0)
		return false;
	return rest == 0 ||
	    ((a->addr[whole] ^ b->addr[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

void
net_format(const struct net *n, char *dst, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(n->family, n->addr, text, sizeof(text)) == NULL)
		text[0] = '\0';
	if (n->family == AF_INET)
		snprintf(dst, size, "%s/%u", text, n->bits);
	else
		snprintf(dst, size, "[%s]/%u", text, n->bits);
}

/* ---- lists ---- */

static enum match
ask(match_table_fn *fn, void *arg, const struct conf_item *it, struct str key)
{
	return fn == NULL ? MATCH_RETRY : fn(arg, it, key);
}

/* The next parent domain of s, or an empty one. */
static struct str
parent(struct str s)
{
	ptrdiff_t dot = str_chr(s, '.');

	return dot == -1 ? STR_NONE : str_sub(s, (size_t)dot + 1, s.n);
}

static bool
domain_is(struct str pattern, struct str domain, bool parents)
{
	if (str_caseeq(pattern, domain))
		return true;
	if (domain.n <= pattern.n || !str_caseends(domain, pattern))
		return false;
	if (pattern.n > 0 && pattern.p[0] == '.')
		return !parents; /* .example.com and foo.example.com */
	return parents && domain.p[domain.n - pattern.n - 1] == '.';
}

/* The domain itself, then its parents: "b.c", or ".b.c" without parents. */
static enum match
domain_in_table(const struct conf_item *it, struct str domain, bool parents,
    match_table_fn *fn, void *arg)
{
	enum match m = ask(fn, arg, it, domain);
	struct str key = parent(domain);

	for (; m == MATCH_NO && key.n > 0; key = parent(key)) {
		struct str k = key;

		if (!parents) {
			k.p--; /* with the dot before it */
			k.n++;
		}
		m = ask(fn, arg, it, k);
	}
	return m;
}

static enum match
verdict(const struct conf_item *it)
{
	return it->negate ? MATCH_NO : MATCH_YES;
}

enum match
match_domain(struct conf_list list, struct str domain, bool parents,
    match_table_fn *fn, void *arg)
{
	for (size_t i = 0; i < list.n; i++) {
		const struct conf_item *it = &list.v[i];
		enum match m = MATCH_NO;

		if (it->kind == CONF_TABLE)
			m = domain_in_table(it, domain, parents, fn, arg);
		else if (domain_is(it->text, domain, parents))
			m = MATCH_YES;
		if (m == MATCH_YES)
			return verdict(it);
		if (m == MATCH_RETRY)
			return m;
	}
	return MATCH_NO;
}

enum match
match_word(struct conf_list list, struct str word, match_table_fn *fn,
    void *arg)
{
	for (size_t i = 0; i < list.n; i++) {
		const struct conf_item *it = &list.v[i];
		enum match m = MATCH_NO;

		if (it->kind == CONF_TABLE)
			m = ask(fn, arg, it, word);
		else if (str_caseeq(it->text, word))
			m = MATCH_YES;
		if (m == MATCH_YES)
			return verdict(it);
		if (m == MATCH_RETRY)
			return m;
	}
	return MATCH_NO;
}

bool
match_parents(const struct conf *c, const char *list)
{
	return match_word(conf_list(c, P_PARENT_DOMAIN_MATCHES_SUBDOMAINS),
		   str_of(list), NULL, NULL) == MATCH_YES;
}
