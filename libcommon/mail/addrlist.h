/* SPDX-License-Identifier: ISC */
#ifndef MAIL_ADDRLIST_H
#define MAIL_ADDRLIST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/address.h"

/*
 * Address lists of headers (RFC 5322 section 3.4, obsolete forms too), read
 * where they stand: nothing is copied, and what is found is told as offsets,
 * so that a rewriter can replace addresses and leave all else as it was.
 *
 * The text is the value of a header with its folds.  Groups, comments, quoted
 * strings, source routes, empty elements and a good deal of nonsense are
 * understood; as in Postfix, words that nothing joins are addresses of their
 * own ("alice bob" is two).  Any input is read in linear time and constant
 * memory; nesting of comments is counted, not recursed.
 */
struct addrlist {
	struct str text;
	size_t pos;	/* what comes before has been dealt with */
	size_t run_end; /* end of a run of bare words, while bare */
	bool bare;
	bool joined; /* no separator since the last mailbox */
	bool group;  /* between ':' and ';' */
};

#define ADDRLIST_ANGLE 0x01  /* written as <addr> */
#define ADDRLIST_BROKEN 0x02 /* a quote, comment or bracket never ends */
#define ADDRLIST_JOINED 0x04 /* no comma before: a rewriter adds one */
#define ADDRLIST_GROUP 0x08  /* member of a group */

/*
 * One mailbox.  [off, end) is all of it with its display name; [spec_off,
 * spec_end) is the address alone, without angle brackets.
 */
struct addrlist_item {
	size_t off, end;
	size_t spec_off, spec_end;
	unsigned flags;
};

void addrlist_init(struct addrlist *l, struct str text);

/* Find the next mailbox.  False at the end. */
bool addrlist_next(struct addrlist *l, struct addrlist_item *out);

/*
 * The internal form of a mailbox's address; out's content is replaced, and its
 * maximum must be ADDR_MAX or more.  ADDR_EMPTY for <>.  On anything but
 * ADDR_OK out is empty: a rewriter leaves such text alone, sendmail -t
 * complains about it.
 */
enum addr_result addrlist_addr(const struct addrlist *l,
    const struct addrlist_item *item, struct buf *out);

#endif
