/* SPDX-License-Identifier: ISC */
/*
 * From policy text to struct policy.  Used by the policy compiler, and at run
 * time to hold the installed text against the compiled one.
 *
 * A statement is a line.  A comment behind it is its reason; a comment on the
 * lines directly above it serves when there is none.  Whatever gives
 * authority must have a reason.
 */
#include "sandbox/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/mem.h"
#include "sandbox/policy_draft.h"
#include "sandbox/policy_names.h"
#include "sandbox/policy_text.h"
#include "sandbox/promise.h"
#include "sandbox/sha256.h"

#define TEXT_MAX (64 * 1024)
#define LINES_MAX 2000

static int
do_component(struct parser *ps, struct draft *d)
{
	struct str w;

	if (d->p.name != NULL)
		return parse_bad(ps, "a second component line");
	if (parse_word(ps, "the component's name", &w) == -1)
		return -1;
	for (size_t i = 0; i < w.n; i++) {
		if (!ascii_isalnum(w.p[i]) && w.p[i] != '-')
			return parse_bad(ps,
			    "a component's name has letters, "
			    "digits and '-'");
	}
	d->p.name = draft_keep(d, w);
	return 0;
}

static int
do_version(struct parser *ps, struct draft *d)
{
	uint64_t v;

	if (parse_number(ps, "a version number", 1000000, &v) == -1)
		return -1;
	d->p.version = (unsigned)v;
	return 0;
}

static int
do_user(struct parser *ps, struct draft *d)
{
	struct str w;

	if (d->p.user != NULL)
		return parse_bad(ps, "a second user line");
	if (parse_word(ps, "a login name, or *", &w) == -1)
		return -1;
	d->p.user = draft_keep(d, w);
	return 0;
}

/* wall WORD... [except WORD...] */
static int
do_wall(struct parser *ps, struct draft *d)
{
	bool except = false;
	struct str w;
	uint64_t v;

	while (parse_next(ps, &w)) {
		if (str_eq(w, STR("except")) && !except) {
			except = true;
			if (ps->reason.n == 0)
				return parse_bad(ps,
				    "say why a wall is left "
				    "out, in a comment");
			continue;
		}
		if (named_find(wall_table, w, &v) == -1)
			return parse_unknown(ps, "wall", w, wall_table);
		if (except)
			d->p.walls &= ~(uint32_t)v;
		else
			d->p.walls |= (uint32_t)v;
	}
	d->p.walls_src = parse_src(ps);
	return 0;
}

static int
rights_read(struct parser *ps, uint32_t *out)
{
	struct str list, w;
	uint64_t v;

	if (parse_word(ps, "rights, such as read,write", &list) == -1)
		return -1;
	*out = 0;
	if (str_eq(list, STR("none")))
		return 0;
	while (str_token(&list, ",", &w)) {
		if (named_find(right_table, w, &v) == -1)
			return parse_unknown(ps, "right", w, right_table);
		*out |= (uint32_t)v;
	}
	return 0;
}

static int
pass_read(struct parser *ps, struct str list, uint32_t *out)
{
	struct str w;
	uint64_t v;

	while (str_token(&list, ",", &w)) {
		if (named_find(kind_table, w, &v) == -1)
			return parse_unknown(ps, "kind", w, kind_table);
		*out |= 1u << v;
	}
	return 0;
}

/* NAME KIND RIGHTS [pass=KIND,...] [max=N] [optional] */
static int
holding_read(struct parser *ps, struct draft *d, struct policy_grant *g,
    bool *optional)
{
	struct str w, val;
	uint64_t v;

	if (parse_word(ps, "a name", &w) == -1)
		return -1;
	g->name = draft_keep(d, w);
	if (parse_word(ps, "a kind, such as channel", &w) == -1)
		return -1;
	if (named_find(kind_table, w, &v) == -1)
		return parse_unknown(ps, "kind", w, kind_table);
	g->kind = (enum policy_kind)v;
	if (rights_read(ps, &g->rights) == -1)
		return -1;
	while (parse_next(ps, &w)) {
		if (parse_option(w, "pass", &val)) {
			if (pass_read(ps, val, &g->pass) == -1)
				return -1;
		} else if (parse_option(w, "max", &val)) {
			if (str_u64(val, 1000000, &v) == -1 || v == 0)
				return parse_bad(ps,
				    "max= takes a number "
				    "from 1 to 1000000");
			g->max = (unsigned)v;
		} else if (optional != NULL && str_eq(w, STR("optional"))) {
			*optional = true;
		} else {
			return parse_bad(ps, "'" STR_FMT "' is no option here",
			    STR_ARG(w));
		}
	}
	if (g->pass != 0 && (g->rights & (RIGHT_RECVFD | RIGHT_SENDFD)) == 0)
		return parse_bad(ps, "pass= needs the right recvfd or sendfd");
	if ((g->rights & (RIGHT_RECVFD | RIGHT_SENDFD)) != 0 && g->pass == 0)
		return parse_bad(ps, "say what travels: pass=KIND,...");
	return 0;
}

