/* SPDX-License-Identifier: ISC */
/*
 * DNS_ROUTE: from a next hop to the addresses of its mail servers.
 *
 * What comes out of the DNS is a stranger's word.  So every address is vetted
 * before it gets a ticket (vet.c), and a way that leads back to ourselves is
 * cut off there (RFC 5321 section 5.1).
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "edge/hosts.h"
#include "mail/domain.h"
#include "net/netaddr.h"

#include "dns.h"

#define TARGETS_MAX 50 /* MX hosts of one domain that are looked at */
#define HOPS_MAX 16    /* next hops in a list */

/* A mail server of the current hop. */
struct target {
	struct route *route;
	char *name;
	uint16_t pref;
	struct answer *a, *aaaa; /* NULL: not asked */
};

struct route {
	LIST_ENTRY(route) link;
	struct dns *dns;
	struct chan *ch; /* NULL: the asker has gone */
	uint64_t id;
	char *nexthop;
	struct str rest; /* of nexthop */
	struct hop hop;
	uint16_t port;
	uint8_t flags;
	bool configured; /* may lead to private networks */
	bool mx;	 /* the targets are MX hosts */
	unsigned hops;
	struct target target[TARGETS_MAX];
	size_t ntargets;
	unsigned waiting; /* answers on their way, and who looks at them */
	/* What there is so far. */
	struct buf hosts;
	size_t nhosts;
	uint8_t out_flags;
	enum dns_status status; /* the best reason for no hosts */
	char text[512];
};

static void next_hop(struct route *r);

/* --- the end -------------------------------------------------------------- */

static void
clear_targets(struct route *r)
{
	for (size_t i = 0; i < r->ntargets; i++) {
		free(r->target[i].name);
		answer_unref(&r->target[i].a);
		answer_unref(&r->target[i].aaaa);
	}
	r->ntargets = 0;
}

static void
finish(struct route *r)
{
	struct dns_hosts rec = { .status = (uint8_t)r->status,
		.flags = r->out_flags,
		.text = str_of(r->text),
		.hosts = buf_get(&r->hosts) };

	if (r->nhosts > 0) {
		rec.status = DNS_OK;
		rec.text = STR("");
	}
	if (r->ch != NULL)
		chan_answer(r->ch, DNS_HOSTS, r->id, &rec, NULL);
	clear_targets(r);
	LIST_REMOVE(r, link);
	r->dns->nops--;
	buf_clear(&r->hosts);
	free(r->nexthop);
	free(r);
}

/*
 * This hop leads nowhere.  Of several hops the last reason counts, but one
 * that may be gone later stays.
 */
static void
no_way(struct route *r, enum dns_status status, const char *text)
{
	if (r->status != DNS_LATER) {
		r->status = status;
		strlcpy(r->text, text, sizeof(r->text));
	}
	next_hop(r);
}

static void
not_resolved(struct route *r, const char *name, const char *type,
    enum answer_status why)
{
	const char *text = "Host not found";
	char all[512];

	if (why == ANSWER_FAILED)
		text = "Host not found, try again";
	else if (why == ANSWER_EMPTY)
		text = "Host found but no data record of requested type";
	snprintf(all, sizeof(all),
	    "Host or domain name not found. Name "
	    "service error for name=%s type=%s: %s",
	    name, type, text);
	no_way(r, why == ANSWER_FAILED ? DNS_LATER : DNS_NOT_FOUND, all);
}

/* --- addresses ------------------------------------------------------------ */

static bool
may_go(const struct route *r, const struct netaddr *a)
{
	switch (vet_addr(a)) {
	case VET_PUBLIC:
		return true;
	case VET_PRIVATE:
		return r->configured ||
		    netlist_has(&r->dns->settings.private, a);
	case VET_NEVER:
		break;
	}
	return false;
}

static void
put_host(struct route *r, struct str name, uint16_t pref,
    const struct netaddr *a)
{
	struct dns_host h = { .name = name,
		.addr = *a,
		.pref = pref,
		.item = (uint8_t)(r->hops - 1),
		.expires = ticket_expiry() };
	size_t before = r->hosts.len;

	if (r->nhosts == HOSTS_MAX)
		return;
	h.ticket = ticket_address(&r->dns->address_key, a, h.expires);
	if (hosts_put(&r->hosts, &h) == 0)
		r->nhosts++;
	else if (r->hosts.len > before)
		buf_trim(&r->hosts, r->hosts.len - before);
}

