/* SPDX-License-Identifier: ISC */
/*
 * Keys that are elsewhere, as a provider of the library: it knows a key's
 * public half, which it leaves to the default provider, and signs by asking.
 *
 * It has no decryption.  Key exchange by RSA encryption, which would need it,
 * is not offered: its holder would be an oracle for old recordings.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "tls/tls_parts.h"

#define PROVIDER "postern"
#define PROP "provider=postern"
#define KEY_ID "postern-key"

/* --- keys ----------------------------------------------------------------- */

struct rkey {
	EVP_PKEY *pub; /* in the default provider */
	const char *type;
	uint32_t id;
	bool mine; /* its private half is with the signer */
};

static void *
rkey_new(const char *type)
{
	struct rkey *k = calloc(1, sizeof(*k));

	if (k != NULL)
		k->type = type;
	return k;
}

#define RKEY_NEW(fn, type)             \
	static void *fn(void *prov)    \
	{                              \
		(void)prov;            \
		return rkey_new(type); \
	}
RKEY_NEW(rkey_new_rsa, "RSA")
RKEY_NEW(rkey_new_pss, "RSA-PSS")
RKEY_NEW(rkey_new_ec, "EC")
RKEY_NEW(rkey_new_ed25519, "ED25519")
RKEY_NEW(rkey_new_ed448, "ED448")

static void
rkey_free(void *arg)
{
	struct rkey *k = arg;

	if (k == NULL)
		return;
	EVP_PKEY_free(k->pub);
	free(k);
}

static int
rkey_has(const void *arg, int selection)
{
	const struct rkey *k = arg;

	if (k == NULL || k->pub == NULL)
		return 0;
	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || k->mine;
}

static int
rkey_match(const void *a, const void *b, int selection)
{
	const struct rkey *ka = a, *kb = b;

	(void)selection;
	return ka->pub != NULL && kb->pub != NULL &&
	    EVP_PKEY_eq(ka->pub, kb->pub) == 1;
}

static int
rkey_import(void *arg, int selection, const OSSL_PARAM params[])
{
	struct rkey *k = arg;
	const OSSL_PARAM *id = OSSL_PARAM_locate_const(params, KEY_ID);
	EVP_PKEY_CTX *pc =
	    EVP_PKEY_CTX_new_from_name(NULL, k->type, "provider=default");
	int ok = pc != NULL && EVP_PKEY_fromdata_init(pc) == 1 &&
	    EVP_PKEY_fromdata(pc, &k->pub, EVP_PKEY_PUBLIC_KEY,
		(OSSL_PARAM *)(uintptr_t)params) == 1;

	(void)selection;
	EVP_PKEY_CTX_free(pc);
	if (ok && id != NULL)
		k->mine = OSSL_PARAM_get_uint32(id, &k->id) == 1;
	return ok;
}

/* Never more than the public half: there is no more of it here. */
static int
rkey_export(void *arg, int selection, OSSL_CALLBACK *cb, void *cbarg)
{
	struct rkey *k = arg;

	if (k->pub == NULL ||
	    (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
		return 0;
	return EVP_PKEY_export(k->pub, selection, cb, cbarg);
}

static const OSSL_PARAM *
rkey_types(int selection)
{
	/* Nobody looks at the list, but there has to be one. */
	static const OSSL_PARAM list[] = { OSSL_PARAM_uint32(KEY_ID, NULL),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END };

	(void)selection;
	return list;
}

static int
rkey_get_params(void *arg, OSSL_PARAM params[])
{
	struct rkey *k = arg;

	/* What the default provider does not know it leaves unset. */
	if (k->pub != NULL)
		EVP_PKEY_get_params(k->pub, params);
	ERR_clear_error();
	return 1;
}

static const OSSL_PARAM *
rkey_gettable(void *prov)
{
	static const OSSL_PARAM list[] = { OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS,
					       NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL,
		    0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(
		    OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
		OSSL_PARAM_END };

	(void)prov;
	return list;
}

/* EC keys are signed with by another name than theirs. */
static const char *
rkey_operation_ec(int op)
{
	return op == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define FN(id, fn)                     \
	{                              \
		id, (void (*)(void))fn \
	}
#define KEYMGMT(name, make, ...)                                               \
	static const OSSL_DISPATCH name[] = { FN(OSSL_FUNC_KEYMGMT_NEW, make), \
		FN(OSSL_FUNC_KEYMGMT_FREE, rkey_free),                         \
		FN(OSSL_FUNC_KEYMGMT_HAS, rkey_has),                           \
		FN(OSSL_FUNC_KEYMGMT_MATCH, rkey_match),                       \
		FN(OSSL_FUNC_KEYMGMT_IMPORT, rkey_import),                     \
		FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, rkey_types),                \
		FN(OSSL_FUNC_KEYMGMT_EXPORT, rkey_export),                     \
		FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, rkey_types),                \
		FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, rkey_get_params),             \
		FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, rkey_gettable),          \
		__VA_ARGS__{ 0, NULL } }
