/* SPDX-License-Identifier: ISC */
#ifndef TLS_RULES_H
#define TLS_RULES_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"

struct conf;

/* Whose parameters: smtpd_tls_*, smtp_tls_*, lmtp_tls_*. */
enum tls_side {
	TLS_SIDE_NONE, /* a service that does not speak TLS */
	TLS_SIDE_SMTPD,
	TLS_SIDE_SMTP,
	TLS_SIDE_LMTP,
};

/*
 * Protocols and ciphers as main.cf says them, read once.
 */
struct tls_rules {
	/* Protocol versions as the library numbers them; 0: no limit. */
	int min, max;
	unsigned long without; /* SSL_OP_NO_... */
	char ciphers[1024];    /* TLS 1.2 and before, with what is excluded */
	char groups[256];      /* key exchange; empty: the library's choice */
	bool preempt;	       /* the server chooses */
};

/*
 * What main.cf says for this side of a service, where TLS is a must (forced:
 * the ..._mandatory_... ones) or an offer:
 *
 *	protocols	`>=TLSv1.2`, `!SSLv2, !SSLv3`, `TLSv1.2, TLSv1.3`
 *	ciphers		the list of a grade (tls_medium_cipherlist), without
 *			what is excluded
 *	groups		those of tls_eecdh_auto_curves, tls_ffdhe_auto_groups
 *			that the library knows
 *
 * -1: err names the parameter and the word that is wrong, and the rules are
 * not to be used: what was to be excluded might not be.
 */
int tls_rules_read(struct tls_rules *r, const struct conf *c,
    enum tls_side side, bool forced, struct buf *err) WARN_UNUSED;

#endif
