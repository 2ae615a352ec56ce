/* SPDX-License-Identifier: ISC */
/*
 * A transaction: MAIL, RCPT, DATA, content.
 *
 * With PIPELINING all commands up to DATA go out in one write, and the answers
 * are taken in order.  Without it each waits for the answer to the one before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/xtext.h"

#include "smtp.h"

#define SMALL_BODY 16384 /* buffers above this are given back */

/* Only the servers' word on the recipients is wanted. */
static bool
is_probe(const struct session *s)
{
	return (s->job->flags & ENV_PROBE) != 0;
}

static const char *
command_name(enum stage stage)
{
	switch (stage) {
	case STAGE_MAIL:
		return "MAIL FROM command";
	case STAGE_RCPT:
		return "RCPT TO command";
	case STAGE_DATA:
		return "DATA command";
	default:
		return "end of DATA command";
	}
}

/* --- commands ------------------------------------------------------------- */

static void
put_path(struct session *s, struct str addr)
{
	buf_putc(&s->out, '<');
	if (s->st->quote)
		addr_quote(&s->out, addr);
	else
		buf_str(&s->out, addr);
	buf_putc(&s->out, '>');
}

static void
put_mail(struct session *s)
{
	struct job *j = s->job;
	struct buf *b = &s->out;

	buf_puts(b, "MAIL FROM:");
	put_path(s, j->sender);
	if (s->features & FEAT_SIZE)
		buf_printf(b, " SIZE=%llu",
		    (unsigned long long)content_size(&j->content));
	if ((s->features & FEAT_8BITMIME) && (j->flags & ENV_8BITMIME))
		buf_puts(b, " BODY=8BITMIME");
	if ((s->features & FEAT_SMTPUTF8) && (j->flags & ENV_SMTPUTF8))
		buf_puts(b, " SMTPUTF8");
	if ((s->features & FEAT_DSN) && j->ret != ENV_RET_NONE)
		buf_printf(b, " RET=%s",
		    j->ret == ENV_RET_HDRS ? "HDRS" : "FULL");
	if ((s->features & FEAT_DSN) && j->envid.n > 0) {
		buf_puts(b, " ENVID=");
		xtext_encode(b, j->envid);
	}
	buf_puts(b, "\r\n");
}

/* Who asked for notices is told of the address he wrote to. */
static void
put_dsn(struct session *s, const struct rcpt *r)
{
	struct buf *b = &s->out;
	struct str type = STR("rfc822"), addr = r->orig;

	if (orcpt_valid(r->orcpt)) {
		ptrdiff_t semi = str_chr(r->orcpt, ';');

		type = str_sub(r->orcpt, 0, (size_t)semi);
		addr = str_sub(r->orcpt, (size_t)semi + 1, r->orcpt.n);
	}
	if (r->notify != 0) {
		buf_puts(b, " NOTIFY=");
		dsn_notify_format(b, r->notify);
	}
	if (addr.n > 0) {
		buf_puts(b, " ORCPT=");
		orcpt_encode(b, type, addr);
	}
}

static void
put_rcpt(struct session *s, const struct rcpt *r)
{
	buf_puts(&s->out, "RCPT TO:");
	put_path(s, r->addr);
	if (s->features & FEAT_DSN)
		put_dsn(s, r);
	buf_puts(&s->out, "\r\n");
}

/* --- its end -------------------------------------------------------------- */

static void
over(struct session *s, bool clean)
{
	bool reusable = s->reply.code != 421;

	s->need_rset = !clean;
	if (s->out.cap > SMALL_BODY && s->out.len == 0)
		buf_clear(&s->out);
	session_release(s, reusable);
}

/* A reason for all in the transaction that are (accepted, or not settled). */
static void
blame(struct session *s, bool only_accepted)
{
	struct job *j = s->job;

	session_said(s, &j->why, command_name(s->stage));
	if (j->why.dsn.class != 5)
		return; /* they may be luckier elsewhere, or later */
	for (size_t i = 0; i < s->nrcpts; i++)
		if (s->rcpt[i]->accepted || !only_accepted)
			report(j, s->rcpt[i], &j->why);
}

