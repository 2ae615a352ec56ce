/* SPDX-License-Identifier: ISC */
/*
 * A notice: multipart/report (RFC 3462) of a text for people, a report for
 * programs, and the message or its header.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "queue/content.h"

#include "bounce.h"

#define REASON_MAX 2000
#define REFERENCES_MAX 900

bool
notice_has(const struct job *j, const struct outcome *r)
{
	return j->reader == READER_POSTMASTER ||
	    outcome_wanted((enum bounce_kind)j->make.kind, r);
}

/* --- header --------------------------------------------------------------- */

static const char *
subject_of(const struct job *j)
{
	bool postmaster = j->reader == READER_POSTMASTER;

	switch ((enum bounce_kind)j->make.kind) {
	case BOUNCE_DELAYED:
		return postmaster ? "Postmaster Warning: Delayed Mail" :
				    "Delayed Mail (still being retried)";
	case BOUNCE_SUCCESS:
		return "Successful Mail Delivery Report";
	case BOUNCE_STATUS:
		return "Mail Delivery Status Report";
	case BOUNCE_FAILED:
	case BOUNCE_DOUBLE:
		break;
	}
	return postmaster ? "Postmaster Copy: Undelivered Mail" :
			    "Undelivered Mail Returned to Sender";
}

/* Message-Id of the original, when it has a decent one. */
static void
find_message_id(const struct job *j, char *id, size_t size)
{
	struct content c;
	struct str piece, name, value;
	int part, lines = 0;

	id[0] = '\0';
	if (content_init(&c, j->fd, j->make.offset, j->make.size, j->edits,
		j->nedits) == -1)
		return;
	while (lines++ < 1000 && content_line(&c, &piece, &part) == 1) {
		if (part != (CONTENT_FIRST | CONTENT_LAST))
			continue;
		if (piece.n == 0)
			break;
		if (header_split(piece, &name, &value) &&
		    header_lookup(name) == HEADER_MESSAGE_ID &&
		    value.n < size && str_chr(value, ' ') == -1 &&
		    str_starts(value, STR("<")) && str_ends(value, STR(">")))
			(void)str_copy(value, id, size);
	}
	content_clear(&c);
}

static void
put_threading(const struct job *j, struct out *o)
{
	char id[REFERENCES_MAX];

	if (!conf_bool(j->b->conf, P_ENABLE_THREADED_BOUNCES))
		return;
	find_message_id(j, id, sizeof(id));
	if (id[0] == '\0')
		return;
	out_puts(o, "References: ");
	out_text(o, str_of(id), sizeof(id), j->utf8, " ");
	out_puts(o, "\nIn-Reply-To: ");
	out_text(o, str_of(id), sizeof(id), j->utf8, " ");
	out_puts(o, "\n");
}

static void
put_header(const struct job *j, struct out *o)
{
	struct str origin = conf_str(j->b->conf, P_MYORIGIN);
	struct buf to;

	buf_init(&to, ADDR_QUOTED_MAX);
	(void)addr_quote(&to, job_reader_addr(j));
	out_printf(o, "Date: " STR_FMT "\n",
	    STR_ARG(date_rfc5322(clock_wall_us())));
	out_printf(o,
	    conf_is(j->b->conf, P_HEADER_FROM_FORMAT, "obsolete") ?
		"From: MAILER-DAEMON@" STR_FMT " (Mail Delivery System)\n" :
		"From: Mail Delivery System <MAILER-DAEMON@" STR_FMT ">\n",
	    STR_ARG(origin));
	out_printf(o, "Subject: %s\nTo: ", subject_of(j));
	out_text(o, buf_get(&to), ADDR_QUOTED_MAX, j->utf8, " ");
	out_puts(o, "\nAuto-Submitted: auto-replied\n");
	put_threading(j, o);
	out_printf(o,
	    "MIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=%s;\n"
	    "\tboundary=\"%s\"\n",
	    j->utf8 ? "global-delivery-status" : "delivery-status",
	    j->boundary);
	if (j->eightbit)
		out_puts(o, "Content-Transfer-Encoding: 8bit\n");
	out_puts(o, "\nThis is a message in MIME format.\n");
	buf_clear(&to);
}

/* --- text ----------------------------------------------------------------- */

