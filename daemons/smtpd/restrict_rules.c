/* SPDX-License-Identifier: ISC */
/*
 * The rules, but for access tables.
 */
#include <string.h>

#include "mail/address.h"
#include "mail/domain.h"
#include "mail/dsn.h"

#include "session.h"

/* --- plain decisions ------------------------------------------------------ */

static enum verdict
on_permit(struct eval *e, const struct rule *r)
{
	(void)e;
	(void)r;
	return RULE_PERMIT;
}

static enum verdict
on_dunno(struct eval *e, const struct rule *r)
{
	(void)e;
	(void)r;
	return RULE_DUNNO;
}

static enum verdict
on_reject(struct eval *e, const struct rule *r)
{
	(void)r;
	return eval_refuse(e, eval_stage(e), e->s->sv->reject_code,
	    DSN(5, 7, 1), STR("Access denied"));
}

static enum verdict
on_defer(struct eval *e, const struct rule *r)
{
	(void)r;
	return eval_refuse(e, eval_stage(e), e->s->sv->defer_code, DSN(4, 3, 2),
	    STR("Try again later"));
}

static void
word_deferral(struct eval *e, const char *why, struct buf *b)
{
	buf_init(b, EVAL_TEXT_MAX);
	eval_subject(e, eval_stage(e), b);
	buf_printf(b, ": %s rejected: %s", eval_class(eval_stage(e)), why);
}

static enum verdict
on_defer_if(struct eval *e, const struct rule *r)
{
	enum verdict v;
	struct buf b;

	word_deferral(e,
	    r->def->what ? "temporary refusal was asked for" :
			   "refusal was made temporary",
	    &b);
	if (r->def->what)
		v = eval_defer_if_permit(e, e->s->sv->defer_code, DSN(4, 3, 2),
		    buf_get(&b));
	else
		v = eval_defer_if_reject(e, e->s->sv->defer_code, DSN(4, 3, 2),
		    buf_get(&b));
	buf_clear(&b);
	return v;
}

enum verdict
on_warn_if_reject(struct eval *e, const struct rule *r)
{
	(void)r;
	e->warn_next = true;
	return RULE_DUNNO;
}

/*
 * A rule that is not known, or not supported: nothing may pass that it was to
 * stop, and the administrator is told which it is.
 */
enum verdict
on_unknown_rule(struct eval *e, const struct rule *r)
{
	session_warn(e->s, "unknown smtpd restriction: \"" STR_FMT "\"",
	    STR_ARG(r->name));
	return eval_reject(e, 451, DSN(4, 3, 5), "Server configuration error");
}

enum verdict
on_class(struct eval *e, const struct rule *r)
{
	if (eval_enter(e, r->class))
		return RULE_ENTER;
	session_warn(e->s, "restriction class " STR_FMT " is nested too deep",
	    STR_ARG(r->name));
	return eval_reject(e, 451, DSN(4, 3, 5), "Server configuration error");
}

/* --- the client ----------------------------------------------------------- */

static enum verdict
on_permit_mynetworks(struct eval *e, const struct rule *r)
{
	struct session *s = e->s;

	(void)r;
	if (s->in_nets)
		return RULE_PERMIT;
	if (!s->nets_later)
		return RULE_DUNNO;
	return eval_reject(e, 451, DSN(4, 3, 0),
	    "<%s>: Temporary lookup failure", session_peer(s));
}

/* One of our own addresses: it talks to itself, or over loopback. */
static enum verdict
on_permit_inet_interfaces(struct eval *e, const struct rule *r)
{
	struct session *s = e->s;

	(void)r;
	return netaddr_is_loopback(&s->client) ||
		netaddr_same(&s->client, &s->server) ?
	    RULE_PERMIT :
	    RULE_DUNNO;
}

static enum verdict
on_unknown_client(struct eval *e, const struct rule *r)
{
	struct session *s = e->s;
	bool reverse = r->def->what;
	struct buf b;
	enum verdict v;

	if (reverse ? s->reverse != NULL : s->name != NULL)
		return RULE_DUNNO;
	buf_init(&b, 256);
	buf_printf(&b, "cannot find your %shostname, [%s]",
	    reverse ? "reverse " : "", s->addr);
	/* What could not be found out for now is not held against it. */
	v = eval_refuse(e, STAGE_CLIENT,
	    s->name_later ? 450 : s->sv->unk_client, DSN(4, 7, 25),
	    buf_get(&b));
	buf_clear(&b);
	return v;
}

