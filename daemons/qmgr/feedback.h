/* SPDX-License-Identifier: ISC */
#ifndef QMGR_FEEDBACK_H
#define QMGR_FEEDBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * How many deliveries to one destination may be under way at once: a window
 * that a delivery widens, and a connection or handshake failure narrows.
 */

/* default_destination_concurrency_positive_feedback and its kind. */
struct feedback {
	double top; /* 0 to 1 */
	enum feedback_per {
		FEEDBACK_FIXED,	      /* 0.25, 1 / 4 */
		FEEDBACK_CONCURRENCY, /* 1 / concurrency */
		FEEDBACK_SQRT	      /* 1 / sqrt_concurrency */
	} per;
};

/* Parse the text of such a parameter.  -1 when it is none. */
int feedback_parse(struct str text, struct feedback *out);

/* What one event is worth at this concurrency. */
double feedback_value(const struct feedback *f, uint32_t concurrency);

struct window {
	uint32_t size;	/* deliveries at once, 1 at least */
	double success; /* grows to 1, then the window is one wider */
	double failure; /* falls below 0, then it is one narrower */
	double cohorts; /* failures in a row, in units of the window */
};

void window_init(struct window *w, uint32_t size);

/*
 * The destination answered.  used is how many deliveries were under way when
 * the last one was begun, initial the configured first size: a window is not
 * widened that is not being used, because then a failure would take long to
 * have an effect.  limit 0 is none.
 */
void window_success(struct window *w, const struct feedback *positive,
    uint32_t used, uint32_t initial, uint32_t limit);

/*
 * The destination did not answer.  A success is counted at the end of its
 * cycle and a failure at the beginning, so that too much is corrected soon.
 * Returns true when the destination is to be considered dead: cohort_limit
 * windows full of failures without a success in between (0: never).
 */
bool window_failure(struct window *w, const struct feedback *negative,
    double cohort_limit);

#endif
