/* SPDX-License-Identifier: ISC */
#ifndef CONF_UIDS_H
#define CONF_UIDS_H

#include <stdint.h>

/*
 * Each component has a user id of its own, which nobody else on the system
 * has: sandbox_uid_base and its place in a list.  The group id is the same
 * number.  -1 for a component that has none.
 */
int64_t conf_component_uid(int64_t base, const char *component);

/* The ids from base to base + CONF_UIDS - 1 are ours. */
#define CONF_UIDS 64

#endif
