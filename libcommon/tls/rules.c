/* SPDX-License-Identifier: ISC */
/*
 * Protocols and ciphers by their names.
 */
#include "tls/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "base/attr.h"

#define SEPARATORS " \t\r\n,:"

static const struct version {
	const char *name;
	int number;
	unsigned long without;
} versions[] = {
	{ "SSLv2", SSL2_VERSION, 0 },
	{ "SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3 },
	{ "TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "TLSv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ "TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ "TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

static const struct version *
version_find(struct str word)
{
	for (size_t i = 0; i < NELEM(versions); i++)
		if (str_caseeq(word, str_of(versions[i].name)))
			return &versions[i];
	return NULL;
}

/* A bound: a name, or the number that goes over the wire (0304, 0x0304). */
static int
read_bound(struct str word, int *out)
{
	const struct version *v = version_find(word);
	char text[16], *end;
	long n;

	if (v != NULL) {
		*out = v->number;
		return 0;
	}
	if (word.n == 0) { /* `>=` by itself: no bound */
		*out = 0;
		return 0;
	}
	if (str_copy(word, text, sizeof(text)) == -1)
		return -1;
	n = strtol(text, &end, 16);
	if (*end != '\0' || n < SSL3_VERSION || n > 0x03ff)
		return -1;
	*out = (int)n;
	return 0;
}

int
tls_rules_protocols(struct tls_rules *r, struct str text, struct str *bad)
{
	unsigned long wanted = 0,
		      all = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 |
	    SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
	const struct version *v;
	bool named = false;
	struct str word;

	r->min = r->max = 0;
	r->without = 0;
	while (str_token(&text, SEPARATORS, &word)) {
		*bad = word;
		if (str_starts(word, STR(">="))) {
			if (read_bound(str_sub(word, 2, word.n), &r->min) == -1)
				return -1;
			continue;
		}
		if (str_starts(word, STR("<="))) {
			if (read_bound(str_sub(word, 2, word.n), &r->max) == -1)
				return -1;
			continue;
		}
		v = version_find(str_sub(word, word.p[0] == '!', word.n));
		if (v == NULL)
			return -1;
		if (word.p[0] == '!') {
			r->without |= v->without;
		} else {
			wanted |= v->without;
			named = true;
		}
	}
	if (named)
		r->without |= all & ~wanted;
	return 0;
}

int
tls_rules_ciphers(struct tls_rules *r, struct str list)
{
	return str_copy(list, r->ciphers, sizeof(r->ciphers));
}

int
tls_rules_exclude(struct tls_rules *r, struct str words)
{
	size_t n = strlen(r->ciphers);
	struct str word;

	while (str_token(&words, SEPARATORS, &word)) {
		int k = snprintf(r->ciphers + n, sizeof(r->ciphers) - n,
		    ":!" STR_FMT, STR_ARG(word));

		if (k < 0 || (size_t)k >= sizeof(r->ciphers) - n) {
			r->ciphers[n] = '\0';
			return -1;
		}
		n += (size_t)k;
	}
	return 0;
}

int
tls_rules_groups(struct tls_rules *r, struct str words)
{
	SSL_CTX *probe = SSL_CTX_new(TLS_method());
	size_t n = strlen(r->groups);
	struct str word;
	int bad = 0;

	while (probe != NULL && str_token(&words, SEPARATORS, &word)) {
		char name[64];

		if (str_copy(word, name, sizeof(name)) == -1 ||
		    SSL_CTX_set1_groups_list(probe, name) != 1)
			continue;
		if (n + word.n + 2 > sizeof(r->groups)) {
			bad = -1;
			break;
		}
		n += (size_t)snprintf(r->groups + n, sizeof(r->groups) - n,
		    "%s%s", n == 0 ? "" : ":", name);
	}
	SSL_CTX_free(probe);
	return bad;
}

bool
tls_rules_usable(const struct tls_rules *r)
{
	SSL_CTX *probe = SSL_CTX_new(TLS_method());
	bool ok = probe != NULL &&
	    (r->ciphers[0] == '\0' ||
		SSL_CTX_set_cipher_list(probe, r->ciphers) == 1);

	SSL_CTX_free(probe);
	return ok;
}
