/* SPDX-License-Identifier: ISC */
/*
 * control - answers mailctl and its other names.
 *
 * Holds:  SLOT_BROKER   grants; status, stop and reload      (peer: broker)
 *         qmgr          listings and changes of the queue
 *         a listener    public/control: accept, no more      (grant)
 *         connections   of local users, who may be hostile
 * Never:  opens a path, reads a message, decides by what a client says of
 *         itself: who it is comes from the kernel.
 * If a client lies, its connection is closed; if qmgr or the broker lie, a
 * listing is wrong.
 */
#include <unistd.h>

#include "base/fd.h"
#include "boot/boot.h"
#include "edge/edges.h"

#include "control.h"

static struct control control;

static void
qmgr_down(struct chan *ch, unsigned instance, void *arg)
{
	struct control *c = arg;
	struct client *cl;

	(void)instance;
	/* Questions have been answered by now. */
	TAILQ_FOREACH(cl, &c->clients, link)
		if (cl->asked == ch)
			cl->asked = NULL;
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	struct control *c = arg;

	if (g->kind == GRANT_LISTENER)
		control_listen(c, fd);
	else
		fd_close(&fd); /* a line of master.cf: nothing of ours */
}

static void
on_config(void *arg)
{
	((struct control *)arg)->conf = boot_conf();
}

static void
on_stop(int64_t grace_ms, void *arg)
{
	(void)grace_ms;
	control_stop(arg);
	boot_exit(0);
}

/* clang-format off */
static const struct boot_peer peers[] = {
	{ "qmgr", &edge_queue, SIDE_A, orders_qmgr_on, &control.qmgr, NULL, qmgr_down, false },
};
/* clang-format on */

static const struct boot_hooks hooks = { .grant = on_grant,
	.config = on_config,
	.stop = on_stop,
	.text = orders_text };

int
main(int argc, char *argv[])
{
	struct control *c = &control;

	boot_start("control", argc, argv);
	control_init(c, boot_loop());
	c->conf = boot_conf();
	c->owner = getuid();
	who_read(c);

	boot_seal(peers, NELEM(peers), &hooks, c);
	c->broker = boot_broker();
	return boot_run();
}
