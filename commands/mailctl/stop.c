/* SPDX-License-Identifier: ISC */
/*
 * Stop: the launcher is told, and nothing may be left afterwards.
 */
#include "mailctl.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#define STOP_MS 45000 /* until we lose our patience */
#define KILL_MS 5000
#define LOOK_MS 20

/* A process, told from a later one with its number by its start time. */
struct seen {
	pid_t pid;
	uint64_t start;
};

struct kin {
	struct seen *v;
	size_t n;
};

/*
 * Parent and start time of a process, from /proc/PID/stat; the name in it is
 * in parentheses and may be anything, so the last one counts.
 */
static bool
look_at(pid_t pid, pid_t *parent, uint64_t *start)
{
	char path[64], text[1024];
	FILE *f;
	size_t n;
	char *p, state;
	int ppid;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (p == NULL ||
	    sscanf(p + 1,
		" %c %d %*d %*d %*d %*d %*u %*u %*u %*u "
		"%*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		&state, &ppid, start) != 3)
		return false;
	*parent = ppid;
	return state != 'Z';
}

static void
add(struct kin *f, pid_t pid, uint64_t start)
{
	f->v = xreallocarray(f->v, f->n + 1, sizeof(*f->v));
	f->v[f->n++] = (struct seen){ pid, start };
}

/* The launcher and every process that it made. */
static void
find_kin(struct kin *f, pid_t launcher)
{
	DIR *d = opendir("/proc");
	struct dirent *de;
	uint64_t pid, start;
	pid_t parent;

	if (d == NULL)
		return;
	while ((de = readdir(d)) != NULL)
		if (str_u64(str_of(de->d_name), INT32_MAX, &pid) == 0 &&
		    look_at((pid_t)pid, &parent, &start) &&
		    ((pid_t)pid == launcher || parent == launcher))
			add(f, (pid_t)pid, start);
	closedir(d);
}

static size_t
still_there(const struct kin *f, int sig)
{
	size_t left = 0;
	uint64_t start;
	pid_t parent;

	for (size_t i = 0; i < f->n; i++)
		if (look_at(f->v[i].pid, &parent, &start) &&
		    start == f->v[i].start) {
			if (sig != 0)
				kill(f->v[i].pid, sig);
			left++;
		}
	return left;
}

/* Wait until the lock is free and everybody has gone. */
static bool
wait_gone(const struct instance *in, const struct kin *f, int64_t ms)
{
	int64_t deadline = clock_ms() + ms;

	while (instance_pid(in) != 0 || still_there(f, 0) > 0) {
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
	struct kin f = { 0 };
	int r = 0;

	if (pid == 0)
		return not_running();
	if (pid == -1)
		die("%s/pid/master.pid: %s", in->queue_dir, strerror(errno));
	find_kin(&f, pid);
	/* Between the look at the lock and now nobody could take the number:
	 * whoever holds the lock is alive. */
	if (kill(pid, patience_ms == 0 ? SIGKILL : SIGTERM) == -1)
		die("process %d: %s", (int)pid, strerror(errno));
	if (patience_ms == 0 || !wait_gone(in, &f, patience_ms)) {
		if (patience_ms != 0)
			warn_of("it has not ended in %d seconds: killing "
				"%zu processes",
			    (int)(patience_ms / 1000), still_there(&f, 0));
		find_kin(&f, pid);
		still_there(&f, SIGKILL);
		if (!wait_gone(in, &f, KILL_MS)) {
			say("error: %zu processes cannot be ended",
			    still_there(&f, 0));
			r = EXIT_BAD;
		}
	}
	free(f.v);
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
