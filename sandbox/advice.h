/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_ADVICE_H
#define SANDBOX_ADVICE_H

#include <stdint.h>

#include "base/buf.h"
#include "sandbox/policy.h"

/*
 * A component of policy p made system call nr (of this architecture) and was
 * refused.  Which promise would allow it, which overlay's line took it away,
 * or with what arguments may it be made?  One clause, appended to out.  args
 * is NULL where they are not known.
 */
void call_advice(const struct policy *p, int nr, const uint64_t *args,
    struct buf *out);

#endif
