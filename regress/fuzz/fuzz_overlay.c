/* SPDX-License-Identifier: ISC */
/*
 * Overlay text.  It is root's own, but whatever it says, what comes of it may
 * nowhere be looser than the policy it is on top of.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/overlay.h"
#include "sandbox/promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int true_so)
{
	if (!true_so)
		abort();
}

static void
calls_within(const struct policy *p, const struct policy *base)
{
	struct plan a, b;
	char err[256];
	size_t j = 0;

	must(plan_make(p, &a, err, sizeof(err)) == 0);
	must(plan_make(base, &b, err, sizeof(err)) == 0);
	/* In the same order, with some left out. */
	for (size_t i = 0; i < a.n; i++, j++) {
		while (j < b.n &&
		    (a.calls[i].nr != b.calls[j].nr ||
			memcmp(a.calls[i].c.args, b.calls[j].c.args,
			    sizeof(a.calls[i].c.args)) != 0))
			j++;
		must(j < b.n && a.calls[i].c.error == b.calls[j].c.error);
	}
	plan_clear(&a);
	plan_clear(&b);
}

static void
requests_within(const struct policy *p, const struct policy *base)
{
	must(p->nrequests == base->nrequests);
	for (size_t i = 0; i < p->nrequests; i++) {
		const struct policy_request *a = &p->requests[i],
					    *b = &base->requests[i];

		must(strcmp(a->verb, b->verb) == 0 && a->per_s > 0 &&
		    (uint64_t)a->rate * b->per_s <=
			(uint64_t)b->rate * a->per_s &&
		    a->burst <= b->burst && a->open <= b->open);
	}
}

static void
rest_within(const struct policy *p, const struct policy *base)
{
	must((base->walls & ~p->walls) == 0);
	must(p->nslots == base->nslots && p->ncaps == base->ncaps &&
	    p->ngrants <= base->ngrants && p->nnevers >= base->nnevers &&
	    p->npromises <= base->npromises && p->nlimits >= base->nlimits);
	must(p->user == base->user && p->version == base->version);
	for (size_t i = 0; i < base->nlimits; i++)
		must(p->limits[i].resource == base->limits[i].resource &&
		    p->limits[i].value <= base->limits[i].value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy *base = policy_find(STR("local"));
	struct policy *p;
	char err[256];

	if (overlay_parse("fuzz", str_make(data, size), base, &p, err,
		sizeof(err)) == -1) {
		must(p == NULL && strncmp(err, "fuzz:", 5) == 0);
		return 0;
	}
	must(p->base == base && p->overlay_len == size);
	calls_within(p, base);
	requests_within(p, base);
	rest_within(p, base);
	policy_free(&p);
	return 0;
}
