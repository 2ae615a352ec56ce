/* SPDX-License-Identifier: ISC */
/*
 * Facts about the host.
 */
#include "conf/hostfacts.h"

#include <sys/socket.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/netlist.h"

#define ADDRS_MAX 1000

static unsigned
mask_bits(const uint8_t *mask, size_t n)
{
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		for (uint8_t b = mask[i]; (b & 0x80) != 0;
		     b = (uint8_t)(b << 1))
			bits++;
	return bits;
}

static bool
is_loopback(const struct host_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (a->family == AF_INET)
		return a->addr[0] == 127;
	return memcmp(a->addr, one, 16) == 0;
}

static void
add(struct hostfacts *h, struct host_addr a)
{
	if (h->naddr >= ADDRS_MAX)
		return;
	a.loopback = is_loopback(&a);
	if (h->naddr % 16 == 0)
		h->addr =
		    xreallocarray(h->addr, h->naddr + 16, sizeof(*h->addr));
	h->addr[h->naddr++] = a;
}

int
hostfacts_add(struct hostfacts *h, const char *text)
{
	struct host_addr a = { 0 };
	const char *slash = strchr(text, '/');
	struct str s = str_of(text);
	struct net n;
	uint64_t bits;

	if (slash == NULL ||
	    net_parse(str_sub(s, 0, (size_t)(slash - text)), &n, NULL) == -1 ||
	    str_u64(str_of(slash + 1), n.bits, &bits) == -1)
		return -1;
	a.family = n.family;
	a.bits = (unsigned)bits;
	memcpy(a.addr, n.addr, sizeof(a.addr));
	add(h, a);
	return 0;
}

static void
add_interface(struct hostfacts *h, const struct ifaddrs *ifa)
{
	struct host_addr a = { 0 };
	struct sockaddr_in sin, msin;
	struct sockaddr_in6 sin6, msin6;

	if (ifa->ifa_addr == NULL || ifa->ifa_netmask == NULL ||
	    (ifa->ifa_flags & IFF_UP) == 0)
		return;
	a.family = ifa->ifa_addr->sa_family;
	if (a.family == AF_INET) {
		memcpy(&sin, ifa->ifa_addr, sizeof(sin));
		memcpy(&msin, ifa->ifa_netmask, sizeof(msin));
		memcpy(a.addr, &sin.sin_addr, 4);
		a.bits = mask_bits((const uint8_t *)&msin.sin_addr, 4);
	} else if (a.family == AF_INET6) {
		memcpy(&sin6, ifa->ifa_addr, sizeof(sin6));
		memcpy(&msin6, ifa->ifa_netmask, sizeof(msin6));
		memcpy(a.addr, &sin6.sin6_addr, 16);
		a.bits = mask_bits((const uint8_t *)&msin6.sin6_addr, 16);
	} else {
		return;
	}
	add(h, a);
}

void
hostfacts_init(struct hostfacts *h)
{
	struct ifaddrs *list, *ifa;
	char name[256] = "";
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*h = (struct hostfacts){ .cpus = cpus < 1 ? 1 : (unsigned)cpus };
	if (gethostname(name, sizeof(name) - 1) == -1 || name[0] == '\0')
		strlcpy(name, "localhost", sizeof(name));
	h->hostname = xstrdup(name);
	if (getifaddrs(&list) == -1)
		return;
	for (ifa = list; ifa != NULL; ifa = ifa->ifa_next)
		add_interface(h, ifa);
	freeifaddrs(list);
}

void
hostfacts_clear(struct hostfacts *h)
{
	free(h->hostname);
	free(h->addr);
	*h = (struct hostfacts){ 0 };
}
