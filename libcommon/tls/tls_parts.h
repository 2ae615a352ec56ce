/* SPDX-License-Identifier: ISC */
#ifndef TLS_TLS_PARTS_H
#define TLS_TLS_PARTS_H

#include <sys/queue.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "tls/tls.h"

/*
 * What tls.c, ctx.c, remote.c and text.c know of each other.
 */
struct tls_ctx {
	unsigned refs;
	SSL_CTX *ssl;
	enum tls_role role;
	struct tls_signer signer;
	bool remote; /* a private key is elsewhere */
	size_t ntickets;
	uint8_t tickets[TLS_TICKET_KEYS][TLS_TICKET_BYTES];
};

enum sign_state {
	SIGN_NONE,
	SIGN_WANTED, /* the handshake has stopped for it */
	SIGN_ASKED,
	SIGN_HERE,
};

/*
 * Signatures that are asked for at one time.  Enough that the signer is never
 * without work, and no more: another handshake that begins is worth less than
 * one that can go on, and would delay it.
 */
#define TLS_ASKED_MAX 4
#define TLS_SIGNATURE_MAX 1024
#define TLS_PROBLEMS 4

struct tls {
	TAILQ_ENTRY(tls) crowd; /* those who are to begin later */
	struct tls_ctx *ctx;
	SSL *ssl;
	int fd;
	void (*wake)(void *arg);
	void *wake_arg;
	int waits;
	bool in_crowd;
	bool had_turn; /* its signature was asked for */
	bool done, broken;
	bool starved; /* the rest of a record has yet to come */
	char **names; /* the peer's certificate is to have, NULL at the end */
	/* The signature that is wanted. */
	enum sign_state sign;
	uint64_t asked;
	struct tls_sign question;
	struct str answer;
	char *scratch; /* what the two point into */
	/* What was said of the end. */
	char *why;
	char *problems[TLS_PROBLEMS];
	struct tls_facts facts;
	char *subject, *issuer;
	SSL_SESSION *session; /* the newest ticket */
};

/* A key of ours whose private half is elsewhere, for this certificate. */
EVP_PKEY *tls_remote_key(X509 *cert, uint32_t key_id);

/* The connection whose handshake runs now. */
struct tls *tls_running(void);
/*
 * In a handshake: stop it until the signature is here.  0, or -1 when there
 * will be none; the signature is in t->answer.
 */
int tls_pause(struct tls *t, const struct tls_sign *q);

/* Note what the library has to say; `last` is errno of the call. */
void tls_note_failure(struct tls *t, int result, int last);

struct tls_session {
	SSL_SESSION *s;
};

#endif
