/* SPDX-License-Identifier: ISC */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Our Received: header, in the form Postfix gives it.  Whatever a stranger
 * wrote (HELO, reverse name, user, certificate, recipient) is made printable
 * and cut to a decent length; characters that would end a comment or look
 * like an address are replaced in HELO.
 */

/* How the message came: "with ESMTPSA" (RFC 3848, RFC 6531). */
#define RECEIVED_ESMTP 0x01 /* EHLO */
#define RECEIVED_TLS 0x02
#define RECEIVED_AUTH 0x04
#define RECEIVED_UTF8 0x08 /* SMTPUTF8 was asked for */
#define RECEIVED_LMTP 0x10

/* "SMTP", "ESMTP", "ESMTPS", "UTF8SMTPSA" ... */
const char *received_with(unsigned flags);

enum received_cert {
	RECEIVED_CERT_NOT_ASKED,
	RECEIVED_CERT_NONE,
	RECEIVED_CERT_UNVERIFIED,
	RECEIVED_CERT_VERIFIED
};

/* smtpd_tls_received_header = yes; protocol is empty otherwise. */
struct received_tls {
	struct str protocol; /* TLSv1.3 */
	struct str cipher;   /* TLS_AES_256_GCM_SHA384 */
	int bits_used, bits;
	struct str details; /* "key-exchange X25519 ..."; may be empty */
	enum received_cert cert;
	struct str subject_cn, issuer_cn;
};

struct received {
	struct str helo; /* as the client said */
	struct str name; /* verified name, or "unknown" */
	struct str addr; /* 192.0.2.1 or 2001:db8::1, or "unknown" */
	struct received_tls tls;
	struct str sasl_user; /* smtpd_sasl_authenticated_header */
	struct str by;	      /* $myhostname */
	struct str mail_name; /* $mail_name */
	unsigned flags;	      /* RECEIVED_ESMTP ... */
	struct str id;	      /* queue id */
	struct str rcpt;      /* internal form; empty unless just one */
	int64_t us;	      /* wall clock */
};

/* No header of ours is longer. */
#define RECEIVED_MAX 4096

/*
 * Append the header, lines ending in LF.  -1 when the buffer is full.
 */
int received_format(struct buf *out, const struct received *r);

/*
 * The same for a message of a local user:
 *	Received: by host.example.com (Postfix, from userid 1000)
 *		id 4Fz...; Sat, 21 Nov 2026 13:00:00 +0100 (CET)
 */
int received_format_local(struct buf *out, struct str by, struct str mail_name,
    unsigned uid, struct str id, int64_t us);

#endif