static int
do_slot(struct parser *ps, struct draft *d)
{
	struct policy_grant g = { 0 };
	struct policy_slot *s;
	bool optional = false;
	uint64_t fd;

	if (parse_number(ps, "a descriptor number", 15, &fd) == -1 ||
	    holding_read(ps, d, &g, &optional) == -1)
		return -1;
	if (g.max != 0)
		return parse_bad(ps, "a slot holds one descriptor: no max=");
	for (size_t i = 0; i < d->p.nslots; i++) {
		if (d->p.slots[i].fd == (int)fd)
			return parse_bad(ps, "slot %d is taken by %s", (int)fd,
			    d->p.slots[i].name);
	}
	s = draft_push(&d->p.slots, &d->p.nslots, sizeof(*s));
	*s = (struct policy_slot){ .fd = (int)fd,
		.name = g.name,
		.kind = g.kind,
		.rights = g.rights,
		.pass = g.pass,
		.optional = optional,
		.src = parse_src(ps) };
	return 0;
}

static int
holding_add(struct parser *ps, struct draft *d, bool own)
{
	struct policy_grant g = { .own = own }, *to;

	if (holding_read(ps, d, &g, NULL) == -1)
		return -1;
	if (g.max == 0)
		return parse_bad(ps, "how many? max=N");
	g.src = parse_src(ps);
	to = draft_push(&d->p.grants, &d->p.ngrants, sizeof(*to));
	*to = g;
	return 0;
}

static int
do_grant(struct parser *ps, struct draft *d)
{
	return holding_add(ps, d, false);
}

static int
do_own(struct parser *ps, struct draft *d)
{
	return holding_add(ps, d, true);
}

/* promise WORD... [on SLOT] */
static int
do_promise(struct parser *ps, struct draft *d)
{
	size_t first = d->p.npromises;
	struct policy_promise *pr;
	const struct policy_slot *s;
	struct str w;

	while (parse_next(ps, &w) && !str_eq(w, STR("on"))) {
		if (promise_find(w) == NULL)
			return parse_unknown(ps, "promise", w, promise_names());
		pr = draft_push(&d->p.promises, &d->p.npromises, sizeof(*pr));
		pr->word = draft_keep(d, w);
		pr->fd = -1;
		pr->src = parse_src(ps);
	}
	if (d->p.npromises == first)
		return parse_bad(ps, "which promise?");
	if (!str_eq(w, STR("on")))
		return 0;
	if (parse_word(ps, "the name of a slot", &w) == -1)
		return -1;
	s = policy_slot_find(&d->p, w);
	if (s == NULL)
		return parse_bad(ps, "no slot named '" STR_FMT "' above",
		    STR_ARG(w));
	pr = (struct policy_promise *)(uintptr_t)d->p.promises;
	for (size_t i = first; i < d->p.npromises; i++)
		pr[i].fd = s->fd;
	return 0;
}

static int
do_call(struct parser *ps, struct draft *d)
{
	struct policy_call c, *to;
	struct str name;

	if (call_parse(ps, &c, &name) == -1)
		return -1;
	c.name = draft_keep(d, name);
	c.src = parse_src(ps);
	to = draft_push(&d->p.calls, &d->p.ncalls, sizeof(*to));
	*to = c;
	return 0;
}