/* Is a mail server there that would give us the mail back? */
static bool
is_self(const struct route *r, const struct netaddr *a)
{
	/* Who names an address and an unusual port knows what he does. */
	if (r->hop.bracket && a->port != 25)
		return false;
	return self_is_addr(&r->dns->settings.self, a);
}

static bool
leads_to_self(const struct route *r, const struct target *t)
{
	const struct answer *both[2] = { t->a, t->aaaa };

	if (r->mx && self_is_port(&r->dns->settings.self, r->hop.port) &&
	    self_is_name(&r->dns->settings.self, str_of(t->name)))
		return true;
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; both[k] != NULL && i < both[k]->n; i++) {
			struct netaddr a = both[k]->rr[i].addr;

			vet_unmap(&a);
			a.port = r->hop.port;
			if (is_self(r, &a))
				return true;
		}
	}
	return false;
}

/* The addresses of a server in random order; those we may not go to apart. */
static size_t
put_target(struct route *r, const struct target *t, size_t *forbidden)
{
	const struct answer *both[2] = { t->a, t->aaaa };
	struct netaddr v[HOSTS_MAX], tmp;
	struct str name = str_of(t->name);
	size_t n = 0;

	for (size_t k = 0; k < 2; k++) {
		if ((r->flags & DNS_CANONICAL) && both[k] != NULL &&
		    both[k]->canonical != NULL &&
		    domain_valid_hostname(str_of(both[k]->canonical)))
			name = str_of(both[k]->canonical);
		for (size_t i = 0;
		     both[k] != NULL && i < both[k]->n && n < HOSTS_MAX; i++) {
			v[n] = both[k]->rr[i].addr;
			vet_unmap(&v[n]);
			v[n].port = r->hop.port;
			if (may_go(r, &v[n]))
				n++;
			else
				(*forbidden)++;
		}
	}
	for (size_t i = n; i > 1; i--) {
		size_t j = random_below((uint32_t)i);

		tmp = v[i - 1];
		v[i - 1] = v[j];
		v[j] = tmp;
	}
	for (size_t i = 0; i < n; i++)
		put_host(r, name, t->pref, &v[i]);
	return n;
}

static const char *
addr_type(const struct target *t)
{
	return t->a == NULL && t->aaaa != NULL ? "AAAA" : "A";
}

/* Why the first server that has none has no address. */
static void
no_address(struct route *r)
{
	const struct target *worst = &r->target[0];
	enum answer_status why = ANSWER_NO_NAME;

	for (size_t i = 0; i < r->ntargets; i++) {
		const struct target *t = &r->target[i];

		if ((t->a != NULL && t->a->status == ANSWER_FAILED) ||
		    (t->aaaa != NULL && t->aaaa->status == ANSWER_FAILED)) {
			worst = t;
			why = ANSWER_FAILED;
			break;
		}
	}
	if (why != ANSWER_FAILED &&
	    ((worst->a != NULL && worst->a->status == ANSWER_EMPTY) ||
		(worst->aaaa != NULL && worst->aaaa->status == ANSWER_EMPTY)))
		why = ANSWER_EMPTY;
	if (r->mx)
		r->out_flags |= DNS_NO_ADDRESS;
	not_resolved(r, worst->name, addr_type(worst), why);
}

static void
forbidden_way(struct route *r)
{
	char text[512];

	snprintf(text, sizeof(text),
	    STR_FMT " has no address but such as "
		    "mail may not be sent to (loopback, private or reserved)",
	    STR_ARG(r->hop.host));
	no_way(r, DNS_FORBIDDEN, text);
}

/* We are a backup, and the better servers have no address just now. */
static void
no_primary(struct route *r)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "unable to find primary relay for " STR_FMT, STR_ARG(r->hop.host));
	no_way(r, DNS_LATER, text);
}

static void
loops_back(struct route *r)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "mail for " STR_FMT " loops back to myself", STR_ARG(r->hop.host));
	no_way(r, DNS_LOOP, text);
}

/*
 * All answers are in.  A server that is us ends the list: it and those that
 * are no better are dropped.
 */
