/* SPDX-License-Identifier: ISC */
/*
 * smtp - deliver to SMTP and LMTP servers, many sessions in one loop.
 *
 * Holds:  SLOT_BROKER   grants, shutdown; connections on request (peer: broker)
 *         jobs          messages to read, reports back          (peer: qmgr)
 *         routes        where a domain receives mail            (peer: dns)
 *         sockets       connected to servers                    (hostile)
 * Never:  opens a socket, chooses an address: dns vouches for each by a ticket
 *         that the broker checks; writes a message.
 * A server is a stranger: its lines, replies and patience are bounded, and all
 * it can do is refuse mail, or take it.  If qmgr lies about a job, its channel
 * is closed; if it is gone, its jobs return to the queue without us.
 */
#include "base/fd.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "log/log.h"
#include "tls/keyring.h"

#include "smtp.h"

static struct smtp smtp;

static void
qmgr_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	smtp_orphan(arg, ch);
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	struct conf *conf;

	if (g->kind == GRANT_CONFIG) {
		conf = conf_open(fd);
		if (conf == NULL)
			log_fatal("configuration of service " STR_FMT
				  " cannot be read",
			    STR_ARG(g->name));
		smtp_config(arg, g->name, g->instance, conf);
	} else if (g->kind == GRANT_FILE) {
		smtp_trust(arg, g->instance, fd);
	} else {
		log_warn("grant of kind %u is not for me", g->kind);
	}
	fd_close(&fd);
}

static void
on_config(void *arg)
{
	smtp_shared(arg, boot_conf());
}

/*
 * qmgr has waited for us, and is gone: what is still under way returns to the
 * queue.
 */
static void
on_stop(int64_t grace_ms, void *arg)
{
	(void)grace_ms;
	smtp_stop(arg);
	boot_exit(0);
}

static const struct chan_on qmgr_on[] = { { DELIVER_JOB, on_job },
	{ 0, NULL } };
static const struct chan_on no_records[] = { { 0, NULL } };

static const struct boot_peer peers[] = {
	{ .name = "qmgr",
	    .edge = &edge_deliver,
	    .side = SIDE_B,
	    .on = qmgr_on,
	    .down = qmgr_down },
	{ .name = "dns",
	    .edge = &edge_dns,
	    .side = SIDE_A,
	    .on = no_records,
	    .single = &smtp.dns },
	{ .name = "keys",
	    .edge = &edge_keys,
	    .side = SIDE_A,
	    .on = keyring_on,
	    .up = keyring_up,
	    .down = keyring_down,
	    .optional = true },
};

/* Ticket keys are a server's. */
static void
on_keys(const struct keyset *ks, bool tickets_only, void *arg)
{
	if (!tickets_only)
		smtp_keys(arg, ks);
}

/* Sessions that are kept for the next job have none, and end with us. */
static bool
is_busy(void *arg)
{
	return !TAILQ_EMPTY(&((struct smtp *)arg)->jobs);
}

static const struct boot_hooks hooks = { .grant = on_grant,
	.config = on_config,
	.busy = is_busy,
	.work = &edge_deliver,
	.leave = DELIVER_IDLE,
	.stop = on_stop };

int
main(int argc, char *argv[])
{
	boot_start("smtp", argc, argv);
	tls_init();
	smtp_init(&smtp, boot_loop());
	smtp_shared(&smtp, boot_conf());
	keyring_changed(on_keys, &smtp);
	boot_seal(peers, NELEM(peers), &hooks, &smtp);
	smtp.broker = boot_broker();
	return boot_run();
}
