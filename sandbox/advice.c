/* SPDX-License-Identifier: ISC */
/*
 * A call was refused: which line of a policy would allow it?
 */
#include "sandbox/advice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/policy_text.h"
#include "sandbox/promise.h"

/*
 * Would the promise, if it were made, allow it?  With arguments that are not
 * known (NULL): for some.
 */
static bool
would_allow(const char *word, int nr, const uint64_t *args)
{
	struct policy_promise one = { .word = word, .fd = -1 };
	struct policy p = { .name = word, .promises = &one, .npromises = 1 };
	struct plan plan;
	char err[256];
	bool yes = false;

	if (plan_make(&p, &plan, err, sizeof(err)) == -1)
		return false;
	for (size_t i = 0; args == NULL && i < plan.n; i++)
		yes |= plan.calls[i].nr == nr && plan.calls[i].c.error == 0;
	if (args != NULL)
		yes = plan_verdict(&plan, nr, args) == 0;
	plan_clear(&plan);
	return yes;
}

/* The overlay's line that took it away, by itself or with its promise. */
static bool
say_denied(const struct policy *p, int nr, const uint64_t *args,
    struct buf *out)
{
	const char *name = syscall_name(nr);

	for (size_t i = 0; i < p->ndenies; i++) {
		const struct policy_deny *d = &p->denies[i];

		if ((d->what == DENY_CALL && strcmp(d->name, name) == 0) ||
		    (d->what == DENY_PROMISE &&
			would_allow(d->name, nr, args))) {
			buf_printf(out, "%s:%u takes it away: %s", d->src.file,
			    d->src.line, d->src.text);
			return true;
		}
	}
	return false;
}

/* The policy has it, with other arguments: those are shown. */
static bool
say_otherwise(const struct policy *p, int nr, struct buf *out)
{
	struct plan plan;
	char err[256];
	size_t found = 0;

	if (plan_make(p, &plan, err, sizeof(err)) == -1)
		return false;
	for (size_t i = 0; i < plan.n; i++) {
		const struct plan_call *pc = &plan.calls[i];

		if (pc->nr != nr || pc->c.error != 0)
			continue;
		buf_printf(out, "%s%s%s: ",
		    found > 0 ? "; " : "allowed with other arguments only, by ",
		    strcmp(pc->promise, "call") == 0 ? "" : "promise ",
		    pc->promise);
		call_format(&pc->c, out);
		found++;
	}
	plan_clear(&plan);
	return found > 0;
}

void
call_advice(const struct policy *p, int nr, const uint64_t *args,
    struct buf *out)
{
	const char *name = syscall_name(nr), *promise;

	if (name == NULL) {
		buf_puts(out, "nothing allows a call without a name");
		return;
	}
	promise = promise_with_call(name);
	if (say_denied(p, nr, args, out) || say_otherwise(p, nr, out))
		return;
	if (promise == NULL) {
		buf_printf(out,
		    "no promise has it; a line of its own would be "
		    "'call %s'",
		    name);
		return;
	}
	for (size_t i = 0; args != NULL && promise_at(i) != NULL; i++) {
		if (would_allow(promise_at(i)->word, nr, args)) {
			buf_printf(out, "promise %s would allow it",
			    promise_at(i)->word);
			return;
		}
	}
	buf_printf(out, "promise %s %s", promise,
	    args == NULL ? "would allow it, or not with these arguments" :
			   "has it, but not with these arguments");
}
