/* SPDX-License-Identifier: ISC */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "tls/rules.h"

/*
 * TLS, both roles, on sockets that do not block.
 *
 * A context holds what connections of one kind share: certificates, protocols
 * and ciphers, trust.  A connection reads and writes like read(2) and
 * write(2) on the socket that it was given and does not own; the owner watches
 * the socket and calls again.
 *
 *	tls_init();                             before the sandbox is entered
 *	ctx = tls_ctx_new(&set, err);
 *	t = tls_new(ctx, fd, &want, wake, arg);
 *	tls_handshake(t) until it is not 0      at most until a deadline
 *	tls_read(t, ...), tls_write(t, ...)
 *	tls_free(&t);                           before the socket is closed
 *
 * Certificates are bytes, never paths.  A private key is not here: its place
 * is another process, which is asked for each signature through a tls_signer
 * while the handshake waits.
 */
struct tls_ctx;
struct tls;

/*
 * Load what the library needs of the system (random numbers, tables), so that
 * a sealed process can work.  Ends the process when that fails.
 */
void tls_init(void);

enum tls_role {
	TLS_SERVER,
	TLS_CLIENT,
};

/* --- certificates and signatures ------------------------------------------ */

/* How bytes are to be signed. */
enum tls_padding {
	TLS_PAD_PKCS1, /* RSA */
	TLS_PAD_PSS,   /* RSA, salt as long as the digest */
	TLS_PAD_NONE,  /* everything that is no RSA */
};

enum tls_digest {
	TLS_DIGEST_NONE, /* the key signs the bytes themselves: Ed25519 */
	TLS_DIGEST_MD5_SHA1,
	TLS_DIGEST_SHA1,
	TLS_DIGEST_SHA224,
	TLS_DIGEST_SHA256,
	TLS_DIGEST_SHA384,
	TLS_DIGEST_SHA512,
	TLS_DIGESTS,
};

/* What is to be signed: a digest, or the bytes where there is none. */
#define TLS_TBS_MAX 4096
struct tls_sign {
	uint32_t key; /* tls_cert.key_id */
	uint8_t padding;
	uint8_t digest;
	struct str tbs;
};

/*
 * Who has the private keys.  ask() takes a question (its bytes are borrowed)
 * and returns a handle, or 0 when there is nobody to ask now; the answer is
 * tls_signed(t), never from within.  forget() takes a question back.
 */
struct tls_signer {
	uint64_t (*ask)(void *arg, const struct tls_sign *q, struct tls *t);
	void (*forget)(void *arg, uint64_t handle);
	void *arg;
};

/* The answer: a signature, or nothing when there is none to be had. */
void tls_signed(struct tls *t, struct str signature);

/* A certificate with those that lead to its root, DER, leaf first. */
struct tls_cert {
	struct str chain;
	uint32_t key_id; /* what the signer knows its key as */
	struct str key;	 /* or the key itself, PEM: for tests and measuring */
};

/* --- tickets -------------------------------------------------------------- */

/*
 * Keys of session tickets, the first for new ones; the others are of an hour
 * ago and still good for reading.  Where they come from derives them for one
 * service, so that a ticket of another is noise.
 */
#define TLS_TICKET_KEYS 3
#define TLS_TICKET_BYTES 80 /* name 16, AES 32, MAC 32 */

/* --- contexts ------------------------------------------------------------- */

struct tls_set {
	enum tls_role role;
	struct tls_rules rules;
	const struct tls_cert *certs;
	size_t ncerts;
	struct tls_signer signer;
	/*
	 * Sessions are resumed only where this is the same (32 bytes at most):
	 * the service.  Server.
	 */
	struct str stamp;
	int64_t session_s; /* they last so long; 0: no resumption */
	/* PEM of those whose word on certificates counts, or empty. */
	struct str trust;
	int depth; /* of a chain, 0: no limit of ours */
	/* Server: ask clients for a certificate; and refuse without. */
	bool ask_cert, require_cert;
};

/* A context, or NULL with a sentence in err.  All is copied.  Counted. */
struct tls_ctx *tls_ctx_new(const struct tls_set *set, struct buf *err);
/*
 * Certificates for one that was made without: what remains when the rest, which
 * is the most of it, was done before.  -1 with a sentence, and no good then.
 */