/* N/s, N/m, N/h */
static int
rate_read(struct str s, struct policy_request *r)
{
	ptrdiff_t slash = str_chr(s, '/');
	uint64_t v;

	if (slash == -1 || (size_t)slash + 2 != s.n ||
	    str_u64(str_sub(s, 0, (size_t)slash), 1000000, &v) == -1 || v == 0)
		return -1;
	r->rate = (unsigned)v;
	switch (s.p[slash + 1]) {
	case 's':
		r->per_s = 1;
		return 0;
	case 'm':
		r->per_s = 60;
		return 0;
	case 'h':
		r->per_s = 3600;
		return 0;
	}
	return -1;
}

/*
 * Processes, which the broker (mailbox) and the launcher (command) count.  What
 * is a descriptor they only see going; how many of those are held is bounded
 * by its line in the policy and by the limit nofile.
 */
bool
draft_counted(struct str verb)
{
	return str_eq(verb, STR("mailbox")) || str_eq(verb, STR("command"));
}

int
draft_request(struct parser *ps, struct policy_request *r)
{
	struct str w, val;
	uint64_t v;

	while (parse_next(ps, &w)) {
		if (parse_option(w, "rate", &val)) {
			if (rate_read(val, r) == -1)
				return parse_bad(ps,
				    "rate= takes N/s, N/m or "
				    "N/h");
		} else if (parse_option(w, "burst", &val) &&
		    str_u64(val, 1000000, &v) == 0 && v > 0) {
			r->burst = (unsigned)v;
		} else if (parse_option(w, "open", &val) &&
		    str_u64(val, 1000000, &v) == 0) {
			r->open = (unsigned)v;
		} else {
			return parse_bad(ps,
			    "'" STR_FMT "': expected rate=, "
			    "burst= or open= with a number",
			    STR_ARG(w));
		}
	}
	return 0;
}

/* start demand [warm=N] */
static int
do_start(struct parser *ps, struct draft *d)
{
	struct str w, val;
	uint64_t v;

	if (d->p.demand)
		return parse_bad(ps, "a second start line");
	if (!parse_next(ps, &w) || !str_eq(w, STR("demand")))
		return parse_bad(ps, "expected 'demand'");
	while (parse_next(ps, &w)) {
		if (!parse_option(w, "warm", &val) ||
		    str_u64(val, 1000, &v) == -1)
			return parse_bad(ps,
			    "'" STR_FMT "': expected warm= with a number",
			    STR_ARG(w));
		d->p.warm = (unsigned)v;
	}
	d->p.demand = true;
	d->p.demand_src = parse_src(ps);
	return 0;
}

static int
do_request(struct parser *ps, struct draft *d)
{
	struct policy_request r = { 0 }, *to;
	struct str w;

	if (parse_word(ps, "a verb", &w) == -1)
		return -1;
	if (policy_request_find(&d->p, w) != NULL)
		return parse_bad(ps, "this verb has a line above");
	r.verb = draft_keep(d, w);
	if (draft_request(ps, &r) == -1)
		return -1;
	if (r.rate == 0 || r.burst == 0)
		return parse_bad(ps, "a request needs rate= and burst=");
	if (draft_counted(w) != (r.open > 0))
		return parse_bad(ps, r.open > 0 ?
			"open= is for mailbox and command, which are counted" :
			"what is counted needs open=");
	r.src = parse_src(ps);
	to = draft_push(&d->p.requests, &d->p.nrequests, sizeof(*to));
	*to = r;
	return 0;
}

int
draft_limit(struct parser *ps, struct policy_limit *out)
{
	struct str w, name;
	uint64_t res, v, unit = 1;

	if (parse_word(ps, "a limit, such as nofile", &name) == -1)
		return -1;
	if (named_find(limit_table, name, &res) == -1)
		return parse_unknown(ps, "limit", name, limit_table);
	if (parse_word(ps, "a number", &w) == -1)
		return -1;
	if (str_ends(w, STR("k")) || str_ends(w, STR("K")))
		unit = 1u << 10;
	else if (str_ends(w, STR("m")) || str_ends(w, STR("M")))
		unit = 1u << 20;
	else if (str_ends(w, STR("g")) || str_ends(w, STR("G")))
		unit = 1u << 30;
	if (unit > 1)
		w.n--;
	if (str_u64(w, UINT64_MAX >> 32, &v) == -1)
		return parse_bad(ps, "a limit is a number, with k, m or g");
	out->resource = (int)res;
	out->name = named_of(limit_table, res);
	out->value = v * unit;
	return 0;
}

