/* SPDX-License-Identifier: ISC */
#ifndef BASE_ALLOWANCE_H
#define BASE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How often somebody may do something: so many at once (burst), and so many a
 * second in the long run.  All zero it is full.
 */
struct allowance {
	double tokens;
	int64_t filled_ms;
};

/* Take one, if there is one left.  now_ms is of a clock that never is at 0. */
bool allowance_take(struct allowance *a, double per_second, double burst,
    int64_t now_ms);

#endif
