/* SPDX-License-Identifier: ISC */
/*
 * Known and unknown names.
 */
#include "conf/names.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/mem.h"
#include "conf/eval.h"
#include "conf/expand.h"
#include "conf/later.h"
#include "conf/value.h"

static void
push(struct str **v, size_t *n, struct str s)
{
	if (*n % 64 == 0)
		*v = xreallocarray(*v, *n + 64, sizeof(**v));
	(*v)[(*n)++] = s;
}

static int
by_text(const void *a, const void *b)
{
	const struct str *x = a, *y = b;

	return str_cmp(*x, *y);
}

static bool
contains(const struct str *v, size_t n, struct str s)
{
	return n > 0 && bsearch(&s, v, n, sizeof(*v), by_text) != NULL;
}

static void
on_name(void *arg, struct str name)
{
	struct names *n = arg;

	push(&n->used, &n->nused, name);
}

/*
 * Tables whose settings may be parameters: ldap:NAME with NAME_server_host,
 * unless NAME is the path of a file that has them.
 */
static void
find_tables(struct names *n, struct str value)
{
	static const char *const types[] = { "ldap:", "mysql:", "pgsql:",
		"sqlite:", "memcache:", "mongodb:" };
	struct str word;

	while (str_token(&value, ", \t\r\n{}", &word)) {
		if (str_starts(word, STR("proxy:")))
			word = str_sub(word, 6, word.n);
		for (size_t i = 0; i < NELEM(types); i++) {
			struct str type = str_of(types[i]);

			if (str_starts(word, type) && word.n > type.n &&
			    word.p[type.n] != '/')
				push(&n->tables, &n->ntables,
				    str_sub(word, type.n, word.n));
		}
	}
}

static void
gather(struct names *n, const struct maincf *cf)
{
	for (size_t i = 0; i < cf->n; i++) {
		expand_names(str_of(cf->v[i].value), on_name, n);
		find_tables(n, str_of(cf->v[i].value));
	}
}

void
names_init(struct names *n, struct build *b)
{
	struct eval e = { .main = &b->main,
		.over = &b->over,
		.host = &b->host,
		.dir = b->dir };
	struct buf classes;
	struct str all, word;

	*n = (struct names){ .b = b };
	gather(n, &b->main);
	gather(n, &b->over);
	for (size_t i = 0; i < b->master.n; i++)
		gather(n, &b->master.v[i].opts);

	buf_init(&classes, 1 << 20);
	eval_param(&e, P_SMTPD_RESTRICTION_CLASSES, &classes);
	n->classes = xstrdup(buf_cstr(&classes));
	buf_clear(&classes);
	eval_clear(&e);
	all = str_of(n->classes);
	while (str_token(&all, ", \t\r\n", &word))
		push(&n->used, &n->nused, word);

	if (n->nused > 0)
		qsort(n->used, n->nused, sizeof(*n->used), by_text);
}

void
names_clear(struct names *n)
{
	free(n->used);
	free(n->tables);
	free(n->classes);
	*n = (struct names){ 0 };
}

static bool
belongs_to_table(const struct names *n, struct str name)
{
	for (size_t i = 0; i < n->ntables; i++) {
		struct str t = n->tables[i];

		if (name.n > t.n + 1 && str_starts(name, t) &&
		    name.p[t.n] == '_')
			return true;
	}
	return false;
}

static bool
has_service(const struct names *n, struct str name)
{
	for (size_t i = 0; i < n->b->master.n; i++)
		if (str_eq(str_of(n->b->master.v[i].name), name))
			return true;
	return false;
}

static const struct param_old *
find_old(struct str name)
{
	for (size_t i = 0; i < params_old_n; i++)
		if (str_eq(str_of(params_old[i].name), name))
			return &params_old[i];
	return NULL;
}

enum name_kind
names_kind(const struct names *n, struct str name)
{
	struct str transport;

	if (param_find(name) != -1)
		return NAME_PARAM;
	if (find_old(name) != NULL)
		return NAME_OLD;
	if (family_find(name, &transport) != -1 && has_service(n, transport))
		return NAME_FAMILY;
	if (contains(n->used, n->nused, name))
		return NAME_USER;
	if (belongs_to_table(n, name))
		return NAME_TABLE;
	return NAME_UNKNOWN;
}

