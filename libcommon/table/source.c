/* SPDX-License-Identifier: ISC */
/*
 * Logical lines, and the two shapes they come in.
 */
#include "table/source.h"

#include "table/alias_value.h"

#define LINE_MAX_DEFAULT (16 << 20)

void
source_init(struct source *s, struct str text)
{
	*s = (struct source){ .rest = text, .max = LINE_MAX_DEFAULT };
	buf_init(&s->line, LINE_MAX_DEFAULT);
}

void
source_clear(struct source *s)
{
	buf_clear(&s->line);
	s->rest = STR_NONE;
}

/* The next physical line without its end; false at the end of the text. */
static bool
physical(struct source *s, struct str *line)
{
	const char *nl;

	if (s->rest.n == 0)
		return false;
	nl = memchr(s->rest.p, '\n', s->rest.n);
	if (nl == NULL) {
		*line = s->rest;
		s->rest = STR_NONE;
	} else {
		*line = str_make(s->rest.p, (size_t)(nl - s->rest.p));
		s->rest = str_sub(s->rest, line->n + 1, s->rest.n);
	}
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	s->lineno++;
	return true;
}

/* Nothing to see, or a comment. */
static bool
invisible(struct str line)
{
	size_t i = 0;

	while (i < line.n && ascii_isspace(line.p[i]))
		i++;
	return i == line.n || line.p[i] == '#';
}

/* Does the text go on with a line that belongs to the one before? */
static bool
continues(struct str rest)
{
	return rest.n > 0 && ascii_isblank(rest.p[0]);
}

/*
 * Put the following lines behind the first.  A continuation may be separated
 * by comments and empty lines, so these are passed over while looking for it.
 * They do no harm when none follows: the next line starts at the margin.
 */
static int
join(struct source *s, struct source_line *line)
{
	struct str next;
	bool joined = false;

	while (s->rest.n > 0) {
		struct source before = *s;

		physical(s, &next);
		if (invisible(next))
			continue;
		if (!continues(next)) {
			s->rest = before.rest;
			s->lineno = before.lineno;
			break;
		}
		if (!joined) {
			buf_reset(&s->line);
			buf_str(&s->line, line->text);
			joined = true;
		}
		buf_str(&s->line, next);
		line->last = s->lineno;
	}
	if (joined)
		line->text = buf_get(&s->line);
	if ((joined && buf_full(&s->line)) || line->text.n > s->max)
		return -1;
	return 1;
}

int
source_next(struct source *s, struct source_line *line)
{
	struct str first;

	*line = (struct source_line){ .first = s->lineno };
	do {
		if (!physical(s, &first))
			return 0;
	} while (invisible(first));
	*line = (struct source_line){ first, s->lineno, s->lineno };
	return join(s, line);
}

const char *
source_pair(struct str line, struct str *key, struct str *value,
    const char **note)
{
	bool quoted = false;
	size_t i;

	*note = NULL;
	if (line.n > 0 && ascii_isspace(line.p[0]))
		return "the first line starts with a blank";
	if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
		return "a zero byte";
	for (i = 0; i < line.n; i++) {
		if (line.p[i] == '\\' && i + 1 < line.n)
			i++;
		else if (line.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && ascii_isspace(line.p[i]))
			break;
	}
	if (quoted)
		return "a double quote without its match";
	*key = str_sub(line, 0, i);
	*value = str_trim(str_sub(line, i, line.n));
	if (key->n == 0)
		return "no key";
	if (value->n == 0)
		return "a key without a value (want: key whitespace value)";
	if (key->p[key->n - 1] == ':')
		*note = "the key ends in a colon: if this is an alias file, "
			"use postalias";
	return NULL;
}

/* Read the quoted name at the start of *line into key. */
static const char *
quoted_name(struct str *line, struct buf *key)
{
	size_t i;

	for (i = 1; i < line->n && line->p[i] != '"'; i++) {
		if (line->p[i] == '\\' && i + 1 < line->n)
			i++;
		buf_putc(key, ascii_lower(line->p[i]));
	}
	if (i >= line->n)
		return "a double quote without its match";
	*line = str_sub(*line, i + 1, line->n);
	while (line->n > 0 && ascii_isspace(line->p[0]))
		*line = str_sub(*line, 1, line->n);
	if (line->n == 0 || line->p[0] != ':')
		return "no colon after the name (want: name: value, ...)";
	*line = str_sub(*line, 1, line->n);
	return NULL;
}

static const char *
plain_name(struct str *line, struct buf *key)
{
	ptrdiff_t colon = str_chr(*line, ':');
	struct str name;

	if (colon == -1)
		return "no colon after the name (want: name: value, ...)";
	name = str_trim(str_sub(*line, 0, (size_t)colon));
	if (name.n == 0)
		return "no name before the colon (want: name: value, ...)";
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '@')
			return "an alias name is local: it has no domain "
			       "(for user@domain use virtual_alias_maps)";
		if (ascii_isspace(name.p[i]) || name.p[i] == '"' ||
		    name.p[i] == ',')
			return "a name with blanks, quotes or commas must be "
			       "within double quotes";
		buf_putc(key, ascii_lower(name.p[i]));
	}
	*line = str_sub(*line, (size_t)colon + 1, line->n);
	return NULL;
}

/* Bring the right-hand side into its standard form. */
static const char *
standard_items(struct str text, struct buf *value)
{
	struct alias_parser ap;
	struct alias_item item;
	int r;

	alias_parse(&ap, text, SIZE_MAX);
	while ((r = alias_next(&ap, &item)) == 1) {
		if (buf_get(value).n > 0)
			buf_puts(value, ", ");
		if (alias_print(&item, value) == -1) {
			alias_end(&ap);
			return "the value is too long";
		}
	}
	if (r == -1)
		return ap.error;
	if (buf_get(value).n == 0)
		return "a name without a value (want: name: value, ...)";
	return NULL;
}

const char *
source_alias(struct str line, struct buf *key, struct buf *value,
    const char **note)
{
	const char *error;

	*note = NULL;
	buf_reset(key);
	buf_reset(value);
	if (line.n > 0 && ascii_isspace(line.p[0]))
		return "the first line starts with a blank";
	if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
		return "a zero byte";
	if (line.n > 0 && line.p[0] == '"')
		error = quoted_name(&line, key);
	else
		error = plain_name(&line, key);
	if (error != NULL)
		return error;
	if (buf_full(key))
		return "the name is too long";
	if (buf_get(key).n == 0)
		return "an empty name";
	return standard_items(line, value);
}
