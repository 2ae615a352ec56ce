/* SPDX-License-Identifier: ISC */
/*
 * How often somebody may do something.
 */
#include "base/allowance.h"

bool
allowance_take(struct allowance *a, double per_second, double burst,
    int64_t now_ms)
{
	a->tokens += (double)(now_ms - a->filled_ms) * per_second / 1000;
	if (a->tokens > burst || a->filled_ms == 0)
		a->tokens = burst;
	a->filled_ms = now_ms;
	if (a->tokens < 1)
		return false;
	a->tokens -= 1;
	return true;
}
