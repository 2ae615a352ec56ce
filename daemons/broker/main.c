/* SPDX-License-Identifier: ISC */
/*
 * broker - decides who runs, who knows whom, and who may have what.
 *
 * Holds:  SLOT_BROKER   the launcher, which does what needs privilege
 *         a channel to each component, and what the launcher opened for them
 * Never:  opens a path, forks, reads a stranger's byte; is on the path of a
 *         message.
 * If a component lies, its channel is closed and it is killed; if the launcher
 * is gone, so are we, and with us everybody.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/note.h"
#include "log/log.h"
#include "sandbox/sandbox.h"

#include "broker.h"

static void
on_launcher_gone(UNUSED struct chan *ch, UNUSED const char *why,
    UNUSED void *arg)
{
	exit(1);
}

static int
make_key(struct ticket_key *k)
{
	if (getentropy(k->key, sizeof(k->key)) == -1)
		log_fatal("random numbers: %s", strerror(errno));
	k->have = true;
	return memfd_from("key", k->key, sizeof(k->key));
}

int
main(int argc, char *argv[])
{
	static struct broker br;
	const struct policy *policy;
	struct sandbox_place place;
	char err[512];

	if (argc != 2 || place_parse(str_of(argv[1]), &place) == -1)
		log_fatal("broker is started by the launcher "
		    "(try `mailctl start`)");
	signal(SIGPIPE, SIG_IGN);
	note_open(SLOT_NOTE);
	br.loop = loop_new();
	TAILQ_INIT(&br.procs);
	plan_init(&br.plan);
	plan_init(&br.next);
	grants_init(&br.grants);
	br.route_fd = make_key(&br.route_key);
	br.address_fd = make_key(&br.address_key);
	br.launcher = chan_new(br.loop, SLOT_BROKER, &edge_launch, SIDE_A,
	    launch_on, on_launcher_gone, &br);

	policy = sandbox_policy("broker", err, sizeof(err));
	if (policy == NULL ||
	    sandbox_enter(policy, &place, err, sizeof(err)) == -1)
		log_fatal("broker: %s", err);

	return loop_run(br.loop);
}
