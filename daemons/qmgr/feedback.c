/* SPDX-License-Identifier: ISC */
/*
 * The concurrency window of a destination.
 */
#include "feedback.h"

#include <math.h>
#include <stdlib.h>

/* Sums of 1/N fall short of 1 by rounding errors; this is far above them. */
#define EPSILON 1e-9

static int
feedback_number(struct str text, double *out)
{
	char tmp[32], *end;

	text = str_trim(text);
	if (text.n == 0 || str_copy(text, tmp, sizeof(tmp)) == -1)
		return -1;
	/* strtod() knows more kinds of numbers than an administrator. */
	for (size_t i = 0; i < text.n; i++)
		if (!ascii_isdigit(tmp[i]) && tmp[i] != '.')
			return -1;
	*out = strtod(tmp, &end);
	return *end == '\0' ? 0 : -1;
}

int
feedback_parse(struct str text, struct feedback *out)
{
	struct feedback f = { .per = FEEDBACK_FIXED };
	ptrdiff_t slash = str_chr(text, '/');
	struct str below;
	double d;

	if (slash == -1) {
		if (feedback_number(text, &f.top) == -1)
			return -1;
	} else {
		if (feedback_number(str_sub(text, 0, (size_t)slash), &f.top) ==
		    -1)
			return -1;
		below = str_trim(str_sub(text, (size_t)slash + 1, text.n));
		if (str_eq(below, STR("concurrency")))
			f.per = FEEDBACK_CONCURRENCY;
		else if (str_eq(below, STR("sqrt_concurrency")))
			f.per = FEEDBACK_SQRT;
		else if (feedback_number(below, &d) == -1 || d < 1)
			return -1;
		else
			f.top /= d;
	}
	if (f.top > 1)
		return -1;
	*out = f;
	return 0;
}

double
feedback_value(const struct feedback *f, uint32_t concurrency)
{
	switch (f->per) {
	case FEEDBACK_CONCURRENCY:
		return f->top / concurrency;
	case FEEDBACK_SQRT:
		return f->top / sqrt(concurrency);
	case FEEDBACK_FIXED:
		break;
	}
	return f->top;
}

void
window_init(struct window *w, uint32_t size)
{
	*w = (struct window){ .size = size == 0 ? 1 : size };
}

void
window_success(struct window *w, const struct feedback *positive, uint32_t used,
    uint32_t initial, uint32_t limit)
{
	w->cohorts = 0;
	if (limit != 0 && w->size >= limit)
		return;
	if (w->size >= used + initial)
		return;
	w->success += feedback_value(positive, w->size);
	if (w->success < 1 - EPSILON)
		return;
	w->success = w->success > 1 ? w->success - 1 : 0;
	w->failure = 0;
	w->size++;
}

bool
window_failure(struct window *w, const struct feedback *negative,
    double cohort_limit)
{
	w->cohorts += 1.0 / w->size;
	if (cohort_limit > 0 && w->cohorts >= cohort_limit - EPSILON)
		return true;
	w->failure -= feedback_value(negative, w->size);
	if (w->failure >= -EPSILON)
		return false;
	w->failure += 1;
	w->success = 0;
	if (w->size > 1)
		w->size--;
	return false;
}
