/* SPDX-License-Identifier: ISC */
#ifndef MAIL_PATH_H
#define MAIL_PATH_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/address.h"

/*
 * The arguments of MAIL and RCPT: "FROM:<user@example.com> SIZE=1000 RET=HDRS".
 *
 *	if (path_keyword(&arg, "FROM") == -1)
 *		... 501 5.5.4 Syntax: MAIL FROM:<address>
 *	r = path_parse(arg, strict ? PATH_STRICT : 0, &addr_buf, &path);
 *	if (r != ADDR_OK)
 *		... 501 5.1.7 Bad sender address syntax
 *	while ((i = path_param(&path.rest, &param)) == 1)
 *		... param.keyword, param.value
 *	if (i == -1)
 *		... 501 5.5.4 Bad parameter
 */

/* Options of path_parse(). */
#define PATH_STRICT 0x01 /* strict_rfc821_envelopes = yes */

/* What was met. */
#define PATH_NULL 0x01	       /* <>: addr is empty */
#define PATH_SOURCE_ROUTE 0x02 /* there was one, it is gone */
#define PATH_QUOTED 0x04       /* the local part was quoted */
#define PATH_NO_DOMAIN 0x08    /* <postmaster>, <joe> */
#define PATH_8BIT 0x10	       /* not ASCII: needs SMTPUTF8 */
#define PATH_BAD_UTF8 0x20     /* not UTF-8 either */

struct path {
	struct str addr; /* internal form, borrowed from the buffer */
	struct str rest; /* parameters, borrowed from the argument */
	unsigned flags;
};

/*
 * Take "FROM:" or "TO:" (in any case, blanks before the colon allowed) from
 * the front of *arg.  -1 when it is not there; *arg is then as it was.
 */
int path_keyword(struct str *arg, const char *keyword);

/*
 * Parse the path at the beginning of arg into out, whose content is replaced
 * and whose maximum must be ADDR_MAX or more.  arg is what stood behind the
 * colon, without the end of line.
 *
 * Strict: <path> by the grammar and the limits of RFC 5321, but underscores in
 * domains and names without domain are taken.  Otherwise also, as Postfix
 * does: no angle brackets, comments, blanks around the parts, several @, any
 * local part of ordinary characters, a dot at the end of the domain.
 *
 * Source routes are accepted and dropped in both.  An empty local part ("")
 * is refused in both, and so is a quoted @ without a domain behind it: there
 * is no internal form for them.  What may be refused later (8-bit without
 * SMTPUTF8, <> as a recipient, no domain) is told in flags.
 *
 * Anything but ADDR_OK leaves out and *p empty.
 */
enum addr_result
path_parse(struct str arg, unsigned options, struct buf *out, struct path *p);

/* One ESMTP parameter, as written.  has_value tells "X=" from "X". */
struct path_param {
	struct str keyword;
	struct str value;
	bool has_value;
};

/*
 * Take the next parameter.  1 when there is one, 0 at the end, -1 when what
 * comes is not KEYWORD or KEYWORD=value (RFC 5321 section 4.1.2; bytes above
 * 0x7e are taken in values, and so is a further '=').
 */
int path_param(struct str *rest, struct path_param *out);

#endif
