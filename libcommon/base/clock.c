/* SPDX-License-Identifier: ISC */
/*
 * The two clocks.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

const char *
clock_delay(int64_t us, char dst[CLOCK_DELAY])
{
	long long cs;

	if (us < 0)
		us = 0;
	if (us >= 9950000) {
		snprintf(dst, CLOCK_DELAY, "%lld",
		    (long long)((us + 500000) / 1000000));
		return dst;
	}
	cs = us >= 995000 ? (us + 50000) / 100000 * 10 : (us + 5000) / 10000;
	if (cs % 100 == 0)
		snprintf(dst, CLOCK_DELAY, "%lld", cs / 100);
	else if (cs % 10 == 0)
		snprintf(dst, CLOCK_DELAY, "%lld.%lld", cs / 100, cs / 10 % 10);
	else
		snprintf(dst, CLOCK_DELAY, "%lld.%02lld", cs / 100, cs % 100);
	return dst;
}
