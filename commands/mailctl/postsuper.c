/* SPDX-License-Identifier: ISC */
/*
 * postsuper: what only root may do to the queue.
 */
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* An option, in the order of the command line. */
struct action {
	char letter;
	const char *arg;
};

struct super {
	struct talk t;
	uint8_t states[8]; /* those queues that were named */
	size_t nstates;
	unsigned long deleted, held, released, requeued, expired;
	bool used[128]; /* the letters of options that were given */
};

static void NORETURN
usage(void)
{
	die("usage: postsuper [-c config_dir] [-d queue_id (delete)] "
	    "[-e queue_id (expire)] [-f queue_id (expire and/or un-hold)] "
	    "[-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge "
	    "temporary files)] [-r queue_id (requeue)] [-s (structure fix)] "
	    "[-S (redundant structure fix)] [-v (verbose)] [queue...]");
}

static unsigned long
change_in(struct super *s, enum queue_op op, uint8_t state, const char *arg)
{
	struct buf why;
	uint32_t count;
	int error;

	buf_init(&why, 4096);
	error = queue_change(&s->t, op, state, arg, &count, &why);
	if (error == EACCES)
		die("use of this command is reserved for the superuser");
	if (error == EINVAL)
		warn_of("invalid mail queue id: %s", arg);
	else if (error != 0 && error != ENOENT)
		warn_of("%s: %s", arg,
		    why.len > 0 ? buf_cstr(&why) : strerror(error));
	buf_clear(&why);
	return count;
}

/* Of a message that was named; for ALL the log says it of each. */
static void
say_done(enum queue_op op, const char *id)
{
	static const struct {
		enum queue_op op;
		const char *what;
	} words[] = { { QOP_HOLD, "placed on hold" },
		{ QOP_RELEASE, "released from hold" },
		{ QOP_DELETE, "removed" },
		{ QOP_REQUEUE, "requeued" },
		{ QOP_EXPIRE, "expired" } };

	for (size_t i = 0; i < NELEM(words); i++)
		if (words[i].op == op)
			say("%s: %s", id, words[i].what);
}

static unsigned long
change(struct super *s, enum queue_op op, const char *arg)
{
	unsigned long n = 0;

	if (s->nstates == 0)
		n = change_in(s, op, 0, arg);
	for (size_t i = 0; i < s->nstates; i++)
		n += change_in(s, op, s->states[i], arg);
	if (n > 0 && strcmp(arg, "ALL") != 0)
		say_done(op, arg);
	return n;
}

/* -f: what is on hold is released first. */
static unsigned long
force_out(struct super *s, const char *arg)
{
	unsigned long n = change(s, QOP_RELEASE, arg);

	s->released += n;
	return change(s, QOP_EXPIRE, arg);
}

static void
apply(struct super *s, char letter, const char *arg)
{
	s->used[(unsigned char)letter] = true;
	switch (letter) {
	case 'd':
		s->deleted += change(s, QOP_DELETE, arg);
		break;
	case 'h':
		s->held += change(s, QOP_HOLD, arg);
		break;
	case 'H':
		s->released += change(s, QOP_RELEASE, arg);
		break;
	case 'r':
		s->requeued += change(s, QOP_REQUEUE, arg);
		break;
	case 'e':
		s->expired += change(s, QOP_EXPIRE, arg);
		break;
	case 'f':
		s->expired += force_out(s, arg);
		break;
	}
}

/* "-" stands for ids on standard input, one a line. */
static void
apply_lines(struct super *s, char letter)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		struct str id = str_trim(str_make(line, (size_t)n));
		char *copy;

		if (id.n == 0)
			continue;
		copy = str_dup(id);
		apply(s, letter, copy);
		free(copy);
	}
	free(line);
}

static void
summary(bool used, unsigned long n, const char *what)
{
	if (used)
		say("%s: %lu message%s", what, n, n == 1 ? "" : "s");
}

static void
add_state(struct super *s, const char *name)
{
	uint8_t state = queue_state_parse(name);

	if (state == 0)
		die("invalid directory name: %s", name);
	if (s->nstates == NELEM(s->states))
		usage();
	s->states[s->nstates++] = state;
}

static struct action *
parse(int argc, char *argv[], size_t *n)
{
	struct action *v = xcalloc((size_t)argc + 1, sizeof(*v));
	int c;

	*n = 0;
	while ((c = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) != -1) {
		switch (c) {
		case 'c':
			if (geteuid() != 0 && getuid() != geteuid())
				usage();
			opt.dir = optarg;
			break;
		case 'd':
		case 'e':
		case 'f':
		case 'h':
		case 'H':
		case 'r':
			v[*n].letter = (char)c;
			v[(*n)++].arg = optarg;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'p':
		case 's':
		case 'S':
			/* The queue manager sees to that when it starts. */
			break;
		default:
			usage();
		}
	}
	return v;
}

int
cmd_postsuper(int argc, char *argv[])
{
	struct super s = { .nstates = 0 };
	struct action *v;
	struct instance in;
	bool repair = true;
	size_t n;

	v = parse(argc, argv, &n);
	while (optind < argc)
		add_state(&s, argv[optind++]);
	instance_open(&in);
	/*
	 * Repairs are what the queue manager does when it starts, so that of
	 * a running system needs none.
	 */
	if (n == 0 && (instance_pid(&in) > 0 || !offline_may(&in)))
		repair = false;
	if (repair && !talk_queue(&s.t, &in, NULL))
		die("use of this command is reserved for the superuser");
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].arg, "-") == 0)
			apply_lines(&s, v[i].letter);
		else
			apply(&s, v[i].letter, v[i].arg);
	summary(s.used['r'], s.requeued, "Requeued");
	summary(s.used['d'], s.deleted, "Deleted");
	summary(s.used['e'] || s.used['f'], s.expired, "Force-expired");
	summary(s.used['h'], s.held, "Placed on hold");
	summary(s.used['H'] || s.used['f'], s.released, "Released from hold");
	if (repair)
		talk_close(&s.t);
	free(v);
	instance_clear(&in);
	return 0;
}
