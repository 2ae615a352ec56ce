/* SPDX-License-Identifier: ISC */
/*
 * pickup - local submission: takes messages from sendmail.
 *
 * Holds:  SLOT_BROKER  grants and shutdown                   (peer: broker)
 *         listener     the submission socket     (peers: local users, hostile)
 *         qmgr         empty files to write to; files left in maildrop
 *         cleanup      messages out
 * Never:  opens a path, holds a directory, changes its user.
 * Who a client is the kernel says; all else it says is checked here and again
 * by cleanup.  If qmgr goes away clients are told to try later.
 */
#include <unistd.h>

#include "boot/boot.h"
#include "edge/edges.h"

#include "pickup.h"

static struct pickup pk;

static const struct boot_peer peers[] = {
	{ "qmgr", &edge_spool, SIDE_A, submit_spool_on, NULL, submit_qmgr_up,
	    submit_qmgr_down, false },
	{ "qmgr", &edge_maildrop, SIDE_B, drops_on, NULL, drops_up, drops_down,
	    false },
	{ "cleanup", &edge_intake, SIDE_A, submit_intake_on, NULL,
	    submit_cleanup_up, submit_cleanup_down, false },
};

static void
read_config(void *arg)
{
	pickup_config(arg, boot_conf());
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	if (g->kind == GRANT_LISTENER)
		client_listen(arg, fd);
	else
		close(fd);
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = read_config,
		.grant = on_grant };

	boot_start("pickup", argc, argv);
	pickup_init(&pk, boot_loop(), boot_conf());

	boot_seal(peers, NELEM(peers), &hooks, &pk);
	return boot_run();
}
