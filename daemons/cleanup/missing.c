/* SPDX-License-Identifier: ISC */
/*
 * Headers that are added: our Received above, what is missing below.
 */
#include "log/log.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/received.h"
#include "mail/utf8.h"

#include "cleanup.h"

#define ADDED_MAX 8192
#define FULLNAME_MAX 128

#define VISIBLE_RCPT                                 \
	(HEAD_BIT(HEADER_TO) | HEAD_BIT(HEADER_CC) | \
	    HEAD_BIT(HEADER_RESENT_TO) | HEAD_BIT(HEADER_RESENT_CC))

static int
put_received(struct message *m, struct buf *b)
{
	const struct settings *s = &m->cl->set;
	struct str uid = m->env.attr[ENV_A_UID];
	uint64_t n;

	if (m->env.origin == ENV_FROM_PICKUP &&
	    str_u64(uid, UINT32_MAX, &n) == 0)
		return received_format_local(b, s->hostname, s->mail_name,
		    (unsigned)n, str_of(m->qid), m->env.arrival_us);
	return buf_printf(b,
	    "Received: by " STR_FMT " (" STR_FMT ")\n\tid %s; " STR_FMT "\n",
	    STR_ARG(s->hostname), STR_ARG(s->mail_name), m->qid,
	    STR_ARG(date_rfc5322(m->env.arrival_us)));
}

/* smtpd wrote its own, as it knows the client. */
int
missing_top(struct message *m)
{
	struct buf b;
	int rc = 0;

	if (m->env.origin == ENV_FROM_SMTPD)
		return 0;
	buf_init(&b, RECEIVED_MAX);
	if (put_received(m, &b) == -1 ||
	    edits_add(&m->edits, 0, 0, buf_get(&b)) == -1)
		rc = -1;
	buf_clear(&b);
	return rc;
}

/* --- From ----------------------------------------------------------------- */

static bool
is_plain_phrase(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (!ascii_isalnum(c) &&
		    (c == '\0' || strchr(" !#$%&'*+-/=?^_`{|}~", c) == NULL))
			return false;
	}
	return true;
}

static void
put_quoted(struct buf *b, struct str s, int open, int close,
    const char *special)
{
	buf_putc(b, open);
	for (size_t i = 0; i < s.n; i++) {
		if (strchr(special, s.p[i]) != NULL)
			buf_putc(b, '\\');
		buf_putc(b, s.p[i]);
	}
	buf_putc(b, close);
}

/* An encoded word (RFC 2047); the text is short enough for one or two. */
static void
put_encoded(struct buf *b, struct str s)
{
	buf_puts(b, "=?utf-8?Q?");
	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == ' ')
			buf_putc(b, '_');
		else if (ascii_isalnum(c))
			buf_putc(b, c);
		else
			buf_printf(b, "=%02X", (unsigned)c);
	}
	buf_puts(b, "?=");
}

/* name <address>, or in the old form address (name). */
static void
put_mailbox(struct message *m, struct buf *b, struct str name)
{
	struct str sender = m->env.sender;

	if (name.n > 0 && !m->cl->set.from_obsolete) {
		if (!utf8_is_ascii(name))
			put_encoded(b, name);
		else if (is_plain_phrase(name))
			buf_str(b, name);
		else
			put_quoted(b, name, '"', '"', "\"\\");
		buf_puts(b, " <");
		addr_quote(b, sender);
		buf_putc(b, '>');
		return;
	}
	addr_quote(b, sender);
	if (name.n > 0) {
		buf_putc(b, ' ');
		if (!utf8_is_ascii(name)) {
			buf_putc(b, '(');
			put_encoded(b, name);
			buf_putc(b, ')');
		} else
			put_quoted(b, name, '(', ')', "()\\");
	}
}

static void
put_from(struct message *m, struct buf *b, const char *resent)
{
	struct buf name;

	buf_printf(b, "%sFrom: ", resent);
	if (m->env.sender.n == 0) {
		buf_printf(b, "MAILER-DAEMON@" STR_FMT "\n",
		    STR_ARG(m->cl->set.origin));
		return;
	}
	buf_init(&name, FULLNAME_MAX);
	(void)utf8_sanitize(&name, m->env.attr[ENV_A_FULLNAME], FULLNAME_MAX,
	    true);
	put_mailbox(m, b, str_trim(buf_get(&name)));
	buf_putc(b, '\n');
	buf_clear(&name);
}

/* --- all of them ---------------------------------------------------------- */

static bool
lacks(const struct message *m, enum header_id plain, enum header_id resent)
{
	return (m->head.seen & HEAD_BIT(m->head.resent ? resent : plain)) == 0;
}

static void
put_missing(struct message *m, struct buf *b)
{
	const struct settings *s = &m->cl->set;
	const char *resent = m->head.resent ? "Resent-" : "";
	struct str stamp;

	if (lacks(m, HEADER_MESSAGE_ID, HEADER_RESENT_MESSAGE_ID)) {
		stamp = date_stamp(m->env.arrival_us);
		buf_printf(b, "%sMessage-Id: <" STR_FMT ".%s@" STR_FMT ">\n",
		    resent, STR_ARG(stamp), m->qid, STR_ARG(s->hostname));
		log_info("%s: %smessage-id=<" STR_FMT ".%s@" STR_FMT ">",
		    m->qid, m->head.resent ? "resent-" : "", STR_ARG(stamp),
		    m->qid, STR_ARG(s->hostname));
	}
	if (lacks(m, HEADER_DATE, HEADER_RESENT_DATE))
		buf_printf(b, "%sDate: " STR_FMT "\n", resent,
		    STR_ARG(date_rfc5322(m->env.arrival_us)));
	if (lacks(m, HEADER_FROM, HEADER_RESENT_FROM))
		put_from(m, b, resent);
	if ((m->head.seen & VISIBLE_RCPT) == 0 && s->undisclosed.n > 0) {
		buf_str(b, s->undisclosed);
		buf_putc(b, '\n');
	}
}

int
missing_add(struct message *m)
{
	const struct head *d = &m->head;
	struct buf b;
	int rc = 0;

	buf_init(&b, ADDED_MAX);
	if (d->open)
		buf_putc(&b, '\n');
	if (m->local || m->cl->set.always_missing)
		put_missing(m, &b);
	else if ((d->seen & HEAD_BIT(HEADER_MESSAGE_ID)) == 0)
		log_info("%s: message-id=<>", m->qid);
	/* A body that begins without an empty line gets one. */
	if (!d->blank && d->body)
		buf_putc(&b, '\n');
	if (buf_full(&b) ||
	    (b.len > 0 && edits_add(&m->edits, d->end, 0, buf_get(&b)) == -1))
		rc = -1;
	buf_clear(&b);
	return rc;
}
