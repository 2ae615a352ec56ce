/* SPDX-License-Identifier: ISC */
#ifndef TLS_RULES_H
#define TLS_RULES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

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
 * Protocols: `>=TLSv1.2`, `!SSLv2, !SSLv3`, `TLSv1.2, TLSv1.3`.  -1: the word
 * in *bad is none.
 */
int tls_rules_protocols(struct tls_rules *r, struct str text, struct str *bad);

/*
 * Ciphers: the list of a grade (tls_medium_cipherlist) and what is excluded
 * from it (smtpd_tls_exclude_ciphers; may be empty, may be called again for
 * more).  -1: too long, or no cipher is left.
 */
int tls_rules_ciphers(struct tls_rules *r, struct str list);
int tls_rules_exclude(struct tls_rules *r, struct str words);

/*
 * Groups: words of tls_eecdh_auto_curves and tls_ffdhe_auto_groups; those the
 * library does not know are left out.
 */
int tls_rules_groups(struct tls_rules *r, struct str words);

/* Is there a cipher in it that the library knows? */
bool tls_rules_usable(const struct tls_rules *r);

#endif
