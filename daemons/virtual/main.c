/* SPDX-License-Identifier: ISC */
/*
 * virtual - delivery to mailboxes that belong to no system user.
 *
 * Holds:  SLOT_BROKER   grants; mailbox processes for user ids (peer: broker)
 *         qmgr          jobs: a message that can be read, and recipients
 *         lookup        addresses out, paths and user ids in
 *         mailboxes     messages out, one process for each user id
 * Never:  opens a path, writes a mailbox, parses more of a message than its
 *         Delivered-To: headers.
 * If lookup goes, recipients wait; if a mailbox process goes, another is asked
 * for, and then recipients wait; if qmgr lies or goes, its jobs end with it.
 */
#include "boot/boot.h"
#include "edge/edges.h"

#include "virtual.h"

static struct virtuald virtuald;

static void
qmgr_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	deliver_forget(arg, ch);
}

static const struct chan_on no_records[] = { { 0, NULL } };

static const struct boot_peer peers[] = {
	{ "lookup", &edge_lookup, SIDE_A, no_records, &virtuald.lookup, NULL,
	    NULL, false },
	{ "qmgr", &edge_deliver, SIDE_B, virtual_on, &virtuald.qmgr, NULL,
	    qmgr_down, true },
};

static void
read_config(void *arg)
{
	struct virtuald *v = arg;

	virtual_config(v, boot_conf());
	if (v->boxes != NULL)
		boxes_idle(v->boxes, conf_ms(v->conf, P_MAX_IDLE));
}

static bool
is_busy(void *arg)
{
	return ((struct virtuald *)arg)->njobs > 0;
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = read_config,
		.busy = is_busy, .work = &edge_deliver, .leave = DELIVER_IDLE };

	boot_start("virtual", argc, argv);
	TAILQ_INIT(&virtuald.jobs);
	virtuald.loop = boot_loop();
	maps_init(&virtuald.maps, virtuald.loop, &virtuald.lookup);
	read_config(&virtuald);
	virtuald.boxes = boxes_new(virtuald.loop, &virtuald.broker,
	    conf_ms(virtuald.conf, P_MAX_IDLE));

	boot_seal(peers, NELEM(peers), &hooks, &virtuald);
	virtuald.broker = boot_broker();
	return boot_run();
}
