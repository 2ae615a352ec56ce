/* SPDX-License-Identifier: ISC */
/*
 * The greeting, and all commands but those of a transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/utf8.h"

#include "session.h"

static void verb_helo(struct session *s, struct str arg);
static void verb_ehlo(struct session *s, struct str arg);
static void verb_auth(struct session *s, struct str arg);
static void verb_rset(struct session *s, struct str arg);
static void verb_noop(struct session *s, struct str arg);
static void verb_expn(struct session *s, struct str arg);
static void verb_help(struct session *s, struct str arg);
static void verb_quit(struct session *s, struct str arg);
static void verb_unknown(struct session *s, struct str arg);

/* The last of a group: what it answers decides how the client goes on. */
#define VERB_LAST 0x1
/* Many of them without a message are junk. */
#define VERB_LIMIT 0x2
/* Allowed when access was denied. */
#define VERB_ALWAYS 0x4
/* Allowed in the clear where TLS is a must. */
#define VERB_CLEAR 0x8
/* What is behind it belongs to it. */
#define VERB_CONTENT 0x10

static const struct verb {
	const char *name;
	void (*fn)(struct session *s, struct str arg);
	unsigned flags;
} verbs[VERBS] = {
	[VERB_HELO] = { "HELO", verb_helo,
	    VERB_LAST | VERB_LIMIT | VERB_CLEAR },
	[VERB_EHLO] = { "EHLO", verb_ehlo,
	    VERB_LAST | VERB_LIMIT | VERB_CLEAR },
	[VERB_STARTTLS] = { "STARTTLS", verb_starttls, VERB_CLEAR },
	[VERB_AUTH] = { "AUTH", verb_auth, 0 },
	[VERB_MAIL] = { "MAIL", verb_mail, 0 },
	[VERB_RCPT] = { "RCPT", verb_rcpt, 0 },
	[VERB_DATA] = { "DATA", verb_data, VERB_LAST },
	[VERB_BDAT] = { "BDAT", verb_bdat, VERB_CONTENT },
	[VERB_RSET] = { "RSET", verb_rset, VERB_LIMIT },
	[VERB_NOOP] = { "NOOP", verb_noop,
	    VERB_LAST | VERB_LIMIT | VERB_CLEAR },
	[VERB_VRFY] = { "VRFY", verb_vrfy, VERB_LAST | VERB_LIMIT },
	[VERB_ETRN] = { "ETRN", verb_etrn, VERB_LAST | VERB_LIMIT },
	[VERB_EXPN] = { "EXPN", verb_expn, VERB_LIMIT },
	[VERB_HELP] = { "HELP", verb_help,
	    VERB_LIMIT | VERB_ALWAYS | VERB_CLEAR },
	[VERB_QUIT] = { "QUIT", verb_quit, VERB_ALWAYS | VERB_CLEAR },
	[VERB_UNKNOWN] = { "UNKNOWN", verb_unknown, 0 },
};

const char *
verb_name(int verb)
{
	return verb < 0 || verb >= VERBS ? "CONNECT" : verbs[verb].name;
}

/* --- the greeting --------------------------------------------------------- */

/* The first line, or what denies access instead (smtpd_delay_reject = no). */
static void
greet_now(struct session *s)
{
	s->state = ST_COMMAND;
	s->denied = eval_refused(s);
	if (!s->denied)
		replyf(s, 220, DSN_NONE, STR_FMT, STR_ARG(s->sv->banner));
}

static void
check_client(struct session *s)
{
	static const enum stage stages[] = { STAGE_CLIENT };

	if (session_facts(s, check_client))
		session_restrict(s, stages, NELEM(stages), greet_now);
}

void
session_greet(struct session *s)
{
	s->state = ST_GREET;
	if (s->sv->no_rules.n > 0) {
		session_warn(s, STR_FMT, STR_ARG(s->sv->no_rules));
		replyf(s, 451, DSN(4, 3, 5), "Server configuration error");
		session_close(s);
	} else if (s->sv->delay_reject || s->sv->client.n == 0) {
		/* Nothing depends on the name yet: let the client talk. */
		greet_now(s);
	} else {
		check_client(s);
	}
}

/* --- order ---------------------------------------------------------------- */