static enum verdict
on_plaintext(struct eval *e, const struct rule *r)
{
	(void)r;
	if (e->s->tls != NULL)
		return RULE_DUNNO;
	return eval_reject(e, e->s->sv->plaintext,
	    DSN(e->s->sv->plaintext / 100, 7, 1),
	    "<%s>: Session encryption is required", session_peer(e->s));
}

static enum verdict
on_pipelining(struct eval *e, const struct rule *r)
{
	(void)r;
	if (!e->s->pipelined)
		return RULE_DUNNO;
	return eval_refuse(e, eval_stage(e), 503, DSN(5, 5, 0),
	    STR("Improper use of SMTP command pipelining"));
}

/* --- HELO ----------------------------------------------------------------- */

static struct str
without_dot(struct str s)
{
	return s.n > 1 && s.p[s.n - 1] == '.' ? str_sub(s, 0, s.n - 1) : s;
}

static enum verdict
on_helo_name(struct eval *e, const struct rule *r)
{
	struct service *sv = e->s->sv;
	bool want_fqdn = r->def->what;
	struct str name;

	if (e->s->helo == NULL)
		return RULE_DUNNO;
	name = without_dot(str_of(e->s->helo));
	if (name.n > 0 && name.p[0] == '[') {
		if (domain_valid_literal(name))
			return RULE_DUNNO;
		return eval_refuse(e, STAGE_HELO, sv->bad_name, DSN(5, 5, 2),
		    STR("invalid ip address"));
	}
	if (!want_fqdn && !domain_valid_hostname(name) &&
	    !domain_valid_address(name))
		return eval_refuse(e, STAGE_HELO, sv->bad_name, DSN(5, 5, 2),
		    STR("Invalid name"));
	if (want_fqdn && !domain_is_fqdn(name))
		return eval_refuse(e, STAGE_HELO, sv->non_fqdn, DSN(5, 5, 2),
		    STR("need fully-qualified hostname"));
	return RULE_DUNNO;
}

/* --- addresses ------------------------------------------------------------ */

static enum verdict
on_non_fqdn(struct eval *e, const struct rule *r)
{
	enum stage st = (enum stage)r->def->what;
	struct session *s = e->s;
	struct str addr = st == STAGE_SENDER ?
	    str_of(s->mail == NULL ? "" : s->mail->sender) :
	    buf_get(&s->rcpt);
	struct str domain = addr_domain(addr);

	if (addr.n == 0 ||
	    (st == STAGE_RCPT && str_caseeq(addr, STR("postmaster"))))
		return RULE_DUNNO;
	if (domain.n > 0 && (domain.p[0] == '[' || domain_is_fqdn(domain)))
		return RULE_DUNNO;
	return eval_refuse(e, st, s->sv->non_fqdn, DSN(5, 5, 2),
	    STR("need fully-qualified address"));
}

/*
 * May mail for this recipient come from anyone?  Its domain is one of ours or
 * one we relay for, and the address names no further destination that the next
 * host could read out of it.
 */
static bool
is_auth_destination(const struct session *s)
{
	if (s->answer == NULL || s->answer->class == CLASS_DEFAULT)
		return false;
	return s->sv->allow_routing ||
	    (!addr_is_routed(buf_get(&s->rcpt)) &&
		!addr_is_routed(s->answer->addr));
}

static enum verdict
on_permit_auth_destination(struct eval *e, const struct rule *r)
{
	(void)r;
	return is_auth_destination(e->s) ? RULE_PERMIT : RULE_DUNNO;
}

static enum verdict
on_unauth_destination(struct eval *e, const struct rule *r)
{
	struct session *s = e->s;
	int code = s->sv->relay_code;
	enum verdict v;
	struct buf b;

	if (s->rcpt.len == 0 || is_auth_destination(s))
		return RULE_DUNNO;
	if (r->def->what && code >= 500) /* defer_unauth_destination */
		code -= 100;
	buf_init(&b, EVAL_TEXT_MAX);
	eval_subject(e, STAGE_RCPT, &b);
	v = eval_reject(e, code, DSN(code / 100, 7, 1),
	    STR_FMT ": Relay access denied", STR_ARG(buf_get(&b)));
	buf_clear(&b);
	return v;
}

static enum verdict
on_multi_bounce(struct eval *e, const struct rule *r)
{
	struct session *s = e->s;

	(void)r;
	if (s->mail == NULL || s->mail->sender[0] != '\0' ||
	    s->mail->nrcpts + (s->verb == VERB_RCPT) < 2)
		return RULE_DUNNO;
	return eval_refuse(e, eval_stage(e), s->sv->multi_bounce, DSN(5, 5, 3),
	    STR("Multi-recipient bounce"));
}

