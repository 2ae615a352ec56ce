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
 * smtp, which carries both, can ask for no address of its own choice.  Keys of
 * these are made by the broker at each start and reach their two holders as
 * grants (GRANT_FILE, names TICKET_ROUTE and TICKET_ADDRESS, 16 bytes).
 *
 * All others are derived from a key that the launcher makes when it starts the
 * broker and gives to nobody.  Who signs is born with his own on SLOT_KEY; the
 * broker, which passes tickets on, can forge none.
 *
 * - A next hop that is a socket in the file system (`unix:/path`) is signed by
 *   rewrite; the launcher connects to no other.
 * - The way of a recipient that local passes on to another transport is signed
 *   by rewrite; qmgr, which was born with that key, takes no other.
 * - The commands in tables are signed by lookup, those in a user's .forward by
 *   his mailbox process; the launcher runs no others.
 * - The files that aliases name are signed by lookup; the mailbox process that
 *   was made for their directory, and born with the key of it and its owner,
 *   writes no others.
 *
 * Tickets for addresses and commands end after some minutes.  Those for routes
 * and ways last as long as the key: a message that is read back from disk is
 * resolved again.
 */
#define TICKET_ROUTE "route-key"
#define TICKET_ADDRESS "address-key"
#define TICKET_SECONDS 900

/* What keys are derived by: none is a login name. */
#define KEY_TABLES "" /* of the launcher's, for lookup */
#define KEY_REWRITE "/rewrite" /* of the launcher's, for rewrite */
#define KEY_SOCKET "/socket" /* of rewrite's, for sockets */
#define KEY_WAY "/way" /* of rewrite's, for qmgr */

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

/*
 * The key that one with this name (of at most KEY_NAME_MAX bytes) gets from
 * whoever has k.
 */
#define KEY_NAME_MAX 1024
struct ticket_key ticket_derive(const struct ticket_key *k, struct str name);

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
 * This recipient goes by this way, whose own ticket that is: one may not be
 * put together from several.
 */
struct ticket_way {
	struct str addr, transport, nexthop;
	uint64_t route;
};
uint64_t ticket_way(const struct ticket_key *k, const struct ticket_way *w);
bool ticket_way_ok(const struct ticket_key *k, const struct ticket_way *w,
    uint64_t ticket);

/* A next hop that is a socket, by rewrite; root is what the launcher has. */
bool ticket_socket_ok(const struct ticket_key *root, struct str nexthop,
    uint64_t ticket);

/*
 * A /file of an alias: its directory and its name there (a Maildir's has its
 * slash); and what is signed by, of the key of tables.  owner_dir: `UID:DIR`.
 */
struct str ticket_file_name(struct str path, struct str *dir);
struct ticket_key ticket_file_key(const struct ticket_key *tables,
    struct str owner_dir);

uint64_t ticket_command(const struct ticket_key *k, uint8_t kind, uint32_t uid,
    struct str user, struct str text, uint32_t expires);
bool ticket_command_ok(const struct ticket_key *k, uint8_t kind, uint32_t uid,
    struct str user, struct str text, uint32_t expires, uint64_t ticket);

#endif
