/* SPDX-License-Identifier: ISC */
/*
 * lookup - every table, one protocol.
 *
 * Holds:  SLOT_BROKER   grants, files behind tables          (peer: broker)
 *         askers        keys in, values out (smtpd, rewrite, cleanup, local,
 *                       virtual, smtp)
 *         tables        read-only files that root wrote
 * Never:  opens a path, connects, forks; tells an asker of a parameter that is
 *         not its business.
 * If an asker lies it learns what its parameters' tables say of any key, which
 * it may know.
 */
#include <unistd.h>

#include "base/mem.h"
#include "boot/boot.h"
#include "edge/edges.h"

#include "sandbox/sandbox.h"

#include "lookupd.h"

static struct lookupd lookupd;

static const struct chan_on asker_on[] = {
	{ LOOKUP_FIND, find_ask },
	{ LOOKUP_USER, find_user },
	{ LOOKUP_INCLUDE, include_ask },
	{ LOOKUP_COMMAND, command_ask },
	{ 0, NULL },
};

static void
asker_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	(void)arg;
	find_forget(ch);
	include_forget(ch);
	command_forget(ch);
}

static const struct boot_peer peers[] = {
	{ "smtpd", &edge_lookup, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "rewrite", &edge_lookup, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "cleanup", &edge_lookup, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "local", &edge_lookup, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "virtual", &edge_lookup, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
	{ "smtp", &edge_lookup, SIDE_B, asker_on, NULL, NULL, asker_down,
		true },
};

static void
read_config(void *arg)
{
	struct lookupd *lk = arg;

	entries_forget(lk);
	lk->conf = boot_conf();
	lk->delimiter = conf_str(lk->conf, P_RECIPIENT_DELIMITER);
	lk->config_dir = conf_cstr(lk->conf, P_CONFIG_DIRECTORY);
}

/* What a line of master.cf overrides may name tables, too. */
static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	struct lookupd *lk = arg;
	struct conf *c = g->kind == GRANT_CONFIG &&
	    g->instance < SERVICES_MAX ? conf_open(fd) : NULL;

	close(fd);
	if (c == NULL)
		return;
	if (g->instance >= lk->nservices) {
		size_t n = g->instance + 1;

		lk->services = xreallocarray(lk->services, n,
		    sizeof(*lk->services));
		for (size_t i = lk->nservices; i < n; i++)
			lk->services[i] = NULL;
		lk->nservices = n;
	}
	conf_free(&lk->services[g->instance]);
	lk->services[g->instance] = c;
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = read_config,
		.grant = on_grant };

	boot_start("lookup", argc, argv);
	TAILQ_INIT(&lookupd.entries);
	lookupd.loop = boot_loop();
	lookupd.asker = boot_peer_name;
	read_config(&lookupd);
	ticket_key_read(&lookupd.command_key, SLOT_KEY);

	boot_seal(peers, NELEM(peers), &hooks, &lookupd);
	lookupd.broker = boot_broker();
	return boot_run();
}
