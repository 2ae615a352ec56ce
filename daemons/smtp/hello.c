/* SPDX-License-Identifier: ISC */
/*
 * From the greeting to the moment a server is ready for mail.
 */
#include "base/clock.h"
#include "log/log.h"

#include "smtp.h"

/* --- what the server offers ----------------------------------------------- */

unsigned
hello_feature(struct str word)
{
	static const struct {
		const char *word;
		unsigned feature;
	} words[] = {
		{ "PIPELINING", FEAT_PIPELINING },
		{ "SIZE", FEAT_SIZE },
		{ "8BITMIME", FEAT_8BITMIME },
		{ "ENHANCEDSTATUSCODES", FEAT_STATUSCODES },
		{ "DSN", FEAT_DSN },
		{ "SMTPUTF8", FEAT_SMTPUTF8 },
		{ "CHUNKING", FEAT_CHUNKING },
		{ "STARTTLS", FEAT_STARTTLS },
	};

	for (size_t i = 0; i < NELEM(words); i++)
		if (str_caseeq(word, str_of(words[i].word)))
			return words[i].feature;
	return 0;
}

static void
read_size(struct session *s, struct str args)
{
	struct str n;

	if (!str_token(&args, " ", &n) ||
	    str_u64(n, UINT64_MAX, &s->size_max) == -1)
		s->size_max = 0;
}

static void
read_keyword(struct session *s, struct str line)
{
	struct str word;

	if (!str_token(&line, " =", &word))
		return;
	s->features |= hello_feature(word);
	if (str_caseeq(word, STR("SIZE")))
		read_size(s, line);
}

/* Does the server go by our own name? */
static bool
has_our_name(struct session *s)
{
	struct str line, word;
	size_t pos = 0;

	return s->loop_check && reply_next_line(&s->reply, &pos, &line) &&
	    str_token(&line, " \t", &word) &&
	    str_caseeq(word, s->st->myhostname);
}

static void
loops_back(struct session *s)
{
	struct job *j = s->job;

	log_as(s->st->log_name, LOG_LEVEL_WARNING,
	    "host %s greeted me with my own name " STR_FMT, s->relay,
	    STR_ARG(s->st->myhostname));
	j->destination = false;
	session_why(s, &j->why, DSN(5, 4, 6),
	    "mail for " STR_FMT " loops back to myself", STR_ARG(j->nexthop));
	report_left(j, &j->why);
	session_fail(s);
}

/* --- steps ---------------------------------------------------------------- */

static void
refused(struct session *s, bool soft)
{
	struct job *j = s->job;

	session_said(s, &j->why, NULL);
	if (soft || j->why.dsn.class != 5)
		j->why.dsn.class = 4;
	else {
		j->destination = false;
		report_left(j, &j->why);
	}
	session_fail(s);
}

static void
say_hello(struct session *s, bool extended)
{
	const char *verb = s->st->lmtp ? "LHLO" : "EHLO";

	session_say(s, "%s " STR_FMT, extended ? verb : "HELO",
	    STR_ARG(s->st->helo));
	session_await(s, extended ? STAGE_EHLO : STAGE_HELO);
	session_flush(s);
}

static bool
mentions_esmtp(struct session *s)
{
	struct str line, word;
	size_t pos = 0;

	while (reply_next_line(&s->reply, &pos, &line))
		while (str_token(&line, " \t-", &word))
			if (str_caseeq(word, STR("ESMTP")))
				return true;
	return false;
}

static void
greeted(struct session *s)
{
	const struct settings *st = s->st;

	s->job->sessions++;
	if (s->reply.code / 100 != 2) {
		refused(s, st->skip_5xx_greeting);
		return;
	}
	say_hello(s, st->always_ehlo || (!st->never_ehlo && mentions_esmtp(s)));
}

static void
ready(struct session *s)
{
	if (has_our_name(s)) {
		loops_back(s);
		return;
	}
	s->features &= ~s->st->discard;
	if (secure_first(s))
		return;
	s->born = loop_now(s->smtp->loop);
	s->job->ready_us = clock_wall_us();
	s->job->destination = false;
	s->answered = true;
	mail_begin(s);
}

static void
said_ehlo(struct session *s)
{
	struct str line;
	size_t pos = 0;

	if (s->reply.code / 100 != 2) {
		if (s->st->lmtp || s->reply.code == 421)
			refused(s, false);
		else
			say_hello(s, false);
		return;
	}
	s->features |= FEAT_ESMTP;
	if (reply_next_line(&s->reply, &pos, &line)) /* its name */
		while (reply_next_line(&s->reply, &pos, &line))
			read_keyword(s, line);
	ready(s);
}

void
hello_again(struct session *s)
{
	s->features = 0;
	s->size_max = 0;
	say_hello(s, true);
}

void
hello_reply(struct session *s)
{
	switch (s->stage) {
	case STAGE_GREETING:
		greeted(s);
		break;
	case STAGE_EHLO:
		said_ehlo(s);
		break;
	case STAGE_STARTTLS:
		secure_reply(s);
		break;
	default:
		if (s->reply.code / 100 != 2)
			refused(s, false);
		else
			ready(s);
		break;
	}
}
