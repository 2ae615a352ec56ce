/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_POINTS_H
#define SANDBOX_POINTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sandbox/promise.h"

/*
 * Is a filter what a plan says?  It is run in an evaluator for every call of
 * every architecture, and around every condition on an argument: where it
 * just holds, where it just does not, and with rubbish in the halves of
 * registers that the kernel does not look at.
 */
struct sock_filter;

struct points {
	unsigned total; /* how often the filter was run */
	unsigned wrong;
	unsigned looser;  /* of those: lets through what the plan does not */
	unsigned allowed; /* calls allowed whatever the arguments */
	unsigned checked; /* calls allowed for some arguments */
	unsigned errors;  /* calls answered with an error */
	unsigned asked;	  /* runs in which a listener is to decide */
	struct buf differences; /* the first few, for people */
};

/* Returns 0 when they agree everywhere.  points_clear() in any case. */
int points_compare(const struct plan *plan, const struct sock_filter *prog,
    size_t n, struct points *out);
void points_clear(struct points *p);

#endif
