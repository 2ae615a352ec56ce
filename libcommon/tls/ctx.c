/* SPDX-License-Identifier: ISC */
/*
 * Contexts: what connections of one kind share.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tls/tls_parts.h"

/* --- tickets -------------------------------------------------------------- */

static int
ticket_open(const uint8_t *k, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int enc)
{
	OSSL_PARAM params[3] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
		    (void *)(uintptr_t)(k + 48), 32),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		    (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	if (EVP_MAC_CTX_set_params(mac, params) != 1 ||
	    EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k + 16, iv,
		enc) != 1)
		return -1;
	return 1;
}

/* 0: no such key, a new session; 1: good; 2: good, and a new one is due. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int enc)
{
	const struct tls_ctx *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (enc) {
		if (ctx->ntickets == 0 ||
		    RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return -1;
		memcpy(name, ctx->tickets[0], 16);
		return ticket_open(ctx->tickets[0], iv, cipher, mac, 1);
	}
	for (size_t i = 0; i < ctx->ntickets; i++) {
		if (memcmp(name, ctx->tickets[i], 16) != 0)
			continue;
		if (ticket_open(ctx->tickets[i], iv, cipher, mac, 0) != 1)
			return -1;
		return i == 0 ? 1 : 2;
	}
	return 0;
}

void
tls_ctx_tickets(struct tls_ctx *ctx, struct str keys)
{
	size_t n = keys.n / TLS_TICKET_BYTES;

	ctx->ntickets = n < TLS_TICKET_KEYS ? n : TLS_TICKET_KEYS;
	OPENSSL_cleanse(ctx->tickets, sizeof(ctx->tickets));
	if (ctx->ntickets > 0)
		memcpy(ctx->tickets, keys.p, ctx->ntickets * TLS_TICKET_BYTES);
	if (ctx->ntickets > 0)
		SSL_CTX_clear_options(ctx->ssl, SSL_OP_NO_TICKET);
	else
		SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx->ssl, ctx->ntickets > 0 ? 1 : 0);
}

/* --- certificates --------------------------------------------------------- */

static int
fail(struct buf *err, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	buf_printf(err, "%s: %s", what, reason == NULL ? "refused" : reason);
	ERR_clear_error();
	return -1;
}

static EVP_PKEY *
local_key(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return key;
}

static int
add_cert(struct tls_ctx *ctx, const struct tls_cert *c, struct buf *err)
{
	const unsigned char *p = (const unsigned char *)c->chain.p;
	const unsigned char *end = p + c->chain.n;
	STACK_OF(X509) *rest = sk_X509_new_null();
	X509 *leaf = NULL, *x;
	EVP_PKEY *key = NULL;
	int r = -1;

	leaf = d2i_X509(NULL, &p, (long)c->chain.n);
	if (leaf == NULL) {
		fail(err, "certificate");
		goto out;
	}
	while (p < end) {
		x = d2i_X509(NULL, &p, end - p);
		if (x == NULL || sk_X509_push(rest, x) == 0) {
			X509_free(x);
			fail(err, "chain of the certificate");
			goto out;
		}
	}
	key =
	    c->key.n > 0 ? local_key(c->key) : tls_remote_key(leaf, c->key_id);
	ctx->remote |= c->key.n == 0;
	if (key == NULL)
		fail(err, "key of the certificate");
	else if (SSL_CTX_use_cert_and_key(ctx->ssl, leaf, key, rest, 1) != 1)
		fail(err, "certificate and key");
	else
		r = 0;
out:
	EVP_PKEY_free(key);
	X509_free(leaf);
	sk_X509_pop_free(rest, X509_free);
	return r;
}

static int
add_trust(struct tls_ctx *ctx, const struct tls_set *set, struct buf *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx->ssl);
	BIO *bio = BIO_new_mem_buf(set->trust.p, (int)set->trust.n);
	size_t n = 0;
	X509 *x;

	while ((x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
		X509_STORE_add_cert(store, x);
		if (set->role == TLS_SERVER && set->ask_cert)
			SSL_CTX_add_client_CA(ctx->ssl, x);
		X509_free(x);
		n++;
	}
	BIO_free(bio);
	ERR_clear_error();
	if (n == 0) {
		buf_puts(err, "no certificate in the list of trusted ones");
		return -1;
	}
	return 0;
}

/* --- contexts ------------------------------------------------------------- */

/* What is wrong with a chain is looked at when the handshake is over. */
static int
on_verify(int ok, X509_STORE_CTX *xs)
{
	(void)ok;
	(void)xs;
	return 1;
}

