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

/* -1: err says what is wrong. */
static int
read_rules(struct secure *se, const struct conf *c, struct buf *err)
{
	if (se->level == TLS_LEVEL_BAD) {
		buf_printf(err,
		    "smtpd_tls_security_level: " STR_FMT
		    " is none of none, may, encrypt",
		    STR_ARG(conf_str(c, P_SMTPD_TLS_SECURITY_LEVEL)));
		return -1;
	}
	return tls_rules_read(&se->rules, c, TLS_SIDE_SMTPD, secure_forced(se),
	    err);
}

void
secure_read(struct secure *se, const struct conf *c)
{
	struct buf err;

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
	buf_init(&err, 2048);
	if (read_rules(se, c, &err) == -1) {
		se->no_rules = xstrdup(buf_cstr(&err));
		log_error("TLS: %s", se->no_rules);
	}
	buf_clear(&err);
}

void
secure_clear(struct secure *se)
{
	tls_ctx_unref(&se->ctx);
	tls_ctx_unref(&se->warm);
	free(se->no_rules);
	se->no_rules = NULL;
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
	if (secure_wanted(se) && se->no_rules == NULL)
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
	if (ks->why.n > 0 || se->no_rules != NULL) {
		log_warn("service " STR_FMT ": " STR_FMT
			 ": TLS is not available",
		    STR_ARG(name),
		    STR_ARG(ks->why.n > 0 ? ks->why : str_of(se->no_rules)));
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
	return ks->generation > 0 && ks->why.n == 0 && se->no_rules == NULL;
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
