/* SPDX-License-Identifier: ISC */
#ifndef QMGR_TIMERS_H
#define QMGR_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Deadlines by the thousand, soonest first: a binary heap of timers that are
 * embedded in what they wake.  Setting and clearing cost O(log n).
 */
struct timer {
	int64_t at_ms;
	size_t slot; /* 1 + place in the heap; 0: not set */
};

struct timers {
	struct timer **v;
	size_t n, cap;
};

void timers_clear(struct timers *ts);

/* Set, or move. */
void timer_set(struct timers *ts, struct timer *t, int64_t at_ms);

/* Nothing happens when it is not set. */
void timer_clear(struct timers *ts, struct timer *t);

static inline bool
timer_is_set(const struct timer *t)
{
	return t->slot != 0;
}

/* The soonest, or NULL. */
static inline struct timer *
timers_first(const struct timers *ts)
{
	return ts->n == 0 ? NULL : ts->v[0];
}

#endif
