/* SPDX-License-Identifier: ISC */
/*
 * Editing master.cf: whole lines, single fields, single overrides.
 */
#include "postconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/value.h"

#define LINE_MAX_LEN (1 << 20)

/*
 * What becomes of each service that there was: its lines stay (NULL), or are
 * others; and lines for new ones.
 */
struct outcome {
	char *text; /* instead of the old lines, or NULL */
	bool drop, comment;
};

struct editor {
	const struct options *o;
	struct build *b;
	struct outcome *v; /* one for each service of b->master */
	struct buf added;
};

/* Read one line, which has to be good. */
static void
parse_line(struct mastercf *cf, const char *text)
{
	struct report rep;

	mastercf_init(cf);
	report_init(&rep);
	mastercf_parse(cf, "master.cf", str_of(text), &rep);
	if (rep.errors > 0)
		die("%s: %s", rep.v[0].text, text);
	if (cf->n != 1)
		die("not one service: %s", text);
	report_clear(&rep);
}

/* The line of this service as it is by now. */
static char *
present_line(struct editor *ed, size_t k)
{
	if (ed->v[k].text != NULL)
		return xstrdup(ed->v[k].text);
	return service_line(&ed->b->master.v[k], true);
}

static void
set_line(struct editor *ed, size_t k, const char *text)
{
	struct mastercf cf;

	parse_line(&cf, text);
	free(ed->v[k].text);
	ed->v[k].text = service_line(&cf.v[0], true);
	ed->v[k].drop = ed->v[k].comment = false;
	mastercf_clear(&cf);
}

/* ---- -M ---- */

static void
set_service(struct editor *ed, const char *request, const char *value)
{
	struct mastercf cf;
	const struct service *old;
	char *name;

	parse_line(&cf, value);
	name = xasprintf("%s/%s", cf.v[0].name, cf.v[0].type);
	if (strcmp(name, request) != 0)
		die("the line for %s is one for %s", request, name);
	free(name);
	old = mastercf_find(&ed->b->master, cf.v[0].name, cf.v[0].type);
	if (old != NULL) {
		set_line(ed, (size_t)(old - ed->b->master.v), value);
	} else {
		char *line = service_line(&cf.v[0], true);

		buf_printf(&ed->added, "%s\n", line);
		free(line);
	}
	mastercf_clear(&cf);
}

/* ---- -F ---- */

static int
field_number(const char *name)
{
	for (int f = 0; f < 8; f++)
		if (strcmp(name, field_names[f]) == 0)
			return f;
	die("invalid service attribute name: \"%s\"", name);
}

static void
set_field(struct editor *ed, size_t k, const char *field, const char *value)
{
	char *line = present_line(ed, k);
	int want = field_number(field);
	struct mastercf cf;
	struct buf text;

	parse_line(&cf, line);
	buf_init(&text, LINE_MAX_LEN);
	for (int f = 0; f < 8; f++) {
		char *have = field_get(&cf.v[0], f);

		buf_printf(&text, "%s%s", f == 0 ? "" : " ",
		    f == want ? value : have);
		free(have);
	}
	set_line(ed, k, buf_cstr(&text));
	buf_clear(&text);
	mastercf_clear(&cf);
	free(line);
}

/* ---- -P ---- */

/* The name that an -o with this argument sets. */
static struct str
option_name(const char *arg)
{
	struct str s = str_of(arg);
	ptrdiff_t eq;

	if (s.n > 1 && s.p[0] == '{')
		s = value_unbrace(s);
	eq = str_chr(s, '=');
	return eq == -1 ? STR_NONE : str_trim(str_sub(s, 0, (size_t)eq));
}

static void
put_option(struct buf *out, const char *name, const char *value)
{
	/* What has blanks, or braces of its own, stands in braces. */
	if (strpbrk(value, " \t{}") != NULL)
		buf_printf(out, " -o { %s = %s }", name, value);
	else
		buf_printf(out, " -o %s=%s", name, value);
}

/* value NULL: remove. */
static void
set_override(struct editor *ed, size_t k, const char *name, const char *value)
{
	char *line = present_line(ed, k);
	bool options = true, done = false;
	const struct service *s;
	struct mastercf cf;
	struct buf text;

	parse_line(&cf, line);
	s = &cf.v[0];
	buf_init(&text, LINE_MAX_LEN);
	for (int f = 0; f < 7; f++) {
		char *have = field_get(s, f);

		buf_printf(&text, "%s ", have);
		free(have);
	}
	buf_puts(&text, s->command);
	for (size_t i = 0; i < s->nargs; i++) {
		const char *arg = s->args[i];

		/* New ones go before the first argument of another kind. */
		if (options && arg[0] != '-') {
			if (!done && value != NULL)
				put_option(&text, name, value);
			done = true;
			options = false;
		}
		if (!options || strncmp(arg, "-o", 2) != 0) {
			buf_printf(&text, " %s", arg);
			continue;
		}
		arg = arg[2] != '\0' ? arg + 2 :
		    i + 1 < s->nargs ? s->args[++i] :
				       "";
		if (!str_eq(option_name(arg), str_of(name))) {
			buf_printf(&text, " -o %s", arg);
			continue;
		}
		if (!done && value != NULL)
			put_option(&text, name, value);
		done = true;
	}
	if (!done && value != NULL)
		put_option(&text, name, value);
	set_line(ed, k, buf_cstr(&text));
	buf_clear(&text);
	mastercf_clear(&cf);
	free(line);
}

