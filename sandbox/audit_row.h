/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_AUDIT_ROW_H
#define SANDBOX_AUDIT_ROW_H

#include <sys/types.h>

#include <stdbool.h>

#include "base/attr.h"
#include "sandbox/audit.h"

/*
 * Rows of an audit being made; for the files of the auditor only.
 */
struct auditing {
	const struct policy *policy;
	const struct sandbox_place *place;
	struct audit *out;
};

/*
 * A row: equal or weaker; what was measured comes as a format.  wall is what
 * it belongs to, for waivers, or 0; a wall that the policy does not have
 * makes no row.
 */
void audit_row(struct auditing *au, uint32_t wall, const char *name, bool equal,
    const char *declared, const char *measured, ...) PRINTFLIKE(6, 7);

void audit_unmeasurable(struct auditing *au, uint32_t wall, const char *name,
    const char *declared, int error);
void audit_vouched(struct auditing *au, uint32_t wall, const char *name,
    const char *declared);

/* 0, 1 or 2, from the counts. */
int audit_status(const struct audit *a);

/* What it holds: audit_fds_linux.c. */
void audit_descriptors(struct auditing *au, pid_t pid);

#endif
