/* SPDX-License-Identifier: ISC */
/*
 * Stop: the launcher is told, and nothing may be left afterwards.
 */
#include "mailctl.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "kin.h"

#define STOP_MS 45000 /* until we lose our patience */
#define KILL_MS 5000
#define LOOK_MS 20

/* Wait until the lock is free and everybody has gone. */
static bool
wait_gone(const struct instance *in, const struct kin *f, int64_t ms)
{
	int64_t deadline = clock_ms() + ms;

	while (instance_pid(in) != 0 || kin_alive(f, 0) > 0) {
		if (clock_ms() >= deadline)
			return false;
		usleep(LOOK_MS * 1000);
	}
	return true;
}

static int
not_running(void)
{
	if (opt.postfix)
		die("the Postfix mail system is not running");
	say("the mail system is not running");
	return 0;
}

static int
stop(struct instance *in, int64_t patience_ms)
{
	pid_t pid = instance_pid(in);
	struct kin f, late = { 0 };
	int r = 0;

	if (pid == 0)
		return not_running();
	if (pid == -1)
		die("%s/pid/master.pid: %s", in->queue_dir, strerror(errno));
	kin_find(&f, pid);
	/* Between the look at the lock and now nobody could take the number:
	 * whoever holds the lock is alive. */
	if (kill(pid, patience_ms == 0 ? SIGKILL : SIGTERM) == -1)
		die("process %d: %s", (int)pid, strerror(errno));
	if (patience_ms == 0 || !wait_gone(in, &f, patience_ms)) {
		if (patience_ms != 0)
			warn_of("it has not ended in %d seconds: killing "
				"%zu processes",
			    (int)(patience_ms / 1000), kin_alive(&f, 0));
		kin_find(&late, pid);
		kin_alive(&late, SIGKILL);
		kin_alive(&f, SIGKILL);
		if (!wait_gone(in, &f, KILL_MS)) {
			say("error: %zu processes cannot be ended",
			    kin_alive(&f, 0));
			r = EXIT_BAD;
		}
	}
	kin_clear(&f);
	kin_clear(&late);
	return r;
}

int
cmd_stop(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "now", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t seconds = STOP_MS / 1000;
	struct instance in;
	int c, r;

	while ((c = getopt_long(argc, argv, "+t:n", longs, NULL)) != -1)
		if (c == 'n')
			seconds = 0;
		else if (c != 't' ||
		    str_u64(str_of(optarg), 86400, &seconds) == -1)
			die_usage("usage: mailctl stop [--now | --timeout "
				  "SECONDS]");
	if (optind != argc)
		die_usage("stop takes no argument");
	instance_open(&in);
	if (opt.postfix && instance_pid(&in) > 0)
		say("stopping the Postfix mail system");
	r = stop(&in, (int64_t)seconds * 1000);
	instance_clear(&in);
	return r;
}
