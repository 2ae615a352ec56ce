/* SPDX-License-Identifier: ISC */
/*
 * cleanup - seals a message, reads its header, tells qmgr what to change.
 *
 * Holds:  SLOT_BROKER  grants and shutdown                  (peer: broker)
 *         submitters   messages in                          (smtpd, pickup,
 *                                                   bounce, local; hostile)
 *         qmgr         messages out: envelope, edits, sealed content
 *         rewrite      addresses to standard form
 *         lookup       what virtual_alias_maps say of them
 * Never:  opens a path, connects, forks, changes a message.
 * If a submitter lies its message is refused or garbage of its own; if rewrite
 * or lookup lie mail goes astray; qmgr is told of everything and believes
 * nothing.
 */
#include "boot/boot.h"
#include "edge/edges.h"

#include "cleanup.h"

static struct cleanup cl;

static const struct chan_on no_records[] = { { 0, NULL } };

static void
submitter_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	message_orphan(arg, ch);
}

static const struct boot_peer peers[] = {
	{ "qmgr", &edge_commit, SIDE_A, no_records, &cl.qmgr, NULL, NULL,
	    false },
	{ "rewrite", &edge_resolve, SIDE_A, no_records, &cl.rewrite, NULL, NULL,
	    false },
	{ "lookup", &edge_lookup, SIDE_A, no_records, &cl.lookup, NULL, NULL,
	    true },
	{ "smtpd", &edge_intake, SIDE_B, intake_on, NULL, NULL, submitter_down,
	    true },
	{ "pickup", &edge_intake, SIDE_B, intake_on, NULL, NULL, submitter_down,
	    true },
	{ "bounce", &edge_intake, SIDE_B, intake_on, NULL, NULL, submitter_down,
	    true },
	{ "local", &edge_intake, SIDE_B, intake_on, NULL, NULL, submitter_down,
	    true },
};

static void
read_config(void *arg)
{
	struct cleanup *c = arg;

	c->conf = boot_conf();
	settings_read(&c->set, c->conf);
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = read_config };

	boot_start("cleanup", argc, argv);
	cl.loop = boot_loop();
	cleanup_init(&cl, boot_conf());

	boot_seal(peers, NELEM(peers), &hooks, &cl);
	return boot_run();
}
