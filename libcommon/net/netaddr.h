/* SPDX-License-Identifier: ISC */
#ifndef NET_NETADDR_H
#define NET_NETADDR_H

#include <sys/socket.h>

#include <stdbool.h>

#include "base/str.h"
#include "chan/rec.h"

/*
 * Internet addresses as records carry them (struct netaddr), in text, and in
 * the kernel's form.  An IPv4 address that the kernel shows mapped into IPv6
 * is an IPv4 address here.
 */

/* Room for any address in text, with its terminator. */
#define NETADDR_TEXT 48

/* 192.0.2.1, 2001:db8::1, without port; "unknown" when there is none. */
const char *netaddr_text(const struct netaddr *a, char dst[NETADDR_TEXT]);

/*
 * An address in text, also in brackets and also tagged as in mail addresses
 * ([192.0.2.1], [2001:db8::1], [IPv6:2001:db8::1]); port 0.  -1 when it is
 * none.
 */
int netaddr_parse(struct str s, struct netaddr *out);

/* The kernel's form; returns its length, 0 when there is no address. */
socklen_t netaddr_to(const struct netaddr *a, struct sockaddr_storage *out);

/* From what accept(2) and getsockname(2) tell; family 0 when neither. */
void netaddr_from(const struct sockaddr_storage *ss, struct netaddr *out);

/* The same address, whatever the port? */
bool netaddr_same(const struct netaddr *a, const struct netaddr *b);

/* Do the first bits of a agree with those of net, of the same family? */
bool netaddr_within(const struct netaddr *a, const struct netaddr *net,
    unsigned bits);

/* The address with all but its first bits zero, and no port. */
struct netaddr netaddr_prefix(const struct netaddr *a, unsigned bits);

/* 127.0.0.0/8, ::1. */
bool netaddr_is_loopback(const struct netaddr *a);

/* Bits of an address of this family: 32, 128; 0. */
unsigned netaddr_bits(const struct netaddr *a);

#endif
