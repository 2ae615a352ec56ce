/* SPDX-License-Identifier: ISC */
/*
 * Tickets: keyed hashes of what they vouch for.
 */
#include "edge/ticket.h"

#include <string.h>

#include "base/buf.h"
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

/* Two hashes of the name, told apart by the byte before it. */
struct ticket_key
ticket_derive(const struct ticket_key *k, struct str name)
{
	char text[1 + KEY_NAME_MAX];
	struct ticket_key out = { .have = k->have && name.n <= KEY_NAME_MAX };

	static_assert(sizeof(out.key) == 2 * sizeof(uint64_t), "two hashes");
	if (!out.have)
		return out;
	if (name.n > 0)
		memcpy(text + 1, name.p, name.n);
	for (int i = 0; i < 2; i++) {
		uint64_t half;

		text[0] = (char)i;
		half = siphash(k->key, text, name.n + 1);
		memcpy(out.key + 8 * i, &half, sizeof(half));
	}
	return out;
}

uint64_t
ticket_way(const struct ticket_key *k, const struct ticket_way *w)
{
	uint32_t lengths[2] = { (uint32_t)w->addr.n, (uint32_t)w->transport.n };
	struct buf b;
	uint64_t t;

	buf_init(&b, 65536);
	buf_add(&b, &w->route, sizeof(w->route));
	buf_add(&b, lengths, sizeof(lengths));
	buf_str(&b, w->addr);
	buf_str(&b, w->transport);
	buf_str(&b, w->nexthop);
	t = buf_full(&b) ? 0 : siphash(k->key, buf_get(&b).p, b.len);
	buf_clear(&b);
	return t == 0 ? 1 : t;
}

bool
ticket_way_ok(const struct ticket_key *k, const struct ticket_way *w,
    uint64_t ticket)
{
	return k->have && w->addr.n + w->transport.n + w->nexthop.n < 60000 &&
	    ticket == ticket_way(k, w);
}

bool
ticket_socket_ok(const struct ticket_key *root, struct str nexthop,
    uint64_t ticket)
{
	struct ticket_key k = ticket_derive(root, STR(KEY_REWRITE));

	k = ticket_derive(&k, STR(KEY_SOCKET));
	return str_starts(nexthop, STR(NEXTHOP_UNIX)) &&
	    nexthop.n > strlen(NEXTHOP_UNIX) &&
	    ticket_route_ok(&k, nexthop, ticket);
}

struct str
ticket_file_name(struct str path, struct str *dir)
{
	size_t end = path.n, at;

	while (end > 1 && path.p[end - 1] == '/') /* a Maildir */
		end--;
	for (at = end; at > 0 && path.p[at - 1] != '/'; at--)
		;
	*dir = str_sub(path, 0, at > 1 ? at - 1 : 1);
	return str_sub(path, at, path.n);
}

struct ticket_key
ticket_file_key(const struct ticket_key *tables, struct str owner_dir)
{
	return ticket_derive(tables, owner_dir);
}

uint64_t
ticket_command(const struct ticket_key *k, uint8_t kind, uint32_t uid,
    struct str user, struct str text, uint32_t expires)
{
	uint32_t head[4] = { kind, uid, expires, (uint32_t)user.n };
	struct buf b;
	uint64_t t;

	buf_init(&b, 65536);
	buf_add(&b, head, sizeof(head));
	buf_str(&b, user);
	buf_str(&b, text);
	t = buf_full(&b) ? 0 : siphash(k->key, buf_get(&b).p, b.len);
	buf_clear(&b);
	return t == 0 ? 1 : t;
}

bool
ticket_command_ok(const struct ticket_key *k, uint8_t kind, uint32_t uid,
    struct str user, struct str text, uint32_t expires, uint64_t ticket)
{
	return k->have && user.n + text.n < 60000 && fresh(expires) &&
	    ticket == ticket_command(k, kind, uid, user, text, expires);
}
