/* SPDX-License-Identifier: ISC */
/*
 * What an administrator asks for, by way of control.
 */
#include <errno.h>
#include <string.h>

#include "qmgr.h"

static void
on_stats(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct qmgr *q = arg;
	struct store_stats st;
	struct queue_numbers a = { .accepted = q->accepted,
		.delivered = q->delivered };
	struct sched_stats ss;

	(void)rec;
	(void)fds;
	store_stats(q->store, &st);
	sched_stats(q->sched, &ss);
	a.active = ss.active[SCHED_INCOMING] + ss.active[SCHED_DEFERRED];
	a.incoming = st.in_hand > a.active ? st.in_hand - a.active : 0;
	a.deferred = st.deferred;
	a.corrupt = st.corrupt;
	chan_answer(ch, QUEUE_NUMBERS, id, &a, NULL);
}

const struct chan_on orders_on[] = {
	{ QUEUE_STATS, on_stats },
	{ 0, NULL },
};

/* The asker has gone. */
void
orders_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)ch;
	(void)instance;
	(void)arg;
}
