/* SPDX-License-Identifier: ISC */
#ifndef EDGE_RESOLVE_H
#define EDGE_RESOLVE_H

#include "chan/rec.h"
#include "mail/address.h"

/*
 * smtpd, cleanup, qmgr, bounce, local (A) to rewrite (B): what an address
 * means.  One question says all that is known of it: its standard form, its
 * class, where mail for it goes, and (when asked) whether there is such a
 * mailbox; so that the answer can travel with the recipient and nobody asks
 * twice.
 */
#define RESOLVE_TEXT_MAX 512

/* flags: enum resolve_flags. */
#define resolve_ask_FIELDS(F) \
	F(U8, flags) \
	F(STR, sender, ADDR_MAX) \
	F(STR, addr, ADDR_MAX)

enum resolve_flags {
	RESOLVE_EXISTS = 0x1, /* look for the mailbox, too */
	RESOLVE_SENDER = 0x2, /* the address is a sender's */
	/* local: the way is that of mailbox_transport(_maps) for the user whose
	 * name is in the sender's place, or that of fallback_transport; without
	 * a transport when there is none. */
	RESOLVE_MAILBOX = 0x8,
	RESOLVE_FALLBACK = 0x10,
	RESOLVE_FLUSH = 0x4, /* exists: is its domain in fast_flush_domains? */
};

/*
 * ticket vouches that nexthop comes from the configuration rather than from
 * the address (edge/ticket.h); 0 when it comes from the address.  pass is for
 * local: with it qmgr takes its word for this way of this address.
 */
#define resolve_answer_FIELDS(F) \
	F(U8, status) \
	F(U8, class) \
	F(U8, exists) \
	F(U64, ticket) \
	F(U64, pass) \
	F(STR, addr, ADDR_MAX) \
	F(STR, transport, 64) \
	F(STR, nexthop, ADDR_MAX) \
	F(STR, text, RESOLVE_TEXT_MAX)

enum resolve_status {
	RESOLVE_OK = 0,
	RESOLVE_LATER, /* a table cannot be read now: 451 */
	RESOLVE_BAD, /* no valid address: 501 */
};

/* The address classes of Postfix. */
enum resolve_class {
	CLASS_DEFAULT = 0, /* somewhere else: relaying */
	CLASS_LOCAL, /* mydestination, our own address literals */
	CLASS_VIRTUAL_ALIAS,
	CLASS_VIRTUAL_MAILBOX,
	CLASS_RELAY, /* relay_domains */
};

enum resolve_exists {
	EXISTS_UNKNOWN = 0, /* not asked, or nothing to look it up in */
	EXISTS_YES,
	EXISTS_NO,
};

#define EDGE_RESOLVE(R) \
	R(RESOLVE_ASK, resolve_ask, REC_ASK, SIDE_A, 0) \
	R(RESOLVE_ANSWER, resolve_answer, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(resolve, EDGE_RESOLVE);

#endif
