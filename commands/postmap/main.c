/* SPDX-License-Identifier: ISC */
/*
 * postmap, postalias, newaliases - make, change and ask lookup tables.
 *
 * Reads what the administrator wrote, with the administrator's rights; run by
 * root on somebody else's file it works with the rights of that file's owner.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "postmap.h"

static const char *progname = "postmap";

static void
vsay(const char *level, const char *fmt, va_list ap)
{
	fprintf(stderr, "%s: %s", progname, level);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay("", fmt, ap);
	va_end(ap);
}

void
say_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay("warning: ", fmt, ap);
	va_end(ap);
}

void
say_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay("fatal: ", fmt, ap);
	va_end(ap);
	exit(1);
}

static void
usage(void)
{
	if (strcmp(progname, "newaliases") == 0)
		fprintf(stderr, "usage: newaliases [-v] [-c config_dir]\n");
	else
		fprintf(stderr,
		    "usage: %s [-%sfFiNnoprsuvw] [-c config_dir] [-d key] "
		    "[-q key]\n\t[type:]file ...\n",
		    progname, strcmp(progname, "postmap") == 0 ? "bhmU" : "");
	exit(1);
}

/* One option letter; false for an unknown one. */
/* clang-format off */
static bool
set_option(struct options *opt, int c)
{
	switch (c) {
	case 'b':	opt->body = true;		return true;
	case 'c':	opt->config_dir = optarg;	return true;
	case 'd':	opt->remove = optarg;		return true;
	case 'f':	opt->nofold = true;		return true;
	case 'F':	opt->file_values = true;	return true;
	case 'h':	opt->headers = true;		return true;
	case 'i':	opt->incremental = true;	return true;
	case 'm':	opt->mime = true;		return true;
	case 'n':	opt->zeros = false;		return true;
	case 'N':	opt->zeros = true;		return true;
	case 'o':	opt->stay_root = true;		return true;
	case 'p':	opt->plain_mode = true;		return true;
	case 'q':	opt->query = optarg;		return true;
	case 'r':	opt->dup = LOAD_DUP_REPLACE;	return true;
	case 's':	opt->list = true;		return true;
	case 'u':	opt->no_utf8 = true;		return true;
	case 'U':	return true; /* no query is ever refused for this */
	case 'v':	opt->verbose++;			return true;
	case 'w':	opt->dup = LOAD_DUP_IGNORE;	return true;
	}
	return false;
}
/* clang-format on */

static void
parse_options(struct options *opt, int argc, char *argv[])
{
	const char *letters =
	    opt->alias ? "c:d:finNopq:rsuvw" : "bc:d:fFhimnNopq:rsuUvw";
	int c;

	while ((c = getopt(argc, argv, letters)) != -1) {
		if (!set_option(opt, c))
			usage();
	}
	if ((opt->query != NULL) + (opt->remove != NULL) + opt->list +
		opt->incremental >
	    1)
		say_fatal("-q, -d, -s and -i exclude each other");
	if ((opt->headers || opt->body) &&
	    (opt->query == NULL || strcmp(opt->query, "-") != 0))
		say_fatal("-h and -b want -q -");
	if (opt->mime && !opt->headers && !opt->body)
		say_fatal("-m wants -h or -b");
}

/* "file" is a table of the default type.  The caller frees the result. */
static char *
with_type(const struct options *opt, struct str spec)
{
	struct str type, name;
	char *dflt, *full;

	if (table_split(spec, &type, &name))
		return str_dup(spec);
	dflt = config_get(opt, "default_database_type");
	full = xasprintf("%s:" STR_FMT, dflt, STR_ARG(spec));
	free(dflt);
	return full;
}

/*
 * A table that main.cf names lies in its directory, wherever we are; one of
 * the command line where we are.  The caller frees the result.
 */
static char *
from_config(const struct options *opt, struct str spec)
{
	char *copy = with_type(opt, spec), *full;
	struct str type, name;

	if (!table_split(str_of(copy), &type, &name) || name.n == 0 ||
	    name.p[0] == '/' || table_suffix(type) == NULL)
		return copy;
	full = xasprintf(STR_FMT ":%s/" STR_FMT, STR_ARG(type),
	    opt->config_dir == NULL ? SYSCONFDIR : opt->config_dir,
	    STR_ARG(name));
	free(copy);
	return full;
}

/*
 * newaliases: what postalias does, for every table of alias_database that is
 * made from text.  Also takes -oAtype:file as sendmail(1) does.
 */
static int
newaliases(struct options *opt, int argc, char *argv[])
{
	struct str list, spec, type, name;
	char *value = NULL;
	bool given;
	int c, ret = 0;

	while ((c = getopt(argc, argv, "c:C:Io:v")) != -1) {
		switch (c) {
		case 'c':
		case 'C':
			opt->config_dir = optarg;
			break;
		case 'I':
			break;
		case 'o':
			if (optarg[0] == 'A')
				value = xstrdup(optarg + 1);
			break;
		case 'v':
			opt->verbose++;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	given = value != NULL;
	if (!given)
		value = config_get(opt, "alias_database");
	list = str_of(value);
	while (table_token(&list, &spec)) {
		char *copy = given ? with_type(opt, spec) :
				     from_config(opt, spec);

		if (table_split(str_of(copy), &type, &name) &&
		    table_suffix(type) == NULL)
			say_warn("%s: nothing to rebuild", copy);
		else if (build_run(opt, str_of(copy)) != 0)
			ret = 1;
		free(copy);
	}
	free(value);
	return ret;
}

int
main(int argc, char *argv[])
{
	struct options opt = { .config_dir = getenv("MAIL_CONFIG") };
	const char *slash = strrchr(argv[0], '/');
	int ret = 0;

	progname = slash == NULL ? argv[0] : slash + 1;
	opt.alias = strcmp(progname, "postmap") != 0;
	if (strcmp(progname, "newaliases") == 0)
		return newaliases(&opt, argc, argv);
	parse_options(&opt, argc, argv);
	argc -= optind;
	argv += optind;
	if (argc == 0)
		usage();
	for (int i = 0; i < argc; i++)
		argv[i] = with_type(&opt, str_of(argv[i]));
	if (opt.query != NULL)
		ret = query_run(&opt, argv, argc);
	else if (opt.list)
		ret = list_run(&opt, argv, argc);
	else if (opt.remove != NULL)
		ret = remove_run(&opt, argv, argc);
	else
		for (int i = 0; i < argc; i++)
			ret |= build_run(&opt, str_of(argv[i]));
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return ret;
}
