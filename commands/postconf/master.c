/* SPDX-License-Identifier: ISC */
/*
 * master.cf, printed: lines, fields, overrides.
 */
#include "postconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/eval.h"
#include "conf/value.h"

#define WIDTH 79
#define LINE_MAX_LEN (1 << 20)

const char *const field_names[8] = { "service", "type", "private",
	"unprivileged", "chroot", "wakeup", "process_limit", "command" };

/* ---- requests ---- */

static bool
part_matches(struct str part, const char *value)
{
	return str_eq(part, STR("*")) || str_eq(part, str_of(value));
}

bool
request_matches(const char *request, const struct service *s, const char *rest)
{
	const char *have[3] = { s->name, s->type, rest };
	struct str r = str_of(request);

	for (size_t i = 0; i < 3; i++) {
		ptrdiff_t slash = str_chr(r, '/');
		struct str part =
		    slash == -1 || i == 2 ? r : str_sub(r, 0, (size_t)slash);

		if (have[i] == NULL || !part_matches(part, have[i]))
			return false;
		if (slash == -1 || i == 2)
			return true;
		r = str_sub(r, (size_t)slash + 1, r.n);
	}
	return false;
}

/* ---- fields ---- */

static char *
flag(int v)
{
	return xstrdup(v == -1 ? "-" : v == 1 ? "y" : "n");
}

static char *
count(int64_t v, const char *suffix)
{
	if (v == -1)
		return xasprintf("-%s", suffix);
	return xasprintf("%lld%s", (long long)v, suffix);
}

/* The command with its arguments; -o and what belongs to it stay together. */
static char *
command_line(const struct service *s)
{
	struct buf out;

	buf_init(&out, LINE_MAX_LEN);
	buf_puts(&out, s->command);
	for (size_t i = 0; i < s->nargs; i++)
		buf_printf(&out, " %s", s->args[i]);
	return buf_take(&out);
}

char *
field_get(const struct service *s, int field)
{
	switch (field) {
	case 0:
		return xstrdup(s->name);
	case 1:
		return xstrdup(s->type);
	case 2:
		return flag(s->is_private);
	case 3:
		return flag(s->is_unprivileged);
	case 4:
		return flag(s->is_chroot);
	case 5:
		return count(s->wakeup, s->wakeup_lazy ? "?" : "");
	case 6:
		return count(s->maxproc, "");
	default:
		return command_line(s);
	}
}

/* ---- lines ---- */

/* One argument, or -o and its own; a line of its own if wanted. */
static void
add_word(struct buf *out, size_t *column, bool fold, bool own, const char *w1,
    const char *w2)
{
	size_t n = strlen(w1) + (w2 == NULL ? 0 : strlen(w2) + 1);

	if (fold && (own || *column + 1 + n > WIDTH)) {
		buf_puts(out, "\n    ");
		*column = 4;
	} else {
		buf_putc(out, ' ');
		*column += 1;
	}
	buf_printf(out, "%s%s%s", w1, w2 == NULL ? "" : " ",
	    w2 == NULL ? "" : w2);
	*column += n;
}

char *
service_line(const struct service *s, bool fold)
{
	/* Where columns begin if those before them are not too wide. */
	static const size_t goal[8] = { 0, 11, 17, 25, 33, 41, 49, 57 };
	bool was_pair = false;
	struct buf out;
	size_t column;

	buf_init(&out, LINE_MAX_LEN);
	for (int f = 0; f < 8; f++) {
		char *value = f == 7 ? xstrdup(s->command) : field_get(s, f);

		if (f > 0)
			do
				buf_putc(&out, ' ');
			while (buf_get(&out).n < goal[f]);
		buf_puts(&out, value);
		free(value);
	}
	column = buf_get(&out).n;
	for (size_t i = 0; i < s->nargs; i++) {
		bool pair = strcmp(s->args[i], "-o") == 0 && i + 1 < s->nargs;

		add_word(&out, &column, fold, pair || was_pair, s->args[i],
		    pair ? s->args[i + 1] : NULL);
		i += pair;
		was_pair = pair;
	}
	return buf_take(&out);
}

/* ---- printing ---- */

/*
 * Call fn for every service that a request is about, in the order of the
 * requests; without requests for every service.  fn says whether there was
 * something.
 */
typedef bool service_fn(const struct options *o, struct build *b,
    const struct service *s, const char *request);

static void
each_service(const struct options *o, struct build *b, service_fn *fn)
{
	for (int i = 0; i < (o->nnames > 0 ? o->nnames : 1); i++) {
		const char *request = o->nnames > 0 ? o->names[i] : "*";
		bool found = false;

		for (size_t k = 0; k < b->master.n; k++)
			found |= fn(o, b, &b->master.v[k], request);
		if (!found && o->nnames > 0)
			warn_of("unmatched request: \"%s\"", request);
	}
}

static bool
show_service(const struct options *o, struct build *b, const struct service *s,
    const char *request)
{
	char *line;

	(void)b;
	if (!request_matches(request, s, NULL))
		return false;
	line = service_line(s, o->fold);
	puts(line);
	free(line);
	return true;
}

void
show_services(const struct options *o, struct build *b)
{
	each_service(o, b, show_service);
}

static bool
show_field(const struct options *o, struct build *b, const struct service *s,
    const char *request)
{
	bool found = false;

	(void)b;
	for (int f = 0; f < 8; f++) {
		char *name, *value;

		if (!request_matches(request, s, field_names[f]))
			continue;
		name = xasprintf("%s/%s/%s", s->name, s->type, field_names[f]);
		value = field_get(s, f);
		show_value(o, name, value);
		free(name);
		free(value);
		found = true;
	}
	return found;
}

void
show_fields(const struct options *o, struct build *b)
{
	for (int i = 0; i < o->nnames; i++) {
		const char *last = strrchr(o->names[i], '/');
		int slashes = 0;
		bool known = false;

		for (const char *p = o->names[i]; *p != '\0'; p++)
			slashes += *p == '/';
		if (slashes < 2)
			continue;
		for (int f = 0; f < 8; f++)
			known |= strcmp(last + 1, field_names[f]) == 0 ||
			    strcmp(last + 1, "*") == 0;
		if (!known)
			die("invalid service attribute name: \"%s\"", last + 1);
	}
	each_service(o, b, show_field);
}

static bool
show_override(const struct options *o, struct build *b, const struct service *s,
    const char *request)
{
	struct eval e = { .main = &b->main,
		.self = s,
		.host = &b->host,
		.dir = b->dir,
		.rep = &b->rep };
	bool found = false;

	for (size_t i = 0; i < s->opts.n; i++) {
		const struct maincf_entry *opt = &s->opts.v[i];
		struct buf value;
		char *name;

		if (!request_matches(request, s, opt->name))
			continue;
		found = true;
		buf_init(&value, LINE_MAX_LEN);
		if (!o->expand)
			buf_puts(&value, opt->value);
		else if (eval_text(&e, str_of(opt->value), opt, &value) == -1)
			die("%s: cannot be expanded", opt->name);
		name = xasprintf("%s/%s/%s", s->name, s->type, opt->name);
		show_value(o, name, buf_cstr(&value));
		free(name);
		buf_clear(&value);
	}
	eval_clear(&e);
	return found;
}

void
show_overrides(const struct options *o, struct build *b)
{
	each_service(o, b, show_override);
}
