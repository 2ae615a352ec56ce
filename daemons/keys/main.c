/* SPDX-License-Identifier: ISC */
/*
 * keys - holds the private keys, and signs.
 *
 * Holds:  SLOT_BROKER   grants, key files when it asks        (peer: broker)
 *         smtpd, smtp   digests in, signatures out            (peers, hostile)
 *         private keys and ticket keys, in memory that is never swapped,
 *         dumped, or seen by another process
 * Never:  tells a key; signs for one component with the key of another;
 *         signs what is no digest; opens a path, connects, forks.
 * If a peer lies it gets signatures of its own service, as it could honestly.
 */
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "log/log.h"

#include "keys.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 0
#endif

#define STACK_BYTES (128 << 10)
#define SWEEP_MS 15000 /* after a reload, for the old keys */

static struct keys keys;

static const struct chan_on asker_on[] = {
	{ KEYS_SIGN, on_sign },
	{ 0, NULL },
};

static void
up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	(void)instance;
	(void)pid;
	asker_up(arg, ch, boot_peer_name(ch));
}

static void
down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	asker_down(arg, ch);
}

static const struct boot_peer peers[] = {
	{ "smtpd", &edge_keys, SIDE_B, asker_on, NULL, up, down, true },
	{ "smtp", &edge_keys, SIDE_B, asker_on, NULL, up, down, true },
};

/* The services of the new configuration follow. */
static void
on_config(void *arg)
{
	struct keys *k = arg;

	k->generation = conf_generation(boot_conf());
	timer_set(&k->sweep, SWEEP_MS);
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	struct conf *c = g->kind == GRANT_CONFIG ? conf_open(fd) : NULL;
	struct keys *k = arg;

	fd_close(&fd);
	k->broker = boot_broker();
	if (c != NULL)
		service_config(k, g->instance, c);
	conf_free(&c);
}

static int unlocked; /* why memory could not be locked, or 0 */

/*
 * What is in memory from now on never leaves it.  Where no more than a part of
 * us may be locked, that is what is still to come, and the stack.
 */
static void
lock_memory(void)
{
	char stack[STACK_BYTES];

	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
		return;
	explicit_bzero(stack, sizeof(stack));
	if (mlockall(MCL_FUTURE | MCL_ONFAULT) == -1 ||
	    mlock(stack, sizeof(stack)) == -1)
		unlocked = errno;
}

static void
on_ready(void *arg)
{
	(void)arg;
	if (unlocked != 0)
		log_warn("private keys may be written to swap space: "
			 "mlockall: %s",
		    strerror(unlocked));
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = on_config,
		.grant = on_grant,
		.ready = on_ready };

	lock_memory();
	boot_start("keys", argc, argv);
	tls_init();
	keys_init(&keys, boot_loop());
	keys.owner = (unsigned)geteuid();
	keys.generation = conf_generation(boot_conf());
	boot_seal(peers, NELEM(peers), &hooks, &keys);
	return boot_run();
}