void
note_pipelining(struct session *s, struct str what)
{
	struct buf b;

	if (s->pipelined || s->state >= ST_CLOSING)
		return;
	s->pipelined = true;
	buf_init(&b, 512);
	utf8_sanitize(&b, what, 100, false);
	session_log(s, "improper command pipelining after %s from %s: %s",
	    verb_name(s->verb), session_peer(s), buf_cstr(&b));
	buf_clear(&b);
	if (!s->sv->forbid_pipelining)
		return;
	if (s->running)
		s->verb_failed = true;
	replyf(s, 554, DSN(5, 5, 0), "Error: SMTP protocol synchronization");
	session_close(s);
}

/* Did the client talk on where it had to wait for our answer? */
static bool
spoke_early(struct session *s, const struct verb *v)
{
	if (s->behind.n == 0 || (v->flags & VERB_CONTENT) != 0 ||
	    (s->esmtp && (s->sv->ehlo & EHLO_PIPELINING) != 0 &&
		(v->flags & VERB_LAST) == 0))
		return false;
	note_pipelining(s, s->behind);
	return s->state >= ST_CLOSING;
}

static bool
word_in(struct conf_list list, struct str word)
{
	for (size_t i = 0; i < list.n; i++)
		if (str_caseeq(list.v[i].text, word))
			return true;
	return false;
}

/* Not a mail client, but a browser or proxy somebody points at us. */
static void
forbidden(struct session *s, struct str line)
{
	struct buf b;

	buf_init(&b, 512);
	utf8_sanitize(&b, line, 100, false);
	session_warn(s, "non-SMTP command from %s: %s", session_peer(s),
	    buf_cstr(&b));
	buf_clear(&b);
	reject(s, 221, DSN(2, 7, 0), "Error: this is a mail server. Goodbye");
	session_close(s);
}

static int
find_verb(struct session *s, struct str word)
{
	if (word_in(s->sv->noop, word))
		return VERB_NOOP;
	for (int i = 0; i < VERB_UNKNOWN; i++)
		if (str_caseeq(word, str_of(verbs[i].name)))
			return i;
	return VERB_UNKNOWN;
}

/* A bare newline where that is refused for good. */
static bool
bare_refused(struct session *s)
{
	if (!s->bare_line || s->sv->bare < BARE_NOTE ||
	    netlist_has(&s->sv->bare_ok, &s->client))
		return false;
	session_log(s, "bare <LF> received after %s from %s",
	    verb_name(s->verb), session_peer(s));
	if (s->sv->bare != BARE_REJECT)
		return false;
	reject(s, s->sv->bare_code, DSN(s->sv->bare_code / 100, 5, 2),
	    STR_FMT " Error: bare <LF> received", STR_ARG(s->sv->myhostname));
	session_close(s);
	return true;
}

void
verb_run(struct session *s, struct str line)
{
	struct str arg = str_trim(line), word = STR_NONE;
	const struct verb *v;

	str_token(&arg, " \t", &word);
	arg = str_trim(arg);
	s->running = true;
	s->verb_failed = s->verb_excused = false;
	if (bare_refused(s)) {
		s->verb = VERB_UNKNOWN;
		return;
	}
	s->verb = find_verb(s, word);
	v = &verbs[s->verb];
	if (spoke_early(s, v))
		return;
	if ((v->flags & VERB_LIMIT) != 0 && s->junk++ >= s->sv->junk_max)
		s->errors++;
	if (s->verb == VERB_UNKNOWN &&
	    (word_in(s->sv->forbidden, word) ||
		(word.n > 1 && word.p[word.n - 1] == ':'))) {
		forbidden(s, line);
		return;
	}
	if (s->tls == NULL && (v->flags & VERB_CLEAR) == 0 &&
	    secure_forced(&s->sv->tls)) {
		reject(s, 530, DSN(5, 7, 0),
		    "Must issue a STARTTLS command first");
		return;
	}
	if (s->denied && (v->flags & VERB_ALWAYS) == 0) {
		reject(s, 503, DSN(5, 7, 0), "Error: access denied for %s",
		    session_peer(s));
		return;
	}
	v->fn(s, arg);
}

/* --- HELO, EHLO ----------------------------------------------------------- */

/* What was said before is void, but who the client is. */
static void
set_helo(struct session *s, struct str arg, bool esmtp)
{
	mail_reset(s);
	eval_later_clear(&s->later[STAGE_HELO]);
	free(s->helo);
	s->helo = str_dup(str_sub(arg, 0, 1000));
	s->esmtp = esmtp;
}