static int
do_limit(struct parser *ps, struct draft *d)
{
	struct policy_limit l = { 0 }, *to;

	if (draft_limit(ps, &l) == -1)
		return -1;
	for (size_t i = 0; i < d->p.nlimits; i++) {
		if (d->p.limits[i].resource == l.resource)
			return parse_bad(ps, "this limit has a line above");
	}
	l.src = parse_src(ps);
	to = draft_push(&d->p.limits, &d->p.nlimits, sizeof(*to));
	*to = l;
	return 0;
}

/* OWNER:OBJECT */
static int
authority_read(struct parser *ps, struct draft *d, struct str w,
    struct policy_never *n)
{
	ptrdiff_t colon = str_chr(w, ':');

	if (colon < 1 || (size_t)colon + 1 == w.n)
		return parse_bad(ps,
		    "never takes COMPONENT:OBJECT, such as "
		    "qmgr:spool or *:dir");
	n->component = draft_keep(d, str_sub(w, 0, (size_t)colon));
	n->object = draft_keep(d, str_sub(w, (size_t)colon + 1, w.n));
	return 0;
}

/* [through NAME,...] behind the object of a => line. */
static int
through_read(struct parser *ps, struct draft *d, struct policy_never *n)
{
	struct str w;

	if (!parse_next(ps, &w))
		return 0;
	if (!str_eq(w, STR("except")) || !parse_next(ps, &w) ||
	    !str_eq(w, STR("through")))
		return parse_bad(ps, "'" STR_FMT "': only 'except through "
		    "COMPONENT,...' may follow", STR_ARG(w));
	if (!n->use)
		return parse_bad(ps, "'except through' goes with =>: what "
		    "is held goes through nobody");
	if (parse_word(ps, "components, joined by commas", &w) == -1)
		return -1;
	n->through = draft_keep(d, w);
	return 0;
}

/*
 * never OWNER:OBJECT
 * never WHO [except NAME,...] -> OWNER:OBJECT
 * never WHO [except NAME,...] => OWNER:OBJECT [except through NAME,...]
 */
int
draft_never(struct parser *ps, struct draft *d)
{
	struct policy_never n = { .who = d->p.name, .except = "",
		.through = "" }, *to;
	struct str w;

	if (parse_word(ps, "COMPONENT:OBJECT, or WHO -> COMPONENT:OBJECT",
		&w) == -1)
		return -1;
	if (str_chr(w, ':') == -1) {
		n.who = draft_keep(d, w);
		if (!parse_next(ps, &w))
			return parse_bad(ps, "never takes COMPONENT:OBJECT, "
			    "such as qmgr:spool or *:dir");
		if (str_eq(w, STR("except"))) {
			if (parse_word(ps, "components, joined by commas",
				&w) == -1)
				return -1;
			n.except = draft_keep(d, w);
			if (parse_word(ps, "-> or =>", &w) == -1)
				return -1;
		}
		n.use = str_eq(w, STR("=>"));
		if (!n.use && !str_eq(w, STR("->")))
			return parse_bad(ps, "'" STR_FMT "': expected -> "
			    "(comes to hold) or => (has it used)", STR_ARG(w));
		if (parse_word(ps, "COMPONENT:OBJECT", &w) == -1)
			return -1;
	}
	if (authority_read(ps, d, w, &n) == -1 ||
	    through_read(ps, d, &n) == -1)
		return -1;
	n.src = parse_src(ps);
	to = draft_push(&d->p.nevers, &d->p.nnevers, sizeof(*to));
	*to = n;
	return 0;
}

/* reads WORD... */
static int
do_reads(struct parser *ps, struct draft *d)
{
	struct policy_reads *r;
	struct str w;
	uint64_t v;

	while (parse_next(ps, &w)) {
		if (named_find(reads_table, w, &v) == -1)
			return parse_unknown(ps, "source of bytes", w,
			    reads_table);
		r = draft_push(&d->p.reads, &d->p.nreads, sizeof(*r));
		r->word = draft_keep(d, w);
		r->src = parse_src(ps);
	}
	if (d->p.nreads == 0)
		return parse_bad(ps, "whose bytes?");
	return 0;
}

