/* SPDX-License-Identifier: ISC */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Mail addresses in their one internal form.
 *
 * Inside Postern an address is plain text without quoting: local@domain, or
 * only the local part where no domain was given, or nothing at all for the
 * null sender.  The domain begins behind the LAST @, so a local part may hold
 * any @, blank or quote of its own.  The parsers (mail/path.h for SMTP
 * commands, mail/addrlist.h for headers) promise about what they return:
 *
 *	- at most ADDR_MAX bytes, no control character (so no NUL, CR, LF);
 *	- where there is an @, neither side of the last one is empty;
 *	- text without a domain has no @ in it;
 *	- a domain has no empty label and no dot at its end, or is a valid
 *	  literal: [192.0.2.1] or [IPv6:...].
 *
 * It is quoted again only on its way out: addr_quote().
 */

/* No address is longer in its internal form. */
#define ADDR_MAX 1024

/* Octets that RFC 5321 section 4.5.3.1 allows; kept to in strict mode only. */
#define ADDR_LOCAL_LIMIT 64
#define ADDR_DOMAIN_LIMIT 255
#define ADDR_PATH_LIMIT 256

/* Bytes that addr_quote() can make of an address: two for one, and quotes. */
#define ADDR_QUOTED_MAX (2 * ADDR_MAX + 2)

/* What a parser has to say about an address. */
enum addr_result {
	ADDR_OK,
	ADDR_EMPTY,   /* <> where the caller must decide; nothing at all */
	ADDR_SYNTAX,  /* not an address */
	ADDR_CTRL,    /* a control character in it */
	ADDR_LITERAL, /* brackets without an IP address in them */
	ADDR_LONG     /* over ADDR_MAX, or over a limit above */
};

/* A few words for logs: "syntax error", "address too long". */
const char *addr_result_text(enum addr_result r);

/* What stands before the last @ (all of it without one), and behind. */
struct str addr_local(struct str addr);
struct str addr_domain(struct str addr);

/*
 * Does the local part name a further destination, as in user%a@b, host!user@b
 * or "user@a"@b?  Who relays for such an address may be relaying to wherever
 * the next host reads out of it; reject_unauth_destination wants to know.  A
 * source route (<@a,@b:user@c>) is stripped by the parsers and leaves no
 * trace here.
 */
bool addr_is_routed(struct str addr);

/* Can the local part be written without quotes (RFC 5321 Dot-string)? */
bool addr_local_is_plain(struct str local);

/*
 * Append the address as it is written in SMTP commands and headers, the local
 * part in quotes where it must be.  No angle brackets are added; an empty
 * address adds nothing.  -1 when the buffer is full.
 */
int addr_quote(struct buf *out, struct str addr);

/*
 * Is this text an address in the internal form, as promised above?  For what
 * comes from tables, other components and files.
 */
bool addr_valid(struct str addr);

#endif
