/* SPDX-License-Identifier: ISC */
/*
 * Our Received: header.
 */
#include "mail/received.h"

#include "mail/address.h"
#include "mail/date.h"
#include "mail/utf8.h"

/* Longest of each thing a stranger wrote. */
#define NAME_LIMIT 255
#define RCPT_LIMIT 512
#define CERT_LIMIT 128

const char *
received_with(unsigned flags)
{
	/* index: UTF8, LMTP or ESMTP, TLS, AUTH */
	static const char *const names[2][2][4] = {
		{ { "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" },
		    { "LMTP", "LMTPS", "LMTPA", "LMTPSA" } },
		{ { "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" },
		    { "UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA" } },
	};

	if ((flags & (RECEIVED_ESMTP | RECEIVED_LMTP)) == 0)
		return "SMTP";
	return names[(flags & RECEIVED_UTF8) != 0][(flags & RECEIVED_LMTP) != 0]
		    [((flags & RECEIVED_TLS) != 0) +
			2 * ((flags & RECEIVED_AUTH) != 0)];
}

/*
 * Text inside a comment: printable, and unable to leave it.
 */
static void
put_comment(struct buf *out, struct str s, size_t max)
{
	size_t before = buf_get(out).n;
	char *p;

	if (utf8_sanitize(out, s, max, false) == -1)
		return;
	p = out->base + out->off;
	for (size_t i = before; i < out->len; i++)
		if (strchr("()\\", p[i]) != NULL)
			p[i] = '?';
}

/*
 * A word outside of comments.
 */
static void
put_word(struct buf *out, struct str s, size_t max)
{
	size_t before = buf_get(out).n;
	char *p;

	if (utf8_sanitize(out, s, max, false) == -1)
		return;
	p = out->base + out->off;
	for (size_t i = before; i < out->len; i++)
		if (strchr(" <>()\\\";@", p[i]) != NULL)
			p[i] = '?';
}

static void
put_cert(struct buf *out, const struct received_tls *tls)
{
	switch (tls->cert) {
	case RECEIVED_CERT_NOT_ASKED:
		buf_puts(out, "\t(No client certificate requested)\n");
		return;
	case RECEIVED_CERT_NONE:
		buf_puts(out, "\t(Client did not present a certificate)\n");
		return;
	case RECEIVED_CERT_UNVERIFIED:
	case RECEIVED_CERT_VERIFIED:
		break;
	}
	buf_puts(out, "\t(Client CN \"");
	put_comment(out, tls->subject_cn, CERT_LIMIT);
	buf_puts(out, "\", Issuer \"");
	put_comment(out, tls->issuer_cn, CERT_LIMIT);
	buf_puts(out,
	    tls->cert == RECEIVED_CERT_VERIFIED ? "\" (verified OK))\n" :
						  "\" (not verified))\n");
}

static void
put_tls(struct buf *out, const struct received_tls *tls)
{
	if (tls->protocol.n == 0)
		return;
	buf_puts(out, "\t(using ");
	put_comment(out, tls->protocol, CERT_LIMIT);
	buf_puts(out, " with cipher ");
	put_comment(out, tls->cipher, CERT_LIMIT);
	buf_printf(out, " (%d/%d bits)", tls->bits_used, tls->bits);
	if (tls->details.n > 0) {
		buf_puts(out, "\n\t ");
		/* It has "(2048 bits)" in it and is our own. */
		utf8_sanitize(out, tls->details, NAME_LIMIT, false);
	}
	buf_puts(out, ")\n");
	put_cert(out, tls);
}

/*
 * The recipient as we were told it; without the clause where that would need
 * to be cut.
 */
static bool
put_for(struct buf *out, const struct received *r)
{
	struct buf quoted;
	bool ok;

	if (r->rcpt.n == 0)
		return false;
	buf_init(&quoted, RCPT_LIMIT);
	ok = addr_quote(&quoted, r->rcpt) == 0;
	if (ok) {
		buf_puts(out, "\n\tfor <");
		utf8_sanitize(out, buf_get(&quoted), RCPT_LIMIT, true);
		buf_puts(out, ">; ");
	}
	buf_clear(&quoted);
	return ok;
}

int
received_format(struct buf *out, const struct received *r)
{
	buf_puts(out, "Received: from ");
	put_word(out, r->helo.n == 0 ? r->name : r->helo, NAME_LIMIT);
	buf_puts(out, " (");
	put_word(out, r->name, NAME_LIMIT);
	buf_puts(out, str_chr(r->addr, ':') == -1 ? " [" : " [IPv6:");
	put_word(out, r->addr, NAME_LIMIT);
	buf_puts(out, "])\n");
	put_tls(out, &r->tls);
	if (r->sasl_user.n > 0) {
		buf_puts(out, "\t(Authenticated sender: ");
		put_comment(out, r->sasl_user, NAME_LIMIT);
		buf_puts(out, ")\n");
	}
	buf_puts(out, "\tby ");
	put_word(out, r->by, NAME_LIMIT);
	buf_puts(out, " (");
	put_comment(out, r->mail_name, NAME_LIMIT);
	buf_printf(out, ") with %s id ", received_with(r->flags));
	put_word(out, r->id, NAME_LIMIT);
	if (!put_for(out, r))
		buf_puts(out, ";\n\t");
	buf_str(out, date_rfc5322(r->us));
	return buf_putc(out, '\n');
}

int
received_format_local(struct buf *out, struct str by, struct str mail_name,
    unsigned uid, struct str id, int64_t us)
{
	buf_puts(out, "Received: by ");
	put_word(out, by, NAME_LIMIT);
	buf_puts(out, " (");
	put_comment(out, mail_name, NAME_LIMIT);
	buf_printf(out, ", from userid %u)\n\tid ", uid);
	put_word(out, id, NAME_LIMIT);
	buf_puts(out, "; ");
	buf_str(out, date_rfc5322(us));
	return buf_putc(out, '\n');
}
