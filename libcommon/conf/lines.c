/* SPDX-License-Identifier: ISC */
/*
 * Logical lines of configuration files.
 */
#include "conf/lines.h"

void
lines_init(struct lines *l, struct str text)
{
	*l = (struct lines){ .rest = text };
}

/* Cut one physical line off s; a carriage return before the newline goes. */
static struct str
cut_line(struct str *s)
{
	ptrdiff_t nl = str_chr(*s, '\n');
	struct str line = nl == -1 ? *s : str_sub(*s, 0, (size_t)nl);

	*s = nl == -1 ? STR_NONE : str_sub(*s, (size_t)nl + 1, s->n);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* Nothing but blanks, or a comment. */
static bool
is_nothing(struct str line)
{
	line = str_trim(line);
	return line.n == 0 || line.p[0] == '#';
}

bool
lines_next(struct lines *l, struct buf *out)
{
	struct str line, next;
	bool found = false;

	buf_reset(out);
	l->backslash = 0;
	l->orphan = false;
	while (l->rest.n > 0) {
		next = l->rest;
		line = cut_line(&next);
		if (!is_nothing(line)) {
			if (found && !ascii_isspace(line.p[0]))
				break; /* the next logical line */
			if (!found) {
				l->orphan = ascii_isspace(line.p[0]);
				l->first = l->line + 1;
				found = true;
			}
			if (str_ends(line, STR("\\")))
				l->backslash = l->line + 1;
			buf_str(out, line);
		}
		l->rest = next;
		l->line++;
	}
	return found;
}