static void
ehlo_line(struct session *s, struct buf *b, unsigned bit, const char *word)
{
	if ((s->sv->ehlo & bit) != 0) {
		buf_puts(b, "\n");
		buf_puts(b, word);
	}
}

static void
helo_done(struct session *s)
{
	struct buf b;

	if (eval_refused(s)) {
		mail_reset(s);
		free(s->helo);
		s->helo = NULL;
		return;
	}
	buf_init(&b, 4096);
	buf_str(&b, s->sv->myhostname);
	if (s->esmtp) {
		char size[64];

		snprintf(size, sizeof(size),
		    s->sv->size_max == 0 ? "SIZE" : "SIZE %lld",
		    (long long)s->sv->size_max);
		ehlo_line(s, &b, EHLO_PIPELINING, "PIPELINING");
		ehlo_line(s, &b, EHLO_SIZE, size);
		ehlo_line(s, &b, EHLO_VRFY, "VRFY");
		ehlo_line(s, &b, EHLO_ETRN, "ETRN");
		if (s->tls == NULL && secure_offered(&s->sv->tls))
			ehlo_line(s, &b, EHLO_STARTTLS, "STARTTLS");
		ehlo_line(s, &b, EHLO_ENHANCED, "ENHANCEDSTATUSCODES");
		ehlo_line(s, &b, EHLO_8BITMIME, "8BITMIME");
		ehlo_line(s, &b, EHLO_DSN, "DSN");
		ehlo_line(s, &b, EHLO_CHUNKING, "CHUNKING");
	}
	reply_answer(s, (struct answer){ 250, DSN_NONE, buf_get(&b) });
	buf_clear(&b);
}

static void
check_helo(struct session *s)
{
	static const enum stage stages[] = { STAGE_HELO };

	if (session_facts(s, check_helo))
		session_restrict(s, stages, NELEM(stages), helo_done);
}

static void
do_helo(struct session *s, struct str arg, bool esmtp)
{
	struct str host;

	if (!str_token(&arg, " \t", &host)) {
		reject(s, 501, DSN_NONE, "Syntax: %s hostname",
		    esmtp ? "EHLO" : "HELO");
		return;
	}
	set_helo(s, host, esmtp);
	if (s->sv->delay_reject || s->sv->helo.n == 0)
		helo_done(s);
	else
		check_helo(s);
}

static void
verb_helo(struct session *s, struct str arg)
{
	do_helo(s, arg, false);
}

static void
verb_ehlo(struct session *s, struct str arg)
{
	do_helo(s, arg, true);
}

/* --- the small ones ------------------------------------------------------- */

/* There is no SASL: as Postfix answers where it is not switched on. */
static void
verb_auth(struct session *s, struct str arg)
{
	(void)arg;
	if (s->sv->helo_required && s->helo == NULL)
		reject(s, 503, DSN(5, 5, 1), "Error: send HELO/EHLO first");
	else
		reject(s, 503, DSN(5, 5, 1),
		    "Error: authentication not enabled");
}

static void
verb_rset(struct session *s, struct str arg)
{
	if (arg.n > 0) {
		reject(s, 501, DSN(5, 5, 4), "Syntax: RSET");
		return;
	}
	mail_reset(s);
	reply(s, "250 2.0.0 Ok");
}

static void
verb_noop(struct session *s, struct str arg)
{
	(void)arg;
	reply(s, "250 2.0.0 Ok");
}

static void
verb_expn(struct session *s, struct str arg)
{
	(void)arg;
	reject(s, 502, DSN(5, 5, 1), "EXPN command is not available");
}

static void
verb_help(struct session *s, struct str arg)
{
	(void)arg;
	replyf(s, 214, DSN(2, 0, 0),
	    "Commands: HELO EHLO MAIL RCPT DATA BDAT "
	    "RSET NOOP VRFY ETRN HELP QUIT");
}

static void
verb_quit(struct session *s, struct str arg)
{
	(void)arg; /* whatever: it wants to go */
	reply(s, "221 2.0.0 Bye");
	session_close(s);
}

static void
verb_unknown(struct session *s, struct str arg)
{
	(void)arg;
	reject(s, 500, DSN(5, 5, 2), "Error: command not recognized");
}
