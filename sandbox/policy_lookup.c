/* SPDX-License-Identifier: ISC */
#include "sandbox/policy.h"
#include "sandbox/policy_gen.h"
#include "sandbox/reach.h"

size_t
policy_count(void)
{
	return policy_table_n;
}

const struct policy *
policy_at(size_t i)
{
	return i < policy_table_n ? &policy_table[i] : NULL;
}

const struct policy *
policy_find(struct str name)
{
	for (size_t i = 0; i < policy_table_n; i++) {
		if (str_eq(name, str_of(policy_table[i].name)))
			return &policy_table[i];
	}
	return NULL;
}

struct reach
reach_compiled(void)
{
	static const struct policy *all[64];
	struct reach r = { all, policy_table_n };

	if (r.n > 64)
		r.n = 64;
	for (size_t i = 0; i < r.n; i++)
		all[i] = &policy_table[i];
	return r;
}
