/* SPDX-License-Identifier: ISC */
/*
 * What we say to the client, and what the log says of a refusal.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/log.h"
#include "mail/utf8.h"

#include "session.h"

void
reply(struct session *s, const char *line)
{
	buf_puts(&s->out, line);
	buf_add(&s->out, "\r\n", 2);
}

/*
 * smtpd_reject_footer: further lines of every refusal.  A beginning \c means
 * that it goes on in the last line.
 */
static void
add_footer(struct session *s, struct answer *a, struct buf *text)
{
	struct str footer = s->sv->footer;

	if (footer.n == 0 || a->code < 400)
		return;
	buf_str(text, a->text);
	if (str_starts(footer, STR("\\c"))) {
		footer = str_sub(footer, 2, footer.n);
	} else {
		buf_putc(text, '\n');
	}
	for (size_t i = 0; i < footer.n; i++) {
		if (footer.p[i] == '\\' && i + 1 < footer.n &&
		    footer.p[i + 1] == 'n') {
			buf_putc(text, '\n');
			i++;
		} else {
			buf_putc(text, footer.p[i]);
		}
	}
	a->text = buf_get(text);
}

void
reply_answer(struct session *s, struct answer a)
{
	struct buf text;

	buf_init(&text, 16384);
	if (s->sv->soft_bounce)
		a = answer_soften(a);
	add_footer(s, &a, &text);
	answer_format(&s->out, a, false);
	buf_clear(&text);
	s->kick(s->kick_arg);
}

static void
vreply(struct session *s, int code, struct dsn dsn, const char *fmt, va_list ap)
{
	struct answer a = { .code = code, .dsn = dsn };
	char text[3072];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	a.text = str_make(text, (size_t)n);
	reply_answer(s, a);
}

void
replyf(struct session *s, int code, struct dsn dsn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vreply(s, code, dsn, fmt, ap);
	va_end(ap);
}

void
reject(struct session *s, int code, struct dsn dsn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vreply(s, code, dsn, fmt, ap);
	va_end(ap);
	s->verb_failed = true;
}

void
reject_answer(struct session *s, struct answer a)
{
	reply_answer(s, a);
	s->verb_failed = true;
}

/* An address for the log: quoted where it must be, and made printable. */
static void
log_addr(struct buf *b, const char *key, struct str addr)
{
	struct buf q;

	buf_init(&q, ADDR_QUOTED_MAX);
	addr_quote(&q, addr);
	buf_printf(b, " %s=<", key);
	utf8_sanitize(b, buf_get(&q), ADDR_QUOTED_MAX, true);
	buf_putc(b, '>');
	buf_clear(&q);
}

/* `; from=<a> to=<b> proto=ESMTP helo=<c>`, of what is known. */
static void
log_context(const struct session *s, struct buf *b)
{
	buf_putc(b, ';');
	if (s->mail != NULL)
		log_addr(b, "from", str_of(s->mail->sender));
	if (s->rcpt.len > 0)
		log_addr(b, "to", buf_get(&s->rcpt));
	buf_printf(b, " proto=%s", s->esmtp ? "ESMTP" : "SMTP");
	if (s->helo != NULL) {
		buf_puts(b, " helo=<");
		utf8_sanitize(b, str_of(s->helo), 1000, true);
		buf_putc(b, '>');
	}
}

void
log_reject(struct session *s, const char *what, int code, struct dsn dsn,
    struct str text)
{
	struct answer a = { .code = code, .dsn = dsn, .text = text };
	const char *qid = "NOQUEUE";
	size_t qid_len = 7;
	char dsn_buf[DSN_MAX], code_buf[32];
	struct buf b;

	if (s->sv->soft_bounce)
		a = answer_soften(a);
	if (s->mail != NULL && s->mail->slot != NULL) {
		qid = s->mail->slot->qid;
		qid_len = s->mail->slot->qid_len;
	}
	buf_init(&b, 8192);
	utf8_sanitize(&b, a.text, 3000, true);
	log_context(s, &b);
	code_buf[0] = '\0';
	if (a.code > 0)
		snprintf(code_buf, sizeof(code_buf), "%d%s%s ", a.code,
		    a.dsn.class == 0 ? "" : " ", dsn_text(a.dsn, dsn_buf));
	session_log(s, "%.*s: %s: %s from %s: %s%s", (int)qid_len, qid, what,
	    s->mail != NULL && s->mail->ended ? "END-OF-MESSAGE" :
						verb_name(s->verb),
	    session_peer(s), code_buf, buf_cstr(&b));
	buf_clear(&b);
}

bool
eval_refused(struct session *s)
{
	struct eval *e = s->eval;

	if (e == NULL || e->code == 0)
		return false;
	log_reject(s, "reject", e->code, e->dsn, buf_get(&e->reply));
	reject_answer(s,
	    (struct answer){ e->code, e->dsn, buf_get(&e->reply) });
	if (e->hangup)
		session_close(s);
	/* This answer is not one to the next command. */
	e->code = 0;
	return true;
}
