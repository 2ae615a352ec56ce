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
struct alarm {
	int64_t at_ms;
	size_t slot; /* 1 + place in the heap; 0: not set */
};

struct timers {
	struct alarm **v;
	size_t n, cap;
};

void timers_clear(struct timers *ts);

/* Set, or move. */
void alarm_set(struct timers *ts, struct alarm *t, int64_t at_ms);

/* Nothing happens when it is not set. */
void alarm_clear(struct timers *ts, struct alarm *t);

static inline bool
alarm_is_set(const struct alarm *t)
{
	return t->slot != 0;
}

/* The soonest, or NULL. */
static inline struct alarm *
timers_first(const struct timers *ts)
{
	return ts->n == 0 ? NULL : ts->v[0];
}

#endif
