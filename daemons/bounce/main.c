/* SPDX-License-Identifier: ISC */
/*
 * bounce - writes notices about mail that did not arrive.
 *
 * Holds:  SLOT_BROKER  grants and shutdown                  (peer: broker)
 *         qmgr         orders, with the message they are about (its content
 *                      and what servers said are strangers' words); empty
 *                      files to write to
 *         cleanup      the notices, like any message
 * Never:  opens a path, connects, decides about a recipient's fate.
 * If cleanup or qmgr go away the order is unanswered, and qmgr gives it again.
 */
#include "boot/boot.h"
#include "edge/edges.h"

#include "bounce.h"

static struct bounce bn;

static const struct boot_peer peers[] = {
	{ "qmgr", &edge_bounce, SIDE_B, orders_on, NULL, orders_up, orders_down,
	    false },
	{ "qmgr", &edge_spool, SIDE_A, submit_spool_on, NULL, submit_qmgr_up,
	    submit_qmgr_down, false },
	{ "cleanup", &edge_intake, SIDE_A, submit_intake_on, NULL,
	    submit_cleanup_up, submit_cleanup_down, false },
};

static void
read_config(void *arg)
{
	struct bounce *b = arg;

	b->conf = boot_conf();
}

static bool
is_busy(void *arg)
{
	return ((struct bounce *)arg)->njobs > 0;
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = read_config,
		.busy = is_busy, .work = &edge_bounce, .leave = BOUNCE_IDLE };

	boot_start("bounce", argc, argv);
	bounce_init(&bn, boot_loop(), boot_conf());

	boot_seal(peers, NELEM(peers), &hooks, &bn);
	return boot_run();
}
