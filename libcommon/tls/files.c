/* SPDX-License-Identifier: ISC */
/*
 * Parameters that name keys and certificates.
 */
#include "tls/files.h"

#include "base/attr.h"

static const struct names {
	enum param_id chain;
	enum param_id cert[3], key[3];
} names[] = {
	[TLS_SIDE_SMTPD] = { P_SMTPD_TLS_CHAIN_FILES,
	    { P_SMTPD_TLS_CERT_FILE, P_SMTPD_TLS_DCERT_FILE,
		P_SMTPD_TLS_ECCERT_FILE },
	    { P_SMTPD_TLS_KEY_FILE, P_SMTPD_TLS_DKEY_FILE,
		P_SMTPD_TLS_ECKEY_FILE } },
	[TLS_SIDE_SMTP] = { P_SMTP_TLS_CHAIN_FILES,
	    { P_SMTP_TLS_CERT_FILE, P_SMTP_TLS_DCERT_FILE,
		P_SMTP_TLS_ECCERT_FILE },
	    { P_SMTP_TLS_KEY_FILE, P_SMTP_TLS_DKEY_FILE,
		P_SMTP_TLS_ECKEY_FILE } },
	[TLS_SIDE_LMTP] = { P_LMTP_TLS_CHAIN_FILES,
	    { P_LMTP_TLS_CERT_FILE, P_LMTP_TLS_DCERT_FILE,
		P_LMTP_TLS_ECCERT_FILE },
	    { P_LMTP_TLS_KEY_FILE, P_LMTP_TLS_DKEY_FILE,
		P_LMTP_TLS_ECKEY_FILE } },
};

enum tls_side
tls_side(const struct conf *c)
{
	const struct conf_service *self = conf_self(c);

	if (self == NULL)
		return TLS_SIDE_NONE;
	if (str_eq(self->component, STR("smtpd")))
		return TLS_SIDE_SMTPD;
	if (!str_eq(self->component, STR("smtp")))
		return TLS_SIDE_NONE;
	return str_eq(self->command, STR("lmtp")) ? TLS_SIDE_LMTP :
						    TLS_SIDE_SMTP;
}

static bool
is_set(struct str s)
{
	return s.n > 0 && !str_eq(s, STR("none"));
}

size_t
tls_files(const struct conf *c, enum tls_side side, struct tls_file *v)
{
	const struct names *p = &names[side];
	struct str chain, word;
	size_t n = 0;

	if (side == TLS_SIDE_NONE)
		return 0;
	chain = conf_str(c, p->chain);
	while (n < TLS_FILES_MAX && str_token(&chain, ", \t\r\n", &word))
		v[n++] = (struct tls_file){ word, true, true };
	if (n > 0)
		return n;
	for (size_t i = 0; i < NELEM(p->cert); i++) {
		struct str cert = conf_str(c, p->cert[i]);
		struct str key = conf_str(c, p->key[i]);

		if (!is_set(cert))
			continue;
		v[n++] = (struct tls_file){ cert, false, true };
		v[n++] =
		    (struct tls_file){ key.n > 0 ? key : cert, true, false };
	}
	return n;
}

enum tls_level
tls_smtpd_level(const struct conf *c)
{
	struct str level = conf_str(c, P_SMTPD_TLS_SECURITY_LEVEL);

	if (level.n > 0) {
		if (str_caseeq(level, STR("none")))
			return TLS_LEVEL_NONE;
		if (str_caseeq(level, STR("may")))
			return TLS_LEVEL_MAY;
		return str_caseeq(level, STR("encrypt")) ? TLS_LEVEL_ENCRYPT :
							   TLS_LEVEL_BAD;
	}
	if (conf_bool(c, P_SMTPD_ENFORCE_TLS))
		return TLS_LEVEL_ENCRYPT;
	return conf_bool(c, P_SMTPD_USE_TLS) ? TLS_LEVEL_MAY : TLS_LEVEL_NONE;
}

bool
tls_needs_keys(const struct conf *c)
{
	struct tls_file v[TLS_FILES_MAX];
	enum tls_side side = tls_side(c);

	if (side == TLS_SIDE_SMTPD)
		return tls_smtpd_level(c) != TLS_LEVEL_NONE ||
		    conf_bool(c, P_SMTPD_TLS_WRAPPERMODE);
	return tls_files(c, side, v) > 0;
}
