/* SPDX-License-Identifier: ISC */
/*
 * TLS: settings, certificates, STARTTLS.  Who moves the bytes is conn.c.
 */
#include "secure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"

#include "session.h"

/* --- settings ------------------------------------------------------------- */

static struct str
grade_list(const struct conf *c, struct str grade)
{
	static const struct {
		const char *name;
		enum param_id id;
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
			return conf_str(c, grades[i].id);
	return STR_NONE;
}

static void
read_ciphers(struct secure *se, const struct conf *c, bool forced)
{
	struct tls_rules *r = &se->rules;
	struct str list = grade_list(c,
	    conf_str(c,
		forced ? P_SMTPD_TLS_MANDATORY_CIPHERS : P_SMTPD_TLS_CIPHERS));

	if (list.n == 0 || tls_rules_ciphers(r, list) == -1 ||
	    tls_rules_exclude(r, conf_str(c, P_SMTPD_TLS_EXCLUDE_CIPHERS)) ==
		-1 ||
	    (forced &&
		tls_rules_exclude(r,
		    conf_str(c, P_SMTPD_TLS_MANDATORY_EXCLUDE_CIPHERS)) ==
		    -1) ||
	    /* It would take decryption with the private key. */
	    tls_rules_exclude(r, STR("kRSA")) == -1 || !tls_rules_usable(r))
		se->no_rules = STR("the list of ciphers cannot be used");
}

static void
read_rules(struct secure *se, const struct conf *c)
{
	bool forced = secure_forced(se);
	struct str bad = STR_NONE;

	if (tls_rules_protocols(&se->rules,
		conf_str(c,
		    forced ? P_SMTPD_TLS_MANDATORY_PROTOCOLS :
			     P_SMTPD_TLS_PROTOCOLS),
		&bad) == -1)
		se->no_rules = STR("the list of protocols cannot be used");
	read_ciphers(se, c, forced);
	if (tls_rules_groups(&se->rules,
		conf_str(c, P_TLS_EECDH_AUTO_CURVES)) == -1 ||
	    tls_rules_groups(&se->rules,
		conf_str(c, P_TLS_FFDHE_AUTO_GROUPS)) == -1)
		se->no_rules = STR("the list of curves is too long");
	se->rules.preempt = conf_bool(c, P_TLS_PREEMPT_CIPHERLIST);
}

void
secure_read(struct secure *se, const struct conf *c)
{
	memset(se, 0, sizeof(*se));
	se->level = tls_smtpd_level(c);
	se->wrapper = conf_bool(c, P_SMTPD_TLS_WRAPPERMODE);
	if (!secure_wanted(se))
		return;
	se->received = conf_bool(c, P_SMTPD_TLS_RECEIVED_HEADER);
	se->auth_only = conf_bool(c, P_SMTPD_TLS_AUTH_ONLY);
	se->loglevel = (int)conf_int(c, P_SMTPD_TLS_LOGLEVEL);
	se->starttls_ms = conf_ms(c, P_SMTPD_STARTTLS_TIMEOUT);
	se->session_s = conf_secs(c, P_SMTPD_TLS_SESSION_CACHE_TIMEOUT);
	read_rules(se, c);
	if (se->level == TLS_LEVEL_BAD)
		se->no_rules = STR("smtpd_tls_security_level is none of none, "
				   "may, encrypt");
	if (se->no_rules.n > 0)
		log_error("TLS: " STR_FMT, STR_ARG(se->no_rules));
}

void
secure_clear(struct secure *se)
{
	tls_ctx_unref(&se->ctx);
	tls_ctx_unref(&se->warm);
}

/* All but certificates and tickets. */
static struct tls_ctx *
make(const struct secure *se, uint32_t service, struct str name)
{
	struct tls_set set = { .role = TLS_SERVER,
		.rules = se->rules,
		.session_s = se->session_s,
		.signer = keyring_signer(service) };
	struct tls_ctx *ctx;
	char stamp[33];
	struct buf err;

	snprintf(stamp, sizeof(stamp), "%u " STR_FMT, service, STR_ARG(name));
	set.stamp = str_of(stamp);
	buf_init(&err, 512);
	ctx = tls_ctx_new(&set, &err);
	if (ctx == NULL)
		log_warn("service " STR_FMT ": %s: TLS is not available",
		    STR_ARG(name), buf_cstr(&err));
	buf_clear(&err);
	return ctx;
}

void
secure_warm(struct secure *se, uint32_t service, struct str name)
{
	if (secure_wanted(se) && se->no_rules.n == 0)
		se->warm = make(se, service, name);
}

void
secure_keys(struct secure *se, const struct keyset *ks, struct str name)
{
	struct buf err;

	tls_ctx_unref(&se->ctx);
	se->late = NULL;
	if (!secure_wanted(se) || ks->generation == 0)
		return;
	if (ks->why.n > 0 || se->no_rules.n > 0) {
		log_warn("service " STR_FMT ": " STR_FMT
			 ": TLS is not available",
		    STR_ARG(name),
		    STR_ARG(ks->why.n > 0 ? ks->why : se->no_rules));
		return;
	}
	se->ctx = se->warm != NULL ? se->warm : make(se, ks->service, name);
	se->warm = NULL;
	if (se->ctx == NULL)
		return;
	buf_init(&err, 512);
	if (tls_ctx_certs(se->ctx, ks->certs, ks->ncerts, &err) == -1) {
		tls_ctx_unref(&se->ctx);
		log_warn("service " STR_FMT ": %s: TLS is not available",
		    STR_ARG(name), buf_cstr(&err));
	}
	buf_clear(&err);
	secure_tickets(se, ks);
}

void
secure_keys_late(struct secure *se, const struct keyset *ks)
{
	tls_ctx_unref(&se->ctx);
	se->late = ks;
}

bool
secure_offered(const struct secure *se)
{
	const struct keyset *ks = se->late;

	if (ks == NULL || !secure_wanted(se))
		return se->ctx != NULL;
	return ks->generation > 0 && ks->why.n == 0 && se->no_rules.n == 0;
}

bool
secure_ready(struct secure *se, struct str name)
{
	if (se->late != NULL)
		secure_keys(se, se->late, name);
	return se->ctx != NULL && keyring_present();
}

void
secure_tickets(struct secure *se, const struct keyset *ks)
{
	if (se->ctx != NULL && se->session_s > 0)
		tls_ctx_tickets(se->ctx, ks->tickets);
}

/* --- STARTTLS ------------------------------------------------------------- */

void
verb_starttls(struct session *s, struct str arg)
{
	struct secure *se = &s->sv->tls;

	if (arg.n > 0) {
		reject(s, 501, DSN(5, 5, 4), "Syntax: STARTTLS");
		return;
	}
	if (s->tls != NULL) {
		reject(s, 554, DSN(5, 5, 1), "Error: TLS already active");
		return;
	}
	if (!secure_wanted(se) || (s->sv->ehlo & EHLO_STARTTLS) == 0) {
		reject(s, 502, DSN(5, 5, 1), "Error: command not implemented");
		return;
	}
	if (!secure_ready(se, s->sv->name)) {
		reject(s, 454, DSN(4, 7, 0),
		    "TLS not available due to local problem");
		return;
	}
	/* What was said in the clear must not count as said under TLS. */
	if (s->behind.n > 0)
		session_log(s,
		    "%zu bytes of plaintext after STARTTLS from %s are ignored",
		    s->behind.n, session_peer(s));
	reply(s, "220 2.0.0 Ready to start TLS");
	session_wait(s, WAIT_TLS, NULL, se->starttls_ms);
}

void
secure_first(struct session *s)
{
	if (!secure_ready(&s->sv->tls, s->sv->name)) {
		session_warn(s, "TLS is not available for %s", session_peer(s));
		session_close(s);
		return;
	}
	session_wait(s, WAIT_TLS, session_greet, s->sv->tls.starttls_ms);
}

static void
log_summary(struct session *s, struct tls *t)
{
	struct buf b;

	buf_init(&b, 1024);
	tls_summary(t, session_peer(s), &b);
	session_log(s, "%s", buf_cstr(&b));
	buf_clear(&b);
}

void
session_secured(struct session *s, struct tls *t)
{
	const struct tls_facts *f = tls_facts(t);
	struct buf b;

	s->tls = xcalloc(1, sizeof(*s->tls));
	s->tls->protocol = f->protocol;
	s->tls->cipher = f->cipher;
	s->tls->bits = f->bits;
	s->tls->of_bits = f->of_bits;
	if (s->sv->tls.received) {
		buf_init(&b, 512);
		tls_details(t, &b);
		s->tls->details = buf_take(&b);
	}
	if (s->sv->tls.loglevel > 0)
		log_summary(s, t);
	/* What was said before may have been said by somebody else. */
	mail_reset(s);
	free(s->helo);
	s->helo = NULL;
	s->esmtp = false;
	session_wake(s);
}

/* STARTTLS was not carried out after all. */
static void
give_up(struct session *s)
{
	if (s->running)
		s->counts[VERB_STARTTLS].all++;
	session_hangup(s);
}

void
session_insecure(struct session *s, const struct tls *t)
{
	const char *line;

	session_log(s, "SSL_accept error from %s: %s", session_peer(s),
	    tls_why(t));
	for (size_t i = 0; (line = tls_problem(t, i)) != NULL; i++)
		session_warn(s, "TLS library problem: %s", line);
	give_up(s);
}

void
session_secure_late(struct session *s)
{
	session_log(s, "SSL_accept error from %s: Connection timed out",
	    session_peer(s));
	give_up(s);
}
