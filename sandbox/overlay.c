/* SPDX-License-Identifier: ISC */
/*
 * From a policy and what a site takes from it to another policy.
 *
 * Each statement is checked against the policy as it was built.  What gives,
 * and what would take away something that is not there, is an error.
 */
#include "sandbox/overlay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/mem.h"
#include "sandbox/policy_draft.h"
#include "sandbox/policy_names.h"
#include "sandbox/policy_text.h"
#include "sandbox/promise.h"
#include "sandbox/sha256.h"

#define NAMES_MAX 512

static void *
array_copy(const void *p, size_t n, size_t size)
{
	void *copy;

	if (n == 0)
		return NULL;
	copy = xcalloc(n, size);
	memcpy(copy, p, n * size);
	return copy;
}

#define COPY(member)  \
	d->p.member = \
	    array_copy(base->member, base->n##member, sizeof(*base->member))

static struct draft *
draft_of(const struct policy *base)
{
	struct draft *d = xcalloc(1, sizeof(*d));

	d->p = *base;
	COPY(slots);
	COPY(grants);
	COPY(promises);
	COPY(calls);
	COPY(requests);
	COPY(limits);
	COPY(nevers);
	COPY(reads);
	COPY(caps);
	COPY(denies);
	d->p.base = base;
	return d;
}

/* --- deny ----------------------------------------------------------------- */

/* Distinct names, for messages. */
struct names {
	struct named v[NAMES_MAX + 1];
	size_t n;
};

static void
names_add(struct names *to, const char *name)
{
	uint64_t v;

	if (to->n < NAMES_MAX && named_find(to->v, str_of(name), &v) == -1)
		to->v[to->n++].name = name;
}

/* The first words of the lines of a promise. */
static void
names_calls(struct draft *d, struct names *to, const struct promise *pr)
{
	struct str text = str_of(pr->calls), line, w;

	while (str_token(&text, "\n", &line)) {
		if (str_token(&line, " ", &w))
			names_add(to, draft_keep(d, w));
	}
}

/* What there is to be denied. */
static void
names_of(struct draft *d, enum deny_what what, struct names *to)
{
	const struct policy *p = &d->p;

	*to = (struct names){ .n = 0 };
	switch (what) {
	case DENY_PROMISE:
		for (size_t i = 0; i < p->npromises; i++)
			names_add(to, p->promises[i].word);
		break;
	case DENY_CALL:
		for (size_t i = 0; i < p->base->npromises; i++)
			names_calls(d, to,
			    promise_find(str_of(p->base->promises[i].word)));
		for (size_t i = 0; i < p->ncalls; i++)
			names_add(to, p->calls[i].name);
		break;
	case DENY_REQUEST:
		for (size_t i = 0; i < p->nrequests; i++)
			names_add(to, p->requests[i].verb);
		break;
	case DENY_GRANT:
		for (size_t i = 0; i < p->ngrants; i++) {
			/* What the broker gives, it can keep. */
			if (!p->grants[i].own &&
			    p->grants[i].kind == KIND_CHANNEL)
				names_add(to, p->grants[i].name);
		}
		break;
	}
}

static void
promise_drop(struct policy *p, struct str word)
{
	struct policy_promise *v =
	    (struct policy_promise *)(uintptr_t)p->promises;
	size_t n = 0;

	for (size_t i = 0; i < p->npromises; i++) {
		if (!str_eq(word, str_of(v[i].word)))
			v[n++] = v[i];
	}
	p->npromises = n;
}

static void
grant_drop(struct policy *p, struct str name)
{
	struct policy_grant *v = (struct policy_grant *)(uintptr_t)p->grants;
	size_t n = 0;

	for (size_t i = 0; i < p->ngrants; i++) {
		if (v[i].own || v[i].kind != KIND_CHANNEL ||
		    !str_eq(name, str_of(v[i].name)))
			v[n++] = v[i];
	}
	p->ngrants = n;
}

static struct policy_request *
request_of(struct policy *p, struct str verb)
{
	return (struct policy_request *)(uintptr_t)policy_request_find(p, verb);
}

/* deny promise|call|request|grant NAME */
static int
do_deny(struct parser *ps, struct draft *d)
{
	static const struct named kinds[] = { { "promise", DENY_PROMISE },
		{ "call", DENY_CALL }, { "request", DENY_REQUEST },
		{ "grant", DENY_GRANT }, { NULL, 0 } };
	struct policy_deny *deny;
	struct policy_request *r;
	struct names names;
	struct str kind, name;
	uint64_t what, v;

	if (parse_word(ps, "promise, call, request or grant", &kind) == -1)
		return -1;
	if (named_find(kinds, kind, &what) == -1)
		return parse_unknown(ps, "thing to deny", kind, kinds);
	if (parse_word(ps, "its name", &name) == -1)
		return -1;
	if (what == DENY_CALL && !calls_enforced)
		return parse_bad(ps, "this system knows promises only");
	if (policy_denied(&d->p, (enum deny_what)what, name) != NULL)
		return parse_bad(ps, "this has a line above");
	names_of(d, (enum deny_what)what, &names);
	if (named_find(names.v, name, &v) == -1) {
		if (named_near(names.v, name) != NULL)
			return parse_unknown(ps, named_of(kinds, what), name,
			    names.v);
		return parse_bad(ps,
		    "the policy of %s has no %s '" STR_FMT
		    "' that could be taken away",
		    d->p.name, named_of(kinds, what), STR_ARG(name));
	}
	deny = draft_push(&d->p.denies, &d->p.ndenies, sizeof(*deny));
	deny->what = (enum deny_what)what;
	deny->name = draft_keep(d, name);
	deny->src = parse_src(ps);
	if (what == DENY_PROMISE)
		promise_drop(&d->p, name);
	else if (what == DENY_GRANT)
		grant_drop(&d->p, name);
	else if (what == DENY_REQUEST && (r = request_of(&d->p, name)) != NULL)
		r->rate = r->burst = 0; /* refused, each time */
	return 0;
}

/* --- less ----------------------------------------------------------------- */

/* request VERB [rate=] [burst=] [open=]: what is not named stays. */
static int
do_request(struct parser *ps, struct draft *d)
{
	struct policy_request *r, was, now;
	struct names names;
	struct str verb;

	if (parse_word(ps, "a verb", &verb) == -1)
		return -1;
	names_of(d, DENY_REQUEST, &names);
	r = request_of(&d->p, verb);
	if (r == NULL)
		return parse_unknown(ps, "request", verb, names.v);
	if (r->rate == 0)
		return parse_bad(ps, "it is denied above");
	was = now = *r;
	now.open = UINT32_MAX;
	if (draft_request(ps, &now) == -1)
		return -1;
	if ((uint64_t)now.rate * was.per_s > (uint64_t)was.rate * now.per_s)
		return parse_bad(ps,
		    "rate=%u in %u s is more than the "
		    "policy's %u in %u s",
		    now.rate, now.per_s, was.rate, was.per_s);
	if (now.burst > was.burst)
		return parse_bad(ps, "burst=%u is more than the policy's %u",
		    now.burst, was.burst);
	if (now.open == UINT32_MAX)
		now.open = was.open;
	else if (!draft_counted(verb))
		return parse_bad(ps,
		    "what " STR_FMT " gives is not counted: "
		    "set a limit nofile instead of open=",
		    STR_ARG(verb));
	else if (now.open == 0)
		return parse_bad(ps, "open=0: say deny request " STR_FMT,
		    STR_ARG(verb));
	else if (now.open > was.open)
		return parse_bad(ps, "open=%u is more than the policy's %u",
		    now.open, was.open);
	now.src = parse_src(ps);
	*r = now;
	return 0;
}

static int
do_limit(struct parser *ps, struct draft *d)
{
	struct policy_limit l = { 0 }, *to = NULL;

	if (draft_limit(ps, &l) == -1)
		return -1;
	if ((d->p.walls & WALL_RLIMITS) == 0)
		return parse_bad(ps,
		    "%s has no wall rlimits: add 'wall "
		    "rlimits' above",
		    d->p.name);
	for (size_t i = 0; i < d->p.nlimits; i++) {
		if (d->p.limits[i].resource == l.resource)
			to = (struct policy_limit *)(uintptr_t)&d->p.limits[i];
	}
	if (to == NULL)
		to = draft_push(&d->p.limits, &d->p.nlimits, sizeof(*to));
	else if (l.value > to->value)
		return parse_bad(ps,
		    "%llu is more than the %llu of line %u "
		    "of the policy",
		    (unsigned long long)l.value, (unsigned long long)to->value,
		    to->src.line);
	l.src = parse_src(ps);
	*to = l;
	return 0;
}

/* wall WORD...: walls besides those it has. */
static int
do_wall(struct parser *ps, struct draft *d)
{
	size_t n = 0;
	struct str w;
	uint64_t v;

	for (; parse_next(ps, &w); n++) {
		if (str_eq(w, STR("except")))
			return parse_bad(ps, "an overlay leaves no wall out");
		if (named_find(wall_table, w, &v) == -1)
			return parse_unknown(ps, "wall", w, wall_table);
		d->p.walls |= (uint32_t)v;
	}
	if (n == 0)
		return parse_bad(ps, "which wall?");
	d->p.walls_src = parse_src(ps);
	return 0;
}

static int
do_component(struct parser *ps, struct draft *d)
{
	struct str w;

	if (parse_word(ps, "the component's name", &w) == -1)
		return -1;
	if (!str_eq(w, str_of(d->p.name)))
		return parse_bad(ps,
		    "component " STR_FMT " belongs in " STR_FMT ".policy",
		    STR_ARG(w), STR_ARG(w));
	if (d->p.overlay != NULL)
		return parse_bad(ps, "a second component line");
	d->p.overlay = draft_keep(d, str_of(ps->file));
	return 0;
}

/* What only a policy may say; why is what would come of it here. */
static int
gives(struct parser *ps, const char *word)
{
	return parse_bad(ps,
	    "an overlay only takes away, and '%s' gives: that "
	    "is a change of the policy itself, and a new build",
	    word);
}

static const struct statement {
	const char *word;
	int (*run)(struct parser *, struct draft *); /* NULL: it gives */
} statements[] = {
	{ "component", do_component },
	{ "deny", do_deny },
	{ "request", do_request },
	{ "limit", do_limit },
	{ "wall", do_wall },
	{ "never", draft_never },
	{ "version", NULL },
	{ "user", NULL },
	{ "slot", NULL },
	{ "grant", NULL },
	{ "own", NULL },
	{ "promise", NULL },
	{ "call", NULL },
	{ "reads", NULL },
	{ "capability", NULL },
};

static int
statement(struct parser *ps, struct draft *d, struct str word)
{
	struct named words[NELEM(statements) + 1] = { { NULL, 0 } };
	const struct statement *st;
	struct str rest;

	for (size_t i = 0; i < NELEM(statements); i++) {
		st = &statements[i];
		words[i].name = st->word;
		if (!str_eq(word, str_of(st->word)))
			continue;
		if (d->p.overlay == NULL && st->run != do_component)
			return parse_bad(ps,
			    "the first statement must be "
			    "'component %s'",
			    d->p.name);
		if (st->run == NULL)
			return gives(ps, st->word);
		ps->text = draft_keep(d, str_trim(ps->line));
		ps->why = draft_keep(d, ps->reason);
		ps->origin = d->p.overlay;
		if (st->run(ps, d) == -1)
			return -1;
		if (parse_next(ps, &rest))
			return parse_bad(ps, "'" STR_FMT "' is too much",
			    STR_ARG(rest));
		return 0;
	}
	return parse_unknown(ps, "statement", word, words);
}

/* Of both texts, so that neither can change unseen. */
static void
hash_both(struct policy *p)
{
	struct buf b;

	buf_init(&b, POLICY_HASH + OVERLAY_MAX);
	buf_str(&b, str_make((const char *)p->base->hash, POLICY_HASH));
	buf_str(&b, str_make(p->overlay_text, p->overlay_len));
	sha256(b.base + b.off, b.len, p->hash);
	buf_clear(&b);
}

int
overlay_parse(const char *file, struct str text, const struct policy *base,
    struct policy **out, char *err, size_t err_size)
{
	struct draft *d = draft_of(base);
	struct policy *p = &d->p;
	struct parser ps;
	struct str word;
	int rc = 0;

	parse_init(&ps, file, text, err, err_size);
	*out = NULL;
	if (text.n > OVERLAY_MAX)
		rc = parse_bad(&ps, "longer than %d bytes", OVERLAY_MAX);
	else if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)
		rc = parse_bad(&ps, "this is no text");
	else if (strcmp(base->name, "launcher") == 0)
		rc = parse_bad(&ps,
		    "the launcher builds the walls: it has "
		    "none that could be tightened");
	while (rc == 0 && parse_line(&ps)) {
		if (parse_next(&ps, &word))
			rc = statement(&ps, d, word);
	}
	if (rc == 0 && p->overlay == NULL)
		rc = parse_bad(&ps, "no 'component %s' line", base->name);
	parse_clear(&ps);
	if (rc == -1) {
		policy_free(&p);
		return -1;
	}
	p->overlay_text = draft_keep(d, text);
	p->overlay_len = text.n;
	hash_both(p);
	*out = p;
	return 0;
}
