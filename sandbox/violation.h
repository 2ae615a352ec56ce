/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_VIOLATION_H
#define SANDBOX_VIOLATION_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Which call ended a component?  A process that dies of SIGSYS says nothing;
 * the kernel's log has a record of it.
 */
struct violation {
	uint32_t arch; /* AUDIT_ARCH_* */
	int nr;
	uint64_t ip; /* where in the program */
};

/*
 * The kernel's log from now on, for violation_find(); -1 with errno when it
 * may not be read here (it takes CAP_SYSLOG on most systems).  Opened by the
 * launcher at its start; the caller closes it.
 */
int violation_open(void);

/*
 * The record of pid, if it is in the log.  Reads on from where the last call
 * ended, so it is called once for each process that died of SIGSYS.
 */
bool violation_find(int fd, pid_t pid, struct violation *out);

/* One line of the log: a record of this pid? */
bool violation_parse(struct str line, pid_t pid, struct violation *out);

/*
 * For people: "connect (promise connect would allow it, ...)", "call 20 of
 * another architecture".  p is the policy of who made it.
 */
struct policy;
void violation_text(const struct violation *v, const struct policy *p,
    struct buf *out);

/*
 * A process of policy p died of SIGSYS: its record, what would have allowed
 * the call, and what it was doing (note_fd: base/note.h, or -1), as one line
 * of harmless signs.  What cannot be known is said to be so.
 */
void violation_explain(int fd, pid_t pid, const struct policy *p, int note_fd,
    struct buf *out);

#endif
