/* SPDX-License-Identifier: ISC */
/*
 * rewrite - what an address means: standard form, class, the way it goes.
 *
 * Holds:  SLOT_BROKER   grants, the key that vouches for routes (peer: broker)
 *         askers        addresses in, answers out (smtpd, cleanup, qmgr, local)
 *         lookup        keys out, values in
 * Never:  opens anything, holds a table, sees a message.
 * If an asker lies it learns how addresses are routed.  If lookup goes, every
 * question that needs it is answered `try later`.
 */
#include <string.h>
#include <unistd.h>

#include "boot/boot.h"
#include "edge/edges.h"
#include "sandbox/sandbox.h"

#include "rewrite.h"

static struct rewrite rw;

static const struct chan_on asker_on[] = {
	{ RESOLVE_ASK, question_ask },
	{ 0, NULL },
};

static const struct chan_on lookup_on[] = { { 0, NULL } };

static void
asker_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	(void)arg;
	question_forget(ch);
}

static const struct boot_peer peers[] = {
	{ "lookup", &edge_lookup, SIDE_A, lookup_on, &rw.lookup, NULL, NULL,
		false },
	{ "smtpd", &edge_resolve, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "cleanup", &edge_resolve, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "qmgr", &edge_resolve, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "local", &edge_resolve, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
};

static void
read_config(void *arg)
{
	(void)arg;
	rw.conf = boot_conf();
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	(void)arg;
	if (str_eq(g->name, STR(TICKET_ROUTE)))
		ticket_key_read(&rw.route_key, fd);
	/* A line of master.cf has nothing to say to us. */
	close(fd);
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = read_config,
		.grant = on_grant };
	struct ticket_key key;

	boot_start("rewrite", argc, argv);
	rw.loop = boot_loop();
	rw.conf = boot_conf();
	ticket_key_read(&key, SLOT_KEY);
	rw.socket_key = ticket_derive(&key, STR(KEY_SOCKET));
	rw.way_key = ticket_derive(&key, STR(KEY_WAY));

	boot_seal(peers, NELEM(peers), &hooks, &rw);
	return boot_run();
}