static const char *
words_of(const struct job *j)
{
	if (j->reader == READER_POSTMASTER)
		return "A message that passed through here is in trouble. Its "
		       "header is attached;\nits text, which is nobody "
		       "else's business, is not.\n";
	switch ((enum bounce_kind)j->make.kind) {
	case BOUNCE_DELAYED:
		return "Your message has not yet reached all of its "
		       "recipients. It is still here,\nand delivery is tried "
		       "again from time to time. THERE IS NO NEED TO SEND IT\n"
		       "AGAIN; you will hear if it has to be given up.\n";
	case BOUNCE_SUCCESS:
		return "You asked to be told: your message has been delivered "
		       "to the recipients\nbelow, or handed to a mail system "
		       "that does not report by itself.\n";
	case BOUNCE_STATUS:
		if ((j->make.flags & ENV_PROBE) != 0)
			return "You asked what would become of mail to the "
			       "recipients below. Nothing has been\n"
			       "delivered.\n";
		return "You asked for a report: this is what the first attempt "
		       "to deliver your message\ncame to.\n";
	case BOUNCE_FAILED:
	case BOUNCE_DOUBLE:
		break;
	}
	return "Your message could not be delivered to the recipients below. "
	       "It is attached,\nor its header is.\n\nShould you need help, "
	       "please write to the postmaster and include this\nreport. The "
	       "text of your own message is not needed for that.\n";
}

static void
put_recipient(const struct job *j, struct out *o, const struct outcome *r)
{
	struct buf q;

	buf_init(&q, ADDR_QUOTED_MAX);
	(void)addr_quote(&q, r->rcpt.addr);
	out_puts(o, "\n<");
	out_text(o, buf_get(&q), ADDR_QUOTED_MAX, j->utf8, "    ");
	out_puts(o, ">");
	if (r->rcpt.orig.n > 0 && !str_caseeq(r->rcpt.orig, r->rcpt.addr)) {
		buf_reset(&q);
		(void)addr_quote(&q, r->rcpt.orig);
		out_puts(o, " (expanded from <");
		out_text(o, buf_get(&q), ADDR_QUOTED_MAX, j->utf8, "    ");
		out_puts(o, ">)");
	}
	out_puts(o, ": ");
	if (j->make.kind == BOUNCE_STATUS)
		out_printf(o, "%s: ", outcome_action(j, r->event.fate));
	out_text(o, r->event.reason, REASON_MAX, j->utf8, "    ");
	out_puts(o, "\n");
	buf_clear(&q);
}

static void
put_text(const struct job *j, struct out *o)
{
	const struct conf *c = j->b->conf;

	out_printf(o,
	    "\n--%s\nContent-Description: Notification\n"
	    "Content-Type: text/plain; charset=%s\n%s\n",
	    j->boundary, j->utf8 ? "utf-8" : "us-ascii",
	    j->utf8 ? "Content-Transfer-Encoding: 8bit\n" : "");
	out_printf(o, "This is the mail system at host " STR_FMT ".\n\n",
	    STR_ARG(conf_str(c, P_MYHOSTNAME)));
	out_puts(o, words_of(j));
	out_printf(o, "\n%40sThe mail system (" STR_FMT ")\n", "",
	    STR_ARG(conf_str(c, P_MAIL_NAME)));
	for (size_t i = 0; i < j->noutcomes; i++)
		if (notice_has(j, &j->outcomes[i]))
			put_recipient(j, o, &j->outcomes[i]);
	if (j->make.omitted > 0)
		out_printf(o, "\n(and %u more recipients)\n",
		    (unsigned)j->make.omitted);
}

/* --- all of it ------------------------------------------------------------ */

/* Unlike anything in the message, which was written before. */
static void
set_boundary(struct job *j, struct str qid)
{
	uint32_t r[2];

	arc4random_buf(r, sizeof(r));
	snprintf(j->boundary, sizeof(j->boundary), STR_FMT ".%08X%08X",
	    STR_ARG(str_sub(qid, 0, QID_MAX)), r[0], r[1]);
}

int
notice_write(struct job *j, int fd, struct str qid)
{
	struct out o;
	int rc;

	set_boundary(j, qid);
	out_init(&o, fd);
	put_header(j, &o);
	put_text(j, &o);
	out_printf(&o,
	    "\n--%s\nContent-Description: Delivery report\n"
	    "Content-Type: message/%sdelivery-status\n%s\n",
	    j->boundary, j->utf8 ? "global-" : "",
	    j->utf8 ? "Content-Transfer-Encoding: 8bit\n" : "");
	report_write(j, &o);
	rc = original_write(j, &o);
	out_printf(&o, "\n--%s--\n", j->boundary);
	return out_end(&o) == -1 ? -1 : rc;
}
