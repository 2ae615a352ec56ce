/* SPDX-License-Identifier: ISC */
/*
 * DNS_NAME: the name of a client, and whether it leads back to the address.
 * Anybody can give any name to an address of his; only the name's own owner
 * can point it there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/domain.h"
#include "net/netaddr.h"

#include "dns.h"

struct named {
	LIST_ENTRY(named) link;
	struct dns *dns;
	struct chan *ch; /* NULL: the asker has gone */
	uint64_t id;
	struct netaddr addr;
	char *name;
};

static void
finish(struct named *w, enum dns_status status, bool verified)
{
	struct dns_named rec = { .status = (uint8_t)status,
		.verified = verified,
		.name = str_of(w->name) };

	if (w->ch != NULL)
		chan_answer(w->ch, DNS_NAMED, w->id, &rec, NULL);
	LIST_REMOVE(w, link);
	w->dns->nops--;
	free(w->name);
	free(w);
}

static void
on_forward(struct answer *a, void *arg)
{
	struct named *w = arg;

	if (a->status == ANSWER_FAILED) {
		finish(w, DNS_LATER, false);
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		struct netaddr back = a->rr[i].addr;

		vet_unmap(&back);
		if (netaddr_same(&back, &w->addr)) {
			finish(w, DNS_OK, true);
			return;
		}
	}
	finish(w, DNS_OK, false);
}

static void
on_reverse(struct answer *a, void *arg)
{
	struct named *w = arg;

	if (a->status == ANSWER_FAILED) {
		finish(w, DNS_LATER, false);
		return;
	}
	/* Of several names the first that is one. */
	for (size_t i = 0; i < a->n && w->name == NULL; i++)
		if (domain_valid_hostname(a->rr[i].text))
			w->name = str_dup(a->rr[i].text);
	if (w->name == NULL) {
		finish(w, DNS_NOT_FOUND, false);
		return;
	}
	cache_find(&w->dns->cache, str_of(w->name),
	    w->addr.family == 4 ? RR_A : RR_AAAA, on_forward, w);
}

static void
reverse_name(const struct netaddr *a, struct buf *b)
{
	if (a->family == 4) {
		buf_printf(b, "%u.%u.%u.%u.in-addr.arpa", a->ip[3], a->ip[2],
		    a->ip[1], a->ip[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		buf_printf(b, "%x.%x.", a->ip[i] & 0xf, a->ip[i] >> 4);
	buf_puts(b, "ip6.arpa");
}

void
on_name(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct dns_name *q = rec;
	struct dns *d = arg;
	struct named *w = xcalloc(1, sizeof(*w));
	const char *known;
	struct buf b;

	(void)fds;
	w->dns = d;
	w->ch = ch;
	w->id = id;
	w->addr = q->addr;
	vet_unmap(&w->addr);
	LIST_INSERT_HEAD(&d->nameds, w, link);
	known = hostsfile_name(&d->hosts, &w->addr);
	if (d->nops++ >= OPS_MAX) {
		finish(w, DNS_LATER, false);
	} else if (w->addr.family != 4 && w->addr.family != 6) {
		finish(w, DNS_BAD, false);
	} else if (known != NULL) {
		w->name = xstrdup(known);
		finish(w, DNS_OK, true);
	} else if (d->settings.no_dns) {
		finish(w, DNS_NOT_FOUND, false);
	} else {
		buf_init(&b, 128);
		reverse_name(&w->addr, &b);
		cache_find(&d->cache, buf_get(&b), RR_PTR, on_reverse, w);
		buf_clear(&b);
	}
}

void
named_forget(struct dns *d, const struct chan *ch)
{
	struct named *w;

	LIST_FOREACH(w, &d->nameds, link)
		if (w->ch == ch)
			w->ch = NULL;
}
