/* SPDX-License-Identifier: ISC */
/*
 * Access tables (access(5)): what is looked up, in which order, and what an
 * entry does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"

#include "session.h"

/* --- keys ----------------------------------------------------------------- */

/* One question to the table. */
struct key {
	unsigned how; /* enum find_how */
	struct str text;
};

/* An address is one question; the null sender has a name of its own. */
static bool
address_key(struct eval *e, struct str addr, unsigned n, struct key *out)
{
	*out = (struct key){ .how = FIND_ACCESS, .text = addr };
	if (addr.n == 0)
		*out = (struct key){ .how = FIND_PLAIN,
			.text = e->s->sv->null_key };
	return n == 0;
}

static bool
client_key(const struct session *s, const char *name, unsigned n,
    struct key *out)
{
	if (n == 0)
		*out = (struct key){ .how = FIND_DOMAIN,
			.text = str_of(name == NULL ? "unknown" : name) };
	else
		*out = (struct key){ .how = FIND_NETWORK,
			.text = str_of(s->addr) };
	return n < 2;
}

static bool
next_key(struct eval *e, enum access what, unsigned n, struct key *out)
{
	struct session *s = e->s;

	switch (what) {
	case ACCESS_CLIENT:
		return client_key(s, s->name, n, out);
	case ACCESS_REVERSE_CLIENT:
		return n == 0 && client_key(s, s->reverse, n, out);
	case ACCESS_HELO:
		*out =
		    (struct key){ .how = FIND_DOMAIN, .text = str_of(s->helo) };
		return n == 0 && s->helo != NULL;
	case ACCESS_SENDER:
		return s->mail != NULL &&
		    address_key(e, str_of(s->mail->sender), n, out);
	case ACCESS_RCPT:
		return s->rcpt.len > 0 &&
		    address_key(e, buf_get(&s->rcpt), n, out);
	case ACCESS_ETRN:
		*out =
		    (struct key){ .how = FIND_DOMAIN, .text = str_of(s->etrn) };
		return n == 0 && s->etrn != NULL;
	case ACCESS_NONE:
	default:
		return false;
	}
}

static enum stage
stage_of(enum access what)
{
	switch (what) {
	case ACCESS_CLIENT:
	case ACCESS_REVERSE_CLIENT:
		return STAGE_CLIENT;
	case ACCESS_HELO:
		return STAGE_HELO;
	case ACCESS_SENDER:
		return STAGE_SENDER;
	case ACCESS_ETRN:
		return STAGE_ETRN;
	case ACCESS_RCPT:
	case ACCESS_NONE:
	default:
		return STAGE_RCPT;
	}
}

/* --- what an entry says --------------------------------------------------- */

/* An entry, cut: its first word, and what follows. */
struct entry {
	struct eval *e;
	enum stage st;
	struct str word, text;
	int access; /* what bare tables in a list of rules are */
};

static enum verdict
act_permit(struct entry *n)
{
	(void)n;
	return RULE_PERMIT;
}

static enum verdict
act_dunno(struct entry *n)
{
	(void)n;
	return RULE_DUNNO;
}

/* `REJECT 5.7.1 text`: both are optional. */
static enum verdict
refuse(struct entry *n, int code, struct dsn dsn, struct str why)
{
	struct dsn given;

	if (dsn_take(&n->text, &given) == 0)
		dsn = given;
	return eval_refuse(n->e, n->st, code, dsn,
	    n->text.n > 0 ? n->text : why);
}

static enum verdict
act_reject(struct entry *n)
{
	return refuse(n, n->e->s->sv->map_reject, DSN(5, 7, 1),
	    STR("Access denied"));
}

static enum verdict
act_defer(struct entry *n)
{
	return refuse(n, n->e->s->sv->map_defer, DSN(4, 7, 1),
	    STR("Service unavailable"));
}

static enum verdict
act_code(struct entry *n)
{
	int code = (n->word.p[0] - '0') * 100 + (n->word.p[1] - '0') * 10 +
	    (n->word.p[2] - '0');

	return refuse(n, code, DSN(5, 7, 1), STR("Access denied"));
}

