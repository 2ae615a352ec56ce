/* SPDX-License-Identifier: ISC */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/*
 * Two clocks.  Deadlines are in monotonic milliseconds; what goes into a
 * header, a log or a file is wall time in microseconds since the epoch.
 */
int64_t clock_ms(void);
int64_t clock_us(void); /* the same, finer: to measure what is quick */
int64_t clock_wall_us(void);

/*
 * Seconds as Postfix's log has delays: two digits that mean something, at most
 * two behind the point.  0.05, 1.2, 12, 0.  The result is dst.
 */
#define CLOCK_DELAY 24
const char *clock_delay(int64_t us, char dst[CLOCK_DELAY]);

#endif
