/* SPDX-License-Identifier: ISC */
#include "edge/grants.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void
grants_init(struct grants *g)
{
	g->notes = xcalloc(GRANT_NOTES, sizeof(*g->notes));
	g->serial = 1;
}

/*
 * Text from a component may be in it: what is no plain character becomes a
 * question mark, so that it means nothing to JSON or a terminal.
 */
static void
defuse(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~' || *s == '"' || *s == '\\')
			*s = '?';
}

void
grants_note(struct grants *g, pid_t pid, const char *component,
    uint32_t instance, bool ok, const char *verb, const char *fmt, ...)
{
	struct grant_note *n = &g->notes[g->serial % GRANT_NOTES];
	va_list ap;

	n->serial = g->serial++;
	n->when_us = clock_wall_us();
	n->pid = pid;
	n->component = component;
	n->instance = instance;
	n->ok = ok;
	strlcpy(n->verb, verb, sizeof(n->verb));
	va_start(ap, fmt);
	vsnprintf(n->what, sizeof(n->what), fmt, ap);
	va_end(ap);
	defuse(n->what);
}

void
grants_json(const struct grants *g, struct buf *b)
{
	uint64_t first = g->serial > GRANT_NOTES ? g->serial - GRANT_NOTES : 1;

	buf_putc(b, '[');
	for (uint64_t s = first; s < g->serial; s++) {
		const struct grant_note *n = &g->notes[s % GRANT_NOTES];

		buf_printf(b, "%s{\"serial\":%" PRIu64 ",\"when\":%" PRId64
		    ".%06" PRId64 ",\"component\":\"%s\",\"instance\":%u,"
		    "\"pid\":%d,\"verb\":\"%s\",\"what\":\"%s\",\"ok\":%s}",
		    s == first ? "" : ",\n", n->serial, n->when_us / 1000000,
		    n->when_us % 1000000, n->component, n->instance,
		    (int)n->pid, n->verb, n->what, n->ok ? "true" : "false");
	}
	buf_putc(b, ']');
}