int tls_ctx_certs(struct tls_ctx *ctx, const struct tls_cert *certs, size_t n,
    struct buf *err);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx **ctxp);

/* Ticket keys from now on: n times TLS_TICKET_BYTES.  None: no tickets. */
void tls_ctx_tickets(struct tls_ctx *ctx, struct str keys);

/* --- connections ---------------------------------------------------------- */

/* A TLSA record (RFC 6698), for a client that goes by DANE. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct str data;
};

/* What is particular to one connection.  All of it is for clients. */
struct tls_want {
	const char *sni;	  /* NULL: say no name */
	const char *const *names; /* the certificate's must match one */
	size_t nnames;
	/* ".example.com" among names is example.com's subdomains. */
	const struct tls_tlsa *tlsa;
	size_t ntlsa;
	const char *tlsa_base;		   /* the name the records are of */
	const struct tls_session *session; /* to resume, or NULL */
	const struct tls_rules *rules;	   /* other than the context's */
};

/*
 * A connection on fd, which stays the owner's.  wake(arg) is called when the
 * handshake can go on without the socket (a signature has come); it may come
 * from within tls_signed() and should only take a note.  Never NULL.
 */
struct tls *tls_new(struct tls_ctx *ctx, int fd, const struct tls_want *want,
    void (*wake)(void *arg), void *arg);

/* Say good-bye to the peer, as far as the socket takes it; forget all. */
void tls_free(struct tls **tp);

/* 1: done.  0: not yet, see tls_waits().  -1: failed, see tls_why(). */
int tls_handshake(struct tls *t);

/*
 * Like read(2) and write(2): 0 from a read is the peer's orderly end, -1 with
 * EAGAIN means try again when tls_waits() says, any other -1 that the
 * connection is no more.  A write that was answered with EAGAIN may be
 * repeated with more bytes, not with fewer.
 */
ssize_t tls_read(struct tls *t, void *p, size_t n);
ssize_t tls_write(struct tls *t, const void *p, size_t n);

/*
 * What the call that could not go on waits for: LOOP_READ, LOOP_WRITE (of
 * loop/loop.h), or 0 when wake() will tell.
 */
int tls_waits(const struct tls *t);

/*
 * Bytes have been taken from the socket that tls_read() did not give yet; no
 * event will tell of them.
 */
bool tls_pending(const struct tls *t);

/* --- what was agreed on --------------------------------------------------- */

enum tls_trust {
	TLS_ANONYMOUS, /* the peer showed no certificate */
	TLS_UNTRUSTED,
	TLS_TRUSTED,  /* by one whose word counts */
	TLS_VERIFIED, /* and the name matches, or a TLSA record */
};

/* Valid after the handshake, as long as the connection. */
struct tls_facts {
	const char *protocol; /* TLSv1.3 */
	const char *cipher;   /* TLS_AES_256_GCM_SHA384 */
	int bits, of_bits;
	bool resumed;
	enum tls_trust trust;
	bool by_dane;
	const char *sni; /* server: the name the client asked for, or NULL */
	/* Of the peer's certificate, or empty: */
	const char *subject; /* common name */
	const char *issuer;
	const char *verify_error; /* why it is not trusted, or NULL */
	bool name_matched;
};
const struct tls_facts *tls_facts(struct tls *t);

/*
 * `Anonymous TLS connection established from WHERE: TLSv1.3 with cipher ...`
 * (a client's is `to WHERE`).
 */
void tls_summary(struct tls *t, const char *where, struct buf *out);
/* The end of that line: ` key-exchange X25519 server-signature ...`. */
void tls_details(struct tls *t, struct buf *out);

/*
 * After a failure: what stands behind `SSL_accept error from WHERE: ` (the
 * client's is SSL_connect error to), and lines for `TLS library problem: `,
 * NULL behind the last.
 */
const char *tls_why(const struct tls *t);
const char *tls_problem(const struct tls *t, size_t i);

/* --- resumption, client --------------------------------------------------- */

/*
 * The session as it can be resumed by a later connection to the same server,
 * or NULL; ask at the connection's end, tickets come late.  The caller's.
 */
struct tls_session *tls_session_take(struct tls *t);
void tls_session_free(struct tls_session **sp);

#endif
