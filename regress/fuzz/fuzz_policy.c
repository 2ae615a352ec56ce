/* SPDX-License-Identifier: ISC */
/*
 * Policy text.  It comes from root's own files, but the same parser reads the
 * installed text at run time, and nothing it reads may upset it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/policy.h"
#include "sandbox/promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *p;
	struct plan plan;
	char err[256];

	if (policy_parse("fuzz", str_make(data, size), &p, err, sizeof(err)) ==
	    -1) {
		if (p != NULL || strncmp(err, "fuzz:", 5) != 0)
			abort();
		return 0;
	}
	if (p->name == NULL || p->text_len != size ||
	    memcmp(p->text, data, size) != 0)
		abort();
	if (plan_make(p, &plan, err, sizeof(err)) == 0)
		plan_clear(&plan);
	policy_free(&p);
	return 0;
}
