/* SPDX-License-Identifier: ISC */
/*
 * local - delivery to the users of the system.
 *
 * Holds:  SLOT_BROKER   grants; mailbox processes of users    (peer: broker)
 *         qmgr          jobs: a message that can be read, and recipients;
 *                       empty files for messages that are forwarded
 *         lookup        aliases, users, :include: files
 *         rewrite       what the addresses in them mean
 *         cleanup       forwarded messages
 *         mailboxes     messages out, one process for each user
 *         commands      recipients out, a pipe for the message in, one process
 *                       for each run
 * Never:  opens a path, is a user, writes a mailbox, runs a command, takes a
 *         destination but an address from the queue: files and the like are
 *         found in aliases and .forward at the moment of delivery.
 * If a peer goes, recipients wait.  What users write in .forward is text to be
 * parsed, hostile like a message.
 */
#include "boot/boot.h"
#include "edge/edges.h"
#include "mail/date.h"

#include "local.h"

static struct local local;

static void
qmgr_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	errand_forget(arg, ch);
}

static const struct chan_on no_records[] = { { 0, NULL } };

static const struct boot_peer peers[] = {
	{ "lookup", &edge_lookup, SIDE_A, no_records, &local.lookup, NULL, NULL,
	    false },
	{ "rewrite", &edge_resolve, SIDE_A, no_records, &local.rewrite, NULL,
	    NULL, false },
	{ "qmgr", &edge_deliver, SIDE_B, local_on, &local.qmgr, NULL, qmgr_down,
	    true },
	{ "qmgr", &edge_spool, SIDE_A, submit_spool_on, NULL, submit_qmgr_up,
	    submit_qmgr_down, true },
	{ "cleanup", &edge_intake, SIDE_A, submit_intake_on, NULL,
	    submit_cleanup_up, submit_cleanup_down, true },
};

static void
read_config(void *arg)
{
	struct local *lo = arg;

	local_config(lo, boot_conf());
	if (lo->boxes != NULL)
		boxes_idle(lo->boxes, conf_ms(lo->conf, P_MAX_IDLE));
}

static bool
is_busy(void *arg)
{
	return ((struct local *)arg)->njobs > 0;
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = read_config,
		.busy = is_busy, .work = &edge_deliver, .leave = DELIVER_IDLE };

	boot_start("local", argc, argv);
	date_init();
	local_init(&local, boot_loop());
	read_config(&local);
	local.boxes = boxes_new(local.loop, &local.broker,
	    conf_ms(local.conf, P_MAX_IDLE));

	boot_seal(peers, NELEM(peers), &hooks, &local);
	local.broker = boot_broker();
	return boot_run();
}
