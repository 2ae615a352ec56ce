/* SPDX-License-Identifier: ISC */
/*
 * Private keys: read, tried against their certificate, used, wiped.
 */
#include "tls/key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/mem.h"

struct tls_key {
	EVP_PKEY *key;
	/* Ready to sign digests in the way that was asked for last. */
	EVP_PKEY_CTX *ready;
	uint8_t padding, digest;
};

/* There is nobody to ask for a pass phrase. */
static int
no_phrase(char *p, int size, int rw, void *arg)
{
	(void)p;
	(void)size;
	(void)rw;
	(void)arg;
	return -1;
}

struct tls_key *
tls_key_new(struct str pem, struct buf *err)
{
	struct tls_key *k;
	EVP_PKEY *key = NULL;
	BIO *bio;

	ERR_clear_error();
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_phrase, NULL);
	BIO_free(bio);
	if (key == NULL) {
		const char *why =
		    ERR_reason_error_string(ERR_peek_last_error());

		buf_printf(err, "no private key that can be read: %s",
		    why == NULL ? "none there" : why);
		ERR_clear_error();
		return NULL;
	}
	k = xcalloc(1, sizeof(*k));
	k->key = key;
	return k;
}

void
tls_key_free(struct tls_key **kp)
{
	struct tls_key *k = *kp;

	*kp = NULL;
	if (k == NULL)
		return;
	EVP_PKEY_CTX_free(k->ready);
	EVP_PKEY_free(k->key); /* which wipes */
	free(k);
}

const char *
tls_key_type(const struct tls_key *k)
{
	const char *name = EVP_PKEY_get0_type_name(k->key);

	return name == NULL ? "?" : name;
}

/* --- signing -------------------------------------------------------------- */

static const EVP_MD *
digest_md(uint8_t digest)
{
	switch (digest) {
	case TLS_DIGEST_MD5_SHA1:
		return EVP_md5_sha1();
	case TLS_DIGEST_SHA1:
		return EVP_sha1();
	case TLS_DIGEST_SHA224:
		return EVP_sha224();
	case TLS_DIGEST_SHA256:
		return EVP_sha256();
	case TLS_DIGEST_SHA384:
		return EVP_sha384();
	case TLS_DIGEST_SHA512:
		return EVP_sha512();
	default:
		return NULL;
	}
}

static bool
is_rsa(const struct tls_key *k)
{
	return EVP_PKEY_is_a(k->key, "RSA") || EVP_PKEY_is_a(k->key, "RSA-PSS");
}

static bool
is_eddsa(const struct tls_key *k)
{
	return EVP_PKEY_is_a(k->key, "ED25519") ||
	    EVP_PKEY_is_a(k->key, "ED448");
}

/* Never what is no digest: the holder's answers are signatures, no more. */
static bool
allowed(const struct tls_key *k, const struct tls_sign *q)
{
	const EVP_MD *md = digest_md(q->digest);

	if (is_eddsa(k))
		return q->digest == TLS_DIGEST_NONE &&
		    q->padding == TLS_PAD_NONE && q->tbs.n > 0 &&
		    q->tbs.n <= TLS_TBS_MAX;
	if (md == NULL || q->tbs.n != (size_t)EVP_MD_get_size(md))
		return false;
	return is_rsa(k) ? q->padding != TLS_PAD_NONE :
			   q->padding == TLS_PAD_NONE;
}

static int
sign_message(struct tls_key *k, const struct tls_sign *q, unsigned char *sig,
    size_t *n)
{
	EVP_MD_CTX *mc = EVP_MD_CTX_new();
	int ok = mc != NULL &&
	    EVP_DigestSignInit(mc, NULL, NULL, NULL, k->key) == 1 &&
	    EVP_DigestSign(mc, sig, n, (const unsigned char *)q->tbs.p,
		q->tbs.n) == 1;

	EVP_MD_CTX_free(mc);
	return ok ? 0 : -1;
}

