/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_REACH_GRAPH_H
#define SANDBOX_REACH_GRAPH_H

#include "sandbox/reach.h"

/*
 * The graph that reach.c walks; for the files of reach only.
 */

/* A channel as one of its ends describes it. */
struct reach_end {
	uint32_t rights;
	uint32_t pass;
};

/* The channel of p to peer; all zero when there is none. */
struct reach_end
reach_end(const struct policy *p, const struct policy *peer);

/* The broker or the launcher? */
bool reach_giver(const struct policy *p);

/* May a descriptor of this name and kind travel from one to the other? */
bool reach_travels(const struct reach *r, const struct policy *from,
    const struct policy *to, const char *name, enum policy_kind kind,
    enum reach_trust trust);

/* Is it in a list joined by commas? */
bool reach_listed(struct str list, const char *name);

#endif
