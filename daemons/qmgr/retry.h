/* SPDX-License-Identifier: ISC */
#ifndef QMGR_RETRY_H
#define QMGR_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a message is tried again, and when no more.  Times are wall-clock
 * microseconds, because they outlive a restart.  A clock that was set back
 * makes a message young, not broken.
 */
struct retry {
	int64_t min_ms, max_ms; /* the back-off */
	int64_t lifetime_ms;	/* of this kind of message; 0: one try */
};

/*
 * The next attempt: as far away as the message is old, within the back-off;
 * but the last one when the lifetime ends, to give up on time, unless that
 * is nearer than the minimal back-off.
 */
int64_t retry_next(const struct retry *r, int64_t arrival_us, int64_t now_us);

/* Its time is up: no attempt after this one. */
bool retry_expired(const struct retry *r, int64_t arrival_us, int64_t now_us);

/* It is this old or older. */
bool retry_older(int64_t age_ms, int64_t arrival_us, int64_t now_us);

#endif
