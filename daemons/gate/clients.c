/* SPDX-License-Identifier: ISC */
/*
 * Connections per client.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/netaddr.h"

#include "gate.h"

void
clients_init(struct clients *cs)
{
	*cs = (struct clients){ .n = 0 };
	for (size_t i = 0; i < CLIENT_BUCKETS; i++)
		LIST_INIT(&cs->bucket[i]);
	/* Strangers choose addresses, not buckets. */
	arc4random_buf(cs->secret, sizeof(cs->secret));
}

static void
client_free(struct clients *cs, struct client *cl)
{
	LIST_REMOVE(cl, link);
	cs->n--;
	free(cl);
}

void
clients_clear(struct clients *cs)
{
	struct client *cl;

	for (size_t i = 0; i < CLIENT_BUCKETS; i++)
		while ((cl = LIST_FIRST(&cs->bucket[i])) != NULL)
			client_free(cs, cl);
	cs->idle = 0;
}

static struct client_list *
bucket_of(struct clients *cs, const struct netaddr *net)
{
	uint8_t key[17];

	key[0] = net->family;
	memcpy(key + 1, net->ip, 16);
	return &cs->bucket[siphash(cs->secret, key, sizeof(key)) %
	    CLIENT_BUCKETS];
}

struct client *
clients_enter(struct clients *cs, const struct netaddr *net)
{
	struct client_list *b = bucket_of(cs, net);
	struct client *cl;

	LIST_FOREACH(cl, b, link)
		if (netaddr_same(&cl->net, net))
			break;
	if (cl == NULL) {
		cl = xcalloc(1, sizeof(*cl));
		cl->net = *net;
		LIST_INSERT_HEAD(b, cl, link);
		cs->n++;
	} else if (cl->count == 0) {
		cs->idle--;
	}
	cl->count++;
	return cl;
}

/* Drop those of this bucket that are neither here nor in a time unit. */
static void
tidy(struct clients *cs, struct client_list *b, int64_t now)
{
	struct client *cl, *next;

	for (cl = LIST_FIRST(b); cl != NULL; cl = next) {
		next = LIST_NEXT(cl, link);
		if (cl->count > 0)
			continue;
		if (cl->rate_until > now && cs->idle <= CLIENTS_IDLE_MAX)
			continue;
		cs->idle--;
		client_free(cs, cl);
	}
}

void
clients_leave(struct clients *cs, struct client **clp, int64_t now)
{
	struct client *cl = *clp;

	*clp = NULL;
	if (cl == NULL || --cl->count > 0)
		return;
	cs->idle++;
	tidy(cs, bucket_of(cs, &cl->net), now);
}

unsigned
clients_rate(struct client *cl, int64_t now, int64_t unit_ms)
{
	if (cl->rate_until <= now) {
		cl->rate_until = now + unit_ms;
		cl->rate = 0;
	}
	return ++cl->rate;
}
