/* SPDX-License-Identifier: ISC */
/*
 * Next hops as main.cf and transport tables write them.
 */
#include "mail/domain.h"
#include "net/netaddr.h"

#include "dns.h"

static const struct {
	const char *name;
	uint16_t port;
} ports[] = {
	{ "smtp", 25 },
	{ "lmtp", 24 },
	{ "submission", 587 },
	{ "submissions", 465 },
	{ "smtps", 465 },
};

static int
parse_port(struct str s, uint16_t *out)
{
	uint64_t n;

	if (str_u64(s, 65535, &n) == 0 && n != 0) {
		*out = (uint16_t)n;
		return 0;
	}
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (str_caseeq(s, str_of(ports[i].name))) {
			*out = ports[i].port;
			return 0;
		}
	}
	return -1;
}

/* [host], [address], each perhaps with :port. */
static int
parse_bracket(struct str s, struct hop *out)
{
	ptrdiff_t end = str_chr(s, ']');
	struct str rest;

	if (end < 2)
		return -1;
	out->host = str_sub(s, 1, (size_t)end);
	out->bracket = true;
	rest = str_sub(s, (size_t)end + 1, s.n);
	if (rest.n == 0)
		return 0;
	return rest.p[0] == ':' ?
	    parse_port(str_sub(rest, 1, rest.n), &out->port) :
	    -1;
}

static int
parse_plain(struct str s, struct hop *out)
{
	ptrdiff_t colon = str_chr(s, ':');

	out->host = s;
	/* More than one colon: an IPv6 address without its brackets. */
	if (colon == -1 || str_rchr(s, ':') != colon)
		return 0;
	out->host = str_sub(s, 0, (size_t)colon);
	return parse_port(str_sub(s, (size_t)colon + 1, s.n), &out->port);
}

int
hop_next(struct str *list, uint16_t port, struct hop *out)
{
	struct str s;

	*out = (struct hop){ .port = port };
	if (!str_token(list, ", \t\r\n", &s))
		return 0;
	if (str_casestarts(s, STR("inet:")))
		s = str_sub(s, 5, s.n);
	if (s.n == 0)
		return -1;
	if ((s.p[0] == '[' ? parse_bracket(s, out) : parse_plain(s, out)) == -1)
		return -1;
	if (netaddr_parse(out->host, &out->addr) == 0) {
		vet_unmap(&out->addr);
		out->addr.port = out->port;
		out->bracket = true;
		return 1;
	}
	if (out->host.n > 0 && out->host.p[out->host.n - 1] == '.')
		out->host.n--;
	return cache_name_ok(out->host) ? 1 : -1;
}
