/* SPDX-License-Identifier: ISC */
#ifndef CONF_MAINCF_H
#define CONF_MAINCF_H

#include <stddef.h>

#include "base/str.h"
#include "conf/report.h"

/*
 * main.cf as it is written: names and unexpanded values with their lines.
 * The same form holds the -o overrides of a line in master.cf and those of
 * postconf(1).  Whether a name means anything is not asked here (eval.h).
 */
#define MAINCF_SIZE_MAX (4 << 20)
#define MAINCF_LINE_MAX (1 << 20)

struct maincf_entry {
	char *name;
	char *value;
	char *file;
	unsigned line;
};

struct maincf {
	struct maincf_entry *v; /* in alphabetical order, one for a name */
	size_t n, cap;
};

void maincf_init(struct maincf *cf);
void maincf_clear(struct maincf *cf);

/*
 * Add what a file says.  Of two lines with the same name the later counts,
 * and the report has a warning.  Whatever is wrong is in the report; the
 * lines that are not wrong are there all the same.
 */
void maincf_parse(struct maincf *cf, const char *file, struct str text,
    struct report *rep);

/* Add from "name=value" of an -o option.  -1, reported, when it is not. */
int maincf_option(struct maincf *cf, const char *file, unsigned line,
    struct str text, struct report *rep);

/* Set one value, silently. */
void maincf_set(struct maincf *cf, const char *file, unsigned line,
    struct str name, struct str value);

const struct maincf_entry *
maincf_find(const struct maincf *cf, struct str name);

#endif