/* ---- requests ---- */

/* One request with its name and, for -e, its value. */
static void
apply(struct editor *ed, char *request, const char *value)
{
	char *last = NULL;
	bool found = false;

	if (ed->o->what == 'M' && ed->o->edit == EDIT_SET) {
		set_service(ed, request, value);
		return;
	}
	if (ed->o->what != 'M') {
		last = strchr(request, '/');
		last = last == NULL ? NULL : strchr(last + 1, '/');
		if (last == NULL)
			die("write service/type/name: \"%s\"", request);
		*last++ = '\0';
	}
	for (size_t k = 0; k < ed->b->master.n; k++) {
		if (!request_matches(request, &ed->b->master.v[k], NULL))
			continue;
		found = true;
		if (ed->o->what == 'F')
			set_field(ed, k, last, value);
		else if (ed->o->what == 'P')
			set_override(ed, k, last, value);
		else if (ed->o->edit == EDIT_REMOVE)
			ed->v[k].drop = true;
		else
			ed->v[k].comment = true;
	}
	if (!found)
		warn_of("unmatched request: \"%s\"", request);
}

static void
apply_all(struct editor *ed)
{
	for (int i = 0; i < ed->o->nnames; i++) {
		struct str s = str_of(ed->o->names[i]), value = STR_NONE;
		ptrdiff_t eq = str_chr(s, '=');
		char *name, *text = NULL;

		if (str_chr(s, '\n') != -1)
			die("newline in \"%s\"", ed->o->names[i]);
		if (ed->o->edit == EDIT_SET) {
			if (eq == -1)
				die("missing '=' after attribute name: \"%s\"",
				    ed->o->names[i]);
			value = str_trim(str_sub(s, (size_t)eq + 1, s.n));
			s = str_sub(s, 0, (size_t)eq);
			text = str_dup(value);
		}
		name = str_dup(str_trim(s));
		apply(ed, name, text);
		free(name);
		free(text);
	}
}

/* ---- writing ---- */

static void
put_lines(struct editor *ed, struct str text, struct buf *out)
{
	size_t next = 0; /* the service whose first line is to come */
	const struct outcome *at = NULL;

	while (text.n > 0) {
		ptrdiff_t nl = str_chr(text, '\n');
		size_t len = nl == -1 ? text.n : (size_t)nl;
		struct str line = str_sub(text, 0, len);
		struct str words = str_trim(line);

		text = str_sub(text, len + 1, text.n);
		if (words.n > 0 && words.p[0] != '#') {
			if (!ascii_isspace(line.p[0])) {
				at = &ed->v[next++];
				if (at->text != NULL && !at->drop)
					buf_printf(out, "%s%s\n",
					    at->comment ? "#" : "", at->text);
			}
			if (at != NULL && (at->drop || at->text != NULL))
				continue;
			if (at != NULL && at->comment)
				buf_putc(out, '#');
		}
		buf_str(out, line);
		buf_putc(out, '\n');
	}
}

void
edit_master(const struct options *o, struct build *b)
{
	struct editor ed = { .o = o,
		.b = b,
		.v = xcalloc(b->master.n + 1, sizeof(*ed.v)) };
	struct buf out;
	size_t n;
	char *text;

	if (o->what == 'F' && o->edit != EDIT_SET)
		die("-F goes with -e only");
	if (o->what == 'P' && o->edit == EDIT_COMMENT)
		die("-P does not go with -#");
	buf_init(&ed.added, LINE_MAX_LEN);
	buf_init(&out, (size_t)MAINCF_SIZE_MAX * 2);
	apply_all(&ed);
	text = edit_read(b->dir, "master.cf", &n);
	put_lines(&ed, str_make(text, n), &out);
	buf_str(&out, buf_get(&ed.added));
	if (buf_full(&out))
		die("%s/master.cf becomes too long", b->dir);
	edit_replace(b->dir, "master.cf", buf_get(&out));
	for (size_t k = 0; k < b->master.n; k++)
		free(ed.v[k].text);
	free(ed.v);
	buf_clear(&ed.added);
	buf_clear(&out);
	free(text);
}