static enum verdict
defer_if(struct entry *n, bool permit)
{
	struct dsn dsn = DSN(4, 7, 1), given;
	struct eval *e = n->e;
	int code = e->s->sv->map_defer;
	enum verdict v;
	struct buf b;

	if (dsn_take(&n->text, &given) == 0 && given.class == 4)
		dsn = given;
	buf_init(&b, EVAL_TEXT_MAX);
	eval_subject(e, n->st, &b);
	buf_printf(&b, ": %s rejected: " STR_FMT, eval_class(n->st),
	    STR_ARG(n->text.n > 0 ? str_sub(n->text, 0, 1024) :
				    STR("Service unavailable")));
	v = permit ? eval_defer_if_permit(e, code, dsn, buf_get(&b)) :
		     eval_defer_if_reject(e, code, dsn, buf_get(&b));
	buf_clear(&b);
	return v;
}

static enum verdict
act_defer_if_permit(struct entry *n)
{
	return defer_if(n, true);
}

static enum verdict
act_defer_if_reject(struct entry *n)
{
	return defer_if(n, false);
}

/* `<x@y>: Recipient address triggers HOLD text` */
static void
log_act(struct entry *n, const char *what)
{
	struct buf b;

	buf_init(&b, EVAL_TEXT_MAX);
	eval_subject(n->e, n->st, &b);
	buf_printf(&b, ": %s triggers " STR_FMT "%s" STR_FMT, eval_class(n->st),
	    STR_ARG(n->word), n->text.n > 0 ? " " : "", STR_ARG(n->text));
	log_reject(n->e->s, what, 0, DSN_NONE, buf_get(&b));
	buf_clear(&b);
}

static enum verdict
act_warn(struct entry *n)
{
	log_act(n, "warn");
	return RULE_DUNNO;
}

static enum verdict
act_info(struct entry *n)
{
	log_act(n, "info");
	return RULE_DUNNO;
}

/* An action that cannot be carried out: said, and left out. */
static enum verdict
useless(struct entry *n, const char *why)
{
	session_warn(n->e->s, "access table: " STR_FMT " " STR_FMT ": %s",
	    STR_ARG(n->word), STR_ARG(str_sub(n->text, 0, 200)), why);
	return RULE_DUNNO;
}

static const char early[] = "it means nothing before MAIL";

/* The text is kept for the message. */
static enum verdict
keep(struct entry *n, const char *what, char **p)
{
	log_act(n, what);
	free(*p);
	*p = str_dup(n->text);
	return RULE_DUNNO;
}

/*
 * The same where there may be several, a line each.  At RCPT lists are gone
 * through anew for each recipient, which is no reason to say it again.
 */
static enum verdict
keep_more(struct entry *n, const char *what, char **p)
{
	struct str had = str_of(*p), line;
	char *all;

	while (str_token(&had, "\n", &line))
		if (str_eq(line, n->text))
			return RULE_DUNNO;
	if (*p != NULL && strlen(*p) + n->text.n > MAIL_LINES_MAX)
		return useless(n, "the message has enough of these");
	log_act(n, what);
	all = *p == NULL ?
	    str_dup(n->text) :
	    xasprintf("%s\n" STR_FMT, *p, STR_ARG(n->text));
	free(*p);
	*p = all;
	return RULE_DUNNO;
}

static enum verdict
act_hold(struct entry *n)
{
	struct mail *m = n->e->s->mail;

	return m == NULL ? useless(n, early) : keep(n, "hold", &m->hold);
}

/* Is it user@domain, as cleanup will want it? */
static bool
is_address(struct str text)
{
	return addr_valid(text) && addr_domain(text).n > 0 &&
	    text.p[0] != '@';
}

static enum verdict
act_redirect(struct entry *n)
{
	struct mail *m = n->e->s->mail;

	if (!is_address(n->text))
		return useless(n, "it needs an address behind it");
	return m == NULL ? useless(n, early) :
			   keep(n, "redirect", &m->redirect);
}

static enum verdict
act_bcc(struct entry *n)
{
	struct mail *m = n->e->s->mail;

	if (!is_address(n->text))
		return useless(n, "it needs an address behind it");
	return m == NULL ? useless(n, early) : keep_more(n, "bcc", &m->bcc);
}

