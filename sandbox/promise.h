/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_PROMISE_H
#define SANDBOX_PROMISE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "sandbox/policy.h"
#include "sandbox/policy_names.h"

/*
 * Promises: groups of system calls with a name, in the manner of pledge(2),
 * and what each becomes on each system.
 */
struct promise {
	const char *word;
	const char *means;  /* for people */
	const char *calls;  /* calls, one a line, in the grammar of `call' */
	const char *pledge; /* words of OpenBSD's pledge(2) */
};

const struct promise *promise_find(struct str word);
const struct promise *promise_at(size_t i); /* NULL beyond the last */

/* All words, for messages. */
const struct named *promise_names(void);

/* What a SAN=1 build is allowed on top; NULL in every other build. */
const char *promise_sanitizer_calls(void);

/*
 * A plan: every call a policy allows, promises written out.  nr is the number
 * on this architecture; calls that it does not have are left out.
 */
struct plan_call {
	int nr;
	const char *promise; /* "call" for single ones */
	struct policy_call c;
};

struct plan {
	const struct policy *policy;
	struct plan_call *calls;
	size_t n;
	char **names; /* what c.name points at */
	size_t nnames;
};

/* -1 with a sentence in err, when a name is no system call. */
int
plan_make(const struct policy *p, struct plan *out, char *err, size_t err_size);
void plan_clear(struct plan *plan);

/* What the plan says of one call: 0 allowed, > 0 fails with errno, -1 kills. */
int
plan_verdict(const struct plan *plan, int nr, const uint64_t args[CALL_ARGS]);

/* Do the arguments satisfy all conditions? */
bool call_matches(const struct policy_call *c, const uint64_t args[CALL_ARGS]);

/* The promise that would allow this system call, or NULL: for reports. */
const char *promise_with_call(const char *call);

/* System call names of this system; -1 (NULL) for an unknown one. */
int syscall_number(const char *name);
const char *syscall_name(int nr);

/*
 * The words for pledge(2) that this policy's promises amount to, as one
 * string in a fixed order: used by the OpenBSD back end, shown by audit.
 */
void promise_pledge(const struct policy *p, struct buf *out);

#endif
