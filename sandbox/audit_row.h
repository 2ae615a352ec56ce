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
	const struct audit_of *of;
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

/* The same, when it is not equal, and not weaker either. */
void audit_differs(struct auditing *au, uint32_t wall, const char *name,
    const char *declared, const char *measured);

/* What it holds: audit_fds_linux.c. */
void audit_descriptors(struct auditing *au, pid_t pid);

/* Limits, cgroup, children, program, network: audit_proc_linux.c. */
void audit_limits(struct auditing *au, pid_t pid);
void audit_surroundings(struct auditing *au, pid_t pid);

/* All that a warm image is to be: audit_image_linux.c. */
struct evidence;
void audit_image(struct auditing *au, pid_t pid, const struct evidence *ev);

/* Who holds the other end of the local socket with this number? */
enum peer {
	PEER_COMPONENT, /* *who: one of those that were looked at */
	PEER_GONE,	/* nobody, for ever */
	PEER_FLYING,	/* nobody: it is on its way in a channel; or one of us
			   who is newer than what was looked at */
	PEER_STRANGER,	/* *pid: somebody who is none of us */
	PEER_UNKNOWN,	/* the kernel does not say */
};
enum peer audit_peer(const struct audit_peers *p, uint64_t inode,
    const struct audit_who **who, pid_t *pid);

/* The parent of a process, or 0. */
pid_t audit_parent(pid_t pid);

#endif