static enum verdict
act_prepend(struct entry *n)
{
	struct mail *m = n->e->s->mail;
	struct str name, value;

	if (!header_split(n->text, &name, &value))
		return useless(n, "it needs a header behind it");
	if (m == NULL)
		return useless(n, early);
	if (m->slot != NULL)
		return useless(n, "it comes too late for the header");
	return keep_more(n, "prepend", &m->prepend);
}

/* Mail that was to be looked at must not pass because nobody looks. */
static enum verdict
act_filter(struct entry *n)
{
	(void)useless(n, "content filters are not supported by this version");
	return eval_reject(n->e, 451, DSN(4, 3, 5),
	    "Server configuration error");
}

static enum verdict
act_discard(struct entry *n)
{
	log_act(n, "discard");
	if (n->e->s->mail != NULL)
		n->e->s->mail->discard = true;
	return RULE_PERMIT;
}

static const struct {
	const char *word;
	enum verdict (*fn)(struct entry *n);
} actions[] = {
	{ "OK", act_permit },
	{ "DUNNO", act_dunno },
	{ "REJECT", act_reject },
	{ "DEFER", act_defer },
	{ "DEFER_IF_PERMIT", act_defer_if_permit },
	{ "DEFER_IF_REJECT", act_defer_if_reject },
	{ "WARN", act_warn },
	{ "INFO", act_info },
	{ "HOLD", act_hold },
	{ "FILTER", act_filter },
	{ "REDIRECT", act_redirect },
	{ "BCC", act_bcc },
	{ "PREPEND", act_prepend },
	{ "DISCARD", act_discard },
};

static bool
all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isdigit((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static enum verdict
act(struct entry *n)
{
	if (all_digits(n->word)) {
		if (n->word.n == 3 &&
		    (n->word.p[0] == '4' || n->word.p[0] == '5'))
			return act_code(n);
		return RULE_PERMIT; /* a time stamp, as some tools write */
	}
	for (size_t i = 0; i < NELEM(actions); i++)
		if (str_caseeq(n->word, str_of(actions[i].word)))
			return actions[i].fn(n);
	return RULE_ENTER; /* a list of rules */
}

/* Do as the entry in e->value says. */
static enum verdict
obey(struct eval *e, const struct rule *r, enum access what)
{
	struct entry n = { .e = e, .st = stage_of(what), .access = what };
	struct str value = str_trim(buf_get(&e->value)), rest = value;
	enum verdict v;

	if (!str_token(&rest, " \t", &n.word)) {
		session_warn(e->s,
		    "access table " STR_FMT " has an entry without an action",
		    STR_ARG(r->table));
		return RULE_DUNNO;
	}
	n.text = str_trim(rest);
	v = act(&n);
	if (v != RULE_ENTER)
		return v;
	if (eval_enter_text(e, value, (int)what))
		return RULE_ENTER;
	session_warn(e->s, "access table " STR_FMT " is nested too deep",
	    STR_ARG(r->table));
	return eval_reject(e, 451, DSN(4, 3, 5), "Server configuration error");
}

/* --- the rule ------------------------------------------------------------- */

/*
 * Ask for one key after the other until one is found.  Called again after
 * each answer: e->step counts the questions so far.
 */
enum verdict
access_rule(struct eval *e, const struct rule *r, enum access what)
{
	enum verdict v = RULE_DUNNO;
	struct key key;

	for (;;) {
		if (e->ask == ASK_DONE) {
			if (e->status == LOOKUP_FOUND) {
				v = obey(e, r, what);
				break;
			}
			if (e->status != LOOKUP_NOT_FOUND) {
				session_warn(e->s,
				    "table " STR_FMT ": lookup failed",
				    STR_ARG(r->table));
				v = eval_reject(e, 451, DSN(4, 3, 0),
				    "Temporary lookup failure");
				break;
			}
			e->ask = ASK_NONE;
		}
		if (!next_key(e, what, e->step, &key))
			break;
		v = eval_lookup(e, key.how, r->list->param, r->table, key.text);
		if (v == RULE_WAIT)
			break;
	}
	return v;
}

enum verdict
on_access(struct eval *e, const struct rule *r)
{
	return access_rule(e, r, (enum access)r->def->what);
}

/* A table without a rule before it: its list says what it is about. */
enum verdict
on_bare_table(struct eval *e, const struct rule *r)
{
	return access_rule(e, r, (enum access)r->list->access);
}
