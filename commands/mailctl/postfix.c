/* SPDX-License-Identifier: ISC */
/*
 * postfix: the life of an instance, by the names that Postfix gives it.
 */
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct verb {
	const char *name;
	command_fn *fn;
	const char *arg; /* behind the name, or NULL */
};

static const struct verb verbs[] = {
	{ "start", cmd_start, NULL },
	{ "start-fg", cmd_start, "--foreground" },
	{ "stop", cmd_stop, NULL },
	{ "quick-stop", cmd_stop, "--timeout=10" },
	{ "abort", cmd_stop, "--now" },
	{ "reload", cmd_reload, NULL },
	{ "status", cmd_status, NULL },
	{ "flush", cmd_queue_flush, NULL },
	{ "check", cmd_check, NULL },
	{ NULL, NULL, NULL },
};

int
cmd_postfix(int argc, char *argv[])
{
	char *args[3] = { NULL, NULL, NULL };
	int c;

	while ((c = getopt(argc, argv, "+c:Dv")) != -1) {
		switch (c) {
		case 'c':
			opt.dir = optarg;
			break;
		case 'D':
		case 'v':
			opt.verbose = true;
			break;
		default:
			die("usage: postfix [-c config_dir] [-Dv] command");
		}
	}
	if (argc - optind != 1)
		die("usage: postfix [-c config_dir] [-Dv] command");
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		if (strcmp(argv[optind], v->name) != 0)
			continue;
		args[0] = argv[optind];
		args[1] = (char *)(uintptr_t)v->arg;
		optind = 1;
		return v->fn(v->arg == NULL ? 1 : 2, args);
	}
	die("unknown command: '%s'. Usage: postfix start (or stop, reload, "
	    "abort, flush, check, status, start-fg)",
	    argv[optind]);
}
