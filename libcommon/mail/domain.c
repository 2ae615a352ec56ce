/* SPDX-License-Identifier: ISC */
/*
 * Domain names and address literals.
 */
#include "mail/domain.h"

#include <arpa/inet.h>

static bool
valid_label(struct str s)
{
	if (s.n == 0 || s.n > DOMAIN_LABEL_MAX || s.p[0] == '-' ||
	    s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum((unsigned char)s.p[i]) && s.p[i] != '-' &&
		    s.p[i] != '_')
			return false;
	return true;
}

bool
domain_valid_hostname(struct str s)
{
	bool numeric = true;

	if (s.n == 0 || s.n > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < s.n && numeric; i++)
		numeric = ascii_isdigit((unsigned char)s.p[i]) || s.p[i] == '.';
	if (numeric)
		return false;
	for (;;) {
		ptrdiff_t dot = str_chr(s, '.');

		if (dot == -1)
			return valid_label(s);
		if (!valid_label(str_sub(s, 0, (size_t)dot)))
			return false;
		s = str_sub(s, (size_t)dot + 1, s.n);
	}
}

bool
domain_is_fqdn(struct str s)
{
	if (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	return str_chr(s, '.') != -1 && domain_valid_hostname(s);
}

static int
parse_ip(struct str s, int family, void *out)
{
	char text[INET6_ADDRSTRLEN];

	/* inet_pton() takes no scope, no octal and no shortened IPv4. */
	if (str_copy(s, text, sizeof(text)) == -1)
		return -1;
	return inet_pton(family, text, out) == 1 ? 0 : -1;
}

bool
domain_valid_address(struct str s)
{
	struct in6_addr ip;

	return parse_ip(s, AF_INET, &ip) == 0 ||
	    parse_ip(s, AF_INET6, &ip) == 0;
}

int
domain_parse_literal(struct str s, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	const struct str tag = STR("IPv6:");

	memset(ss, 0, sizeof(*ss));
	if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return -1;
	s = str_sub(s, 1, s.n - 1);
	if (str_casestarts(s, tag)) {
		in6->sin6_family = AF_INET6;
		*len = sizeof(*in6);
		return parse_ip(str_sub(s, tag.n, s.n), AF_INET6,
		    &in6->sin6_addr);
	}
	in->sin_family = AF_INET;
	*len = sizeof(*in);
	return parse_ip(s, AF_INET, &in->sin_addr);
}

bool
domain_valid_literal(struct str s)
{
	struct sockaddr_storage ss;
	socklen_t len;

	return domain_parse_literal(s, &ss, &len) == 0;
}
