/* SPDX-License-Identifier: ISC */
#include "sandbox/policy.h"
#include "sandbox/policy_gen.h"
#include "sandbox/reach.h"

#define POLICIES_MAX 64

/* Those that have an overlay; NULL: the compiled one is in force. */
static const struct policy *replaced[POLICIES_MAX];

size_t
policy_count(void)
{
	return policy_table_n;
}

const struct policy *
policy_at(size_t i)
{
	if (i >= policy_table_n)
		return NULL;
	return i < POLICIES_MAX && replaced[i] != NULL ? replaced[i] :
							 &policy_table[i];
}

void
policy_replace(const struct policy *p)
{
	for (size_t i = 0; i < policy_table_n && i < POLICIES_MAX; i++) {
		if (&policy_table[i] == p->base)
			replaced[i] = p;
	}
}

const struct policy *
policy_find(struct str name)
{
	for (size_t i = 0; i < policy_table_n; i++) {
		if (str_eq(name, str_of(policy_table[i].name)))
			return policy_at(i);
	}
	return NULL;
}

struct reach
reach_compiled(void)
{
	static const struct policy *all[POLICIES_MAX];
	struct reach r = { all, policy_table_n };

	if (r.n > POLICIES_MAX)
		r.n = POLICIES_MAX;
	for (size_t i = 0; i < r.n; i++)
		all[i] = policy_at(i);
	return r;
}