static bool
set_up(EVP_PKEY_CTX *pc, const struct tls_sign *q)
{
	const EVP_MD *md = digest_md(q->digest);

	if (EVP_PKEY_sign_init(pc) != 1)
		return false;
	if (q->padding == TLS_PAD_PSS &&
	    EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING) != 1)
		return false;
	if (EVP_PKEY_CTX_set_signature_md(pc, md) != 1)
		return false;
	return q->padding != TLS_PAD_PSS ||
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pc, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* Most clients want the same: what was set up for one is kept. */
static EVP_PKEY_CTX *
make_ready(struct tls_key *k, const struct tls_sign *q)
{
	if (k->ready != NULL && k->padding == q->padding &&
	    k->digest == q->digest)
		return k->ready;
	EVP_PKEY_CTX_free(k->ready);
	k->ready = EVP_PKEY_CTX_new(k->key, NULL);
	k->padding = q->padding;
	k->digest = q->digest;
	if (k->ready != NULL && !set_up(k->ready, q)) {
		EVP_PKEY_CTX_free(k->ready);
		k->ready = NULL;
	}
	return k->ready;
}

static int
sign_digest(struct tls_key *k, const struct tls_sign *q, unsigned char *sig,
    size_t *n)
{
	EVP_PKEY_CTX *pc = make_ready(k, q);

	if (pc != NULL &&
	    EVP_PKEY_sign(pc, sig, n, (const unsigned char *)q->tbs.p,
		q->tbs.n) == 1)
		return 0;
	/* After a failure nothing is taken for granted. */
	EVP_PKEY_CTX_free(k->ready);
	k->ready = NULL;
	return -1;
}

#define SIGNATURE_MAX 1024

int
tls_key_sign(struct tls_key *k, const struct tls_sign *q, struct buf *out)
{
	unsigned char sig[SIGNATURE_MAX];
	size_t n = sizeof(sig);
	int r;

	if (!allowed(k, q) || EVP_PKEY_get_size(k->key) > SIGNATURE_MAX)
		return -1;
	r = is_eddsa(k) ? sign_message(k, q, sig, &n) :
			  sign_digest(k, q, sig, &n);
	ERR_clear_error();
	return r == 0 ? buf_add(out, sig, n) : -1;
}

/* --- PEM ------------------------------------------------------------------ */

static ptrdiff_t
find(struct str s, struct str what)
{
	const char *p = s.n < what.n ? NULL : memmem(s.p, s.n, what.p, what.n);

	return p == NULL ? -1 : p - s.p;
}

bool
tls_pem_next(struct str *text, struct str *block, enum tls_pem *kind)
{
	ptrdiff_t begin = find(*text, STR("-----BEGIN ")), end, eol;
	struct str rest, label;

	if (begin == -1)
		return false;
	rest = str_sub(*text, (size_t)begin, text->n);
	end = find(rest, STR("-----END "));
	if (end == -1)
		return false;
	eol = str_chr(str_sub(rest, (size_t)end, rest.n), '\n');
	end = eol == -1 ? (ptrdiff_t)rest.n : end + eol + 1;
	*block = str_sub(rest, 0, (size_t)end);
	*text = str_sub(rest, (size_t)end, rest.n);
	label = str_sub(*block, 11, block->n);
	label = str_sub(label, 0,
	    (size_t)(find(label, STR("-----")) == -1 ?
		    0 :
		    find(label, STR("-----"))));
	*kind = TLS_PEM_OTHER;
	if (str_ends(label, STR("CERTIFICATE")))
		*kind = TLS_PEM_CERT;
	else if (str_ends(label, STR("PRIVATE KEY")))
		*kind = TLS_PEM_KEY;
	return true;
}

static int
add_der(struct str block, struct buf *out)
{
	BIO *bio = BIO_new_mem_buf(block.p, (int)block.n);
	X509 *x = PEM_read_bio_X509(bio, NULL, no_phrase, NULL);
	unsigned char *der = NULL;
	int n = x == NULL ? -1 : i2d_X509(x, &der);
	int r = n > 0 ? buf_add(out, der, (size_t)n) : -1;

	OPENSSL_free(der);
	X509_free(x);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}

int
tls_pem_certs(struct str text, struct buf *out)
{
	struct str block;
	enum tls_pem kind;
	int n = 0;

	while (tls_pem_next(&text, &block, &kind)) {
		if (kind != TLS_PEM_CERT)
			continue;
		if (add_der(block, out) == -1)
			return -1;
		n++;
	}
	return n;
}

bool
tls_key_fits(const struct tls_key *k, struct str chain)
{
	const unsigned char *p = (const unsigned char *)chain.p;
	X509 *x = d2i_X509(NULL, &p, (long)chain.n);
	bool fits = x != NULL && X509_check_private_key(x, k->key) == 1;

	X509_free(x);
	ERR_clear_error();
	return fits;
}
