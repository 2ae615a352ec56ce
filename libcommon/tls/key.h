/* SPDX-License-Identifier: ISC */
#ifndef TLS_KEY_H
#define TLS_KEY_H

#include "base/buf.h"
#include "base/str.h"
#include "tls/tls.h"

/*
 * Private keys, for the one process that holds them, and for tests.
 */
struct tls_key;

/*
 * The first private key of a PEM text, or NULL with a sentence in err.  A key
 * that wants a pass phrase cannot be used.
 */
struct tls_key *tls_key_new(struct str pem, struct buf *err);
/* Free it, and wipe what it was made of. */
void tls_key_free(struct tls_key **kp);

/* `RSA`, `EC`, ... */
const char *tls_key_type(const struct tls_key *k);

/*
 * Answer a question: a signature of at most 1024 bytes is added to out.  -1:
 * this key does not sign so, or the digest has the wrong length.
 */
int tls_key_sign(struct tls_key *k, const struct tls_sign *q, struct buf *out);

/*
 * PEM text in pieces: which certificates follow each other, where is a key.
 * Cuts the next block off *text; false when there is none.
 */
enum tls_pem {
	TLS_PEM_CERT,
	TLS_PEM_KEY,
	TLS_PEM_OTHER, /* parameters, requests: passed over */
};
bool tls_pem_next(struct str *text, struct str *block, enum tls_pem *kind);

/* The certificates of a PEM text, DER, one behind the other: how many? */
int tls_pem_certs(struct str text, struct buf *out);

/* Is this the key of the first certificate of the chain (DER)? */
bool tls_key_fits(const struct tls_key *k, struct str chain);

#endif