static void
hop_done(struct route *r)
{
	uint32_t self_pref = UINT32_MAX;
	size_t n = 0, forbidden = 0;

	for (size_t i = 0; i < r->ntargets; i++)
		if (r->target[i].pref < self_pref &&
		    leads_to_self(r, &r->target[i]))
			self_pref = r->target[i].pref;
	for (size_t i = 0; i < r->ntargets; i++)
		if (r->target[i].pref < self_pref)
			n += put_target(r, &r->target[i], &forbidden);
	if (self_pref != UINT32_MAX)
		r->out_flags |= DNS_CUT;
	if (n > 0)
		next_hop(r);
	else if (forbidden > 0)
		forbidden_way(r);
	else if (self_pref != UINT32_MAX && r->target[0].pref < self_pref)
		no_primary(r);
	else if (self_pref != UINT32_MAX)
		loops_back(r);
	else
		no_address(r);
}

/* --- questions ------------------------------------------------------------ */

static void
release(struct route *r)
{
	if (--r->waiting == 0)
		hop_done(r);
}

static void
on_a(struct answer *a, void *arg)
{
	struct target *t = arg;

	t->a = answer_ref(a);
	release(t->route);
}

static void
on_aaaa(struct answer *a, void *arg)
{
	struct target *t = arg;

	t->aaaa = answer_ref(a);
	release(t->route);
}

/* What the hosts file says, as if it were an answer. */
static struct answer *
from_hosts(const struct hostsfile *h, const char *name, uint8_t family)
{
	struct answer *a = answer_new(ANSWER_OK, 0);

	a->rr = xcalloc(HOSTS_MAX, sizeof(*a->rr));
	for (size_t i = 0; i < h->n && a->n < HOSTS_MAX; i++)
		if (h->v[i].addr.family == family &&
		    strcasecmp(h->v[i].name, name) == 0)
			a->rr[a->n++].addr = h->v[i].addr;
	if (a->n == 0)
		a->status = ANSWER_NO_NAME;
	return a;
}

static void
find_addr(struct target *t, uint16_t type)
{
	struct route *r = t->route;
	query_fn *fn = type == RR_A ? on_a : on_aaaa;
	struct answer *a;
	bool done;

	r->waiting++;
	if (r->flags & (DNS_SYSTEM | DNS_SYSTEM_ONLY)) {
		a = from_hosts(&r->dns->hosts, t->name, type == RR_A ? 4 : 6);
		done = a->n > 0 || (r->flags & DNS_SYSTEM_ONLY) != 0;
		if (done)
			fn(a, t);
		answer_unref(&a);
		if (done)
			return;
	}
	cache_find(&r->dns->cache, str_of(t->name), type, fn, t);
}

static void
find_addrs(struct route *r)
{
	const struct settings *s = &r->dns->settings;
	bool v4 = s->ipv4 && !(r->flags & DNS_ONLY_IPV6);
	bool v6 = s->ipv6 && !(r->flags & DNS_ONLY_IPV4);

	r->waiting = 1; /* us, until all questions are asked */
	for (size_t i = 0; i < r->ntargets; i++) {
		if (v4)
			find_addr(&r->target[i], RR_A);
		if (v6)
			find_addr(&r->target[i], RR_AAAA);
	}
	release(r);
}

static void
add_target(struct route *r, struct str name, uint16_t pref)
{
	struct target *t;

	if (r->ntargets == TARGETS_MAX)
		return;
	t = &r->target[r->ntargets++];
	*t = (struct target){ .route = r, .name = str_dup(name), .pref = pref };
}

/* MX hosts in order, those of the same preference in random order. */
static void
take_mx(struct route *r, const struct answer *a)
{
	struct rr v[ANSWER_RRS_MAX], tmp;
	size_t n = a->n < ANSWER_RRS_MAX ? a->n : ANSWER_RRS_MAX;

	memcpy(v, a->rr, n * sizeof(v[0]));
	for (size_t i = n; i > 1; i--) {
		size_t j = random_below((uint32_t)i);

		tmp = v[i - 1];
		v[i - 1] = v[j];
		v[j] = tmp;
	}
	/* Insertion keeps the random order of equals. */
	for (size_t i = 1; i < n; i++) {
		size_t j;

		tmp = v[i];
		for (j = i; j > 0 && tmp.pref < v[j - 1].pref; j--)
			v[j] = v[j - 1];
		v[j] = tmp;
	}
	for (size_t i = 0; i < n; i++)
		if (cache_name_ok(v[i].text))
			add_target(r, v[i].text, v[i].pref);
}