bool
names_class(const struct names *n, struct str name)
{
	struct str all = str_of(n->classes), word;

	while (str_token(&all, ", \t\r\n", &word))
		if (str_caseeq(word, name))
			return true;
	return false;
}

/* ---- the check ---- */

static void
unknown(struct build *b, const struct maincf_entry *at)
{
	struct str name = str_of(at->name), transport;
	const char *near;
	char advice[200];

	if (family_find(name, &transport) != -1) {
		report_add(&b->rep, REPORT_ERROR, at->file, at->line,
		    "add the transport there, or remove this line",
		    "%s: there is no " STR_FMT " in master.cf", at->name,
		    STR_ARG(transport));
		return;
	}
	near = param_nearest(name);
	if (near != NULL)
		snprintf(advice, sizeof(advice), "did you mean %s?", near);
	else
		snprintf(advice, sizeof(advice),
		    "remove it, or refer to it as $%.80s", at->name);
	report_add(&b->rep, REPORT_ERROR, at->file, at->line, advice,
	    "unknown parameter: %s", at->name);
}

static void
check_old(struct build *b, const struct maincf_entry *at)
{
	const struct param_old *old = find_old(str_of(at->name));

	report_add(&b->rep, old->now == NULL ? REPORT_ERROR : REPORT_WARN,
	    at->file, at->line, old->advice,
	    old->now == NULL ? "%s is not supported any more" :
			       "%s is the old name of another parameter",
	    at->name);
}

/*
 * A parameter that we do not support may be set to what it is anyway.
 */
static void
check_later(struct build *b, struct eval *e, enum param_id id,
    const struct maincf_entry *at)
{
	struct later l = later_find(str_of(at->name));
	struct buf set, dflt;

	buf_init(&set, 1 << 20);
	buf_init(&dflt, 1 << 20);
	if (eval_text(e, str_of(at->value), at, &set) == 0 &&
	    eval_text(e, str_of(eval_default(e, id)), NULL, &dflt) == 0 &&
	    !str_caseeq(buf_get(&set), buf_get(&dflt)))
		report_add(&b->rep, REPORT_ERROR, at->file, at->line, l.advice,
		    "%s is not supported by this version%s%s", at->name,
		    *l.what == '\0' ? "" : ": ", l.what);
	buf_clear(&set);
	buf_clear(&dflt);
}

static void
check_param(struct build *b, struct eval *e, enum param_id id,
    const struct maincf_entry *at)
{
	switch (params[id].status) {
	case PS_OK:
		break;
	case PS_VOID:
		if (strcmp(at->value, eval_default(e, id)) != 0)
			report_add(&b->rep, REPORT_WARN, at->file, at->line,
			    params[id].text, "%s has no effect", at->name);
		break;
	case PS_LATER:
		check_later(b, e, id, at);
		break;
	case PS_READ:
		report_add(&b->rep, REPORT_ERROR, at->file, at->line,
		    "remove this line", "%s cannot be set", at->name);
		break;
	}
}

static void
check_names(struct names *n, struct build *b, const struct maincf *cf,
    const struct service *self)
{
	struct eval e = { .main = &b->main,
		.over = &b->over,
		.self = self,
		.host = &b->host,
		.dir = b->dir,
		.rep = &b->rep };

	for (size_t i = 0; i < cf->n; i++) {
		struct str name = str_of(cf->v[i].name);

		switch (names_kind(n, name)) {
		case NAME_PARAM:
			check_param(b, &e, (enum param_id)param_find(name),
			    &cf->v[i]);
			break;
		case NAME_OLD:
			check_old(b, &cf->v[i]);
			break;
		case NAME_UNKNOWN:
			unknown(b, &cf->v[i]);
			break;
		case NAME_FAMILY:
		case NAME_USER:
		case NAME_TABLE:
			break;
		}
	}
	eval_clear(&e);
}

void
names_check(struct names *n, struct build *b)
{
	check_names(n, b, &b->main, NULL);
	check_names(n, b, &b->over, NULL);
	for (size_t i = 0; i < b->master.n; i++)
		check_names(n, b, &b->master.v[i].opts, &b->master.v[i]);
}
