/* SPDX-License-Identifier: ISC */
/*
 * Protocols, ciphers and groups by their names.
 */
#include "tls/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/attr.h"
#include "base/str.h"
#include "conf/conf.h"

#define SEPARATORS " \t\r\n,:"

/* --- protocols ------------------------------------------------------------ */

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

/* -1: the word in *bad is none. */
static int
read_protocols(struct tls_rules *r, struct str text, struct str *bad)
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

/* --- ciphers -------------------------------------------------------------- */

/* The parameter with the list of a grade; -1: there is no such grade. */
static int
grade_list(struct str grade)
{
	static const struct {
		const char *name;
		enum param_id list;
	} grades[] = {
		{ "high", P_TLS_HIGH_CIPHERLIST },
		{ "medium", P_TLS_MEDIUM_CIPHERLIST },
		/* Weaker ones are not made any more. */
		{ "low", P_TLS_MEDIUM_CIPHERLIST },
		{ "export", P_TLS_MEDIUM_CIPHERLIST },
		{ "null", P_TLS_NULL_CIPHERLIST },
	};

	for (size_t i = 0; i < NELEM(grades); i++)
		if (str_caseeq(grade, str_of(grades[i].name)))
			return (int)grades[i].list;
	return -1;
}

/* -1: too long. */
static int
exclude(struct tls_rules *r, struct str words)
{
	size_t n = strlen(r->ciphers);
	struct str word;

	while (str_token(&words, SEPARATORS, &word)) {
		int k = snprintf(r->ciphers + n, sizeof(r->ciphers) - n,
		    ":!" STR_FMT, STR_ARG(word));

		if (k < 0 || (size_t)k >= sizeof(r->ciphers) - n)
			return -1;
		n += (size_t)k;
	}
	return 0;
}

/* Is there a cipher in it that the library knows? */
static bool
is_usable(const struct tls_rules *r)
{
	SSL_CTX *probe = SSL_CTX_new(TLS_method());
	bool ok =
	    probe != NULL && SSL_CTX_set_cipher_list(probe, r->ciphers) == 1;

	SSL_CTX_free(probe);
	ERR_clear_error();
	return ok;
}

/* --- groups --------------------------------------------------------------- */

/* What the library does not know is left out, as in Postfix.  -1: too long. */
static int
read_groups(struct tls_rules *r, struct str words)
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
	ERR_clear_error();
	return bad;
}

/* --- main.cf -------------------------------------------------------------- */

/* Parameters of a side; [1]: where TLS is a must. */
static const struct names {
	enum param_id protocols[2], grade[2];
	enum param_id exclude[2]; /* [1] comes on top */
} names[] = {
	[TLS_SIDE_SMTPD] = { { P_SMTPD_TLS_PROTOCOLS,
				 P_SMTPD_TLS_MANDATORY_PROTOCOLS },
	    { P_SMTPD_TLS_CIPHERS, P_SMTPD_TLS_MANDATORY_CIPHERS },
	    { P_SMTPD_TLS_EXCLUDE_CIPHERS,
		P_SMTPD_TLS_MANDATORY_EXCLUDE_CIPHERS } },
	[TLS_SIDE_SMTP] = { { P_SMTP_TLS_PROTOCOLS,
				P_SMTP_TLS_MANDATORY_PROTOCOLS },
	    { P_SMTP_TLS_CIPHERS, P_SMTP_TLS_MANDATORY_CIPHERS },
	    { P_SMTP_TLS_EXCLUDE_CIPHERS,
		P_SMTP_TLS_MANDATORY_EXCLUDE_CIPHERS } },
	[TLS_SIDE_LMTP] = { { P_LMTP_TLS_PROTOCOLS,
				P_LMTP_TLS_MANDATORY_PROTOCOLS },
	    { P_LMTP_TLS_CIPHERS, P_LMTP_TLS_MANDATORY_CIPHERS },
	    { P_LMTP_TLS_EXCLUDE_CIPHERS,
		P_LMTP_TLS_MANDATORY_EXCLUDE_CIPHERS } },
};

static int
wrong(struct buf *err, enum param_id id, struct str word, const char *what)
{
	buf_printf(err, "%s: " STR_FMT "%s%s", params[id].name, STR_ARG(word),
	    word.n > 0 ? " " : "", what);
	return -1;
}

static int
take_ciphers(struct tls_rules *r, const struct conf *c, const struct names *p,
    bool forced, struct buf *err)
{
	struct str grade = conf_str(c, p->grade[forced]);
	int list = grade_list(grade);

	if (list == -1)
		return wrong(err, p->grade[forced], grade,
		    "is no grade of ciphers");
	if (str_copy(conf_str(c, (enum param_id)list), r->ciphers,
		sizeof(r->ciphers)) == -1)
		return wrong(err, (enum param_id)list, STR_NONE, "too long");
	if (!is_usable(r))
		return wrong(err, (enum param_id)list,
		    conf_str(c, (enum param_id)list), "holds no cipher");
	for (int i = 0; i <= (int)forced; i++)
		if (exclude(r, conf_str(c, p->exclude[i])) == -1)
			return wrong(err, p->exclude[i], STR_NONE, "too long");
	/* It would take decryption with the private key. */
	if (p == &names[TLS_SIDE_SMTPD] && exclude(r, STR("kRSA")) == -1)
		return wrong(err, p->exclude[0], STR_NONE, "too long");
	if (!is_usable(r))
		return wrong(err, p->grade[forced], grade,
		    "has no cipher left that is not excluded");
	return 0;
}

int
tls_rules_read(struct tls_rules *r, const struct conf *c, enum tls_side side,
    bool forced, struct buf *err)
{
	static const enum param_id groups[] = { P_TLS_EECDH_AUTO_CURVES,
		P_TLS_FFDHE_AUTO_GROUPS };
	const struct names *p = &names[side];
	struct str bad = STR_NONE;

	memset(r, 0, sizeof(*r));
	if (read_protocols(r, conf_str(c, p->protocols[forced]), &bad) == -1)
		return wrong(err, p->protocols[forced], bad,
		    "is no TLS protocol");
	if (take_ciphers(r, c, p, forced, err) == -1)
		return -1;
	for (size_t i = 0; i < NELEM(groups); i++)
		if (read_groups(r, conf_str(c, groups[i])) == -1)
			return wrong(err, groups[i], STR_NONE, "too long");
	r->preempt =
	    side == TLS_SIDE_SMTPD && conf_bool(c, P_TLS_PREEMPT_CIPHERLIST);
	return 0;
}
