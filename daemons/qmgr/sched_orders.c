/* SPDX-License-Identifier: ISC */
/*
 * What administrators ask of destinations, and a look at them.
 */
#include "sched_parts.h"

static void
sched_revive(struct sched *s, const struct str *nexthop)
{
	struct destination *d;

	s->keep = true; /* the chains must not change under our feet */
	for (size_t i = 0; i < s->hash_size; i++) {
		for (d = s->hash[i]; d != NULL; d = d->hash_next) {
			if (nexthop != NULL &&
			    !str_caseeq(dest_nexthop(d), *nexthop))
				continue;
			if (nexthop != NULL)
				transport_up(s, d->transport);
			dest_revive(s, d);
		}
	}
	s->keep = false;
	dest_trim(s);
}

void
sched_flush(struct sched *s)
{
	struct sched_transport *t;

	TAILQ_FOREACH(t, &s->transports, link)
		transport_up(s, t);
	sched_revive(s, NULL);
}

void
sched_flush_site(struct sched *s, struct str nexthop)
{
	sched_revive(s, &nexthop);
}