/* --- its beginning -------------------------------------------------------- */

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static bool
needs_utf8(const struct session *s)
{
	const struct job *j = s->job;

	if (!(j->flags & ENV_SMTPUTF8))
		return false;
	if ((j->flags & ENV_HEADER_UTF8) || !is_ascii(j->sender))
		return true;
	for (size_t i = 0; i < s->nrcpts; i++)
		if (!is_ascii(s->rcpt[i]->addr))
			return true;
	return false;
}

/* What this server cannot take, whatever we say. */
static bool
is_hopeless(struct session *s)
{
	struct job *j = s->job;
	uint64_t size = content_size(&j->content);

	if ((s->features & FEAT_SIZE) && s->size_max > 0 && size > s->size_max)
		session_why(s, &j->why, DSN(5, 3, 4),
		    "message size %llu exceeds size limit %llu of server %s",
		    (unsigned long long)size, (unsigned long long)s->size_max,
		    s->where);
	else if (!(s->features & FEAT_SMTPUTF8) && needs_utf8(s))
		session_why(s, &j->why, DSN(5, 6, 7),
		    "SMTPUTF8 is required, but was not offered by host %s",
		    s->where);
	else
		return false;
	report_left(j, &j->why);
	return true;
}

static void
pick_rcpts(struct session *s)
{
	struct job *j = s->job;

	if (s->rcpt_cap < j->nleft) {
		s->rcpt = xreallocarray(s->rcpt, j->nleft, sizeof(*s->rcpt));
		s->rcpt_cap = j->nleft;
	}
	s->nrcpts = 0;
	for (size_t i = 0; i < j->nrcpts; i++)
		if (!j->rcpt[i].settled)
			s->rcpt[s->nrcpts++] = &j->rcpt[i];
}

void
mail_begin(struct session *s)
{
	pick_rcpts(s);
	s->at = s->naccepted = 0;
	s->mail_failed = false;
	reply_reset(&s->reply);
	if (is_hopeless(s)) {
		session_release(s, true);
		return;
	}
	if (s->need_rset)
		buf_puts(&s->out, "RSET\r\n");
	if (!s->need_rset || (s->features & FEAT_PIPELINING))
		put_mail(s);
	if (s->features & FEAT_PIPELINING) {
		for (size_t i = 0; i < s->nrcpts; i++)
			put_rcpt(s, s->rcpt[i]);
		if (!is_probe(s))
			buf_puts(&s->out, "DATA\r\n");
	}
	session_await(s, s->need_rset ? STAGE_RSET : STAGE_MAIL);
	session_flush(s);
}

/* --- answers -------------------------------------------------------------- */

/* Say the next command, unless it is out already. */
static void
say_next(struct session *s, enum stage stage)
{
	if (!(s->features & FEAT_PIPELINING)) {
		if (stage == STAGE_MAIL)
			put_mail(s);
		else if (stage == STAGE_RCPT)
			put_rcpt(s, s->rcpt[s->at]);
		else
			buf_puts(&s->out, "DATA\r\n");
		session_flush(s);
	}
	session_await(s, stage);
}

/* The answer to the content, or the one asked of a probe, for a recipient. */
static void
settle(struct session *s, struct rcpt *r)
{
	struct why w = { .conn_use = 0 };

	if (s->reply.code / 100 == 2)
		session_thanks(s, &w);
	else
		session_said(s, &w, command_name(STAGE_DOT));
	if (w.dsn.class != 4) {
		report(s->job, r, &w);
		why_clear(&w);
	} else {
		why_clear(&r->why);
		r->why = w;
	}
}

static void
rset_answered(struct session *s)
{
	if (s->reply.code / 100 != 2) {
		session_said(s, &s->job->why, "RSET command");
		s->job->why.dsn.class = 4;
		session_fail(s);
		return;
	}
	s->need_rset = false;
	say_next(s, STAGE_MAIL);
}

static void
mail_answered(struct session *s)
{
	if (s->reply.code / 100 != 2) {
		s->mail_failed = true;
		blame(s, false);
		if (!(s->features & FEAT_PIPELINING)) {
			over(s, false);
			return;
		}
	}
	say_next(s, STAGE_RCPT);
}

