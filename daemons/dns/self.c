/* SPDX-License-Identifier: ISC */
/*
 * Which servers are ourselves: where mail must not be sent, as it would come
 * back.
 *
 * A sealed process in an empty network cannot look at this machine's
 * interfaces; who reads the configuration did (own_addresses).  One that came
 * later smtp notices when it connects, because the kernel gives a connection
 * to oneself the same address at both ends.
 */
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>

#include "conf/netlist.h"
#include "net/netaddr.h"

#include "dns.h"

#define SMTP_PORT 25

static void
add_addr(struct self *s, const struct netaddr *a, uint16_t port)
{
	if (s->n == SELF_MAX)
		return;
	s->v[s->n] = *a;
	s->v[s->n++].port = port;
}

static void
add_loopback(struct self *s)
{
	static const struct netaddr lo4 = { .family = 4,
		.ip = { 127, 0, 0, 1 } };
	static const struct netaddr lo6 = { .family = 6, .ip = { [15] = 1 } };

	add_addr(s, &lo4, 0);
	add_addr(s, &lo6, 0);
}

static void
add_list(struct self *s, struct conf_list list)
{
	struct netaddr a;

	for (size_t i = 0; i < list.n; i++) {
		struct str w = list.v[i].text;

		if (str_caseeq(w, STR("all")) ||
		    str_caseeq(w, STR("loopback-only")))
			add_loopback(s);
		else if (netaddr_parse(w, &a) == 0)
			add_addr(s, &a, 0);
		else if (s->nnames < sizeof(s->names) / sizeof(s->names[0]))
			s->names[s->nnames++] = str_dup(w);
	}
}

/* own_addresses has blocks of one address: 192.0.2.1/32, [2001:db8::1]/128. */
static void
add_own(struct self *s, struct conf_list list)
{
	for (size_t i = 0; i < list.n; i++) {
		struct netaddr a = { .family = 0 };
		struct net n;

		if (net_parse(list.v[i].text, &n, NULL) == -1)
			continue;
		a.family = n.family == AF_INET ? 4 : 6;
		memcpy(a.ip, n.addr, a.family == 4 ? 4 : 16);
		if (!self_is_addr(s, &a))
			add_addr(s, &a, 0);
	}
}

void
self_init(struct self *s, const struct conf *c)
{
	const struct conf_service *sv;
	struct netaddr a;

	*s = (struct self){ .n = 0 };
	s->hostname = str_dup(conf_str(c, P_MYHOSTNAME));
	s->ports[s->nports++] = SMTP_PORT;
	add_list(s, conf_list(c, P_INET_INTERFACES));
	add_list(s, conf_list(c, P_PROXY_INTERFACES));
	add_own(s, conf_list(c, P_OWN_ADDRESSES));
	for (size_t i = 0; (sv = conf_service(c, i)) != NULL; i++) {
		if (sv->socket != CONF_INET ||
		    !str_eq(sv->component, STR("smtpd")))
			continue;
		if (s->nports < SELF_MAX)
			s->ports[s->nports++] = sv->port_num;
		if (sv->host.n > 0 && netaddr_parse(sv->host, &a) == 0)
			add_addr(s, &a, sv->port_num);
	}
}

void
self_clear(struct self *s)
{
	free(s->hostname);
	for (size_t i = 0; i < s->nnames; i++)
		free(s->names[i]);
	*s = (struct self){ .n = 0 };
}

bool
self_is_name(const struct self *s, struct str name)
{
	if (s->hostname != NULL && str_caseeq(name, str_of(s->hostname)))
		return true;
	for (size_t i = 0; i < s->nnames; i++)
		if (str_caseeq(name, str_of(s->names[i])))
			return true;
	return false;
}

bool
self_is_port(const struct self *s, uint16_t port)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i] == port)
			return true;
	return false;
}

bool
self_is_addr(const struct self *s, const struct netaddr *a)
{
	for (size_t i = 0; i < s->n; i++)
		if (netaddr_same(&s->v[i], a) &&
		    (s->v[i].port == 0 ? self_is_port(s, a->port) :
					 s->v[i].port == a->port))
			return true;
	return false;
}
