/* SPDX-License-Identifier: ISC */
/*
 * TLS with servers: by STARTTLS, or from the first byte on.
 *
 * Where TLS is only hoped for (may), a server that does not offer it gets the
 * mail in clear, and so does one that offers what it cannot do, once the
 * mail has waited for minimal_backoff_time.  Where it is demanded (encrypt)
 * the mail waits.
 */
#include <stdio.h>

#include "log/log.h"
#include "tls/files.h"
#include "tls/rules.h"

#include "smtp.h"

/* --- settings ------------------------------------------------------------- */

/* The parameter of this protocol. */
#define ID(st, name) ((st)->lmtp ? P_LMTP_##name : P_SMTP_##name)

/* The new name counts, then the old ones. */
static enum security
read_security(const struct settings *st, const struct conf *c)
{
	enum param_id level = ID(st, TLS_SECURITY_LEVEL);

	if (conf_is(c, level, "encrypt"))
		return SECURITY_ENCRYPT;
	if (conf_is(c, level, "may"))
		return SECURITY_MAY;
	if (conf_is(c, level, "none"))
		return SECURITY_NONE;
	if (conf_bool(c, ID(st, ENFORCE_TLS)))
		return SECURITY_ENCRYPT;
	return conf_bool(c, ID(st, USE_TLS)) ? SECURITY_MAY : SECURITY_NONE;
}

static void
make_context(struct settings *st, const struct keyset *ks)
{
	const struct conf *c = st->conf;
	struct tls_set set = { .role = TLS_CLIENT,
		.trust = str_of(st->tls_trust),
		.depth = (int)conf_int(c, ID(st, TLS_SCERT_VERIFYDEPTH)) };
	struct buf err;

	if (ks != NULL) {
		set.certs = ks->certs;
		set.ncerts = ks->ncerts;
		set.signer = keyring_signer(ks->service);
	}
	buf_init(&err, 1024);
	if (tls_rules_read(&set.rules, c,
		st->lmtp ? TLS_SIDE_LMTP : TLS_SIDE_SMTP,
		st->security == SECURITY_ENCRYPT, &err) == 0)
		st->tls = tls_ctx_new(&set, &err);
	if (st->tls == NULL)
		log_warn("TLS is not available: %s", buf_cstr(&err));
	buf_clear(&err);
}

void
secure_keys(struct settings *st, const struct keyset *ks)
{
	if (!st->tls_own_cert || ks->generation == 0)
		return;
	tls_ctx_unref(&st->tls);
	if (ks->why.n > 0)
		log_warn("service %s: " STR_FMT ": TLS is not available",
		    st->service, STR_ARG(ks->why));
	else
		make_context(st, ks);
}

void
secure_settings(struct settings *st, const struct conf *c, struct str trust)
{
	st->tls_wrapper = conf_bool(c, ID(st, TLS_WRAPPERMODE));
	st->security = read_security(st, c);
	/* As Postfix: without TLS there is nothing to talk about then. */
	if (st->tls_wrapper)
		st->security = SECURITY_ENCRYPT;
	st->tls_loglevel = conf_int(c, ID(st, TLS_LOGLEVEL));
	st->tls_note_offer = conf_bool(c, ID(st, TLS_NOTE_STARTTLS_OFFER));
	st->tls_keep = conf_bool(c, ID(st, TLS_CONNECTION_REUSE));
	st->tls_name = conf_str(c, ID(st, TLS_SERVERNAME));
	st->plain_after_us = conf_ms(c, P_MINIMAL_BACKOFF_TIME) * 1000;
	if (st->security == SECURITY_NONE)
		return;
	st->tls_trust = str_dup(trust);
	/* Without our certificate a server may refuse what it is to take. */
	st->tls_own_cert = tls_needs_keys(c);
	if (!st->tls_own_cert)
		make_context(st, NULL);
}

/* --- STARTTLS ------------------------------------------------------------- */

/* It cannot be with this server; another may be tried. */
static bool
give_up(struct session *s, struct dsn dsn, const char *text)
{
	session_why(s, &s->job->why, dsn, "%s", text);
	session_fail(s);
	return true;
}

static void
note_offer(const struct session *s)
{
	if (s->st->tls_note_offer && (s->features & FEAT_STARTTLS) != 0)
		log_as(s->st->log_name, LOG_LEVEL_INFO,
		    "Host offered STARTTLS: [%s]", s->name);
}

