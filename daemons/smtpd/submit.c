/* SPDX-License-Identifier: ISC */
/*
 * The end of a message: handed to cleanup with its envelope, and what becomes
 * of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/received.h"
#include "queue/envelope.h"

#include "session.h"

/* The transaction is over, and failed. */
static void
fail(struct session *s, int code, struct dsn dsn, const char *text)
{
	reject(s, code, dsn, "%s", text);
	mail_reset(s);
	s->state = s->state < ST_CLOSING ? ST_COMMAND : s->state;
}

/*
 * Does the mail of this client count as local, so that cleanup completes its
 * headers (local_header_rewrite_clients)?
 */
static bool
is_local(const struct session *s)
{
	struct conf_list l = s->sv->rewrite_clients;

	for (size_t i = 0; i < l.n; i++) {
		struct str w = l.v[i].text;

		if (str_caseeq(w, STR("permit_mynetworks")) && s->in_nets)
			return true;
		if (str_caseeq(w, STR("permit_inet_interfaces")) &&
		    (netaddr_is_loopback(&s->client) ||
			netaddr_same(&s->client, &s->server)))
			return true;
	}
	return false;
}

/* How many, or -1. */
static int
put_bcc(const struct mail *m, struct buf *b)
{
	struct str list = str_of(m->bcc), addr;
	int n = 0;

	for (; str_token(&list, "\n", &addr); n++) {
		struct env_rcpt r = { .flags = ENV_RCPT_BCC,
			.addr = addr,
			.orig = addr };

		if (env_put_rcpt(b, &r) == -1)
			return -1;
	}
	return n;
}

/* Text of a stranger's, of a length that an attribute may have. */
static struct str
attr(const char *text)
{
	return str_sub(str_of(text), 0, ENV_ATTR_MAX);
}

static int
put_envelope(const struct session *s, struct buf *b)
{
	const struct mail *m = s->mail;
	struct envelope e = {
		.arrival_us = clock_wall_us(),
		.flags = m->flags | (s->in_nets ? ENV_TRUSTED : 0) |
		    (m->hold != NULL ? ENV_HOLD : 0),
		.origin = ENV_FROM_SMTPD,
		.ret = (enum env_ret)m->ret,
		.sender = str_of(m->sender),
	};
	char port[8], size[24], tls[128];
	int copies;

	snprintf(port, sizeof(port), "%u", s->client.port);
	snprintf(size, sizeof(size), "%" PRId64, m->declared);
	e.attr[ENV_A_CLIENT_NAME] = attr(s->name == NULL ? "unknown" : s->name);
	e.attr[ENV_A_CLIENT_REVERSE] =
	    attr(s->reverse == NULL ? "unknown" : s->reverse);
	e.attr[ENV_A_CLIENT_ADDR] = attr(s->addr);
	e.attr[ENV_A_CLIENT_PORT] = attr(port);
	e.attr[ENV_A_CLIENT_HELO] = attr(s->helo);
	e.attr[ENV_A_CLIENT_PROTO] =
	    attr(received_with((s->esmtp ? RECEIVED_ESMTP : 0) |
		(s->tls != NULL ? RECEIVED_TLS : 0)));
	e.attr[ENV_A_SERVICE] = s->sv->name;
	e.attr[ENV_A_CONTEXT] = attr(is_local(s) ? "local" : "remote");
	e.attr[ENV_A_ENVID] = attr(m->envid);
	e.attr[ENV_A_REDIRECT] = attr(m->redirect);
	e.attr[ENV_A_HOLD_REASON] = attr(m->hold);
	if (s->tls != NULL) {
		snprintf(tls, sizeof(tls), "%s %s", s->tls->protocol,
		    s->tls->cipher);
		e.attr[ENV_A_TLS] = attr(tls);
	}
	if (m->declared > 0)
		e.attr[ENV_A_RECEIVED_SIZE] = attr(size);
	if (env_put_head(b, &e) == -1 || buf_str(b, buf_get(&m->rcpts)) == -1 ||
	    (copies = put_bcc(m, b)) == -1)
		return -1;
	return env_put_end(b, 0, m->nrcpts + (uint32_t)copies);
}

