/* SPDX-License-Identifier: ISC */
#ifndef CONF_HOSTFACTS_H
#define CONF_HOSTFACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What defaults depend on and only the host knows.  Gathered once, by who
 * reads configuration; tests make their own.
 */
struct host_addr {
	int family;	  /* AF_INET, AF_INET6 */
	uint8_t addr[16]; /* network order; the first four for AF_INET */
	unsigned bits;	  /* of the network it is in */
	bool loopback;
};

struct hostfacts {
	char *hostname; /* as the kernel has it, perhaps without a domain */
	struct host_addr *addr;
	size_t naddr;
	unsigned cpus;
};

/* Ask the system.  What it does not tell is left empty. */
void hostfacts_init(struct hostfacts *h);
void hostfacts_clear(struct hostfacts *h);

/* Add an address, as text with /bits, for tests.  -1 when it is none. */
int hostfacts_add(struct hostfacts *h, const char *text);

#endif