static int
on_session(SSL *ssl, SSL_SESSION *s)
{
	struct tls *t = SSL_get_app_data(ssl);

	SSL_SESSION_free(t->session);
	t->session = s;
	return 1; /* ours now */
}

static int
apply_rules(struct tls_ctx *ctx, const struct tls_rules *r, struct buf *err)
{
	SSL_CTX *s = ctx->ssl;

	SSL_CTX_set_min_proto_version(s, r->min);
	SSL_CTX_set_max_proto_version(s, r->max);
	SSL_CTX_set_options(s, r->without);
	if (r->preempt)
		SSL_CTX_set_options(s, SSL_OP_CIPHER_SERVER_PREFERENCE);
	if (r->ciphers[0] != '\0' &&
	    SSL_CTX_set_cipher_list(s, r->ciphers) != 1)
		return fail(err, "ciphers");
	if (r->groups[0] != '\0' && SSL_CTX_set1_groups_list(s, r->groups) != 1)
		return fail(err, "groups");
	return 0;
}

static void
set_modes(SSL_CTX *s)
{
	/* In mail any encryption beats none: what is too weak, the rules say.
	 */
	SSL_CTX_set_security_level(s, 0);
	SSL_CTX_set_options(s,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_SSLv3 |
		SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(s, SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_mode(s,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(s, 1);
	SSL_CTX_set_dh_auto(s, 1);
	/* Sessions live in tickets (servers) and with the owner (clients). */
	SSL_CTX_set_max_early_data(s, 0);
}

static void
set_sessions(struct tls_ctx *ctx, const struct tls_set *set)
{
	SSL_CTX *s = ctx->ssl;

	if (set->role == TLS_CLIENT) {
		SSL_CTX_set_session_cache_mode(s,
		    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(s, on_session);
		return;
	}
	SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(s, (const unsigned char *)set->stamp.p,
	    (unsigned)(set->stamp.n > 32 ? 32 : set->stamp.n));
	SSL_CTX_set_timeout(s, (long)set->session_s);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(s, on_ticket);
	tls_ctx_tickets(ctx, STR_NONE);
}

static void
set_verify(struct tls_ctx *ctx, const struct tls_set *set)
{
	int mode = SSL_VERIFY_NONE;

	if (set->role == TLS_SERVER && set->ask_cert)
		mode = SSL_VERIFY_PEER;
	if (set->role == TLS_SERVER && set->require_cert)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx->ssl, mode, on_verify);
	if (set->depth > 0)
		SSL_CTX_set_verify_depth(ctx->ssl, set->depth);
	if (set->role == TLS_CLIENT)
		SSL_CTX_dane_enable(ctx->ssl);
}

int
tls_ctx_certs(struct tls_ctx *ctx, const struct tls_cert *certs, size_t n,
    struct buf *err)
{
	for (size_t i = 0; i < n; i++)
		if (add_cert(ctx, &certs[i], err) == -1)
			return -1;
	return 0;
}

struct tls_ctx *
tls_ctx_new(const struct tls_set *set, struct buf *err)
{
	struct tls_ctx *ctx = xcalloc(1, sizeof(*ctx));

	ctx->refs = 1;
	ctx->role = set->role;
	ctx->signer = set->signer;
	ERR_clear_error();
	ctx->ssl = SSL_CTX_new(set->role == TLS_SERVER ? TLS_server_method() :
							 TLS_client_method());
	if (ctx->ssl == NULL) {
		fail(err, "TLS library");
		tls_ctx_unref(&ctx);
		return NULL;
	}
	SSL_CTX_set_app_data(ctx->ssl, ctx);
	set_modes(ctx->ssl);
	set_sessions(ctx, set);
	set_verify(ctx, set);
	if (apply_rules(ctx, &set->rules, err) == -1)
		tls_ctx_unref(&ctx);
	if (ctx != NULL &&
	    tls_ctx_certs(ctx, set->certs, set->ncerts, err) == -1)
		tls_ctx_unref(&ctx);
	if (ctx != NULL && set->trust.n > 0 && add_trust(ctx, set, err) == -1)
		tls_ctx_unref(&ctx);
	return ctx;
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *ctx)
{
	ctx->refs++;
	return ctx;
}

void
tls_ctx_unref(struct tls_ctx **ctxp)
{
	struct tls_ctx *ctx = *ctxp;

	*ctxp = NULL;
	if (ctx == NULL || --ctx->refs > 0)
		return;
	SSL_CTX_free(ctx->ssl);
	OPENSSL_cleanse(ctx->tickets, sizeof(ctx->tickets));
	free(ctx);
}
