/* SPDX-License-Identifier: ISC */
/*
 * The rows of an audit.
 */
#include "sandbox/audit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "sandbox/audit_row.h"
#include "sandbox/policy_text.h"
#include "sandbox/promise.h"

const char *
audit_verdict_name(enum audit_verdict v)
{
	switch (v) {
	case AUDIT_EQUAL:
		return "equal";
	case AUDIT_VOUCHED:
		return "vouched";
	case AUDIT_WEAKER:
		return "weaker";
	case AUDIT_DIFFERENT:
		return "different";
	case AUDIT_UNMEASURABLE:
		return "unmeasurable";
	}
	return "?";
}

/* The text moves into the row. */
static void
row_add(struct auditing *au, uint32_t wall, const char *name,
    const char *declared, char *measured, enum audit_verdict verdict)
{
	struct audit *a = au->out;
	struct audit_row *row;
	bool waived = wall != 0 && (wall & au->place->waived) == wall &&
	    verdict != AUDIT_EQUAL;

	if (wall != 0 && (wall & au->policy->walls) == 0) {
		free(measured);
		return;
	}
	/* A waived wall was not built: nobody can vouch for it. */
	if (waived && verdict == AUDIT_VOUCHED)
		verdict = AUDIT_WEAKER;
	a->rows = xreallocarray(a->rows, a->n + 1, sizeof(*a->rows));
	row = &a->rows[a->n++];
	*row = (struct audit_row){ xstrdup(name), xstrdup(declared), measured,
		verdict, waived };
	if (waived)
		a->waived++;
	else if (verdict == AUDIT_EQUAL)
		a->equal++;
	else if (verdict == AUDIT_VOUCHED)
		a->vouched++;
	else if (verdict == AUDIT_WEAKER)
		a->weaker++;
	else if (verdict == AUDIT_DIFFERENT)
		a->different++;
	else
		a->unmeasurable++;
}

void
audit_row(struct auditing *au, uint32_t wall, const char *name, bool equal,
    const char *declared, const char *measured, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, measured);
	n = vasprintf(&text, measured, ap);
	va_end(ap);
	row_add(au, wall, name, declared, n == -1 ? xstrdup("?") : text,
	    equal ? AUDIT_EQUAL : AUDIT_WEAKER);
}

void
audit_unmeasurable(struct auditing *au, uint32_t wall, const char *name,
    const char *declared, int error)
{
	row_add(au, wall, name, declared, xstrdup(strerror(error)),
	    AUDIT_UNMEASURABLE);
}

void
audit_vouched(struct auditing *au, uint32_t wall, const char *name,
    const char *declared)
{
	bool waived = (au->place->waived & wall) != 0;

	row_add(au, wall, name, declared,
	    xstrdup(waived ? "waived" :
			     "read back by the process before it was sealed; "
			     "the kernel shows it to nobody else"),
	    AUDIT_VOUCHED);
}

void
audit_differs(struct auditing *au, uint32_t wall, const char *name,
    const char *declared, const char *measured)
{
	row_add(au, wall, name, declared, xstrdup(measured), AUDIT_DIFFERENT);
}

void
audit_add(struct audit *a, const char *name, const char *declared,
    const char *measured, enum audit_verdict verdict)
{
	static const struct policy none = { .name = "" };
	static const struct sandbox_place nowhere = { .waived = 0 };
	struct auditing au = { &none, &nowhere, a, NULL };

	row_add(&au, 0, name, declared, xstrdup(measured), verdict);
}

int
audit_status(const struct audit *a)
{
	if (a->weaker > 0 || a->different > 0)
		return 1;
	return a->unmeasurable > 0 ? 2 : 0;
}

void
audit_clear(struct audit *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->rows[i].wall);
		free(a->rows[i].declared);
		free(a->rows[i].measured);
	}
	free(a->rows);
	memset(a, 0, sizeof(*a));
}

void
audit_text(const struct audit *a, bool differences, struct buf *out)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct audit_row *r = &a->rows[i];

		if (differences && r->verdict == AUDIT_EQUAL)
			continue;
		buf_printf(out, "%-24s %-13s declared %s, measured %s%s\n",
		    r->wall, audit_verdict_name(r->verdict), r->declared,
		    r->measured, r->waived ? " (waived)" : "");
	}
}

void
audit_calls(const struct policy *policy, struct buf *out)
{
	struct plan plan;
	char err[256];

	if ((policy->walls & WALL_SECCOMP) == 0) {
		buf_puts(out, "every call: behind no filter\n");
		return;
	}
	if (plan_make(policy, &plan, err, sizeof(err)) == -1) {
		buf_printf(out, "%s\n", err);
		return;
	}
	for (size_t i = 0; i < plan.n; i++) {
		buf_printf(out, "%-10s ", plan.calls[i].promise);
		call_format(&plan.calls[i].c, out);
		buf_putc(out, '\n');
	}
	plan_clear(&plan);
}
