/* SPDX-License-Identifier: ISC */
#ifndef CONF_REPORT_H
#define CONF_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/*
 * What is wrong with a configuration: a list of findings, each with file,
 * line and advice, so that all of them can be shown at once and by whoever
 * asked.  Bounded: what comes after REPORT_MAX findings is only counted.
 */
#define REPORT_MAX 500

enum report_level {
	REPORT_WARN, /* works, but is likely not what was meant */
	REPORT_ERROR /* the configuration is not usable */
};

struct report_item {
	enum report_level level;
	char *file;    /* NULL: no file in particular */
	unsigned line; /* 0: no line in particular */
	char *text;
	char *advice; /* what to do about it, or NULL */
};

struct report {
	struct report_item *v;
	size_t n;
	size_t errors, warnings; /* also those beyond REPORT_MAX */
};

void report_init(struct report *r);
void report_clear(struct report *r);

/*
 * Add a finding.  file and advice may be NULL and are copied.  A finding that
 * is the same as an earlier one is not added again.  Always -1, for a parser
 * to return.
 */
int report_add(struct report *r, enum report_level level, const char *file,
    unsigned line, const char *advice, const char *fmt, ...) PRINTFLIKE(6, 7);

/*
 * One line of text, "FILE, line N: text (advice)", without a newline; the
 * caller frees it.
 */
char *report_line(const struct report_item *it);

#endif
