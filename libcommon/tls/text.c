/* SPDX-License-Identifier: ISC */
/*
 * What was agreed on, and what went wrong, in words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "tls/tls_parts.h"

/* --- failures ------------------------------------------------------------- */

void
tls_note_failure(struct tls *t, int result, int last)
{
	const char *file, *data;
	int line, flags;
	unsigned long e;
	char text[256];
	size_t n = 0;

	if (t->why != NULL)
		return;
	if (ERR_peek_error() != 0)
		t->why = xasprintf("%d", result);
	else if (last != 0)
		t->why = xstrdup(strerror(last));
	else
		t->why = xstrdup("lost connection");
	while (
	    (e = ERR_get_error_all(&file, &line, NULL, &data, &flags)) != 0) {
		if (n == TLS_PROBLEMS)
			continue;
		ERR_error_string_n(e, text, sizeof(text));
		t->problems[n++] = xasprintf("%s:%s:%d:%s%s", text, file, line,
		    (flags & ERR_TXT_STRING) != 0 ? data : "",
		    (flags & ERR_TXT_STRING) != 0 && data[0] != '\0' ? ":" :
								       "");
	}
}

const char *
tls_why(const struct tls *t)
{
	return t->why == NULL ? "lost connection" : t->why;
}

const char *
tls_problem(const struct tls *t, size_t i)
{
	return i < TLS_PROBLEMS ? t->problems[i] : NULL;
}

/* --- facts ---------------------------------------------------------------- */

static char *
name_part(X509_NAME *name, int nid)
{
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	unsigned char *utf8 = NULL;
	char *s;
	int n;

	if (at == -1)
		return NULL;
	n = ASN1_STRING_to_UTF8(&utf8,
	    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (n < 0)
		return NULL;
	/* A name with a terminator in it is not what it seems. */
	s = strlen((char *)utf8) == (size_t)n ? xstrdup((char *)utf8) : NULL;
	OPENSSL_free(utf8);
	return s;
}

static char *
common_name(X509_NAME *name)
{
	char *s = name_part(name, NID_commonName);

	if (s == NULL)
		s = name_part(name, NID_organizationName);
	return s == NULL ? xstrdup("") : s;
}

static bool
name_matches(const struct tls *t, X509 *cert)
{
	for (size_t i = 0; t->names != NULL && t->names[i] != NULL; i++)
		if (X509_check_host(cert, t->names[i], 0, 0, NULL) == 1)
			return true;
	return false;
}

static void
peer_facts(struct tls *t, X509 *cert)
{
	struct tls_facts *f = &t->facts;
	long r = SSL_get_verify_result(t->ssl);

	if (t->subject == NULL) {
		t->subject = common_name(X509_get_subject_name(cert));
		t->issuer = common_name(X509_get_issuer_name(cert));
	}
	f->subject = t->subject;
	f->issuer = t->issuer;
	f->name_matched = name_matches(t, cert);
	f->trust = TLS_UNTRUSTED;
	if (r != X509_V_OK)
		f->verify_error = X509_verify_cert_error_string(r);
	else if (SSL_get0_dane_authority(t->ssl, NULL, NULL) >= 0) {
		f->by_dane = true;
		f->trust = TLS_VERIFIED;
	} else {
		f->trust = f->name_matched ? TLS_VERIFIED : TLS_TRUSTED;
	}
}

const struct tls_facts *
tls_facts(struct tls *t)
{
	const SSL_CIPHER *c = SSL_get_current_cipher(t->ssl);
	struct tls_facts *f = &t->facts;
	X509 *cert;

	if (f->protocol != NULL)
		return f;
	f->protocol = SSL_get_version(t->ssl);
	f->cipher = c == NULL ? "(NONE)" : SSL_CIPHER_get_name(c);
	if (c != NULL)
		f->bits = SSL_CIPHER_get_bits(c, &f->of_bits);
	f->resumed = SSL_session_reused(t->ssl) == 1;
	f->subject = f->issuer = "";
	if (t->ctx->role == TLS_SERVER)
		f->sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
	cert = SSL_get0_peer_certificate(t->ssl);
	if (cert != NULL)
		peer_facts(t, cert);
	return f;
}

/* --- the line ------------------------------------------------------------- */

static void
add_exchange(SSL *ssl, struct buf *out)
{
	EVP_PKEY *key = NULL;
	char group[64] = "";
	size_t n;

	if (SSL_get_peer_tmp_key(ssl, &key) != 1 || key == NULL)
		return;
	if (EVP_PKEY_is_a(key, "EC")) {
		const char *nist = NULL;

		if (EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1)
			nist = EC_curve_nid2nist(OBJ_sn2nid(group));
		buf_printf(out, " key-exchange ECDHE (%s)",
		    nist == NULL ? group : nist);
	} else if (EVP_PKEY_is_a(key, "DH")) {
		buf_printf(out, " key-exchange DHE (%d bits)",
		    EVP_PKEY_get_bits(key));
	} else {
		buf_printf(out, " key-exchange %s",
		    EVP_PKEY_get0_type_name(key));
	}
	EVP_PKEY_free(key);
}

static void
add_signature(struct buf *out, const char *who, EVP_PKEY *key, int nid,
    int digest)
{
	char group[64] = "";
	size_t n;

	if (key == NULL || nid == NID_undef)
		return;
	if (EVP_PKEY_is_a(key, "EC")) {
		const char *nist = NULL;

		if (EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1)
			nist = EC_curve_nid2nist(OBJ_sn2nid(group));
		buf_printf(out, " %s-signature ECDSA (%s)", who,
		    nist == NULL ? group : nist);
	} else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
		buf_printf(out, " %s-signature %s (%d bits)", who,
		    nid == EVP_PKEY_RSA_PSS ? "RSA-PSS" : "RSA",
		    EVP_PKEY_get_bits(key));
	} else {
		buf_printf(out, " %s-signature %s", who, OBJ_nid2sn(nid));
	}
	if (digest != NID_undef)
		buf_printf(out, " %s-digest %s", who, OBJ_nid2sn(digest));
}

