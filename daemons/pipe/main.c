/* SPDX-License-Identifier: ISC */
/*
 * pipe - delivery to commands that master.cf names.
 *
 * Holds:  SLOT_BROKER   grants; processes that run commands  (peer: broker)
 *         qmgr          jobs: a message that can be read, and recipients
 *         commands      recipients out, a pipe for the message and the end of
 *                       it in, one for each attempt
 * Never:  runs anything, opens a path, chooses a program or its options: it
 *         names a line of master.cf, and the launcher knows what stands there.
 * If a command's process goes, its recipients wait; if qmgr goes, what is in
 * hand is finished for nobody.
 */
#include <unistd.h>

#include "boot/boot.h"
#include "edge/edges.h"
#include "mail/date.h"

#include "pipe.h"

static struct piped piped;

static void
qmgr_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	deliver_forget(arg, ch);
}

static const struct boot_peer peers[] = {
	{ "qmgr", &edge_deliver, SIDE_B, pipe_on, &piped.qmgr, NULL, qmgr_down,
	    true },
};

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	if (g->kind == GRANT_CONFIG)
		service_take(arg, g->instance, g->name, fd);
	close(fd);
}

static void
on_config(void *arg)
{
	service_forget(arg);
}

static bool
is_busy(void *arg)
{
	return ((struct piped *)arg)->njobs > 0;
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .grant = on_grant,
		.config = on_config, .busy = is_busy, .work = &edge_deliver,
		.leave = DELIVER_IDLE };

	boot_start("pipe", argc, argv);
	date_init();
	TAILQ_INIT(&piped.jobs);
	LIST_INIT(&piped.services);
	piped.loop = boot_loop();

	boot_seal(peers, NELEM(peers), &hooks, &piped);
	piped.broker = boot_broker();
	return boot_run();
}
