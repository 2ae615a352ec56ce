/* SPDX-License-Identifier: ISC */
#include "sandbox/policy_draft.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *
draft_keep(struct draft *d, struct str s)
{
	d->strings =
	    xreallocarray(d->strings, d->nstrings + 1, sizeof(*d->strings));
	return d->strings[d->nstrings++] = str_dup(s);
}

void *
draft_push(const void *array_of, size_t *n, size_t size)
{
	void **array = (void **)(uintptr_t)array_of;
	char *slot;

	*array = xreallocarray(*array, *n + 1, size);
	slot = (char *)*array + *n * size;
	memset(slot, 0, size);
	(*n)++;
	return slot;
}

void
policy_free(struct policy **pp)
{
	struct draft *d = (struct draft *)*pp;

	*pp = NULL;
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->nstrings; i++)
		free(d->strings[i]);
	free(d->strings);
	free((void *)(uintptr_t)d->p.slots);
	free((void *)(uintptr_t)d->p.grants);
	free((void *)(uintptr_t)d->p.promises);
	free((void *)(uintptr_t)d->p.calls);
	free((void *)(uintptr_t)d->p.requests);
	free((void *)(uintptr_t)d->p.limits);
	free((void *)(uintptr_t)d->p.nevers);
	free((void *)(uintptr_t)d->p.reads);
	free((void *)(uintptr_t)d->p.caps);
	free((void *)(uintptr_t)d->p.denies);
	free(d);
}
