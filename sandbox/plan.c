/* SPDX-License-Identifier: ISC */
/*
 * From promises to the list of calls they stand for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "sandbox/policy_text.h"
#include "sandbox/promise.h"

static bool
arg_matches(const struct call_arg *a, uint64_t v)
{
	if (!a->wide)
		v &= UINT32_MAX;
	switch (a->op) {
	case ARG_EQ:
		return v == a->value;
	case ARG_GE:
		return v >= a->value;
	case ARG_WITHIN:
		return (v & ~a->value) == 0;
	case ARG_MASKED:
		return (v & a->mask) == a->value;
	}
	return false;
}

bool
call_matches(const struct policy_call *c, const uint64_t args[CALL_ARGS])
{
	for (unsigned i = 0; i < c->nargs; i++) {
		if (!arg_matches(&c->args[i], args[c->args[i].index]))
			return false;
	}
	return true;
}

int
plan_verdict(const struct plan *plan, int nr, const uint64_t args[CALL_ARGS])
{
	int verdict = -1;

	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_call *pc = &plan->calls[i];

		if (pc->nr != nr || !call_matches(&pc->c, args))
			continue;
		if (pc->c.error == 0)
			return 0;
		verdict = pc->c.error;
	}
	return verdict;
}

static void
plan_add(struct plan *plan, const char *promise, int fd,
    const struct policy_call *c)
{
	struct plan_call *pc;
	int nr = syscall_number(c->name);

	/* Not on this architecture, or taken away: nothing to allow. */
	if (nr < 0 ||
	    policy_denied(plan->policy, DENY_CALL, str_of(c->name)) != NULL)
		return;
	plan->calls =
	    xreallocarray(plan->calls, plan->n + 1, sizeof(*plan->calls));
	pc = &plan->calls[plan->n++];
	pc->nr = nr;
	pc->promise = promise;
	pc->c = *c;
	/* `on SLOT': the descriptor is the first argument of all of these. */
	if (fd != -1 && pc->c.nargs < CALL_ARGS)
		pc->c.args[pc->c.nargs++] = (struct call_arg){ .index = 0,
			.op = ARG_EQ,
			.value = (uint64_t)fd };
}

static const char *
plan_name(struct plan *plan, struct str name)
{
	plan->names =
	    xreallocarray(plan->names, plan->nnames + 1, sizeof(*plan->names));
	return plan->names[plan->nnames++] = str_dup(name);
}

static int
plan_text(struct plan *plan, const char *promise, const char *text, int fd,
    char *err, size_t err_size)
{
	struct parser ps;
	struct policy_call c;
	struct str name;
	int rc = 0;

	parse_init(&ps, promise, str_of(text), err, err_size);
	while (rc == 0 && parse_line(&ps)) {
		rc = call_parse(&ps, &c, &name);
		if (rc == -1)
			break;
		c.name = plan_name(plan, name);
		if (syscall_number(c.name) == -1)
			rc = parse_bad(&ps, "'%s' is no system call", c.name);
		plan_add(plan, promise, fd, &c);
	}
	parse_clear(&ps);
	return rc;
}

int
plan_make(const struct policy *p, struct plan *out, char *err, size_t err_size)
{
	const char *extra = promise_sanitizer_calls();

	*out = (struct plan){ .policy = p };
	for (size_t i = 0; i < p->npromises; i++) {
		const struct policy_promise *pp = &p->promises[i];
		const struct promise *pr = promise_find(str_of(pp->word));

		if (pr == NULL ||
		    plan_text(out, pr->word, pr->calls, pp->fd, err,
			err_size) == -1)
			goto bad;
	}
	for (size_t i = 0; i < p->ncalls; i++) {
		if (syscall_number(p->calls[i].name) == -1) {
			snprintf(err, err_size,
			    "%s.policy:%u: '%s' is no "
			    "system call",
			    p->name, p->calls[i].src.line, p->calls[i].name);
			goto bad;
		}
		plan_add(out, "call", -1, &p->calls[i]);
	}
	if (extra != NULL &&
	    plan_text(out, "sanitizer", extra, -1, err, err_size) == -1)
		goto bad;
	return 0;
bad:
	plan_clear(out);
	return -1;
}

void
plan_clear(struct plan *plan)
{
	for (size_t i = 0; i < plan->nnames; i++)
		free(plan->names[i]);
	free(plan->names);
	free(plan->calls);
	*plan = (struct plan){ 0 };
}
