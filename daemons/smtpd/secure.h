/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_SECURE_H
#define SMTPD_SECURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "conf/conf.h"
#include "tls/files.h"
#include "tls/keyring.h"
#include "tls/tls.h"

/*
 * TLS of a service: what its parameters say, and its certificates, which keys
 * tells of sooner or later.  Without them, or without keys, STARTTLS gets 454.
 */
struct secure {
	enum tls_level level;
	bool wrapper;  /* TLS from the first byte */
	bool received; /* our header says what was agreed on */
	bool auth_only;
	int loglevel;
	int64_t starttls_ms, session_s;
	struct tls_rules rules;
	char *no_rules;	      /* what is wrong with them, or NULL */
	struct tls_ctx *ctx;  /* NULL: there is no TLS to be had, or not yet */
	struct tls_ctx *warm; /* one without certificates that an image made */
	const struct keyset *late; /* make it of these, when it is wanted */
};

/* What a session got. */
struct secured {
	const char *protocol, *cipher;
	int bits, of_bits;
	char *details; /* key exchange and signature, for our header */
};

void secure_read(struct secure *se, const struct conf *c);
void secure_clear(struct secure *se);

/* Is TLS asked for at all? */
static inline bool
secure_wanted(const struct secure *se)
{
	return se->level != TLS_LEVEL_NONE || se->wrapper;
}

/* Nothing but TLS is to be spoken. */
static inline bool
secure_forced(const struct secure *se)
{
	return se->level == TLS_LEVEL_ENCRYPT || se->level == TLS_LEVEL_BAD ||
	    se->wrapper;
}

/* Are clients to be told that there is TLS? */
bool secure_offered(const struct secure *se);
/* Can a handshake begin now? */
bool secure_ready(struct secure *se, struct str name);

/* What keys told of the service with this name: make a context of it. */
void secure_keys(struct secure *se, const struct keyset *ks, struct str name);
void secure_tickets(struct secure *se, const struct keyset *ks);

/*
 * For a process with one session, which may never want one: the same, but it
 * is made by secure_ready().  Most of that is done by secure_warm(), in an
 * image, for all of its copies.
 */
void secure_keys_late(struct secure *se, const struct keyset *ks);
void secure_warm(struct secure *se, uint32_t service, struct str name);

struct session;

/* STARTTLS. */
void verb_starttls(struct session *s, struct str arg);
/* TLS comes first on this port: wait for it, then greet. */
void secure_first(struct session *s);
/* The handshake is over, well or not. */
void session_secured(struct session *s, struct tls *t);
void session_insecure(struct session *s, const struct tls *t);
/* It has taken too long. */
void session_secure_late(struct session *s);

#endif