bool
secure_first(struct session *s)
{
	const struct settings *st = s->st;
	bool must = st->security == SECURITY_ENCRYPT;
	char text[512];

	if (s->tls != NULL)
		return false;
	if (st->security == SECURITY_NONE)
		note_offer(s);
	if (st->security == SECURITY_NONE || (s->plain && !must))
		return false;
	if ((s->features & FEAT_STARTTLS) == 0) {
		if (!must)
			return false;
		snprintf(text, sizeof(text),
		    "TLS is required, but was not offered by host %s",
		    s->where);
		return give_up(s, DSN(4, 7, 4), text);
	}
	if (st->tls == NULL) {
		if (!must && !st->tls_own_cert)
			return false;
		return give_up(s, DSN(4, 7, 5),
		    "TLS is required, but our TLS engine is unavailable");
	}
	session_say(s, "STARTTLS");
	session_await(s, STAGE_STARTTLS);
	session_flush(s);
	return true;
}

void
secure_reply(struct session *s)
{
	char said[256], text[768];
	struct buf flat;

	if (s->reply.code / 100 == 2) {
		/* session.c begins it when all that was in clear is dropped. */
		s->stage = STAGE_HANDSHAKE;
		return;
	}
	if (s->st->security != SECURITY_ENCRYPT) {
		s->plain = true;
		hello_again(s);
		return;
	}
	buf_init(&flat, REPLY_TEXT_MAX * 4);
	reply_flat(&s->reply, &flat);
	str_copy(str_sub(buf_get(&flat), 0, sizeof(said) - 1), said,
	    sizeof(said));
	buf_clear(&flat);
	snprintf(text, sizeof(text),
	    "TLS is required, but host %s refused to start TLS: %s", s->where,
	    said);
	give_up(s, DSN(4, 7, 4), text);
}

/* --- the handshake -------------------------------------------------------- */

static void
wake(void *arg)
{
	struct session *s = arg;

	turn_ask(&s->tls_turn);
}

/* The name we ask for: none, the server's, the next hop's, or the one set. */
static const char *
server_name(const struct session *s, char *out, size_t size)
{
	struct str n = s->st->tls_name;

	if (str_caseeq(n, STR("hostname")))
		n = str_of(s->name);
	else if (str_caseeq(n, STR("nexthop")))
		n = s->job->nexthop;
	if (n.n == 0 || n.p[0] == '[' || str_copy(n, out, size) == -1)
		return NULL;
	return out;
}

void
secure_begin(struct session *s)
{
	struct tls_want want = { 0 };
	char name[256];

	if (s->st->tls == NULL) {
		give_up(s, DSN(4, 7, 5),
		    "TLS is required, but our TLS engine is unavailable");
		return;
	}
	want.sni = server_name(s, name, sizeof(name));
	s->tls = tls_new(s->st->tls, s->fd, &want, wake, s);
	session_await(s, STAGE_HANDSHAKE);
	secure_step(s);
}

/* Said in the log for each server that fails, as its administrator will ask. */
static void
log_problem(const struct session *s, const char *why)
{
	const char *line;

	log_as(s->st->log_name, LOG_LEVEL_INFO, "SSL_connect error to %s: %s",
	    s->relay, why);
	for (size_t i = 0; (line = tls_problem(s->tls, i)) != NULL; i++)
		log_as(s->st->log_name, LOG_LEVEL_WARNING,
		    "TLS library problem: %s", line);
}

void
secure_failed(struct session *s, const char *why)
{
	struct job *j = s->job;

	log_problem(s, why);
	/* Once more the same server, then, without. */
	if (s->st->security == SECURITY_MAY && j->next > 0 &&
	    j->active_us - j->arrived_us >= s->st->plain_after_us) {
		j->plain = true;
		j->next--;
		j->addresses--;
		j->sessions--;
	}
	give_up(s, DSN(4, 7, 5), "Cannot start TLS: handshake failure");
}

static void
log_success(const struct session *s)
{
	struct buf text;

	if (s->st->tls_loglevel < 1)
		return;
	buf_init(&text, 1024);
	tls_summary(s->tls, s->relay, &text);
	log_as(s->st->log_name, LOG_LEVEL_INFO, "%s", buf_cstr(&text));
	buf_clear(&text);
}

void
secure_step(struct session *s)
{
	switch (tls_handshake(s->tls)) {
	case 0:
		session_watch(s);
		break;
	case -1:
		secure_failed(s, tls_why(s->tls));
		break;
	default:
		log_success(s);
		reply_reset(&s->reply);
		if (s->st->tls_wrapper) {
			session_await(s, STAGE_GREETING);
			session_watch(s);
			/* It may be here: no readiness tells of that. */
			if (tls_pending(s->tls))
				turn_ask(&s->tls_turn);
		} else {
			hello_again(s);
		}
		break;
	}
}