static void
null_mx(struct route *r)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "Domain " STR_FMT " does not accept mail (nullMX)",
	    STR_ARG(r->hop.host));
	no_way(r, DNS_NULL_MX, text);
}

static void
on_mx(struct answer *a, void *arg)
{
	struct route *r = arg;
	char name[256];

	str_copy(r->hop.host, name, sizeof(name));
	if (a->status == ANSWER_EMPTY ||
	    (a->status == ANSWER_FAILED && r->dns->settings.ignore_mx_error)) {
		add_target(r, r->hop.host, 0);
		find_addrs(r);
	} else if (a->status != ANSWER_OK) {
		not_resolved(r, name, "MX", a->status);
	} else if (a->n == 1 && str_eq(a->rr[0].text, STR("."))) {
		null_mx(r);
	} else {
		r->mx = true;
		take_mx(r, a);
		if (r->ntargets > 0)
			find_addrs(r);
		else
			not_resolved(r, name, "MX", ANSWER_EMPTY);
	}
}

/* --- hops ----------------------------------------------------------------- */

static void
literal(struct route *r)
{
	const struct settings *s = &r->dns->settings;
	const struct netaddr *a = &r->hop.addr;
	char text[NETADDR_TEXT];

	if (is_self(r, a))
		loops_back(r);
	else if (!may_go(r, a))
		forbidden_way(r);
	else if (a->family == 4 ? !s->ipv4 : !s->ipv6)
		not_resolved(r, netaddr_text(a, text),
		    a->family == 4 ? "A" : "AAAA", ANSWER_EMPTY);
	else {
		put_host(r, str_of(netaddr_text(a, text)), 0, a);
		next_hop(r);
	}
}

static void
one_hop(struct route *r)
{
	if (r->hop.addr.family != 0) {
		literal(r);
	} else if (r->hop.bracket ||
	    (r->flags & (DNS_NO_MX | DNS_SYSTEM_ONLY)) != 0) {
		r->hop.bracket = true;
		add_target(r, r->hop.host, 0);
		find_addrs(r);
	} else {
		cache_find(&r->dns->cache, r->hop.host, RR_MX, on_mx, r);
	}
}

static void
next_hop(struct route *r)
{
	clear_targets(r);
	r->mx = false;
	if (++r->hops > HOPS_MAX) {
		finish(r);
		return;
	}
	switch (hop_next(&r->rest, r->port, &r->hop)) {
	case 1:
		one_hop(r);
		return;
	case 0:
		finish(r);
		return;
	default:
		no_way(r, DNS_BAD, "next hop is neither a host nor an address");
		return;
	}
}

/* smtp cannot sign a fallback relay, but we can read of it ourselves. */
static bool
is_fallback(const struct dns *d, struct str nexthop)
{
	for (size_t i = 0; i < d->settings.fallback.n; i++)
		if (str_eq(d->settings.fallback.v[i].full, nexthop))
			return true;
	return false;
}

void
on_route(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct dns_route *q = rec;
	struct dns *d = arg;
	struct route *r = xcalloc(1, sizeof(*r));

	(void)fds;
	r->dns = d;
	r->ch = ch;
	r->id = id;
	r->nexthop = str_dup(q->nexthop);
	r->rest = str_make(r->nexthop, q->nexthop.n);
	r->port = q->port;
	r->flags = q->flags | (d->settings.no_dns ? DNS_SYSTEM_ONLY : 0);
	r->configured = is_fallback(d, q->nexthop) ||
	    ticket_route_ok(&d->route_key, q->nexthop, q->route_ticket);
	r->status = DNS_BAD;
	strlcpy(r->text, "no next hop", sizeof(r->text));
	buf_init(&r->hosts, DNS_HOSTS_MAX);
	LIST_INSERT_HEAD(&d->routes, r, link);
	if (d->nops++ >= OPS_MAX || !d->address_key.have) {
		r->status = DNS_LATER;
		strlcpy(r->text, "the resolver is busy", sizeof(r->text));
		finish(r);
		return;
	}
	next_hop(r);
}

void
route_forget(struct dns *d, const struct chan *ch)
{
	struct route *r;

	LIST_FOREACH(r, &d->routes, link)
		if (r->ch == ch)
			r->ch = NULL;
}
