/* SPDX-License-Identifier: ISC */
/*
 * What happened to each recipient.
 */
#include "mail/address.h"
#include "mail/date.h"
#include "mail/dsn.h"
#include "mail/xtext.h"

#include "bounce.h"

#define DIAGNOSTIC_MAX 2000

int
outcome_next(struct str *in, uint64_t qid, struct outcome *out)
{
	struct env_reader r;
	int k;

	if (in->n == 0)
		return 0;
	env_open_part(&r, *in);
	if (env_read_rcpt(&r, &out->rcpt) != 1)
		return -1;
	*in = str_sub(*in, (size_t)env_tell(&r).off, in->n);
	k = event_get(in, qid, &out->event);
	return k == 1 && out->event.type == EVENT_FATE ? 1 : -1;
}

bool
outcome_wanted(enum bounce_kind kind, const struct outcome *r)
{
	uint32_t notify = r->rcpt.notify;

	switch (kind) {
	case BOUNCE_FAILED:
	case BOUNCE_DOUBLE:
		return notify == 0 || (notify & ENV_NOTIFY_FAILURE) != 0;
	case BOUNCE_DELAYED:
		return notify == 0 || (notify & ENV_NOTIFY_DELAY) != 0;
	case BOUNCE_SUCCESS:
		return (notify & ENV_NOTIFY_SUCCESS) != 0;
	case BOUNCE_STATUS:
		return true;
	}
	return false;
}

/* --- message/delivery-status ---------------------------------------------- */

static void
put_addr(const struct job *j, struct out *o, const char *field, struct str addr)
{
	struct buf q;

	buf_init(&q, ADDR_QUOTED_MAX);
	(void)addr_quote(&q, addr);
	out_printf(o, "%s: %s; ", field, j->utf8 ? "utf-8" : "rfc822");
	out_text(o, buf_get(&q), ADDR_QUOTED_MAX, j->utf8, " ");
	out_puts(o, "\n");
	buf_clear(&q);
}

/*
 * ORCPT as the client gave it; else the address before aliases, which was ours
 * where it has no domain.
 */
static void
put_original(const struct job *j, struct out *o, const struct outcome *r)
{
	struct str s = r->rcpt.orcpt, orig = r->rcpt.orig;
	struct buf whole;

	if (s.n > 0) {
		out_puts(o, "Original-Recipient: ");
		out_text(o, s, ADDR_MAX, j->utf8, " ");
		out_puts(o, "\n");
		return;
	}
	if (orig.n == 0)
		return;
	buf_init(&whole, 2 * ADDR_MAX);
	buf_str(&whole, orig);
	if (addr_domain(orig).n == 0) {
		buf_putc(&whole, '@');
		buf_str(&whole, conf_str(j->b->conf, P_MYORIGIN));
	}
	put_addr(j, o, "Original-Recipient", buf_get(&whole));
	buf_clear(&whole);
}

const char *
outcome_action(const struct job *j, enum event_fate fate)
{
	bool bad = fate == EVENT_FAILED || fate == EVENT_TRIED;

	if ((j->make.flags & ENV_PROBE) != 0)
		return bad ? "undeliverable" : "deliverable";
	switch (fate) {
	case EVENT_DELIVERED:
		return "delivered";
	case EVENT_RELAYED:
		return "relayed";
	case EVENT_EXPANDED:
		return "expanded";
	case EVENT_TRIED:
		return "delayed";
	case EVENT_FAILED:
	case EVENT_DROPPED:
		break;
	}
	return "failed";
}

/* What is no status code becomes one of the right class. */
static void
put_status(struct out *o, const struct outcome *r)
{
	enum event_fate fate = r->event.fate;
	struct str s = r->event.dsn;
	char text[DSN_MAX];
	struct dsn d;

	if (dsn_take(&s, &d) == -1 || s.n > 0)
		d = fate == EVENT_TRIED ? DSN(4, 0, 0) :
		    fate == EVENT_FAILED || fate == EVENT_DROPPED ?
					  DSN(5, 0, 0) :
					  DSN(2, 0, 0);
	out_printf(o, "Status: %s\n", dsn_text(d, text));
}

/* The server's own words stand behind `said: '. */
static struct str
words_of(struct str reason)
{
	static const struct str said = STR("said: ");

	for (size_t i = 0; i + said.n < reason.n; i++)
		if (str_starts(str_sub(reason, i, reason.n), said))
			return str_sub(reason, i + said.n, reason.n);
	return reason;
}

static void
put_diagnostic(const struct job *j, struct out *o, const struct outcome *r)
{
	const struct event *e = &r->event;
	ptrdiff_t end = str_chr(e->mta, '[');

	if (e->mta.n > 0) {
		out_puts(o, "Remote-MTA: dns; ");
		out_text(o, end > 0 ? str_sub(e->mta, 0, (size_t)end) : e->mta,
		    255, j->utf8, " ");
		out_puts(o, "\n");
	}
	if (e->reason.n == 0)
		return;
	out_puts(o,
	    e->mta.n > 0 ? "Diagnostic-Code: smtp; " :
			   "Diagnostic-Code: X-Postern; ");
	out_text(o, e->mta.n > 0 ? words_of(e->reason) : e->reason,
	    DIAGNOSTIC_MAX, j->utf8, "    ");
	out_puts(o, "\n");
}

static void
put_recipient(const struct job *j, struct out *o, const struct outcome *r)
{
	int64_t until;

	out_puts(o, "\n");
	put_addr(j, o, "Final-Recipient", r->rcpt.addr);
	put_original(j, o, r);
	out_printf(o, "Action: %s\n", outcome_action(j, r->event.fate));
	put_status(o, r);
	put_diagnostic(j, o, r);
	if (r->event.fate != EVENT_TRIED)
		return;
	until = j->make.arrived_us +
	    conf_ms(j->b->conf, P_MAXIMAL_QUEUE_LIFETIME) * 1000;
	out_printf(o, "Will-Retry-Until: " STR_FMT "\n",
	    STR_ARG(date_rfc5322(until)));
}

void
report_write(const struct job *j, struct out *o)
{
	struct str host = conf_str(j->b->conf, P_MYHOSTNAME);
	struct buf x;

	out_printf(o, "Reporting-MTA: dns; " STR_FMT "\n", STR_ARG(host));
	if (j->make.envid.n > 0) {
		buf_init(&x, 3 * 256);
		(void)xtext_encode(&x, j->make.envid);
		out_puts(o, "Original-Envelope-Id: ");
		out_str(o, buf_get(&x));
		out_puts(o, "\n");
		buf_clear(&x);
	}
	out_printf(o, "X-Postern-Queue-ID: " STR_FMT "\n",
	    STR_ARG(j->make.qid));
	put_addr(j, o, "X-Postern-Sender", j->make.sender);
	out_printf(o, "Arrival-Date: " STR_FMT "\n",
	    STR_ARG(date_rfc5322(j->make.arrived_us)));
	for (size_t i = 0; i < j->noutcomes; i++)
		if (notice_has(j, &j->outcomes[i]))
			put_recipient(j, o, &j->outcomes[i]);
}
