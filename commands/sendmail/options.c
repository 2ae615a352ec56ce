/* SPDX-License-Identifier: ISC */
/*
 * The command line: thirty years of options, most of them without meaning.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "mail/dsn.h"
#include "mail/xtext.h"

#include "sendmail.h"

/* Options with a value; -q has one only when it is in the same word. */
#define WITH_VALUE "ABCFLNORVXbefhopr"

static void
set_mode(struct options *o, const char *value)
{
	switch (value[0]) {
	case 'm':
		o->mode = MODE_POST;
		return;
	case 's':
		o->mode = MODE_SMTP;
		return;
	case 'v':
		o->flags |= DROP_VERIFY;
		return;
	case 'p':
		o->mode = MODE_LIST;
		return;
	case 'i':
		o->mode = MODE_ALIASES;
		return;
	case 'd':
	case 'D':
	case 'l':
		o->mode = MODE_DAEMON;
		return;
	case 'h':
	case 'H':
		o->mode = MODE_NOTHING; /* there is no host status */
		return;
	default:
		fatal(EX_USAGE, "unsupported: -%c%c", 'b', value[0]);
	}
}

static void
set_body(struct options *o, const char *value)
{
	if (strcasecmp(value, "8BITMIME") == 0)
		o->flags |= DROP_8BITMIME;
	else if (strcasecmp(value, "7BIT") != 0)
		fatal(EX_USAGE, "-B option needs 8BITMIME or 7BIT");
}

static void
set_notify(struct options *o, const char *value)
{
	unsigned notify;

	if (dsn_notify_parse(str_of(value), &notify) == -1) {
		warning("bad -N option value -- ignored");
		return;
	}
	o->notify = (uint8_t)notify;
}

static void
set_ret(struct options *o, const char *value)
{
	enum dsn_ret ret;

	if (dsn_ret_parse(str_of(value), &ret) == 0)
		o->ret = (uint8_t)ret;
	else
		warning("bad -R option value -- ignored");
}

static void
set_envid(struct options *o, const char *value)
{
	struct str s = str_of(value);

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~') {
			warning("bad syntax in -V option value -- ignored");
			return;
		}
	if (s.n > ENVID_MAX)
		warning("too long -V option value -- ignored");
	else
		o->envid = value;
}

static void
check_verp(const char *value)
{
	if (value[0] != 'V')
		fatal(EX_USAGE, "unsupported: -X%c", value[0]);
	else
		fatal(EX_UNAVAILABLE,
		    "-XV: VERP is not supported by this version");
}

/* -o: the old options of one letter. */
static void
set_old(struct options *o, const char *value)
{
	if (value[0] == 'A' && value[1] == '\0')
		fatal(EX_USAGE, "-oA requires pathname");
	else if (value[0] == 'A')
		o->aliases = value + 1;
	else if (value[0] == 'i')
		o->keep_dots = true;
	/* -o7, -o8, -om, -oem, -odb and the like change nothing. */
}

static void
set_queue(struct options *o, const char *value)
{
	switch (value[0]) {
	case '\0':
		o->mode = MODE_FLUSH;
		return;
	case 'I':
	case 'R':
		if (value[1] == '\0')
			fatal(EX_USAGE, "specify: -q%c%s", value[0],
			    value[0] == 'I' ? "queueid" : "site");
		o->flush = value + 1;
		o->mode = value[0] == 'I' ? MODE_FLUSH_ID : MODE_FLUSH_SITE;
		return;
	default:
		if (!ascii_isdigit((unsigned char)value[0]))
			fatal(EX_USAGE, "-q%c is not implemented", value[0]);
		o->interval = true;
	}
}

static void
set_value(struct options *o, int c, const char *value)
{
	switch (c) {
	case 'b':
		set_mode(o, value);
		return;
	case 'B':
		set_body(o, value);
		return;
	case 'C':
		o->dir = value;
		return;
	case 'F':
		o->fullname = value;
		return;
	case 'f':
	case 'r':
		o->from = value;
		return;
	case 'N':
		set_notify(o, value);
		return;
	case 'o':
		set_old(o, value);
		return;
	case 'R':
		set_ret(o, value);
		return;
	case 'V':
		set_envid(o, value);
		return;
	case 'X':
		check_verp(value);
		return;
	default: /* -A -L -O -e -h -p: nothing here */
		return;
	}
}

static void
set_flag(struct options *o, int c)
{
	switch (c) {
	case 'i':
		o->keep_dots = true;
		return;
	case 'I':
		o->mode = MODE_ALIASES;
		return;
	case 't':
		o->from_header = true;
		return;
	case 'v':
		o->verbose++;
		return;
	case 'G':
		o->flags |= DROP_REMOTE;
		return;
	case 'n':
		fatal(EX_USAGE, "-n option not supported");
	case 'U':
	case 'c':
	case 'm':
	case 'x':
		return; /* nothing here */
	default:
		fatal(EX_USAGE, "unknown option: -%c (see sendmail(1))", c);
	}
}

/* One word; *i moves on when its value is the next one. */
static void
parse_word(struct options *o, int argc, char *argv[], int *i)
{
	const char *p = argv[*i] + 1;

	for (int c; (c = *p) != '\0';) {
		p++;
		if (c == 'q') {
			set_queue(o, p);
			return;
		}
		if (strchr(WITH_VALUE, c) == NULL) {
			set_flag(o, c);
			continue;
		}
		if (*p == '\0') {
			if (*i + 1 == argc)
				fatal(EX_USAGE, "option -%c wants a value", c);
			p = argv[++*i];
		}
		set_value(o, c, p);
		return;
	}
}

static const char *
mode_name(enum mode mode)
{
	switch (mode) {
	case MODE_SMTP:
		return "stand-alone mode";
	case MODE_LIST:
		return "display queue mode";
	case MODE_ALIASES:
		return "alias initialization mode";
	case MODE_DAEMON:
		return "daemon mode";
	case MODE_FLUSH:
		return "flush queue mode";
	case MODE_FLUSH_ID:
		return "flush queue_id";
	case MODE_FLUSH_SITE:
		return "flush site";
	case MODE_NOTHING:
	case MODE_POST:
		break;
	}
	return NULL;
}

/* What goes with what. */
static void
check_conflicts(const struct options *o)
{
	const char *name = mode_name(o->mode);

	if (o->from_header && o->mode != MODE_POST)
		fatal(EX_USAGE, "-t can be used only in delivery mode");
	if (o->nrcpts > 0 && name != NULL)
		fatal(EX_USAGE, "%s requires no recipient", name);
	if ((o->flags & DROP_VERIFY) == 0)
		return;
	if (o->from_header)
		fatal(EX_USAGE, "-t option cannot be used with -bv");
	if (o->notify != 0)
		fatal(EX_USAGE, "-N option cannot be used with -bv");
	if (o->verbose == 1)
		fatal(EX_USAGE, "-v option cannot be used with -bv");
}

void
options_parse(struct options *o, int argc, char *argv[])
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (argv[i][0] != '-' || argv[i][1] == '\0')
			break;
		parse_word(o, argc, argv, &i);
	}
	o->rcpts = argv + i;
	o->nrcpts = argc - i;
	check_conflicts(o);
	/* -q15m alone: how often the queue runs is a setting. */
	if (o->interval && o->mode == MODE_POST && o->nrcpts == 0 &&
	    !o->from_header)
		o->mode = MODE_NOTHING;
	/* One is for a report, more are for what goes on here. */
	if (o->verbose == 1 && o->mode == MODE_POST)
		o->flags |= DROP_REPORT;
}
