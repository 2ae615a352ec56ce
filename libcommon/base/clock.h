/* SPDX-License-Identifier: ISC */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/*
 * Two clocks.  Deadlines are in monotonic milliseconds; what goes into a
 * header, a log or a file is wall time in microseconds since the epoch.
 */
int64_t clock_ms(void);
int64_t clock_wall_us(void);

#endif
