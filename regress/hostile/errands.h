/* SPDX-License-Identifier: ISC */
#ifndef HOSTILE_ERRANDS_H
#define HOSTILE_ERRANDS_H

#include "stage.h"

/*
 * Honest work for a victim whose helpers lie: it is asked for what it is for,
 * so that it asks others, who answer with nonsense that is formed well, with
 * half of the truth, with the wrong type of answer, or not at all.
 */
#define ERRANDS_EACH 400

/* The n-th errand; false when this component has none. */
bool errand(struct victim *v, unsigned n);

/*
 * Half of the truth: encode a record of this type that a victim is likely to
 * believe.  Its length, or 0 where there is none of this type.
 */
size_t half_truth(const struct edge *e, unsigned type, uint64_t id,
    uint64_t chance, uint8_t *p, size_t size);

#endif
