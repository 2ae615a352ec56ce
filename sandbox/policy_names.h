/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_POLICY_NAMES_H
#define SANDBOX_POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * The words of the policy language that stand for numbers of this system.
 * A table ends with a NULL name.
 */
struct named {
	const char *name;
	uint64_t value;
};

extern const struct named kind_table[], right_table[], wall_table[];

/* Whose bytes a component may say it reads. */
extern const struct named reads_table[];

/* rlimits ("nofile") and capabilities ("setuid"), those this system has. */
extern const struct named limit_table[], cap_table[];

/* Constants for conditions on arguments ("MAP_PRIVATE"). */
extern const struct named const_table[];

/* errno by name ("ENOSYS"). */
extern const struct named errno_table[];

/* Is a single system call something that this system can allow or refuse? */
extern const bool calls_enforced;

int named_find(const struct named *table, struct str s, uint64_t *out);
const char *named_of(const struct named *table, uint64_t value);

/*
 * The name that s was probably meant to be (a typing error or two away), or
 * NULL.
 */
const char *named_near(const struct named *table, struct str s);
size_t name_distance(struct str a, struct str b);

#endif
