/* SPDX-License-Identifier: ISC */
/*
 * Tickets: keyed hashes of what they vouch for.
 */
#include "edge/ticket.h"

#include <string.h>

#include "base/clock.h"
#include "base/fd.h"

int
ticket_key_read(struct ticket_key *k, int fd)
{
	k->have = fd_pread_all(fd, k->key, sizeof(k->key), 0) ==
	    (ssize_t)sizeof(k->key);
	return k->have ? 0 : -1;
}

static uint32_t
now_s(void)
{
	return (uint32_t)(clock_ms() / 1000);
}

uint32_t
ticket_expiry(void)
{
	return now_s() + TICKET_SECONDS;
}

uint64_t
ticket_route(const struct ticket_key *k, struct str nexthop)
{
	uint64_t t = siphash(k->key, nexthop.p, nexthop.n);

	return t == 0 ? 1 : t;
}

uint64_t
ticket_address(const struct ticket_key *k, const struct netaddr *to,
    uint32_t expires)
{
	struct {
		uint32_t expires;
		uint16_t port;
		uint8_t family;
		uint8_t ip[16];
		uint8_t zero;
	} m = { .expires = expires, .port = to->port, .family = to->family };
	uint64_t t;

	static_assert(sizeof(m) == 24, "no padding in what is signed");
	memcpy(m.ip, to->ip, to->family == 4 ? 4 : 16);
	t = siphash(k->key, &m, sizeof(m));
	return t == 0 ? 1 : t;
}

static bool
fresh(uint32_t expires)
{
	uint32_t left = expires - now_s();

	return left <= TICKET_SECONDS;
}

bool
ticket_route_ok(const struct ticket_key *k, struct str nexthop,
    uint64_t ticket)
{
	return k->have && ticket != 0 && ticket == ticket_route(k, nexthop);
}

bool
ticket_address_ok(const struct ticket_key *k, const struct netaddr *to,
    uint32_t expires, uint64_t ticket)
{
	return k->have && ticket != 0 && fresh(expires) &&
	    ticket == ticket_address(k, to, expires);
}
