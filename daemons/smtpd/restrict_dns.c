/* SPDX-License-Identifier: ISC */
/*
 * Rules that ask the DNS: is there a domain, or a host, of this name?
 */
#include "mail/address.h"
#include "mail/domain.h"
#include "mail/dsn.h"

#include "session.h"

enum {
	RR_A = 1,
	RR_MX = 15,
	RR_AAAA = 28,
};

static const uint16_t of_domain[] = { RR_MX, RR_A, RR_AAAA };
static const uint16_t of_host[] = { RR_A, RR_AAAA, RR_MX };

/* What there is of a name. */
enum there {
	THERE_WAIT, /* not known yet */
	THERE_YES,
	THERE_NO,
	THERE_LATER,
	THERE_NULL_MX, /* the domain takes no mail (RFC 7505) */
};

/* A single MX record that names the root. */
static bool
is_null_mx(struct str records)
{
	struct str line, rest = records, number;

	return str_token(&rest, "\n", &line) && str_trim(rest).n == 0 &&
	    str_token(&line, " ", &number) && str_eq(str_trim(line), STR("."));
}

/*
 * Ask for one type of record after the other, until there is one.  A type that
 * cannot be found out for now leaves open whether there is.
 */
static enum there
find_name(struct eval *e, const uint16_t types[3], struct str name)
{
	if (e->step > 0 && e->ask == ASK_DONE) {
		if (e->status == LOOKUP_FOUND)
			return types[e->step - 1] == RR_MX &&
				is_null_mx(buf_get(&e->value)) ?
			    THERE_NULL_MX :
			    THERE_YES;
		e->later = e->later || e->status == LOOKUP_LATER;
	}
	while (e->step < 3)
		if (eval_records(e, types[e->step], name))
			return THERE_WAIT;
	return e->later ? THERE_LATER : THERE_NO;
}

/* For the moment it is not known: as *_tempfail_action say. */
static enum verdict
not_now(struct eval *e, enum stage st, bool at_once, struct dsn dsn,
    const char *why)
{
	enum verdict v;
	struct buf b;

	if (at_once)
		return eval_refuse(e, st, 450, dsn, str_of(why));
	buf_init(&b, EVAL_TEXT_MAX);
	eval_subject(e, st, &b);
	buf_printf(&b, ": %s rejected: %s", eval_class(st), why);
	v = eval_defer_if_permit(e, 450, dsn, buf_get(&b));
	buf_clear(&b);
	return v;
}

static enum verdict
no_mail(struct eval *e, enum stage st, struct str domain)
{
	enum verdict v;
	struct buf b;

	buf_init(&b, EVAL_TEXT_MAX);
	buf_printf(&b, "Domain " STR_FMT " does not accept mail (nullMX)",
	    STR_ARG(domain));
	v = st == STAGE_SENDER ?
	    eval_refuse(e, st, 550, DSN(5, 7, 27), buf_get(&b)) :
	    eval_refuse(e, st, 556, DSN(5, 1, 10), buf_get(&b));
	buf_clear(&b);
	return v;
}

/*
 * Domains of ours are not asked for, nor addresses in brackets; those that we
 * relay for are.
 */
static enum verdict
check_domain(struct eval *e, enum stage st, const struct resolved *a)
{
	struct dsn dsn = st == STAGE_SENDER ? DSN(4, 1, 8) : DSN(4, 1, 2);
	struct service *sv = e->s->sv;
	struct str domain;

	if (!a->ready || a->failed || a->status == RESOLVE_LATER)
		return not_now(e, st, sv->unk_addr_now, dsn,
		    "Domain not found");
	domain = addr_domain(a->addr);
	if (a->status != RESOLVE_OK || domain.n == 0 || domain.p[0] == '[' ||
	    (a->class != CLASS_DEFAULT && a->class != CLASS_RELAY))
		return RULE_DUNNO;
	switch (find_name(e, of_domain, domain)) {
	case THERE_WAIT:
		return RULE_WAIT;
	case THERE_NO:
		return eval_refuse(e, st, sv->unk_address, dsn,
		    STR("Domain not found"));
	case THERE_LATER:
		return not_now(e, st, sv->unk_addr_now, dsn,
		    "Domain not found");
	case THERE_NULL_MX:
		return no_mail(e, st, domain);
	case THERE_YES:
	default:
		return RULE_DUNNO;
	}
}

enum verdict
on_unknown_domain(struct eval *e, const struct rule *r)
{
	struct session *s = e->s;

	if (r->def->what == STAGE_RCPT)
		return s->answer == NULL || s->rcpt.len == 0 ?
		    RULE_DUNNO :
		    check_domain(e, STAGE_RCPT, s->answer);
	if (s->mail == NULL || s->mail->sender[0] == '\0')
		return RULE_DUNNO;
	if (e->step == 0 && eval_resolve_sender(e) == RULE_WAIT)
		return RULE_WAIT;
	return check_domain(e, STAGE_SENDER, e->held);
}

enum verdict
on_unknown_helo(struct eval *e, const struct rule *r)
{
	struct service *sv = e->s->sv;
	struct dsn dsn = DSN(4, 7, 1);
	struct str name;

	(void)r;
	if (e->s->helo == NULL)
		return RULE_DUNNO;
	name = str_of(e->s->helo);
	if (name.n > 0 && name.p[0] == '[') {
		if (domain_valid_literal(name))
			return RULE_DUNNO;
		return eval_refuse(e, STAGE_HELO, sv->bad_name, DSN(5, 5, 2),
		    STR("invalid ip address"));
	}
	switch (find_name(e, of_host, name)) {
	case THERE_WAIT:
		return RULE_WAIT;
	case THERE_NO:
		return eval_refuse(e, STAGE_HELO, sv->unk_helo, dsn,
		    STR("Host not found"));
	case THERE_LATER:
		return not_now(e, STAGE_HELO, sv->unk_helo_now, dsn,
		    "Host not found");
	case THERE_NULL_MX:
	case THERE_YES:
	default:
		return RULE_DUNNO;
	}
}
