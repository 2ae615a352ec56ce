/* SPDX-License-Identifier: ISC */
/*
 * gate - accept connections, count them, hand each to a worker.
 *
 * Holds:  SLOT_BROKER   grants and shutdown                  (peer: broker)
 *         listeners     listening sockets: accept, no more   (grants)
 *         workers       GATE_CLIENT out, GATE_ENDED in       (peer: smtpd)
 * Never:  binds, connects, reads a byte of a client.
 * If smtpd lies about its sessions, its channel is closed and they count as
 * ended.  Clients are strangers: their number is bounded by master.cf, per
 * client by smtpd_client_connection_count_limit, and what is too much waits in
 * the kernel's listen queue.
 *
 * The tests that come before a greeting have their place between accept and
 * gate_hand(): they are another holder of an accepted socket, which ends by
 * handing it over or closing it.
 */
#include <errno.h>

#include "boot/boot.h"
#include "edge/edges.h"
#include "log/log.h"

#include "base/fd.h"

#include "gate.h"

static struct gate gate;

static void
worker_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	(void)pid;
	gate_worker_up(arg, ch, instance);
	boot_ready(); /* somebody can be served */
}

static void
worker_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	gate_worker_down(arg, ch);
}

static void
on_grant(const struct broker_grant *b, int fd, void *arg)
{
	struct conf *conf;

	switch ((enum grant_kind)b->kind) {
	case GRANT_LISTENER:
		gate_listen(arg, b->name, b->instance, fd);
		return;
	case GRANT_CONFIG:
		conf = conf_open(fd);
		if (conf == NULL)
			log_fatal("configuration of service " STR_FMT
				  " cannot be read",
			    STR_ARG(b->name));
		gate_config(arg, b->name, b->instance, conf);
		break;
	case GRANT_CHANNEL:
	case GRANT_CHANNEL_B:
	case GRANT_DIR:
	case GRANT_FILE:
	default:
		log_warn("grant of kind %u is not for me", b->kind);
		break;
	}
	fd_close(&fd);
}

/* A reload: our sockets come again behind this, as they now are to be. */
static void
on_config(void *arg)
{
	gate_relisten(arg);
	gate_shared(arg, boot_conf());
	gate_refill(arg);
}

static void
on_ready(void *arg)
{
	gate_refill(arg);
}

static void
on_wanted(int error, void *arg)
{
	uintptr_t what = (uintptr_t)arg;

	if (error == 0 && gate.once)
		gate_got(&gate);
	else if (error != 0)
		gate_unwanted(&gate, (unsigned)(what >> 1), (what & 1) != 0,
		    error == ENOENT);
}

static void
want(unsigned instance, bool replace, void *arg)
{
	(void)arg;
	boot_want("smtpd", instance, replace, on_wanted,
	    (void *)((uintptr_t)instance << 1 | replace));
}

static void
on_idle(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)id;
	(void)rec;
	(void)fds;
	if (gate_may_leave(arg, ch))
		boot_let_go(ch);
}

static void
on_stop(int64_t grace_ms, void *arg)
{
	(void)grace_ms;
	gate_stop(arg); /* sessions are the workers' and go on */
	boot_exit(0);
}

static const struct chan_on worker_on[] = {
	{ GATE_ENDED, on_ended },
	{ GATE_IDLE, on_idle },
	{ 0, NULL },
};

static const struct boot_peer peers[] = {
	{ .name = "smtpd",
	    .edge = &edge_gate,
	    .side = SIDE_A,
	    .optional = true, /* some are made when wanted */
	    .on = worker_on,
	    .up = worker_up,
	    .down = worker_down },
};

static const struct boot_hooks hooks = { .grant = on_grant,
	.config = on_config,
	.ready = on_ready,
	.own_ready = true,
	.stop = on_stop };

int
main(int argc, char *argv[])
{
	boot_start("gate", argc, argv);
	gate_init(&gate, boot_loop());
	gate.want = want;
	gate_shared(&gate, boot_conf());
	boot_seal(peers, NELEM(peers), &hooks, &gate);
	return boot_run();
}
