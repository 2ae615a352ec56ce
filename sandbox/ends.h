/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_ENDS_H
#define SANDBOX_ENDS_H

#include <stdbool.h>

#include "sandbox/policy.h"

/*
 * Descriptors are taken where a policy has `recvfd` for the channel to that
 * peer, and nowhere else: whoever makes a pair has the kernel refuse them at
 * the other ends (EPERM for the sender, where Linux is 6.16 or later), before
 * it hands them over.  The component could not undo it: it may not set options.
 */
bool ends_receive(const struct policy *p, const char *peer);

/* A pair between a, whose end comes first, and b. */
void ends_shut(const struct policy *a, const struct policy *b,
    const int ends[2]);

#endif
