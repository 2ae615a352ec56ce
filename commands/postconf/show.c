/* SPDX-License-Identifier: ISC */
/*
 * Parameters of main.cf, printed.
 */
#include "postconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/eval.h"

#define WIDTH 79
#define INDENT 4
#define VALUE_MAX (1 << 20)

static void
put_words(const char *text, bool fold)
{
	struct str s = str_of(text), w;
	size_t column = 0;

	while (str_token(&s, " \t\r\n", &w)) {
		if (column > 0 && fold && column + 1 + w.n > WIDTH) {
			printf("\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > 0) {
			putchar(' ');
			column++;
		}
		printf(STR_FMT, STR_ARG(w));
		column += w.n;
	}
	putchar('\n');
}

void
show_value(const struct options *o, const char *name, const char *value)
{
	char *line;

	if (o->hide_value) {
		puts(name);
	} else if (o->hide_name) {
		put_words(value, o->fold);
	} else {
		line = xasprintf("%s = %s", name, value);
		put_words(line, o->fold);
		free(line);
	}
}

/* ---- what there is to print ---- */

struct shower {
	const struct options *o;
	struct build *b;
	struct eval e;
	struct names names;
	char **v; /* names to print */
	size_t n, cap;
};

static void
push(struct shower *s, const char *name)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 1024 : s->cap * 2;
		s->v = xreallocarray(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n++] = xstrdup(name);
}

/* Services that deliver have the parameters of the families. */
static bool
has_families(const struct service *sv)
{
	static const char *const commands[] = { "smtp", "lmtp", "local",
		"virtual", "pipe", "error", "retry" };

	if (sv->socket != CONF_UNIX)
		return false;
	for (size_t i = 0; i < NELEM(commands); i++)
		if (strcmp(sv->command, commands[i]) == 0)
			return true;
	return false;
}

static void
push_families(struct shower *s)
{
	for (size_t i = 0; i < s->b->master.n; i++) {
		const struct service *sv = &s->b->master.v[i];

		if (!has_families(sv))
			continue;
		for (int f = 0; f < F_COUNT; f++) {
			char *name =
			    xasprintf("%s%s", sv->name, families[f].suffix);

			/* Only programs that are run have a time limit. */
			if ((f != F_TIME_LIMIT ||
				strcmp(sv->command, "pipe") == 0) &&
			    param_find(str_of(name)) == -1)
				push(s, name);
			free(name);
		}
	}
}

static void
push_set(struct shower *s, const struct maincf *cf)
{
	for (size_t i = 0; i < cf->n; i++) {
		enum name_kind kind =
		    names_kind(&s->names, str_of(cf->v[i].name));
		unsigned class = kind == NAME_PARAM ? CLASS_BUILTIN :
		    kind == NAME_FAMILY		    ? CLASS_SERVICE :
						      CLASS_USER;

		if (kind == NAME_UNKNOWN || (s->o->classes & class) == 0)
			continue;
		if (s->o->only_set || kind > NAME_FAMILY || kind == NAME_OLD)
			push(s, cf->v[i].name);
	}
}

static void
warn_unused(struct shower *s, const struct maincf *cf)
{
	for (size_t i = 0; i < cf->n; i++)
		if (names_kind(&s->names, str_of(cf->v[i].name)) ==
		    NAME_UNKNOWN)
			warn_of("%s/main.cf: unused parameter: %s=%s",
			    s->b->dir, cf->v[i].name, cf->v[i].value);
}

static int
by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static void
gather(struct shower *s)
{
	if (!s->o->only_set && (s->o->classes & CLASS_BUILTIN) != 0)
		for (size_t i = 0; i < P_COUNT; i++)
			push(s, params[i].name);
	if (!s->o->only_set && (s->o->classes & CLASS_SERVICE) != 0)
		push_families(s);
	if (!s->o->defaults) {
		push_set(s, &s->b->main);
		push_set(s, &s->b->over);
	}
	if (s->n > 0)
		qsort(s->v, s->n, sizeof(*s->v), by_name);
}

/* ---- values ---- */

/* The unexpanded value, or NULL when there is no such parameter. */
static const char *
raw_value(struct shower *s, const char *name)
{
	const struct maincf_entry *set;
	struct str transport;
	int id = param_find(str_of(name));

	if (id != -1)
		return s->o->defaults ? eval_default(&s->e, (enum param_id)id) :
					eval_raw(&s->e, (enum param_id)id);
	set = eval_entry(&s->e, str_of(name));
	if (set != NULL && names_kind(&s->names, str_of(name)) != NAME_UNKNOWN)
		return set->value;
	id = family_find(str_of(name), &transport);
	if (id != -1 && names_kind(&s->names, str_of(name)) == NAME_FAMILY)
		return eval_family_default(&s->e, (enum family_id)id,
		    transport);
	return NULL;
}

/* -n: is it in main.cf, under its name or its old one, or in -o? */
static bool
is_set(struct shower *s, const char *name)
{
	int id = param_find(str_of(name));

	return eval_entry(&s->e, str_of(name)) != NULL ||
	    (id != -1 && eval_param_entry(&s->e, (enum param_id)id) != NULL);
}

static void
print_one(struct shower *s, const char *name)
{
	const char *raw = raw_value(s, name);
	int id = param_find(str_of(name));
	struct buf value;

	if (raw != NULL && s->o->only_set && !is_set(s, name))
		return;

	if (raw == NULL) {
		warn_of("%s: unknown parameter", name);
		return;
	}
	if (!s->o->expand || (id != -1 && params[id].type == PT_RAW)) {
		show_value(s->o, name, raw);
		return;
	}
	buf_init(&value, VALUE_MAX);
	if (eval_text(&s->e, str_of(raw), NULL, &value) == -1) {
		const struct report *rep = &s->b->rep;

		die("%s: %s", name,
		    rep->n > 0 ? rep->v[rep->n - 1].text :
				 "cannot be expanded");
	}
	show_value(s->o, name, buf_cstr(&value));
	buf_clear(&value);
}

void
show_params(const struct options *o, struct build *b)
{
	struct shower s = { .o = o, .b = b };

	s.e = (struct eval){ .main = &b->main,
		.over = &b->over,
		.host = &b->host,
		.dir = b->dir,
		.rep = &b->rep,
		.process_name = "postconf",
		.defaults_only = o->defaults };
	names_init(&s.names, b);
	if (o->nnames > 0) {
		for (int i = 0; i < o->nnames; i++)
			push(&s, o->names[i]);
	} else {
		gather(&s);
	}
	for (size_t i = 0; i < s.n; i++) {
		if (i > 0 && o->nnames == 0 && strcmp(s.v[i], s.v[i - 1]) == 0)
			continue;
		print_one(&s, s.v[i]);
	}
	if (!o->defaults) {
		warn_unused(&s, &b->main);
		warn_unused(&s, &b->over);
	}
	for (size_t i = 0; i < s.n; i++)
		free(s.v[i]);
	free(s.v);
	names_clear(&s.names);
	eval_clear(&s.e);
}
