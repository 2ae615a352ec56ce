/* SPDX-License-Identifier: ISC */
#ifndef MAIL_XTEXT_H
#define MAIL_XTEXT_H

#include "base/buf.h"
#include "base/str.h"

/*
 * xtext of RFC 3461 section 4: visible ASCII, where '+', '=' and everything
 * else are written +HH with upper case digits.
 */

/* Append s in xtext.  -1 when the buffer is full. */
int xtext_encode(struct buf *out, struct str s);

/*
 * Append what the xtext s stands for.  Lower case digits and bytes above 0x7e
 * (a client using SMTPUTF8) are taken.  -1 when s is malformed, when a NUL is
 * encoded in it, or when the buffer is full; out may then hold a part.
 */
int xtext_decode(struct buf *out, struct str s);

/*
 * The value of ORCPT=: "rfc822;user+2Btag@example.com".  *type is borrowed
 * from s; the decoded address is appended to out.  For the type utf-8 also
 * the forms of RFC 6533 section 3 (\x{2318}) are decoded.  -1 when malformed,
 * when the type is not an atom, when the address is empty or holds control
 * characters, or when it does not fit.
 */
int orcpt_decode(struct str s, struct str *type, struct buf *out);

/*
 * Is this "type;address" as orcpt_decode() leaves it?  For whoever passes on
 * what another kept: the type is written into a command as it is.
 */
bool orcpt_valid(struct str s);

/*
 * Append "type;address" for the parameter of an RCPT command.  An address that
 * is not ASCII is written with type utf-8 in \x{...} form, so that a server
 * without SMTPUTF8 can be told as well.  -1 when the buffer is full.
 */
int orcpt_encode(struct buf *out, struct str type, struct str addr);

/* Longest decoded ENVID (RFC 3461 section 4.4: 100 characters of xtext). */
#define ENVID_MAX 100

#endif
