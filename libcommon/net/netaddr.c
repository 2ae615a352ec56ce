/* SPDX-License-Identifier: ISC */
/*
 * Internet addresses.
 */
#include "net/netaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string.h>

unsigned
netaddr_bits(const struct netaddr *a)
{
	return a->family == 4 ? 32 : a->family == 6 ? 128 : 0;
}

const char *
netaddr_text(const struct netaddr *a, char dst[NETADDR_TEXT])
{
	if (netaddr_bits(a) == 0 ||
	    inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, dst,
		NETADDR_TEXT) == NULL)
		strlcpy(dst, "unknown", NETADDR_TEXT);
	return dst;
}

int
netaddr_parse(struct str s, struct netaddr *out)
{
	char text[NETADDR_TEXT];

	*out = (struct netaddr){ .family = 0 };
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_sub(s, 1, s.n - 1);
	if (str_casestarts(s, STR("IPv6:")))
		s = str_sub(s, 5, s.n);
	if (str_copy(s, text, sizeof(text)) == -1)
		return -1;
	if (inet_pton(AF_INET, text, out->ip) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, text, out->ip) == 1)
		out->family = 6;
	return out->family == 0 ? -1 : 0;
}

socklen_t
netaddr_to(const struct netaddr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	}
	if (a->family != 6)
		return 0;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}

void
netaddr_from(const struct sockaddr_storage *ss, struct netaddr *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	*out = (struct netaddr){ .family = 0 };
	if (ss->ss_family == AF_INET) {
		memcpy(&sin, ss, sizeof(sin));
		out->family = 4;
		out->port = ntohs(sin.sin_port);
		memcpy(out->ip, &sin.sin_addr, 4);
	} else if (ss->ss_family == AF_INET6) {
		memcpy(&sin6, ss, sizeof(sin6));
		out->port = ntohs(sin6.sin6_port);
		if (memcmp(&sin6.sin6_addr, mapped, sizeof(mapped)) == 0) {
			out->family = 4;
			memcpy(out->ip, (const char *)&sin6.sin6_addr + 12, 4);
		} else {
			out->family = 6;
			memcpy(out->ip, &sin6.sin6_addr, 16);
		}
	}
}

bool
netaddr_same(const struct netaddr *a, const struct netaddr *b)
{
	return a->family != 0 && netaddr_within(a, b, netaddr_bits(a));
}

bool
netaddr_within(const struct netaddr *a, const struct netaddr *net,
    unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (a->family != net->family || bits > netaddr_bits(a))
		return false;
	if (memcmp(a->ip, net->ip, whole) != 0)
		return false;
	return rest == 0 ||
	    ((a->ip[whole] ^ net->ip[whole]) >> (8 - rest)) == 0;
}

struct netaddr
netaddr_prefix(const struct netaddr *a, unsigned bits)
{
	struct netaddr out = { .family = a->family };
	unsigned whole = bits / 8, rest = bits % 8;

	if (bits >= netaddr_bits(a)) {
		memcpy(out.ip, a->ip, netaddr_bits(a) / 8);
		return out;
	}
	memcpy(out.ip, a->ip, whole);
	if (rest != 0)
		out.ip[whole] = (uint8_t)(a->ip[whole] & (0xff00 >> rest));
	return out;
}

bool
netaddr_is_loopback(const struct netaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (a->family == 4)
		return a->ip[0] == 127;
	return a->family == 6 && memcmp(a->ip, one, sizeof(one)) == 0;
}
