/* SPDX-License-Identifier: ISC */
/*
 * Looking things up in policies.  The table itself is generated.
 */
#include "sandbox/policy.h"

const struct policy_grant *
policy_grant_find(const struct policy *p, struct str name)
{
	for (size_t i = 0; i < p->ngrants; i++) {
		if (!p->grants[i].own &&
		    str_eq(name, str_of(p->grants[i].name)))
			return &p->grants[i];
	}
	return NULL;
}

const struct policy_slot *
policy_slot_find(const struct policy *p, struct str name)
{
	for (size_t i = 0; i < p->nslots; i++) {
		if (str_eq(name, str_of(p->slots[i].name)))
			return &p->slots[i];
	}
	return NULL;
}

const struct policy_request *
policy_request_find(const struct policy *p, struct str verb)
{
	for (size_t i = 0; i < p->nrequests; i++) {
		if (str_eq(verb, str_of(p->requests[i].verb)))
			return &p->requests[i];
	}
	return NULL;
}

const struct policy_deny *
policy_denied(const struct policy *p, enum deny_what what, struct str name)
{
	for (size_t i = 0; i < p->ndenies; i++) {
		if (p->denies[i].what == what &&
		    str_eq(name, str_of(p->denies[i].name)))
			return &p->denies[i];
	}
	return NULL;
}

bool
policy_promises(const struct policy *p, const char *word)
{
	for (size_t i = 0; i < p->npromises; i++) {
		if (str_eq(str_of(word), str_of(p->promises[i].word)))
			return true;
	}
	return false;
}

void
policy_hex(const struct policy *p, char out[POLICY_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < POLICY_HASH; i++) {
		out[2 * i] = digits[p->hash[i] >> 4];
		out[2 * i + 1] = digits[p->hash[i] & 15];
	}
	out[2 * POLICY_HASH] = '\0';
}