static int
do_capability(struct parser *ps, struct draft *d)
{
	struct policy_cap *c;
	struct str w;
	uint64_t v;

	while (parse_next(ps, &w)) {
		if (named_find(cap_table, w, &v) == -1)
			return parse_unknown(ps, "capability", w, cap_table);
		c = draft_push(&d->p.caps, &d->p.ncaps, sizeof(*c));
		c->cap = (int)v;
		c->name = draft_keep(d, w);
		c->src = parse_src(ps);
	}
	return 0;
}

/* Which statements there are, and which must say why. */
static const struct statement {
	const char *word;
	int (*run)(struct parser *, struct draft *);
	bool needs_reason;
} statements[] = {
	{ "component", do_component, false },
	{ "version", do_version, false },
	{ "user", do_user, false },
	{ "start", do_start, true },
	{ "wall", do_wall, false },
	{ "slot", do_slot, true },
	{ "grant", do_grant, true },
	{ "own", do_own, true },
	{ "promise", do_promise, true },
	{ "call", do_call, true },
	{ "request", do_request, true },
	{ "limit", do_limit, false },
	{ "never", draft_never, true },
	{ "reads", do_reads, true },
	{ "capability", do_capability, true },
};

static int
parse_statement(struct parser *ps, struct draft *d, struct str word)
{
	struct named words[NELEM(statements) + 1] = { { NULL, 0 } };
	const struct statement *st;
	struct str rest;

	for (size_t i = 0; i < NELEM(statements); i++) {
		st = &statements[i];
		words[i].name = st->word;
		if (!str_eq(word, str_of(st->word)))
			continue;
		if (d->p.name == NULL && st->run != do_component)
			return parse_bad(ps,
			    "the first statement must be "
			    "'component NAME'");
		if (st->needs_reason && ps->reason.n == 0)
			return parse_bad(ps,
			    "say why, in a comment behind "
			    "the line or above it");
		ps->text = draft_keep(d, str_trim(ps->line));
		ps->why = draft_keep(d, ps->reason);
		if (st->run(ps, d) == -1)
			return -1;
		if (parse_next(ps, &rest))
			return parse_bad(ps, "'" STR_FMT "' is too much",
			    STR_ARG(rest));
		return 0;
	}
	return parse_unknown(ps, "statement", word, words);
}

/* What the policy needs as a whole. */
static int
parse_complete(struct parser *ps, const struct policy *p)
{
	if (p->name == NULL)
		return parse_bad(ps, "no 'component NAME' line");
	if (p->user == NULL)
		return parse_bad(ps, "no 'user NAME' line");
	if (p->version == 0)
		return parse_bad(ps, "no 'version N' line");
	if ((p->walls & WALL_SECCOMP) != 0 && p->npromises == 0)
		return parse_bad(ps, "no 'promise' line");
	if ((p->walls & WALL_RLIMITS) != 0 && p->nlimits == 0)
		return parse_bad(ps, "no 'limit' line");
	for (size_t i = 0; i < p->ngrants; i++) {
		if (p->grants[i].kind == KIND_UDP_CONN &&
		    policy_promises(p, "sendfd"))
			return parse_bad(ps,
			    "who holds udp-conn may not "
			    "promise sendfd: sendmsg takes an address");
	}
	return 0;
}

int
policy_parse(const char *file, struct str text, struct policy **out, char *err,
    size_t err_size)
{
	struct draft *d = xcalloc(1, sizeof(*d));
	struct policy *p = &d->p;
	struct parser ps;
	struct str word;
	int rc = 0;

	parse_init(&ps, file, text, err, err_size);
	*out = NULL;
	if (text.n > TEXT_MAX)
		rc = parse_bad(&ps, "longer than %d bytes", TEXT_MAX);
	while (rc == 0 && parse_line(&ps)) {
		if (ps.lineno > LINES_MAX)
			rc = parse_bad(&ps, "more than %d lines", LINES_MAX);
		else if (parse_next(&ps, &word))
			rc = parse_statement(&ps, d, word);
	}
	if (rc == 0)
		rc = parse_complete(&ps, p);
	parse_clear(&ps);
	if (rc == -1) {
		policy_free(&p);
		return -1;
	}
	p->text = draft_keep(d, text);
	p->text_len = text.n;
	sha256(text.p, text.n, p->hash);
	*out = p;
	return 0;
}