KEYMGMT(keymgmt_rsa, rkey_new_rsa);
KEYMGMT(keymgmt_pss, rkey_new_pss);
KEYMGMT(keymgmt_ec, rkey_new_ec,
    FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, rkey_operation_ec), );
KEYMGMT(keymgmt_ed25519, rkey_new_ed25519);
KEYMGMT(keymgmt_ed448, rkey_new_ed448);

static const OSSL_ALGORITHM keymgmts[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROP, keymgmt_rsa, "" },
	{ "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", PROP, keymgmt_pss, "" },
	{ "EC:id-ecPublicKey:1.2.840.10045.2.1", PROP, keymgmt_ec, "" },
	{ "ED25519:1.3.101.112", PROP, keymgmt_ed25519, "" },
	{ "ED448:1.3.101.113", PROP, keymgmt_ed448, "" },
	{ NULL, NULL, NULL, NULL },
};

/* --- signing -------------------------------------------------------------- */

struct rsign {
	struct rkey *key;
	enum tls_digest digest;
	enum tls_padding padding;
};

static void *
rsign_new(void *prov, const char *propq)
{
	(void)prov;
	(void)propq;
	return calloc(1, sizeof(struct rsign));
}

static void
rsign_free(void *arg)
{
	free(arg);
}

static const char *const digest_names[TLS_DIGESTS] = {
	[TLS_DIGEST_MD5_SHA1] = "MD5-SHA1",
	[TLS_DIGEST_SHA1] = "SHA1",
	[TLS_DIGEST_SHA224] = "SHA2-224",
	[TLS_DIGEST_SHA256] = "SHA2-256",
	[TLS_DIGEST_SHA384] = "SHA2-384",
	[TLS_DIGEST_SHA512] = "SHA2-512",
};

static int
find_digest(const char *name, enum tls_digest *out)
{
	EVP_MD *md;
	int found = 0;

	*out = TLS_DIGEST_NONE;
	if (name == NULL || name[0] == '\0')
		return 1;
	md = EVP_MD_fetch(NULL, name, NULL);
	for (int i = TLS_DIGEST_MD5_SHA1; md != NULL && i < TLS_DIGESTS; i++)
		if (EVP_MD_is_a(md, digest_names[i])) {
			*out = (enum tls_digest)i;
			found = 1;
		}
	EVP_MD_free(md);
	return found;
}

static int
rsign_set_params(void *arg, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = params == NULL ?
	    NULL :
	    OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	struct rsign *s = arg;
	int mode = 0;

	if (p == NULL)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		mode = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ?
		    RSA_PKCS1_PSS_PADDING :
		    RSA_PKCS1_PADDING;
	else if (OSSL_PARAM_get_int(p, &mode) != 1)
		return 0;
	if (mode != RSA_PKCS1_PADDING && mode != RSA_PKCS1_PSS_PADDING)
		return 0;
	s->padding =
	    mode == RSA_PKCS1_PSS_PADDING ? TLS_PAD_PSS : TLS_PAD_PKCS1;
	return 1;
}

static const OSSL_PARAM *
rsign_settable(void *arg, void *prov)
{
	static const OSSL_PARAM list[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL,
		    0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL,
		    0),
		OSSL_PARAM_END
	};

	(void)arg;
	(void)prov;
	return list;
}

static int
rsign_init(void *arg, const char *md, void *key, const OSSL_PARAM params[])
{
	struct rsign *s = arg;

	s->key = key;
	s->padding = TLS_PAD_NONE;
	if (strcmp(s->key->type, "RSA") == 0)
		s->padding = TLS_PAD_PKCS1;
	else if (strcmp(s->key->type, "RSA-PSS") == 0)
		s->padding = TLS_PAD_PSS;
	return s->key->mine && find_digest(md, &s->digest) &&
	    rsign_set_params(s, params);
}

