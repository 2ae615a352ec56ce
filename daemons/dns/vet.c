/* SPDX-License-Identifier: ISC */
/*
 * Which addresses a stranger's DNS record may send us to.
 */
#include <string.h>

#include "net/netaddr.h"

#include "dns.h"

struct block {
	uint8_t family;
	uint8_t bits;
	enum vet vet;
	uint8_t ip[16];
};

/* The first that fits decides (IANA special-purpose registries, RFC 6890). */
/* clang-format off */
static const struct block blocks[] = {
	{ 4, 8, VET_NEVER, { 0 } },		/* this network */
	{ 4, 8, VET_PRIVATE, { 127 } },		/* loopback */
	{ 4, 8, VET_PRIVATE, { 10 } },
	{ 4, 12, VET_PRIVATE, { 172, 16 } },
	{ 4, 16, VET_PRIVATE, { 192, 168 } },
	{ 4, 10, VET_PRIVATE, { 100, 64 } },	/* carriers' NAT */
	{ 4, 16, VET_PRIVATE, { 169, 254 } },	/* link-local, metadata */
	{ 4, 24, VET_PRIVATE, { 192, 0, 0 } },	/* protocol assignments */
	{ 4, 15, VET_PRIVATE, { 198, 18 } },	/* benchmarks */
	{ 4, 4, VET_NEVER, { 224 } },		/* multicast */
	{ 4, 4, VET_NEVER, { 240 } },		/* reserved, broadcast */
	{ 6, 128, VET_PRIVATE, { [15] = 1 } },	/* loopback */
	{ 6, 96, VET_NEVER, { 0 } },		/* none, IPv4-compatible */
	{ 6, 7, VET_PRIVATE, { 0xfc } },	/* unique local */
	{ 6, 10, VET_PRIVATE, { 0xfe, 0x80 } },	/* link-local */
	{ 6, 10, VET_PRIVATE, { 0xfe, 0xc0 } },	/* site-local */
	{ 6, 48, VET_PRIVATE, { 0, 0x64, 0xff, 0x9b, 0, 1 } }, /* local NAT64 */
	{ 6, 64, VET_NEVER, { 0x01 } },		/* discard */
	{ 6, 8, VET_NEVER, { 0xff } },		/* multicast */
};
/* clang-format on */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };

void
vet_unmap(struct netaddr *a)
{
	if (a->family != 6 || memcmp(a->ip, mapped, sizeof(mapped)) != 0)
		return;
	a->family = 4;
	memmove(a->ip, a->ip + 12, 4);
	memset(a->ip + 4, 0, 12);
}

/* The IPv4 address that a translator or a 6to4 relay would take us to. */
static bool
embedded(const struct netaddr *a, struct netaddr *out)
{
	*out = (struct netaddr){ .family = 4 };
	if (a->family != 6)
		return false;
	if (memcmp(a->ip, nat64, sizeof(nat64)) == 0)
		memcpy(out->ip, a->ip + 12, 4);
	else if (a->ip[0] == 0x20 && a->ip[1] == 0x02)
		memcpy(out->ip, a->ip + 2, 4);
	else
		return false;
	return true;
}

enum vet
vet_addr(const struct netaddr *a)
{
	struct netaddr inner;

	if (!embedded(a, &inner)) {
		inner = *a;
		vet_unmap(&inner);
	}
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		const struct block *b = &blocks[i];
		struct netaddr net = { .family = b->family };

		memcpy(net.ip, b->ip, 16);
		if (netaddr_within(&inner, &net, b->bits))
			return b->vet;
	}
	return inner.family == 4 || inner.family == 6 ? VET_PUBLIC : VET_NEVER;
}
