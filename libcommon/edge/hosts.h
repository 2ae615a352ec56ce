/* SPDX-License-Identifier: ISC */
#ifndef EDGE_HOSTS_H
#define EDGE_HOSTS_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "chan/rec.h"

/*
 * The list in dns_hosts.hosts (edge/dns.h): addresses of mail servers in the
 * order of preference, each with the ticket that makes the broker connect to
 * it.
 */
#define HOSTS_MAX 100 /* entries in a list */
#define HOSTS_NAME_MAX 255

struct dns_host {
	struct str name;     /* the server's; an address without brackets */
	struct netaddr addr; /* with its port */
	uint8_t item;	     /* which of several next hops, from 0 */
	uint16_t pref;	     /* of the MX record; 0 without one */
	uint32_t expires;    /* of the ticket */
	uint64_t ticket;
};

/* Append an entry.  -1 when the buffer is full or the name too long. */
int hosts_put(struct buf *b, const struct dns_host *h);

/*
 * Cut the next entry from the front of *list; its name is borrowed from there.
 * 1 and one in *out, 0 at the end, -1 when what comes is no entry.
 */
int hosts_next(struct str *list, struct dns_host *out) WARN_UNUSED;

#endif
