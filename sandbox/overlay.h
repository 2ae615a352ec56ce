/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_OVERLAY_H
#define SANDBOX_OVERLAY_H

#include <sys/types.h>

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "sandbox/policy.h"

/*
 * Overlays: what a site takes from a policy.  policy.d/NAME.policy in the
 * configuration directory has lines of the policy language that take away and
 * never give (postern.policy(5)):
 *
 *	component smtpd
 *	deny promise sync
 *	deny call sysinfo
 *	deny request mailbox
 *	deny grant dns
 *	request mailbox rate=10/s burst=20 open=10
 *	limit nofile 1000
 *	wall net
 *	never *:dir
 */
#define OVERLAY_MAX 16384 /* bytes */

/*
 * The policy that base becomes under the overlay: never looser than base.
 * Its hash is that of base's text and the overlay's.  base must outlive it;
 * the caller frees it with policy_free().  -1 and "FILE:LINE: what, advice"
 * in err.
 */
int overlay_parse(const char *file, struct str text, const struct policy *base,
    struct policy **out, char *err, size_t err_size) WARN_UNUSED;

/* The overlays of an instance, read and not yet in force. */
struct overlays {
	struct policy **v;
	size_t n;
};

/*
 * Read policy.d of a configuration directory, which need not be there.  Files
 * must belong to root or owner, and nobody else may write to them; owner -1:
 * whose they are is not looked at.  Every fault is a line in err.  -1 when
 * there is one.
 */
int overlays_read(const char *directory, uid_t owner, struct overlays *out,
    struct buf *err) WARN_UNUSED;
void overlays_clear(struct overlays *o);

/*
 * They are in force from now on (policy_find()); they move.  -1, with lines in
 * err, when a `never' line then does not hold.
 */
int overlays_use(struct overlays *o, struct buf *err) WARN_UNUSED;

/* Are they those that are in force? */
bool overlays_in_force(const struct overlays *o);

/*
 * Overlays are walls, and those do not move while the instance runs: are those
 * of the directory still in force?  -1 with a line in err.
 */
int overlays_same(const char *directory, struct buf *err) WARN_UNUSED;

/*
 * One overlay that was read elsewhere and is known to be good: the broker is
 * told of each.  -1 with a sentence in err.
 */
int overlay_take(struct str component, struct str text, char *err,
    size_t err_size) WARN_UNUSED;

#endif
