/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_POLICY_DRAFT_H
#define SANDBOX_POLICY_DRAFT_H

#include <stddef.h>

#include "base/str.h"
#include "sandbox/policy.h"
#include "sandbox/policy_text.h"

/*
 * A policy while it is being made, from its text (policy_parse.c) or from
 * another and an overlay (overlay.c).  What they hand out is the first member;
 * policy_free() frees the whole.
 */
struct draft {
	struct policy p;
	char **strings; /* everything the policy points at */
	size_t nstrings;
};

/* A copy that lives as long as the draft. */
const char *draft_keep(struct draft *d, struct str s);

/*
 * Room for one more element of a constant array of the draft.  The arrays are
 * const for readers; while parsing they are ours.
 */
void *draft_push(const void *array_of, size_t *n, size_t size);

/* The rest of a line, the same wherever it stands; -1 when it is no good. */
int draft_request(struct parser *ps, struct policy_request *r);
/* Are its results counted: may it have open=? */
bool draft_counted(struct str verb);
int draft_limit(struct parser *ps, struct policy_limit *out);
int draft_never(struct parser *ps, struct draft *d);

#endif
