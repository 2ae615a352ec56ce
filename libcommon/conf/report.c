/* SPDX-License-Identifier: ISC */
/*
 * Findings about a configuration.
 */
#include "conf/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
report_init(struct report *r)
{
	*r = (struct report){ 0 };
}

static void
item_clear(struct report_item *it)
{
	free(it->file);
	free(it->text);
	free(it->advice);
}

void
report_clear(struct report *r)
{
	for (size_t i = 0; i < r->n; i++)
		item_clear(&r->v[i]);
	free(r->v);
	report_init(r);
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
is_known(const struct report *r, const struct report_item *it)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].line == it->line && same(r->v[i].text, it->text) &&
		    same(r->v[i].file, it->file))
			return true;
	return false;
}

int
report_add(struct report *r, enum report_level level, const char *file,
    unsigned line, const char *advice, const char *fmt, ...)
{
	struct report_item it = { .level = level, .line = line };
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&it.text, fmt, ap) == -1)
		it.text = xstrdup(fmt);
	va_end(ap);
	it.file = file == NULL ? NULL : xstrdup(file);
	it.advice = advice == NULL ? NULL : xstrdup(advice);

	if (is_known(r, &it)) {
		item_clear(&it);
		return -1;
	}
	if (level == REPORT_ERROR)
		r->errors++;
	else
		r->warnings++;
	if (r->n == REPORT_MAX) {
		item_clear(&it);
		return -1;
	}
	if (r->n % 16 == 0)
		r->v = xreallocarray(r->v, r->n + 16, sizeof(*r->v));
	r->v[r->n++] = it;
	return -1;
}

char *
report_line(const struct report_item *it)
{
	char where[32] = "";

	if (it->line != 0)
		snprintf(where, sizeof(where), ", line %u", it->line);
	return xasprintf("%s%s%s%s%s%s%s", it->file == NULL ? "" : it->file,
	    where, it->file == NULL ? "" : ": ", it->text,
	    it->advice == NULL ? "" : " (",
	    it->advice == NULL ? "" : it->advice,
	    it->advice == NULL ? "" : ")");
}