/* --- addresses that we do not have ---------------------------------------- */

static int
unlisted_code(const struct service *sv, uint8_t class)
{
	switch ((enum resolve_class) class) {
	case CLASS_VIRTUAL_ALIAS:
		return sv->unk_alias;
	case CLASS_VIRTUAL_MAILBOX:
		return sv->unk_mailbox;
	case CLASS_RELAY:
		return sv->unk_relay;
	case CLASS_LOCAL:
	case CLASS_DEFAULT:
	default:
		return sv->unk_local;
	}
}

static const char *
table_word(uint8_t class)
{
	switch ((enum resolve_class) class) {
	case CLASS_VIRTUAL_ALIAS:
		return " in virtual alias table";
	case CLASS_VIRTUAL_MAILBOX:
		return " in virtual mailbox table";
	case CLASS_RELAY:
		return " in relay recipient table";
	case CLASS_LOCAL:
		return " in local recipient table";
	case CLASS_DEFAULT:
	default:
		return "";
	}
}

/* The transport is `error` or `retry`: its next hop says why. */
static enum verdict
refuse_route(struct eval *e, enum stage st, const struct resolved *a, int class)
{
	struct dsn dsn = DSN(class, 1, st == STAGE_RCPT ? 1 : 0);
	struct str why = a->nexthop;

	if (dsn_take(&why, &dsn) == 0)
		dsn.class = (uint8_t) class;
	return eval_refuse(e, st, class == 5 ? 550 : 450, dsn, why);
}

static enum verdict
refuse_unlisted(struct eval *e, enum stage st, const struct resolved *a)
{
	struct service *sv = e->s->sv;
	int code = unlisted_code(sv, a->class);
	struct dsn dsn = st == STAGE_RCPT ? DSN(5, 1, 1) : DSN(5, 1, 0);
	enum verdict v;
	struct buf b;

	if (str_eq(a->transport, STR("retry")))
		return refuse_route(e, st, a, 4);
	if (str_eq(a->transport, STR("error")) &&
	    a->class != CLASS_VIRTUAL_ALIAS)
		return refuse_route(e, st, a, 5);
	/* rewrite says more where it knows more: where the user has moved. */
	if (str_starts(a->text, STR("User has moved")))
		return eval_refuse(e, st, 550, DSN(5, 1, 6), a->text);
	buf_init(&b, 256);
	buf_printf(&b, "User unknown%s",
	    sv->show_table ? table_word(a->class) : "");
	v = eval_refuse(e, st, code, dsn, buf_get(&b));
	buf_clear(&b);
	return v;
}

static void
on_sender_resolved(void *arg)
{
	session_wake(arg);
}

enum verdict
eval_resolve_sender(struct eval *e)
{
	struct session *s = e->s;

	if (e->held == NULL)
		e->held = resolver_get(&s->w->resolver,
		    RESOLVE_EXISTS | RESOLVE_SENDER, STR_NONE,
		    str_of(s->mail->sender));
	if (e->held->ready || e->ask != ASK_NONE)
		return RULE_DUNNO; /* answered, or waited for in vain */
	e->ask = ASK_SENT;
	s->rwait.cb = on_sender_resolved;
	s->rwait.arg = s;
	resolver_wait(e->held, &s->rwait);
	return RULE_WAIT;
}

static enum verdict
unlisted_sender(struct eval *e)
{
	const struct resolved *a;

	if (e->s->mail == NULL || e->s->mail->sender[0] == '\0')
		return RULE_DUNNO;
	if (eval_resolve_sender(e) == RULE_WAIT)
		return RULE_WAIT;
	a = e->held;
	if (!a->ready || a->failed || a->status == RESOLVE_LATER)
		return eval_reject(e, 451, DSN(4, 3, 0),
		    "<%s>: Temporary lookup failure", e->s->mail->sender);
	if (a->status != RESOLVE_OK || a->exists != EXISTS_NO)
		return RULE_DUNNO;
	return refuse_unlisted(e, STAGE_SENDER, a);
}

enum verdict
reject_unlisted(struct eval *e, enum stage st)
{
	const struct resolved *a = e->s->answer;

	if (st == STAGE_SENDER)
		return unlisted_sender(e);
	if (a == NULL || a->exists != EXISTS_NO)
		return RULE_DUNNO;
	return refuse_unlisted(e, STAGE_RCPT, a);
}

static enum verdict
on_unlisted(struct eval *e, const struct rule *r)
{
	return reject_unlisted(e, (enum stage)r->def->what);
}