static int
rsign_sign(void *arg, unsigned char *sig, size_t *siglen, size_t sigsize,
    const unsigned char *tbs, size_t tbslen)
{
	struct rsign *s = arg;
	struct tls *t = tls_running();
	struct tls_sign q = { .key = s->key->id,
		.padding = (uint8_t)s->padding,
		.digest = (uint8_t)s->digest };
	unsigned char md[EVP_MAX_MD_SIZE];
	size_t n = 0;

	if (sig == NULL) {
		*siglen = (size_t)EVP_PKEY_get_size(s->key->pub);
		return 1;
	}
	if (t == NULL)
		return 0;
	q.tbs = str_make(tbs, tbslen);
	if (s->digest != TLS_DIGEST_NONE) {
		if (EVP_Q_digest(NULL, digest_names[s->digest], NULL, tbs,
			tbslen, md, &n) != 1)
			return 0;
		q.tbs = str_make(md, n);
	}
	if (tls_pause(t, &q) == -1 || t->answer.n > sigsize)
		return 0;
	memcpy(sig, t->answer.p, t->answer.n);
	*siglen = t->answer.n;
	return 1;
}

static const OSSL_DISPATCH signature[] = {
	FN(OSSL_FUNC_SIGNATURE_NEWCTX, rsign_new),
	FN(OSSL_FUNC_SIGNATURE_FREECTX, rsign_free),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, rsign_init),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, rsign_sign),
	FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, rsign_set_params),
	FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, rsign_settable),
	{ 0, NULL },
};

static const OSSL_ALGORITHM signatures[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROP, signature, "" },
	{ "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", PROP, signature, "" },
	{ "ECDSA", PROP, signature, "" },
	{ "ED25519:1.3.101.112", PROP, signature, "" },
	{ "ED448:1.3.101.113", PROP, signature, "" },
	{ NULL, NULL, NULL, NULL },
};

/* --- the provider --------------------------------------------------------- */

static const OSSL_ALGORITHM *
query(void *prov, int op, int *no_cache)
{
	(void)prov;
	*no_cache = 0;
	return op == OSSL_OP_KEYMGMT ? keymgmts :
	    op == OSSL_OP_SIGNATURE  ? signatures :
				       NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **prov)
{
	static const OSSL_DISPATCH functions[] = {
		FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
		{ 0, NULL },
	};

	(void)in;
	*prov = (void *)(uintptr_t)handle;
	*out = functions;
	return 1;
}

/* Ours is for keys that say so; all others are for the default one. */
static bool
provider_load(void)
{
	static bool loaded;

	if (loaded)
		return true;
	loaded = OSSL_PROVIDER_load(NULL, "default") != NULL &&
	    OSSL_PROVIDER_add_builtin(NULL, PROVIDER, provider_init) == 1 &&
	    OSSL_PROVIDER_load(NULL, PROVIDER) != NULL &&
	    EVP_set_default_properties(NULL, "?provider=default") == 1;
	return loaded;
}

struct copy {
	EVP_PKEY_CTX *pc;
	EVP_PKEY *key;
	uint32_t id;
};

/* The public half's parameters, and the number of the key. */
static int
on_public(const OSSL_PARAM *params, void *arg)
{
	struct copy *c = arg;
	OSSL_PARAM all[16];
	size_t n = 0;

	while (params[n].key != NULL && n < NELEM(all) - 2) {
		all[n] = params[n];
		n++;
	}
	all[n++] = OSSL_PARAM_construct_uint32(KEY_ID, &c->id);
	all[n] = OSSL_PARAM_construct_end();
	return EVP_PKEY_fromdata_init(c->pc) == 1 &&
	    EVP_PKEY_fromdata(c->pc, &c->key, EVP_PKEY_KEYPAIR, all) == 1;
}

EVP_PKEY *
tls_remote_key(X509 *cert, uint32_t key_id)
{
	static const char *const types[] = { "RSA", "RSA-PSS", "EC", "ED25519",
		"ED448" };
	EVP_PKEY *pub = X509_get0_pubkey(cert);
	struct copy c = { .id = key_id };

	if (pub == NULL || !provider_load())
		return NULL;
	for (size_t i = 0; i < NELEM(types); i++)
		if (EVP_PKEY_is_a(pub, types[i]))
			c.pc = EVP_PKEY_CTX_new_from_name(NULL, types[i], PROP);
	if (c.pc == NULL)
		return NULL;
	EVP_PKEY_export(pub, EVP_PKEY_PUBLIC_KEY, on_public, &c);
	EVP_PKEY_CTX_free(c.pc);
	return c.key;
}
