/* SPDX-License-Identifier: ISC */
/*
 * The component as a whole, and what its configuration says.
 */
#include "log/log.h"

#include "dns.h"

void
dns_init(struct dns *d, struct loop *l, resolver_want_fn *want, void *arg)
{
	*d = (struct dns){ .loop = l };
	resolver_init(&d->resolver, l, want, arg);
	cache_init(&d->cache, l, &d->resolver);
	LIST_INIT(&d->routes);
	LIST_INIT(&d->nameds);
	LIST_INIT(&d->recordss);
	d->settings.ipv4 = d->settings.ipv6 = true;
}

void
dns_clear(struct dns *d)
{
	cache_clear(&d->cache);
	resolver_clear(&d->resolver);
	hostsfile_clear(&d->hosts);
	netlist_clear(&d->settings.private);
	self_clear(&d->settings.self);
}

void
dns_config(struct dns *d, const struct conf *c)
{
	struct settings *s = &d->settings;
	bool all = conf_has(c, P_INET_PROTOCOLS, "all");

	netlist_clear(&s->private);
	self_clear(&s->self);
	s->ipv4 = all || conf_has(c, P_INET_PROTOCOLS, "ipv4");
	s->ipv6 = all || conf_has(c, P_INET_PROTOCOLS, "ipv6");
	s->ignore_mx_error = conf_bool(c, P_IGNORE_MX_LOOKUP_ERROR);
	s->no_dns = conf_bool(c, P_DISABLE_DNS_LOOKUPS);
	s->fallback = conf_list(c, P_SMTP_FALLBACK_RELAY);
	netlist_init(&s->private, conf_list(c, P_SMTP_PRIVATE_NETWORKS));
	if (s->private.bad > 0)
		log_warn("smtp_private_networks: \"" STR_FMT "\" is no network",
		    STR_ARG(s->private.first_bad));
	self_init(&s->self, c);
}

void
dns_forget(struct dns *d, const struct chan *ch)
{
	route_forget(d, ch);
	named_forget(d, ch);
	records_forget(d, ch);
}
