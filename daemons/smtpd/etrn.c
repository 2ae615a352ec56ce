/* SPDX-License-Identifier: ISC */
/*
 * ETRN (RFC 1985): a client wants the mail that waits for a domain.
 */
#include <errno.h>
#include <stdlib.h>

#include "mail/domain.h"

#include "session.h"

static void
forget(struct session *s)
{
	free(s->etrn);
	s->etrn = NULL;
}

static void
flushed(struct session *s)
{
	switch (s->flushed) {
	case 0:
		replyf(s, 250, DSN(2, 0, 0), "Queuing started");
		break;
	case EPERM:
		session_warn(s, "reject: ETRN %.100s... from %s", s->etrn,
		    session_peer(s));
		reject(s, 459, DSN(4, 7, 0), "<%s>: service unavailable",
		    s->etrn);
		break;
	default:
		session_warn(s,
		    "ETRN %.100s from %s: the queue manager cannot "
		    "take it now",
		    s->etrn, session_peer(s));
		reject(s, 458, DSN(4, 3, 0), "Unable to queue messages");
		s->verb_excused = true;
		break;
	}
	forget(s);
}

void
session_flushed(struct session *s, int error)
{
	s->flush_ask = 0;
	if (s->wait != WAIT_FLUSH)
		return;
	s->flushed = error;
	session_wake(s);
}

static void
allowed(struct session *s)
{
	struct worker *w = s->w;

	if (eval_refused(s)) {
		forget(s);
		return;
	}
	s->flushed = EAGAIN;
	s->flush_ask = w->ports->flush(w->ports_arg, str_of(s->etrn), s);
	if (s->flush_ask == 0)
		flushed(s);
	else
		session_wait(s, WAIT_FLUSH, flushed, WAIT_ANSWER_MS);
}

static void
decide(struct session *s)
{
	enum stage st[STAGES];
	size_t n = 0;

	if (!session_facts(s, decide))
		return;
	if (s->sv->delay_reject) {
		st[n++] = STAGE_CLIENT;
		st[n++] = STAGE_HELO;
	}
	st[n++] = STAGE_ETRN;
	session_restrict(s, st, n, allowed);
}

void
verb_etrn(struct session *s, struct str arg)
{
	struct str domain;

	if (s->sv->helo_required && s->helo == NULL) {
		reject(s, 503, DSN(5, 5, 1), "Error: send HELO/EHLO first");
		return;
	}
	if (s->mail != NULL) {
		reject(s, 503, DSN(5, 5, 1),
		    "Error: MAIL transaction in progress");
		return;
	}
	if (!str_token(&arg, " \t", &domain) || str_trim(arg).n > 0) {
		reject(s, 500, DSN(5, 5, 4), "Syntax: ETRN domain");
		return;
	}
	/* @domain: its subdomains, too; #queue: it has a name of its own. */
	if (domain.p[0] == '@' || domain.p[0] == '#')
		domain = str_sub(domain, 1, domain.n);
	if (!domain_valid_hostname(domain) && !domain_valid_literal(domain)) {
		reject(s, 501, DSN(5, 5, 4), "Error: invalid parameter syntax");
		return;
	}
	forget(s);
	s->etrn = str_dup(domain);
	decide(s);
}
