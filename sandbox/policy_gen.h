/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_POLICY_GEN_H
#define SANDBOX_POLICY_GEN_H

#include "sandbox/policy.h"

/* What sandbox/polc.c writes into gen/policy_table.c. */
extern const struct policy policy_table[];
extern const size_t policy_table_n;

#endif
