/* SPDX-License-Identifier: ISC */
/*
 * cidr: networks.
 */
#include <arpa/inet.h>

#include <stdlib.h>

#include "base/mem.h"
#include "table/rules.h"

struct net {
	int family; /* 0: no address */
	unsigned bits;
	unsigned char addr[16];
};

static unsigned
family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

/* An address in text, with or without brackets. */
static bool
parse_address(struct str s, struct net *net)
{
	char text[INET6_ADDRSTRLEN + 1];

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_sub(s, 1, s.n - 1);
	if (str_casestarts(s, STR("ipv6:")))
		s = str_sub(s, 5, s.n);
	*net = (struct net){ 0 };
	if (str_copy(s, text, sizeof(text)) == -1)
		return false;
	if (inet_pton(AF_INET, text, net->addr) == 1)
		net->family = AF_INET;
	else if (inet_pton(AF_INET6, text, net->addr) == 1)
		net->family = AF_INET6;
	else
		return false;
	net->bits = family_bits(net->family);
	return true;
}

static bool
same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

/* True when all bits behind the prefix are zero. */
static bool
clean_host(const struct net *net)
{
	for (unsigned i = net->bits; i < family_bits(net->family); i++) {
		if ((net->addr[i / 8] & (0x80 >> i % 8)) != 0)
			return false;
	}
	return true;
}

static void *
cidr_compile(struct str *text, size_t *groups, struct buf *err)
{
	struct str word, addr;
	struct net net, *out;
	uint64_t bits;
	ptrdiff_t slash;
	size_t i = 0;

	*groups = 0;
	while (i < text->n && !ascii_isspace(text->p[i]))
		i++;
	word = str_sub(*text, 0, i);
	*text = str_sub(*text, i, text->n);
	/* [net/len] and [net]/len are the same. */
	if (word.n > 2 && word.p[0] == '[' && word.p[word.n - 1] == ']')
		word = str_sub(word, 1, word.n - 1);
	slash = str_chr(word, '/');
	addr = str_sub(word, 0, slash == -1 ? word.n : (size_t)slash);
	if (!parse_address(addr, &net)) {
		buf_printf(err, "\"" STR_FMT "\" is no IP address",
		    STR_ARG(str_sub(addr, 0, 100)));
		return NULL;
	}
	if (slash != -1) {
		if (str_u64(str_sub(word, (size_t)slash + 1, word.n),
			family_bits(net.family), &bits) == -1) {
			buf_puts(err, "a bad length of the prefix");
			return NULL;
		}
		net.bits = (unsigned)bits;
	}
	if (!clean_host(&net)) {
		buf_printf(err,
		    "bits of \"" STR_FMT "\" behind the prefix are not zero",
		    STR_ARG(str_sub(word, 0, 100)));
		return NULL;
	}
	out = xmalloc(sizeof(*out));
	*out = net;
	return out;
}

static bool
cidr_key(struct rules_table *rt, struct str key)
{
	if (rt->prepared == NULL)
		rt->prepared = xcalloc(1, sizeof(struct net));
	return parse_address(key, rt->prepared);
}

static int
cidr_match(const struct rules_table *rt, const struct rule *r, struct str key,
    struct rule_match *m, struct buf *err)
{
	const struct net *net = r->pattern, *a = rt->prepared;

	(void)key;
	(void)m;
	(void)err;
	/* !10.0.0.0/8 means every other IPv4 address, and says nothing of
	 * IPv6. */
	if (net->family != a->family)
		return 2;
	return same_bits(net->addr, a->addr, net->bits);
}

struct table *
table_cidr_open(struct table_ctx *ctx)
{
	static const struct rules_kind kind = { .compile = cidr_compile,
		.match = cidr_match,
		.free = free,
		.key = cidr_key };

	return rules_open(ctx, &kind);
}
