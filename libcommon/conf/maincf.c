/* SPDX-License-Identifier: ISC */
/*
 * Reading main.cf.
 */
#include "conf/maincf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/lines.h"

void
maincf_init(struct maincf *cf)
{
	*cf = (struct maincf){ 0 };
}

static void
entry_clear(struct maincf_entry *e)
{
	free(e->name);
	free(e->value);
	free(e->file);
}

void
maincf_clear(struct maincf *cf)
{
	for (size_t i = 0; i < cf->n; i++)
		entry_clear(&cf->v[i]);
	free(cf->v);
	maincf_init(cf);
}

/* Where a name is, or belongs. */
static size_t
position(const struct maincf *cf, struct str name)
{
	size_t lo = 0, hi = cf->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (str_cmp(str_of(cf->v[mid].name), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct maincf_entry *
maincf_find(const struct maincf *cf, struct str name)
{
	size_t i = position(cf, name);

	if (i < cf->n && str_eq(str_of(cf->v[i].name), name))
		return &cf->v[i];
	return NULL;
}

void
maincf_set(struct maincf *cf, const char *file, unsigned line, struct str name,
    struct str value)
{
	struct maincf_entry e = { .name = str_dup(name),
		.value = str_dup(value),
		.file = xstrdup(file),
		.line = line };
	size_t i = position(cf, name);

	if (i < cf->n && str_eq(str_of(cf->v[i].name), name)) {
		entry_clear(&cf->v[i]);
		cf->v[i] = e;
		return;
	}
	if (cf->n == cf->cap) {
		cf->cap = cf->cap == 0 ? 32 : cf->cap * 2;
		cf->v = xreallocarray(cf->v, cf->cap, sizeof(*cf->v));
	}
	memmove(&cf->v[i + 1], &cf->v[i], (cf->n - i) * sizeof(*cf->v));
	cf->v[i] = e;
	cf->n++;
}

/* A name is a word; everything else is a line that went wrong. */
static int
check_name(struct str name, const char *file, unsigned line, struct report *rep)
{
	if (name.n == 0) {
		report_add(rep, REPORT_ERROR, file, line, "write name = value",
		    "nothing before \"=\"");
		return -1;
	}
	for (size_t i = 0; i < name.n; i++) {
		int c = name.p[i];

		if (ascii_isalnum(c) || c == '_' || c == '-' || c == '.')
			continue;
		report_add(rep, REPORT_ERROR, file, line,
		    "a line that continues the one above begins with a blank",
		    "\"" STR_FMT "\" is not the name of a parameter",
		    STR_ARG(str_sub(name, 0, 60)));
		return -1;
	}
	return 0;
}

int
maincf_option(struct maincf *cf, const char *file, unsigned line,
    struct str text, struct report *rep)
{
	ptrdiff_t eq = str_chr(text, '=');
	const struct maincf_entry *old;
	struct str name, value;
	char advice[80];

	if (eq == -1) {
		report_add(rep, REPORT_ERROR, file, line,
		    "write name = value; a line that continues the one above "
		    "begins with a blank",
		    "\"=\" is missing behind \"" STR_FMT "\"",
		    STR_ARG(str_sub(str_trim(text), 0, 60)));
		return -1;
	}
	if (memchr(text.p, '\0', text.n) != NULL) {
		report_add(rep, REPORT_ERROR, file, line,
		    "is this a text file?", "line has a NUL byte");
		return -1;
	}
	name = str_trim(str_sub(text, 0, (size_t)eq));
	value = str_trim(str_sub(text, (size_t)eq + 1, text.n));
	if (check_name(name, file, line, rep) == -1)
		return -1;
	old = maincf_find(cf, name);
	if (old != NULL) {
		snprintf(advice, sizeof(advice),
		    "remove it from line %u, or remove this one", old->line);
		report_add(rep, REPORT_WARN, file, line, advice,
		    "overriding earlier entry: " STR_FMT "=%.60s",
		    STR_ARG(name), old->value);
	}
	maincf_set(cf, file, line, name, value);
	return 0;
}

void
maincf_parse(struct maincf *cf, const char *file, struct str text,
    struct report *rep)
{
	struct lines l;
	struct buf line;

	if (text.n > MAINCF_SIZE_MAX) {
		report_add(rep, REPORT_ERROR, file, 0, NULL,
		    "file is longer than %d bytes", MAINCF_SIZE_MAX);
		return;
	}
	buf_init(&line, MAINCF_LINE_MAX);
	lines_init(&l, text);
	while (lines_next(&l, &line)) {
		if (buf_full(&line)) {
			report_add(rep, REPORT_ERROR, file, l.first, NULL,
			    "line is longer than %d bytes", MAINCF_LINE_MAX);
			continue;
		}
		if (l.backslash != 0)
			report_add(rep, REPORT_WARN, file, l.backslash,
			    "leave it out, and begin the next line with a "
			    "blank",
			    "a backslash at the end does not continue a line");
		if (l.orphan) {
			report_add(rep, REPORT_ERROR, file, l.first,
			    "begin the first line of a parameter at the left "
			    "margin",
			    "there is nothing that this line continues");
			continue;
		}
		maincf_option(cf, file, l.first, buf_get(&line), rep);
	}
	buf_clear(&line);
}