static void
rcpt_answered(struct session *s)
{
	struct rcpt *r = s->rcpt[s->at++];

	if (s->mail_failed) {
		;
	} else if (s->reply.code / 100 == 2 && is_probe(s)) {
		settle(s, r); /* that is all we wanted to know */
	} else if (s->reply.code / 100 == 2) {
		r->accepted = true;
		s->naccepted++;
	} else {
		struct why w = { .conn_use = 0 };

		session_said(s, &w, command_name(STAGE_RCPT));
		if (w.dsn.class == 5) {
			report(s->job, r, &w);
			why_clear(&w);
		} else {
			job_note(s->job, &w);
			why_clear(&r->why);
			r->why = w;
		}
	}
	if (s->at < s->nrcpts)
		say_next(s, STAGE_RCPT);
	else if (is_probe(s) ||
	    (s->naccepted == 0 && !(s->features & FEAT_PIPELINING)))
		over(s, false);
	else
		say_next(s, STAGE_DATA);
}

void
mail_more(struct session *s)
{
	struct job *j = s->job;

	while (s->stage == STAGE_BODY && s->out.len == 0 && !s->broken) {
		if (s->body->ended) {
			free(s->body);
			s->body = NULL;
			s->at = 0;
			session_await(s, STAGE_DOT);
			return;
		}
		if (body_fill(s->body, &s->out, BODY_CHUNK) == -1) {
			/* Without its dot the server will not take it. */
			session_why(s, &j->why, DSN(4, 3, 0),
			    "message content cannot be read");
			session_fail(s);
			return;
		}
		session_flush(s);
		if (s->dead)
			return;
	}
}

static void
data_answered(struct session *s)
{
	if (s->reply.code / 100 != 3) {
		if (s->naccepted > 0)
			blame(s, true);
		over(s, false);
		return;
	}
	if (s->naccepted == 0) {
		/* RFC 2920 section 3.1: it will refuse this. */
		buf_puts(&s->out, ".\r\n");
		session_await(s, STAGE_DOT);
		session_flush(s);
		return;
	}
	free(s->body);
	s->body = xcalloc(1, sizeof(*s->body));
	body_init(s->body, &s->job->content, s->st->line_limit);
	session_await(s, STAGE_BODY);
	s->fixed = s->st->per_request;
	if (s->fixed)
		s->deadline += (int64_t)(content_size(&s->job->content) * 1000 /
		    (uint64_t)s->st->min_rate);
	mail_more(s);
}

/* LMTP: one answer for each that was accepted (RFC 2033 section 4.2). */
static void
settle_next(struct session *s)
{
	while (s->at < s->nrcpts && !s->rcpt[s->at]->accepted)
		s->at++;
	if (s->at < s->nrcpts) {
		s->rcpt[s->at]->accepted = false;
		settle(s, s->rcpt[s->at++]);
		s->naccepted--;
	}
	if (s->naccepted == 0)
		over(s, true);
	else
		session_await(s, STAGE_DOT);
}

static void
dot_answered(struct session *s)
{
	if (s->naccepted == 0) {
		over(s, false);
		return;
	}
	if (s->st->lmtp) {
		settle_next(s);
		return;
	}
	for (size_t i = 0; i < s->nrcpts; i++) {
		if (!s->rcpt[i]->accepted)
			continue;
		s->rcpt[i]->accepted = false;
		settle(s, s->rcpt[i]);
	}
	over(s, true);
}

/* An answer before we were done: the server does not want the rest. */
static void
interrupted(struct session *s)
{
	struct job *j = s->job;

	s->stage = STAGE_DOT;
	session_said(s, &j->why, command_name(STAGE_DOT));
	if (j->why.dsn.class == 5)
		for (size_t i = 0; i < s->nrcpts; i++)
			if (s->rcpt[i]->accepted)
				report(j, s->rcpt[i], &j->why);
	session_fail(s);
}

void
mail_reply(struct session *s)
{
	switch (s->stage) {
	case STAGE_RSET:
		rset_answered(s);
		break;
	case STAGE_MAIL:
		mail_answered(s);
		break;
	case STAGE_RCPT:
		rcpt_answered(s);
		break;
	case STAGE_DATA:
		data_answered(s);
		break;
	case STAGE_DOT:
		dot_answered(s);
		break;
	default:
		interrupted(s);
		break;
	}
}
