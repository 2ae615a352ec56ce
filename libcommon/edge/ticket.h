/* SPDX-License-Identifier: ISC */
#ifndef EDGE_TICKET_H
#define EDGE_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/siphash.h"
#include "chan/rec.h"

/*
 * Tickets: one component's word, carried by another that cannot forge it.
 *
 * rewrite signs a next hop that comes from the configuration; dns, which
 * shares that key, then allows it to lead into private networks.  dns signs an
 * address and port; the broker, which shares that key, connects there.  So
 * smtp, which carries both, can ask for no address of its own choice.  A next
 * hop that is a socket in the file system (`unix:/path`) is signed with a key
 * that rewrite and the broker share, and nobody else.
 *
 * Keys are made by the broker at each start and reach their two holders as
 * grants (GRANT_FILE, names TICKET_ROUTE, TICKET_ADDRESS and TICKET_SOCKET, 16
 * bytes).
 * Tickets for addresses end after some minutes.  Those for routes last as long
 * as the key: a message that is read back from disk is resolved again.
 *
 * lookup signs the commands it finds in tables, and the process of a user those
 * it finds in his .forward, each with a key of its own that the launcher derives
 * from one that it gives to nobody, and has them born with.  local carries them, so it can have run what
 * is written there, as whoever wrote it, and nothing else.
 */
#define TICKET_ROUTE "route-key"
#define TICKET_ADDRESS "address-key"
#define TICKET_SOCKET "socket-key"
#define TICKET_SECONDS 900

struct ticket_key {
	uint8_t key[SIPHASH_KEY];
	bool have;
};

/* Read the key from its grant; fd stays the caller's.  -1 when it is short. */
int ticket_key_read(struct ticket_key *k, int fd);

/* A moment TICKET_SECONDS from now, as tickets carry it. */
uint32_t ticket_expiry(void);

/* What a next hop begins with that is a socket in the file system. */
#define NEXTHOP_UNIX "unix:"

/* Never 0.  A route that is a socket: with that key. */
uint64_t ticket_route(const struct ticket_key *k, struct str nexthop);
uint64_t ticket_address(const struct ticket_key *k, const struct netaddr *to,
    uint32_t expires);

/* Genuine and not over? */
bool ticket_route_ok(const struct ticket_key *k, struct str nexthop,
    uint64_t ticket);
bool ticket_address_ok(const struct ticket_key *k, const struct netaddr *to,
    uint32_t expires, uint64_t ticket);

/*
 * The key for commands of a user's .forward, or (with an empty name) of
 * tables, made of the launcher's own.
 */
struct ticket_key ticket_command_key(const struct ticket_key *k,
    struct str user);
uint64_t ticket_command(const struct ticket_key *k, uint8_t kind, uint32_t uid,
    struct str user, struct str text, uint32_t expires);
bool ticket_command_ok(const struct ticket_key *k, uint8_t kind, uint32_t uid,
    struct str user, struct str text, uint32_t expires, uint64_t ticket);

#endif
