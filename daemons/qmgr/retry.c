/* SPDX-License-Identifier: ISC */
/*
 * When a message is tried again.
 */
#include "retry.h"

#define US_PER_MS 1000

static int64_t
retry_age(int64_t arrival_us, int64_t now_us)
{
	return now_us > arrival_us ? now_us - arrival_us : 0;
}

int64_t
retry_next(const struct retry *r, int64_t arrival_us, int64_t now_us)
{
	int64_t wait, left, age;

	age = wait = retry_age(arrival_us, now_us);
	if (wait > r->max_ms * US_PER_MS)
		wait = r->max_ms * US_PER_MS;
	if (wait < r->min_ms * US_PER_MS)
		wait = r->min_ms * US_PER_MS;
	left = r->lifetime_ms * US_PER_MS - age;
	if (left > 0 && left < r->min_ms * US_PER_MS)
		left = r->min_ms * US_PER_MS;
	if (left > 0 && left < wait)
		wait = left;
	return now_us + wait;
}

bool
retry_expired(const struct retry *r, int64_t arrival_us, int64_t now_us)
{
	return retry_older(r->lifetime_ms, arrival_us, now_us);
}

bool
retry_older(int64_t age_ms, int64_t arrival_us, int64_t now_us)
{
	return retry_age(arrival_us, now_us) >= age_ms * US_PER_MS;
}
