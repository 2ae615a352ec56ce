/* SPDX-License-Identifier: ISC */
#ifndef EDGE_DNS_H
#define EDGE_DNS_H

#include "chan/rec.h"
#include "mail/address.h"

/*
 * smtp, smtpd (A) to dns (B).
 *
 * DNS_ROUTE turns a next hop (`domain`, `domain:port`, `[host]`, `[addr]:port`)
 * into addresses to try in order: MX by preference unless bracketed, then
 * A and AAAA.  route_ticket is rewrite's word that the next hop was configured
 * (0 if not): only then may it lead to loopback, link-local or private
 * networks outside smtp_private_networks.
 *
 * The next hop may also be a list of such, separated by blanks or commas, that
 * are tried one after the other.
 *
 * The answer is a list packed into `hosts`; each entry carries the ticket that
 * makes the broker connect there (edge/hosts.h).  text says in words for logs
 * and notices why there is none.
 */
#define DNS_HOSTS_MAX 49152

#define dns_route_FIELDS(F) \
	F(STR, nexthop, ADDR_MAX) \
	F(U16, port) /* where the next hop names none */ \
	F(U8, flags) \
	F(U64, route_ticket)

enum dns_route_flags {
	DNS_NO_MX = 0x1, /* as if bracketed */
	DNS_ONLY_IPV4 = 0x2,
	DNS_ONLY_IPV6 = 0x4,
	DNS_SYSTEM = 0x8, /* the system's hosts file also counts */
	DNS_SYSTEM_ONLY = 0x10, /* and the DNS is not asked */
	DNS_CANONICAL = 0x20, /* a host goes by the name it is an alias of */
};

#define dns_hosts_FIELDS(F) \
	F(U8, status) \
	F(U8, flags) \
	F(STR, text, 512) \
	F(STR, hosts, DNS_HOSTS_MAX)

enum dns_hosts_flags {
	DNS_CUT = 0x1, /* servers from ourselves on were left out */
	DNS_NO_ADDRESS = 0x2, /* NOT_FOUND: there are MX hosts, no address */
};

enum dns_status {
	DNS_OK = 0,
	DNS_NOT_FOUND, /* the name does not exist, or has no address */
	DNS_NULL_MX, /* RFC 7505 */
	DNS_LATER, /* server failure, time-out, no resolver */
	DNS_BAD, /* not a name that could be asked for */
	DNS_LOOP, /* we are the best MX (RFC 5321 section 5.1) */
	DNS_FORBIDDEN, /* only addresses where we must not connect */
};

/* The name of a client: PTR, and whether it leads back (A, AAAA). */
#define dns_name_FIELDS(F) \
	F(ADDR, addr)
#define dns_named_FIELDS(F) \
	F(U8, status) \
	F(U8, verified) \
	F(STR, name, 256)

/*
 * Records of one type: for restrictions and checks.  Answers are packed as
 * text lines, one a record: an address for A and AAAA, `10 host` for MX (host
 * `.` for the null MX), a name for PTR, NS, CNAME, the joined strings for TXT
 * with control characters and backslash as \DDD, hexadecimal bytes for all
 * else.  DNS_OK without records: the name exists and has none of the type.
 */
#define dns_query_FIELDS(F) \
	F(U16, rrtype) \
	F(STR, name, 256)
#define dns_records_FIELDS(F) \
	F(U8, status) \
	F(U8, authentic) /* the resolver says: DNSSEC (AD) */ \
	F(U32, ttl) \
	F(STR, text, 512) \
	F(STR, records, DNS_HOSTS_MAX)

#define EDGE_DNS(R) \
	R(DNS_ROUTE, dns_route, REC_ASK, SIDE_A, 0) \
	R(DNS_HOSTS, dns_hosts, REC_ANSWER, SIDE_B, 0) \
	R(DNS_NAME, dns_name, REC_ASK, SIDE_A, 0) \
	R(DNS_NAMED, dns_named, REC_ANSWER, SIDE_B, 0) \
	R(DNS_QUERY, dns_query, REC_ASK, SIDE_A, 0) \
	R(DNS_RECORDS, dns_records, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(dns, EDGE_DNS);

#endif