static void
accepted(struct session *s, struct str qid)
{
	replyf(s, 250, DSN(2, 0, 0), "Ok: queued as " STR_FMT, STR_ARG(qid));
	s->errors = s->junk = 0;
	s->messages++;
	mail_reset(s);
}

static void
hand_over(struct session *s)
{
	struct mail *m = s->mail;
	struct slot *sl = m->slot;
	bool ok = false;
	struct buf b;

	buf_init(&b, ENV_SIZE_MAX);
	if (put_envelope(s, &b) == 0)
		ok = s->w->ports->submit(s->w->ports_arg, sl->id,
		    str_make(sl->qid, sl->qid_len), buf_get(&b), &sl->fd);
	else
		session_warn(s, "%.*s: envelope cannot be encoded",
		    (int)sl->qid_len, sl->qid);
	buf_clear(&b);
	if (!ok) {
		fail(s, 451, DSN(4, 3, 0), "Error: queue file write error");
		return;
	}
	slots_sent(sl);
	session_wait(s, WAIT_COMMIT, NULL, WAIT_COMMIT_MS);
}

static void
end_checked(struct session *s)
{
	struct mail *m = s->mail;

	if (eval_refused(s)) {
		mail_reset(s);
	} else if (m->slot == NULL) { /* the queue manager went away */
		fail(s, 451, DSN(4, 3, 0), "Error: queue file write error");
	} else if (m->discard) {
		accepted(s, str_make(m->slot->qid, m->slot->qid_len));
	} else {
		hand_over(s);
	}
}

bool
submit_faulty(struct session *s)
{
	struct mail *m = s->mail;

	if (m->bare_seen && s->sv->bare == BARE_REJECT) {
		fail(s, s->sv->bare_code, DSN(s->sv->bare_code / 100, 5, 2),
		    "Error: bare <LF> received");
		session_close(s);
	} else if (m->too_big) {
		session_warn(s,
		    "queue file size limit exceeded: %" PRId64 " bytes from %s",
		    m->size, session_peer(s));
		fail(s, 552, DSN(5, 3, 4), "Error: message file too big");
	} else if (m->fault == 452) {
		fail(s, 452, DSN(4, 3, 1), "Insufficient system storage");
	} else if (m->fault != 0) {
		fail(s, 451, DSN(4, 3, 0), "Error: queue file write error");
	} else {
		return false;
	}
	return true;
}

void
submit_message(struct session *s)
{
	static const enum stage stages[] = { STAGE_END };

	if (submit_faulty(s))
		return;
	if (s->sv->end.n > 0)
		session_restrict(s, stages, NELEM(stages), end_checked);
	else
		end_checked(s);
}

/* --- the word about it ---------------------------------------------------- */

void
session_committed(struct session *s, const struct spool_accepted *a)
{
	if (s->wait != WAIT_COMMIT)
		return;
	s->mail->slot = NULL;
	accepted(s, a->qid);
	session_wake(s);
}

void
session_refused(struct session *s, int code, struct str dsn, struct str text)
{
	struct dsn d;

	if (s->wait != WAIT_COMMIT)
		return;
	/* A refusal is one, whatever the peer calls it. */
	if (code < 400 || code > 599)
		code = 451;
	if (dsn_take(&dsn, &d) == -1 || d.class != code / 100)
		d = DSN(code / 100, 3, 0);
	reject(s, code, d, STR_FMT, STR_ARG(text));
	mail_reset(s);
	session_wake(s);
}

void
session_slot_lost(struct session *s)
{
	s->mail->slot = NULL;
	s->mail->fault = 451;
	if (s->wait == WAIT_COMMIT)
		session_refused(s, 451, STR("4.3.0"),
		    STR("Error: queue file write error"));
}
