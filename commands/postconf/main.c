/* SPDX-License-Identifier: ISC */
/*
 * postconf - print and edit the configuration.
 */
#include "postconf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/table.h"

static void
say(const char *level, const char *fmt, va_list ap)
{
	fprintf(stderr, "postconf: %s", level);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void
die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	say("fatal: ", fmt, ap);
	va_end(ap);
	exit(1);
}

void
warn_of(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

static void
usage(void)
{
	die("usage: postconf [-c config_dir] [-C class] [-dfhHnpvx] "
	    "[-o name=value] [name ...]\n"
	    "       postconf [-c config_dir] [-MFP] [-fhHvx] "
	    "[service[/type[/name]] ...]\n"
	    "       postconf [-c config_dir] -e|-#|-X [-MFP] name[=value] ...\n"
	    "       postconf -l | -m | --manual");
}

static unsigned
parse_classes(const char *list)
{
	struct str s = str_of(list), w;
	unsigned classes = 0;

	while (str_token(&s, ", ", &w)) {
		if (str_eq(w, STR("builtin")))
			classes |= CLASS_BUILTIN;
		else if (str_eq(w, STR("service")))
			classes |= CLASS_SERVICE;
		else if (str_eq(w, STR("user")))
			classes |= CLASS_USER;
		else if (str_eq(w, STR("all")))
			classes |= CLASS_ALL;
		else
			die("unknown parameter class: " STR_FMT, STR_ARG(w));
	}
	return classes;
}

static void
list_types(void)
{
	for (size_t i = 0; table_types[i] != NULL; i++)
		puts(table_types[i]);
}

/*
 * What was wrong with the files themselves.  Names and values are as wrong
 * as they are: postconf prints them; "postfix check" judges.
 */
static void
print_findings(const struct report *rep)
{
	for (size_t i = 0; i < rep->n; i++) {
		char *line = report_line(&rep->v[i]);

		if (rep->v[i].level == REPORT_ERROR)
			die("%s", line);
		warn_of("%s", line);
		free(line);
	}
}

/* An override of -o, kept until the files have been read. */
struct overrides {
	char **v;
	size_t n;
};

static void
add_override(struct overrides *ov, char *text)
{
	ov->v = xreallocarray(ov->v, ov->n + 1, sizeof(*ov->v));
	ov->v[ov->n++] = text;
}

/* The options; what they leave is o->names. */
static void
parse_options(int argc, char *argv[], struct options *o, struct overrides *ov)
{
	int c;

	while ((c = getopt(argc, argv, "aAbc:C:deEfFhHlmMno:pPtT:vxX#")) != -1)
		switch (c) {
		case 'c':
			o->dir = optarg;
			break;
		case 'C':
			o->classes = parse_classes(optarg);
			break;
		case 'd':
			o->defaults = true;
			break;
		case 'e':
			o->edit = EDIT_SET;
			break;
		case '#':
			o->edit = EDIT_COMMENT;
			break;
		case 'X':
			o->edit = EDIT_REMOVE;
			break;
		case 'f':
			o->fold = true;
			break;
		case 'h':
			o->hide_name = true;
			break;
		case 'H':
			o->hide_value = true;
			break;
		case 'l':
			puts("flock\nfcntl\ndotlock");
			exit(0);
		case 'm':
			list_types();
			exit(0);
		case 'n':
			o->only_set = true;
			break;
		case 'o':
			add_override(ov, optarg);
			break;
		case 'p':
		case 'M':
		case 'F':
		case 'P':
			o->what = (char)c;
			break;
		case 'v':
			break;
		case 'x':
			o->expand = true;
			break;
		case 'a':
		case 'A':
		case 'b':
		case 't':
		case 'T':
			die("option -%c is not supported by this version", c);
		default:
			usage();
		}
	o->names = argv + optind;
	o->nnames = argc - optind;
}

static void
check_options(struct options *o, const struct overrides *ov)
{
	if (o->defaults && ov->n > 0)
		die("specify one of -d -o");
	if (o->defaults && o->only_set)
		die("specify one of -d -n");
	if (o->hide_name && o->hide_value)
		die("specify one of -h -H");
	if (o->edit != EDIT_NONE && (o->defaults || o->only_set || ov->n > 0))
		die("editing goes with none of -d -n -o");
	/* "postconf name=value" is editing, too. */
	if (o->edit == EDIT_NONE && o->nnames > 0 && !o->defaults &&
	    !o->only_set && strchr(o->names[0], '=') != NULL)
		o->edit = EDIT_SET;
	if (o->edit != EDIT_NONE && o->nnames == 0)
		usage();
}

static void
show(const struct options *o, struct build *b)
{
	switch (o->what) {
	case 'M':
		show_services(o, b);
		break;
	case 'F':
		show_fields(o, b);
		break;
	case 'P':
		show_overrides(o, b);
		break;
	default:
		show_params(o, b);
	}
}

int
main(int argc, char *argv[])
{
	struct options o = { .what = 'p', .classes = CLASS_ALL };
	struct overrides ov = { 0 };
	struct build b;

	if (argc == 2 && strcmp(argv[1], "--manual") == 0) {
		manual_print();
		return 0;
	}
	parse_options(argc, argv, &o, &ov);
	check_options(&o, &ov);

	build_load(&b, o.dir);
	if (o.edit != EDIT_NONE && o.what == 'p') {
		/* A broken file is what editing is for. */
		edit_main(&o, b.dir);
		build_clear(&b);
		return 0;
	}
	if (!o.defaults)
		print_findings(&b.rep);
	for (size_t i = 0; i < ov.n; i++)
		if (maincf_option(&b.over, "-o", 0, str_of(ov.v[i]), &b.rep) ==
		    -1)
			die("-o: missing '=' after attribute name: \"%s\"",
			    ov.v[i]);
	if (o.edit != EDIT_NONE)
		edit_master(&o, &b);
	else
		show(&o, &b);
	build_clear(&b);
	free(ov.v);
	if (fflush(stdout) == EOF)
		die("cannot write");
	return 0;
}
