/* SPDX-License-Identifier: ISC */
/*
 * A heap of deadlines.
 */
#include "timers.h"

#include <stdlib.h>

#include "base/mem.h"

static void
timers_put(struct timers *ts, size_t i, struct alarm *t)
{
	ts->v[i] = t;
	t->slot = i + 1;
}

/* Find the place of t, beginning at i, which is free. */
static void
timers_sift(struct timers *ts, size_t i, struct alarm *t)
{
	size_t kid;

	while (i > 0 && ts->v[(i - 1) / 2]->at_ms > t->at_ms) {
		timers_put(ts, i, ts->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	while ((kid = 2 * i + 1) < ts->n) {
		if (kid + 1 < ts->n &&
		    ts->v[kid + 1]->at_ms < ts->v[kid]->at_ms)
			kid++;
		if (ts->v[kid]->at_ms >= t->at_ms)
			break;
		timers_put(ts, i, ts->v[kid]);
		i = kid;
	}
	timers_put(ts, i, t);
}

void
alarm_set(struct timers *ts, struct alarm *t, int64_t at_ms)
{
	t->at_ms = at_ms;
	if (!alarm_is_set(t)) {
		if (ts->n == ts->cap) {
			ts->cap = ts->cap == 0 ? 64 : 2 * ts->cap;
			ts->v = xreallocarray(ts->v, ts->cap, sizeof(*ts->v));
		}
		timers_put(ts, ts->n++, t);
	}
	timers_sift(ts, t->slot - 1, t);
}

void
alarm_clear(struct timers *ts, struct alarm *t)
{
	struct alarm *last;
	size_t i;

	if (!alarm_is_set(t))
		return;
	i = t->slot - 1;
	t->slot = 0;
	last = ts->v[--ts->n];
	if (last != t)
		timers_sift(ts, i, last);
}

void
timers_clear(struct timers *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		ts->v[i]->slot = 0;
	free(ts->v);
	*ts = (struct timers){ 0 };
}
