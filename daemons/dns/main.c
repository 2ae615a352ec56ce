/* SPDX-License-Identifier: ISC */
/*
 * dns - ask the configured resolvers, remember, and say where mail may go.
 *
 * Holds:  SLOT_BROKER   grants, shutdown; sockets on request (peer: broker)
 *         askers        questions in, answers out      (peers: smtp, smtpd)
 *         sockets       connected to the configured resolvers  (hostile)
 *         two keys      to check next hops, to sign addresses
 * Never:  opens a socket, names an address, opens a path.
 * Whoever forges an answer can misdirect mail, as ever; he cannot make us name
 * an address in our own network, since such an address gets a ticket only when
 * the configuration named the next hop.  If a peer lies, its channel is closed.
 */
#include <errno.h>

#include "base/fd.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "log/log.h"

#include "dns.h"

static struct dns dns;

/* --- sockets from the broker ---------------------------------------------- */

static int
take_socket(unsigned type, int *fds)
{
	int fd = -1;

	if (type == BROKER_SOCKET) {
		fd = fds[0];
		fds[0] = -1;
	}
	return fd;
}

static void
on_udp_socket(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;

	resolver_udp(arg, take_socket(type, fds),
	    type == BROKER_REFUSED && no->error == ENOENT);
}

static void
on_tcp_socket(unsigned type, const void *rec, int *fds, void *arg)
{
	(void)rec;
	resolver_tcp(arg, take_socket(type, fds));
}

static void
want_socket(unsigned index, bool tcp, void *to, void *arg)
{
	struct broker_resolver q = { .index = (uint16_t)index, .tcp = tcp };

	(void)arg;
	chan_ask(boot_broker(), BROKER_RESOLVER, &q, NULL,
	    tcp ? on_tcp_socket : on_udp_socket, to);
}

/* --- grants --------------------------------------------------------------- */

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	struct dns *d = arg;
	struct ticket_key *k = NULL;

	if (str_eq(g->name, STR(TICKET_ROUTE)))
		k = &d->route_key;
	else if (str_eq(g->name, STR(TICKET_ADDRESS)))
		k = &d->address_key;
	if (g->kind != GRANT_FILE || k == NULL)
		log_warn("grant of " STR_FMT " is not for me",
		    STR_ARG(g->name));
	else if (ticket_key_read(k, fd) == -1)
		log_fatal("key " STR_FMT " is too short", STR_ARG(g->name));
	fd_close(&fd);
}

static void
on_config(void *arg)
{
	struct dns *d = arg;

	dns_config(d, boot_conf());
	if (d->address_key.have)
		resolver_restart(&d->resolver);
}

static void
asker_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	dns_forget(arg, ch);
}

static void
on_ready(void *arg)
{
	struct dns *d = arg;

	if (!d->route_key.have || !d->address_key.have)
		return;
	boot_ready();
	resolver_restart(&d->resolver); /* not before: we were no one yet */
}

static const struct chan_on asker_on[] = {
	{ DNS_ROUTE, on_route },
	{ DNS_NAME, on_name },
	{ DNS_QUERY, on_query },
	{ 0, NULL },
};

static const struct boot_peer peers[] = {
	{ .name = "smtp",
	    .edge = &edge_dns,
	    .side = SIDE_B,
	    .on = asker_on,
	    .down = asker_down,
	    .optional = true },
	{ .name = "smtpd",
	    .edge = &edge_dns,
	    .side = SIDE_B,
	    .on = asker_on,
	    .down = asker_down,
	    .optional = true },
};

static const struct boot_hooks hooks = { .grant = on_grant,
	.config = on_config,
	.ready = on_ready,
	.own_ready = true };

int
main(int argc, char *argv[])
{
	boot_start("dns", argc, argv);
	dns_init(&dns, boot_loop(), want_socket, NULL);
	hostsfile_read(&dns.hosts, "/etc/hosts");
	dns_config(&dns, boot_conf());
	boot_seal(peers, NELEM(peers), &hooks, &dns);
	return boot_run();
}
