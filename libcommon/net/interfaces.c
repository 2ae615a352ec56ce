/* SPDX-License-Identifier: ISC */
/*
 * Addresses to listen on.
 */
#include "net/interfaces.h"

#include <sys/socket.h>

#include <arpa/inet.h>

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "conf/netlist.h"

static void
add_addr(struct interfaces *as, int family, const void *ip)
{
	struct netaddr a = { .family = family == AF_INET ? 4 : 6 };

	if (as->n == INTERFACES_MAX ||
	    (family == AF_INET ? !as->ipv4 : !as->ipv6))
		return;
	memcpy(a.ip, ip, family == AF_INET ? 4 : 16);
	for (size_t i = 0; i < as->n; i++)
		if (as->v[i].family == a.family &&
		    memcmp(as->v[i].ip, a.ip, 16) == 0)
			return;
	as->v[as->n++] = a;
}

static int
add_host(struct interfaces *as, struct str host, struct buf *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res, *ai;
	struct net net;
	char *name;
	int r;

	if (net_parse(host, &net, NULL) == 0) {
		add_addr(as, net.family, net.addr);
		return 0;
	}
	name = str_dup(host);
	r = getaddrinfo(name, NULL, &hints, &res);
	if (r != 0) {
		buf_printf(err, "cannot find the address of %s: %s", name,
		    gai_strerror(r));
		free(name);
		return -1;
	}
	free(name);
	for (ai = res; ai != NULL; ai = ai->ai_next) {
		if (ai->ai_family == AF_INET)
			add_addr(as, AF_INET, &((struct sockaddr_in *)(void *)
			    ai->ai_addr)->sin_addr);
		else if (ai->ai_family == AF_INET6)
			add_addr(as, AF_INET6, &((struct sockaddr_in6 *)
			    (void *)ai->ai_addr)->sin6_addr);
	}
	freeaddrinfo(res);
	return 0;
}

static bool
have_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool have = fd != -1;

	fd_close(&fd);
	return have;
}

static int
every_interface(const struct conf *c, struct interfaces *as, struct buf *err)
{
	struct conf_list list = conf_list(c, P_INET_INTERFACES);
	struct in_addr any4 = { htonl(INADDR_ANY) };
	struct in_addr lo4 = { htonl(INADDR_LOOPBACK) };
	struct in6_addr any6 = IN6ADDR_ANY_INIT, lo6 = IN6ADDR_LOOPBACK_INIT;

	for (size_t i = 0; i < list.n; i++) {
		struct str w = list.v[i].text;

		if (str_caseeq(w, STR("all"))) {
			add_addr(as, AF_INET, &any4);
			add_addr(as, AF_INET6, &any6);
		} else if (str_caseeq(w, STR("loopback-only"))) {
			add_addr(as, AF_INET, &lo4);
			add_addr(as, AF_INET6, &lo6);
		} else if (add_host(as, w, err) == -1) {
			return -1;
		}
	}
	return 0;
}

int
interfaces_find(const struct conf *c, struct str host, struct interfaces *out,
    struct buf *err)
{
	bool all = conf_has(c, P_INET_PROTOCOLS, "all");

	*out = (struct interfaces){ .n = 0 };
	out->ipv4 = all || conf_has(c, P_INET_PROTOCOLS, "ipv4");
	out->ipv6 = (all && have_ipv6()) ||
	    conf_has(c, P_INET_PROTOCOLS, "ipv6");
	return host.n == 0 ? every_interface(c, out, err) :
			     add_host(out, host, err);
}
