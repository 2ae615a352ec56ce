/* SPDX-License-Identifier: ISC */
/*
 * Compiling restriction lists.
 */
#include "rules.h"

#include <stdlib.h>

#include "base/mem.h"
#include "edge/lookup.h"
#include "log/log.h"
#include "table/table.h"

#include "restrict.h"

/* Words of a list that an access table names. */
#define WORDS_MAX 64

static const struct rule_def rule_unknown = { "unknown", on_unknown_rule,
	SHAPE_PLAIN, 0, 0 };
static const struct rule_def rule_class = { "class", on_class, SHAPE_PLAIN, 0,
	0 };
static const struct rule_def rule_table = { "table", on_bare_table, SHAPE_TABLE,
	0, 0 };

/* What the entry of an access table has instead of a parameter's name. */
static const struct str from_table = STR("access table");

void
rule_book_init(struct rule_book *b, const struct conf *conf)
{
	b->conf = conf;
	STAILQ_INIT(&b->classes);
}

void
rule_book_clear(struct rule_book *b)
{
	struct rules *r;

	while ((r = STAILQ_FIRST(&b->classes)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->classes, link);
		rules_clear(r);
		free(r);
	}
}

static const struct rule_def *
def_find(struct str name)
{
	for (const struct rule_def *d = rule_defs; d->name != NULL; d++)
		if (str_caseeq(name, str_of(d->name)))
			return d;
	return NULL;
}

/*
 * A class is compiled when it is first named.  It is in the book before its
 * rules are, so that one which names itself ends here; running in circles is
 * stopped by the depth of evaluation.
 */
const struct rules *
rules_class(struct rule_book *b, struct str name)
{
	struct conf_list names;
	struct rules *r;

	STAILQ_FOREACH(r, &b->classes, link)
		if (str_caseeq(r->param, name))
			return r;
	if (b->conf == NULL)
		return NULL;
	names = conf_list(b->conf, P_SMTPD_RESTRICTION_CLASSES);
	for (size_t i = 0; i < names.n; i++) {
		if (!str_caseeq(names.v[i].text, name))
			continue;
		r = xcalloc(1, sizeof(*r));
		r->param = names.v[i].text;
		STAILQ_INSERT_TAIL(&b->classes, r, link);
		rules_compile(r, b, r->param,
		    conf_named_list(b->conf, r->param), ACCESS_NONE);
		return r;
	}
	return NULL;
}

static void
bind_rule(struct rules *list, struct rule_book *b, struct rule *r,
    struct str name)
{
	r->name = name;
	r->list = list;
	r->def = def_find(name);
	if (r->def == NULL && (r->class = rules_class(b, name)) != NULL) {
		r->def = &rule_class;
		list->refuses |= r->class->refuses;
	}
	if (r->def == NULL) {
		log_warn("unknown smtpd restriction: \"" STR_FMT
			 "\" in " STR_FMT,
		    STR_ARG(name), STR_ARG(list->param));
		r->def = &rule_unknown;
	}
	if (r->def->flags & RULE_REFUSES)
		list->refuses = true;
}

/*
 * lookup answers for the tables that a parameter or a class names.  One that
 * only the entry of another table names it does not know, and "not found"
 * would be the wrong answer: such a rule must not pass for a check.
 */
static bool
is_served(const struct rule_book *b, struct str param, struct str full)
{
	return !(b->closed && param.p == from_table.p) &&
	    param.n <= LOOKUP_PARAM_MAX && full.n <= LOOKUP_TABLE_MAX;
}

static void
unserved(const struct rules *list, struct rule *r)
{
	log_warn("table " STR_FMT " in " STR_FMT
		 " cannot be asked (it is too long, or no parameter and no "
		 "restriction class names it): mail that gets to it is "
		 "deferred",
	    STR_ARG(str_sub(r->table, 0, 200)), STR_ARG(list->param));
	r->def = &rule_unknown;
}

/* A table stands behind its rule, or by itself. */
static void
add_table(struct rules *list, struct rule_book *b, struct str full)
{
	struct rule *last = list->n == 0 ? NULL : &list->v[list->n - 1];

	if (last != NULL && last->def->shape == SHAPE_TABLE &&
	    last->table.n == 0) {
		last->table = full;
	} else {
		last = &list->v[list->n++];
		*last = (struct rule){ .def = &rule_table,
			.name = full,
			.table = full,
			.list = list };
	}
	if (!is_served(b, list->param, full))
		unserved(list, last);
}

/* A rule that wants a table and has none must not pass for a check. */
static void
check_shapes(struct rules *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct rule *r = &list->v[i];

		if (r->def->shape != SHAPE_TABLE || r->table.n > 0)
			continue;
		log_warn("restriction " STR_FMT " in " STR_FMT
			 " needs a table behind it",
		    STR_ARG(r->name), STR_ARG(list->param));
		r->def = &rule_unknown;
	}
}

void
rules_compile(struct rules *r, struct rule_book *b, struct str param,
    struct conf_list list, int access)
{
	r->param = param;
	r->access = access;
	r->n = 0;
	r->refuses = false;
	r->v = list.n == 0 ? NULL : xcalloc(list.n, sizeof(*r->v));
	for (size_t i = 0; i < list.n; i++) {
		const struct conf_item *it = &list.v[i];

		if (it->kind == CONF_TABLE)
			add_table(r, b, it->full);
		else
			bind_rule(r, b, &r->v[r->n++], it->full);
	}
	check_shapes(r);
}

void
rules_words(struct rules *r, struct rule_book *b, struct str text, int access)
{
	struct conf_item items[WORDS_MAX];
	struct conf_list list = { .v = items };
	struct str word, type, name;

	while (list.n < WORDS_MAX && str_token(&text, ", \t\r\n", &word)) {
		struct conf_item *it = &items[list.n++];

		*it = (struct conf_item){ .kind = CONF_WORD,
			.text = word,
			.full = word };
		if (str_chr(word, ':') > 0 && table_split(word, &type, &name)) {
			it->kind = CONF_TABLE;
			it->type = type;
		}
	}
	rules_compile(r, b, from_table, list, access);
}

void
rules_clear(struct rules *r)
{
	free(r->v);
	r->v = NULL;
	r->n = 0;
}
