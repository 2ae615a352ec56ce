/* SPDX-License-Identifier: ISC */
/*
 * Log lines in the order of their times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "logd.h"

void
sorter_init(struct sorter *so)
{
	TAILQ_INIT(&so->lines);
	so->bytes = 0;
}

void
sorter_add(struct sorter *so, int64_t when_us, struct str line)
{
	struct sorter_line *l = xmalloc(sizeof(*l) + line.n), *at;

	l->when_us = when_us;
	l->len = line.n;
	memcpy(l->text, line.p, line.n);
	/* Most lines are the newest: look from the end. */
	TAILQ_FOREACH_REVERSE(at, &so->lines, sorter_list, link)
		if (at->when_us <= when_us)
			break;
	if (at == NULL)
		TAILQ_INSERT_HEAD(&so->lines, l, link);
	else
		TAILQ_INSERT_AFTER(&so->lines, at, l, link);
	so->bytes += line.n;
}

void
sorter_take(struct sorter *so, int64_t until_us,
    void (*fn)(struct str line, void *arg), void *arg)
{
	struct sorter_line *l;

	while ((l = TAILQ_FIRST(&so->lines)) != NULL &&
	    l->when_us <= until_us) {
		TAILQ_REMOVE(&so->lines, l, link);
		so->bytes -= l->len;
		fn(str_make(l->text, l->len), arg);
		free(l);
	}
}
