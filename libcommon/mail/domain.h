/* SPDX-License-Identifier: ISC */
#ifndef MAIL_DOMAIN_H
#define MAIL_DOMAIN_H

#include <sys/socket.h>

#include <netinet/in.h>

#include <stdbool.h>

#include "base/str.h"

/*
 * Tests of domain names and address literals as they stand behind the @ of an
 * address or in HELO.  None of them resolves anything.
 */

#define DOMAIN_MAX 255
#define DOMAIN_LABEL_MAX 63

/*
 * A host name: labels of 1 to 63 letters, digits, hyphens (not at an end) and
 * underscores (which Postfix takes too), 255 bytes at most, no dot at an end,
 * and not digits and dots only.  An internationalised name must be in its
 * A-label form (xn--) already.
 */
bool domain_valid_hostname(struct str s);

/* A valid host name with a dot inside.  One dot at the end is overlooked. */
bool domain_is_fqdn(struct str s);

/* An IPv4 or IPv6 address in its usual text form, without brackets. */
bool domain_valid_address(struct str s);

/*
 * An address literal with its brackets: [192.0.2.1] or [IPv6:2001:db8::1], the
 * tag in any case.  Anything else in brackets is no literal.
 */
bool domain_valid_literal(struct str s);

/* The address of a literal, with port 0.  -1 when it is none. */
int
domain_parse_literal(struct str s, struct sockaddr_storage *ss, socklen_t *len);

#endif
