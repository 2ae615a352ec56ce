/* SPDX-License-Identifier: ISC */
/*
 * mailctl - control a mail system.  It has other names: each is a table's
 * line here, and a file of its own.
 */
#include "mailctl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options opt = { .name = "mailctl" };

struct command {
	const char *name;
	command_fn *fn;
	const char *args;
	const char *does;
};

static const struct command commands[] = {
	{ "start", cmd_start, "[--foreground]", "start the mail system" },
	{ "stop", cmd_stop, "[--now | --timeout SECONDS]", "stop it" },
	{ "reload", cmd_reload, "", "read the configuration anew" },
	{ "status", cmd_status, "", "what runs, and what is queued" },
	{ "check", cmd_check, "", "look for whatever is wrong, and say all" },
	{ "explain", cmd_explain, "PARAMETER ...",
	    "what it does, its default, and what it is here" },
	{ "queue list", cmd_queue_list, "", "all messages, and why they wait" },
	{ "queue show", cmd_queue_show, "ID", "a message as a whole" },
	{ "queue flush", cmd_queue_flush, "[ID | DOMAIN]",
	    "try all (one message, mail for one domain) now" },
	{ "queue hold", cmd_queue_hold, "[--state STATE] ID ... | ALL",
	    "park messages until they are released" },
	{ "queue release", cmd_queue_release, "ID ... | ALL",
	    "let them go on" },
	{ "queue delete", cmd_queue_delete, "[--state STATE] ID ... | ALL",
	    "remove messages; their senders hear nothing" },
	{ "queue requeue", cmd_queue_requeue, "[--state STATE] ID ... | ALL",
	    "begin anew, with the configuration as it is now" },
	{ "queue expire", cmd_queue_expire, "[--state STATE] ID ... | ALL",
	    "try once more, then return to sender" },
	{ "sandbox audit", cmd_sandbox_audit,
	    "[--all] [--html FILE] [COMPONENT ...]",
	    "what each process may do, declared against measured" },
	{ "sandbox graph", cmd_sandbox_graph, "[--dot | --html FILE]",
	    "what the broker has given to whom" },
	{ "sandbox show", cmd_sandbox_show, "COMPONENT",
	    "its policy, and the system calls that follow from it" },
	{ "sandbox prove", cmd_sandbox_prove, "[--policies DIR] [QUESTION]",
	    "that no never line can be broken; who can reach what, and how" },
	{ "sandbox trace", cmd_sandbox_trace, "COMPONENT [--seconds N]",
	    "what it tries that its policy does not allow: LEARNING MODE" },
	{ "log tail", cmd_log_tail, "", "the last lines of the log file" },
	{ "log follow", cmd_log_follow, "", "and those that come" },
	{ NULL, NULL, NULL, NULL },
};

static void
usage(FILE *f)
{
	fprintf(f, "usage: mailctl [-c DIRECTORY] [--json] COMMAND\n\n");
	for (const struct command *c = commands; c->name != NULL; c++)
		fprintf(f, "    %s%s%s\n        %s\n", c->name,
		    c->args[0] == '\0' ? "" : " ", c->args, c->does);
}

/*
 * -c and --json may stand before or behind the subcommand; they are taken out
 * of the argument vector here.
 */
static int
take_common(int argc, char *argv[])
{
	int n = 1;
	bool words = false;

	for (int i = 1; i < argc; i++) {
		if (words) {
			argv[n++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			words = true;
			argv[n++] = argv[i];
		} else if (strcmp(argv[i], "--json") == 0) {
			opt.json = true;
		} else if (strcmp(argv[i], "-v") == 0 && n == 1) {
			opt.verbose = true;
		} else if (strcmp(argv[i], "-c") == 0) {
			if (++i == argc)
				die_usage("-c wants a directory");
			opt.dir = argv[i];
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	return n;
}

/* How many words of argv this command's name takes; 0 when it is not it. */
static int
fits(const char *name, char *const argv[])
{
	struct str s = str_of(name), w;
	int n = 0;

	while (str_token(&s, " ", &w)) {
		if (argv[n] == NULL || !str_eq(w, str_of(argv[n])))
			return 0;
		n++;
	}
	return n;
}

static int
run_mailctl(int argc, char *argv[])
{
	argc = take_common(argc, argv);
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return 0;
	}
	for (const struct command *c = commands; c->name != NULL; c++) {
		int words = fits(c->name, argv + 1);

		if (words > 0)
			return c->fn(argc - words, argv + words);
	}
	die_usage("there is no command \"%s\"; mailctl help lists them",
	    argv[1]);
}

/* The other names. */
static const struct command names[] = {
	{ "postfix", cmd_postfix, NULL, NULL },
	{ "postqueue", cmd_postqueue, NULL, NULL },
	{ "postsuper", cmd_postsuper, NULL, NULL },
	{ "postcat", cmd_postcat, NULL, NULL },
	{ "postkick", cmd_postkick, NULL, NULL },
	{ "postlock", cmd_postlock, NULL, NULL },
	{ "postlog", cmd_postlog, NULL, NULL },
	{ NULL, NULL, NULL, NULL },
};

static command_fn *
by_name(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base == NULL ? path : base + 1;
	for (const struct command *c = names; c->name != NULL; c++) {
		if (strcmp(base, c->name) != 0)
			continue;
		opt.name = c->name;
		opt.postfix = true;
		return c->fn;
	}
	return run_mailctl;
}

int
main(int argc, char *argv[])
{
	int r;

	signal(SIGPIPE, SIG_DFL);
	r = by_name(argc > 0 ? argv[0] : "")(argc, argv);
	if (fflush(stdout) == EOF)
		die("cannot write");
	return r;
}