const struct rule_def rule_listed = { "reject_unlisted_sender", on_unlisted,
	SHAPE_PLAIN, STAGE_SENDER, 0 };

/* clang-format off */
const struct rule_def rule_defs[] = {
{ "permit", on_permit, SHAPE_PLAIN, 0, 0 },
{ "reject", on_reject, SHAPE_PLAIN, 0, RULE_REFUSES },
{ "defer", on_defer, SHAPE_PLAIN, 0, RULE_REFUSES },
{ "defer_if_permit", on_defer_if, SHAPE_PLAIN, 1, RULE_REFUSES },
{ "defer_if_reject", on_defer_if, SHAPE_PLAIN, 0, 0 },
{ "warn_if_reject", on_warn_if_reject, SHAPE_PLAIN, 0, 0 },
{ "permit_mynetworks", on_permit_mynetworks, SHAPE_PLAIN, 0, 0 },
{ "permit_inet_interfaces", on_permit_inet_interfaces, SHAPE_PLAIN, 0, 0 },
/* Nobody logs in here: it never fits. */
{ "permit_sasl_authenticated", on_dunno, SHAPE_PLAIN, 0, 0 },
{ "permit_auth_destination", on_permit_auth_destination, SHAPE_PLAIN, 0, 0 },
{ "reject_unauth_destination", on_unauth_destination, SHAPE_PLAIN, 0,
	RULE_REFUSES },
{ "defer_unauth_destination", on_unauth_destination, SHAPE_PLAIN, 1,
	RULE_REFUSES },
{ "check_relay_domains", on_unauth_destination, SHAPE_PLAIN, 0,
	RULE_REFUSES },
{ "reject_unlisted_recipient", on_unlisted, SHAPE_PLAIN, STAGE_RCPT, 0 },
{ "check_recipient_maps", on_unlisted, SHAPE_PLAIN, STAGE_RCPT, 0 },
{ "reject_unlisted_sender", on_unlisted, SHAPE_PLAIN, STAGE_SENDER, 0 },
{ "reject_invalid_helo_hostname", on_helo_name, SHAPE_PLAIN, 0, 0 },
{ "reject_invalid_hostname", on_helo_name, SHAPE_PLAIN, 0, 0 },
{ "reject_non_fqdn_helo_hostname", on_helo_name, SHAPE_PLAIN, 1, 0 },
{ "reject_non_fqdn_hostname", on_helo_name, SHAPE_PLAIN, 1, 0 },
{ "reject_non_fqdn_sender", on_non_fqdn, SHAPE_PLAIN, STAGE_SENDER, 0 },
{ "reject_non_fqdn_recipient", on_non_fqdn, SHAPE_PLAIN, STAGE_RCPT, 0 },
{ "reject_unknown_client_hostname", on_unknown_client, SHAPE_PLAIN, 0, 0 },
{ "reject_unknown_client", on_unknown_client, SHAPE_PLAIN, 0, 0 },
{ "reject_unknown_reverse_client_hostname", on_unknown_client, SHAPE_PLAIN,
	1, 0 },
{ "reject_unknown_sender_domain", on_unknown_domain, SHAPE_PLAIN, STAGE_SENDER,
	0 },
{ "reject_unknown_recipient_domain", on_unknown_domain, SHAPE_PLAIN,
	STAGE_RCPT, 0 },
{ "reject_unknown_helo_hostname", on_unknown_helo, SHAPE_PLAIN, 0, 0 },
{ "reject_unknown_hostname", on_unknown_helo, SHAPE_PLAIN, 0, 0 },
{ "reject_unauth_pipelining", on_pipelining, SHAPE_PLAIN, 0, 0 },
{ "reject_multi_recipient_bounce", on_multi_bounce, SHAPE_PLAIN, 0, 0 },
{ "reject_plaintext_session", on_plaintext, SHAPE_PLAIN, 0, 0 },
{ "check_client_access", on_access, SHAPE_TABLE, ACCESS_CLIENT, 0 },
{ "check_reverse_client_hostname_access", on_access, SHAPE_TABLE,
	ACCESS_REVERSE_CLIENT, 0 },
{ "check_helo_access", on_access, SHAPE_TABLE, ACCESS_HELO, 0 },
{ "check_sender_access", on_access, SHAPE_TABLE, ACCESS_SENDER, 0 },
{ "check_recipient_access", on_access, SHAPE_TABLE, ACCESS_RCPT, 0 },
{ "check_etrn_access", on_access, SHAPE_TABLE, ACCESS_ETRN, 0 },
{ NULL, NULL, SHAPE_PLAIN, 0, 0 },
};
/* clang-format on */
