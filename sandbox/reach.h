/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_REACH_H
#define SANDBOX_REACH_H

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "sandbox/policy.h"

/*
 * Who can come to hold what?  Authority is nothing but descriptors, and they
 * travel only on channels with the right sendfd at one end and recvfd at the
 * other, so this can be computed from the policies.
 */
enum reach_trust {
	/*
	 * The one asked about is captured, the others pass on only what their
	 * policies say they pass (and the broker gives everybody what its
	 * policy grants).  This is what `never' lines mean.
	 */
	REACH_OTHERS_HONEST,
	/*
	 * Every component but broker and launcher is captured and they work
	 * together: only what the kernel refuses counts.
	 */
	REACH_ALL_CAPTURED
};

struct reach {
	const struct policy *const *all;
	size_t n;
};

/*
 * Can `who' come to hold an object of `owner' ("*": of anybody), by the
 * object's name or kind ("*": any)?  Returns 1 and writes the way it goes,
 * "qmgr:spool -> cleanup -> smtpd", or 0.
 */
int reach_object(const struct reach *r, struct str who, struct str owner,
    struct str object, enum reach_trust trust, struct buf *way);

/*
 * All `never' lines, and that both ends of every channel agree on it.
 * Returns the number of lines that do not hold; report gets a line for each,
 * with file, line and the way of the leak.
 */
size_t reach_check(const struct reach *r, struct buf *report);

/* The compiled-in policies, for both of the above. */
struct reach reach_compiled(void);

#endif