/* What the name of a cipher no longer says since TLS 1.3. */
void
tls_details(struct tls *t, struct buf *out)
{
	bool server = t->ctx->role == TLS_SERVER;
	X509 *own = SSL_get_certificate(t->ssl);
	X509 *peer = SSL_get0_peer_certificate(t->ssl);
	X509 *serving = server ? own : peer, *calling = server ? peer : own;
	int nid = NID_undef, digest = NID_undef;

	if (SSL_version(t->ssl) < TLS1_3_VERSION || SSL_is_dtls(t->ssl))
		return;
	add_exchange(t->ssl, out);
	if (SSL_session_reused(t->ssl))
		return;
	if (server) {
		SSL_get_signature_type_nid(t->ssl, &nid);
		SSL_get_signature_nid(t->ssl, &digest);
	} else {
		SSL_get_peer_signature_type_nid(t->ssl, &nid);
		SSL_get_peer_signature_nid(t->ssl, &digest);
	}
	if (serving != NULL)
		add_signature(out, "server", X509_get0_pubkey(serving), nid,
		    digest);
	if (!server || calling == NULL)
		return;
	nid = digest = NID_undef;
	SSL_get_peer_signature_type_nid(t->ssl, &nid);
	SSL_get_peer_signature_nid(t->ssl, &digest);
	add_signature(out, "client", X509_get0_pubkey(calling), nid, digest);
}

void
tls_summary(struct tls *t, const char *where, struct buf *out)
{
	static const char *const trust[] = {
		[TLS_ANONYMOUS] = "Anonymous",
		[TLS_UNTRUSTED] = "Untrusted",
		[TLS_TRUSTED] = "Trusted",
		[TLS_VERIFIED] = "Verified",
	};
	const struct tls_facts *f = tls_facts(t);

	buf_printf(out,
	    "%s TLS connection established %s %s: %s with cipher %s (%d/%d "
	    "bits)",
	    trust[f->trust], t->ctx->role == TLS_SERVER ? "from" : "to", where,
	    f->protocol, f->cipher, f->bits, f->of_bits);
	tls_details(t, out);
	ERR_clear_error();
}
