/* SPDX-License-Identifier: ISC */
/*
 * if, endif, ! and $1, for every kind of pattern.
 */
#include "table/rules.h"

#include <stdlib.h>

#include "base/mem.h"
#include "table/source.h"

/* --- results -------------------------------------------------------------- */

/*
 * Cut the next piece of a result: text up to a $, or what a $ stands for.
 * Returns -1 for text, 0 and up for a group, -2 for a $ that means nothing.
 */
static int
result_piece(struct str *s, struct str *text)
{
	struct str digits;
	ptrdiff_t dollar = str_chr(*s, '$'), close = -1;
	uint64_t group;
	size_t i;

	if (dollar != 0) {
		*text = str_sub(*s, 0, dollar == -1 ? s->n : (size_t)dollar);
		*s = str_sub(*s, text->n, s->n);
		return -1;
	}
	*s = str_sub(*s, 1, s->n);
	if (s->n > 0 && s->p[0] == '$') {
		*text = str_sub(*s, 0, 1);
		*s = str_sub(*s, 1, s->n);
		return -1;
	}
	if (s->n > 0 && (s->p[0] == '{' || s->p[0] == '(')) {
		close = str_chr(*s, s->p[0] == '{' ? '}' : ')');
		if (close == -1)
			return -2;
		digits = str_sub(*s, 1, (size_t)close);
	} else {
		for (i = 0; i < s->n && ascii_isdigit(s->p[i]); i++)
			;
		digits = str_sub(*s, 0, i);
	}
	if (str_u64(digits, RULES_GROUPS_MAX - 1, &group) == -1)
		return -2;
	*s = str_sub(*s, close == -1 ? digits.n : (size_t)close + 1, s->n);
	return (int)group;
}

/* What is wrong with a result, or NULL. */
static const char *
result_check(struct rule *r, size_t groups, unsigned flags)
{
	struct str s = r->result, text;

	while (s.n > 0) {
		int piece = result_piece(&s, &text);

		if (piece == -1) {
			r->expands |= text.n == 1 && text.p[0] == '$';
			continue;
		}
		if (piece == -2)
			return "a $ that is no $number (for a plain $ write "
			       "$$)";
		if (r->negate)
			return "a $number in the result of a negated pattern";
		if ((flags & TABLE_NOSUB) != 0)
			return "a $number, which this parameter does not allow";
		if (piece == 0 || (size_t)piece > groups)
			return "a $number beyond the groups of the pattern";
		r->expands = true;
	}
	return NULL;
}

static void
result_write(const struct rule *r, const struct rule_match *m,
    struct buf *value)
{
	struct str s = r->result, text;

	while (s.n > 0) {
		int piece = result_piece(&s, &text);

		if (piece == -1)
			buf_str(value, text);
		else if (piece > 0 && (size_t)piece < m->n)
			buf_str(value, m->group[piece]);
	}
}

/* --- loading -------------------------------------------------------------- */

struct loading {
	struct rules_table *rt;
	const char *path;
	size_t open[TABLE_NEST_MAX * 8]; /* ifs without endif yet */
	size_t nopen;
	struct buf err;
};

static void
complain(struct loading *ld, unsigned line, const char *what, const char *then)
{
	table_warn(&ld->rt->t, "%s, line %u: %s: %s", ld->path, line, what,
	    then);
}

/* Is the first word of s this one?  Then cut it off. */
static bool
first_word(struct str *s, struct str word)
{
	if (!str_casestarts(*s, word))
		return false;
	if (s->n > word.n &&
	    (ascii_isalnum(s->p[word.n]) || s->p[word.n] == '.' ||
		s->p[word.n] == ':'))
		return false;
	*s = str_trim(str_sub(*s, word.n, s->n));
	return true;
}

static struct rule *
rule_add(struct rules_table *rt)
{
	if (rt->n == rt->cap) {
		rt->cap = rt->cap == 0 ? 16 : rt->cap * 2;
		rt->rule = xreallocarray(rt->rule, rt->cap, sizeof(*rt->rule));
	}
	rt->rule[rt->n] = (struct rule){ 0 };
	return &rt->rule[rt->n++];
}

static void
rule_drop(struct rules_table *rt)
{
	struct rule *r = &rt->rule[--rt->n];

	if (r->pattern != NULL)
		rt->kind->free(r->pattern);
	free((void *)(uintptr_t)r->result.p);
}

static void
load_endif(struct loading *ld, unsigned line, struct str rest)
{
	if (rest.n > 0)
		complain(ld, line, "text behind endif", "text ignored");
	if (ld->nopen == 0) {
		complain(ld, line, "endif without if", "line ignored");
		return;
	}
	ld->rt->rule[ld->open[--ld->nopen]].endif = ld->rt->n;
}

/* The pattern, with its !, off the front of *text. */
static const char *
load_pattern(struct loading *ld, struct rule *r, struct str *text,
    size_t *groups)
{
	while (text->n > 0 && text->p[0] == '!') {
		r->negate = !r->negate;
		*text = str_trim(str_sub(*text, 1, text->n));
	}
	buf_reset(&ld->err);
	if (text->n == 0)
		return "no pattern";
	r->pattern = ld->rt->kind->compile(text, groups, &ld->err);
	return r->pattern == NULL ? buf_cstr(&ld->err) : NULL;
}

static void
load_if(struct loading *ld, unsigned line, struct str text)
{
	struct rule *r = rule_add(ld->rt);
	const char *error;
	size_t groups = 0;

	r->verb = RULE_IF;
	r->line = line;
	error = load_pattern(ld, r, &text, &groups);
	if (error == NULL && str_trim(text).n > 0)
		complain(ld, line, "text behind the pattern of an if",
		    "text ignored");
	if (error != NULL) {
		r->never = true;
		complain(ld, line, error, "all up to its endif ignored");
	}
	ld->open[ld->nopen++] = ld->rt->n - 1;
}

static void
load_rule(struct loading *ld, unsigned line, struct str text)
{
	struct rule *r = rule_add(ld->rt);
	const char *error;
	size_t groups = 0;

	r->verb = RULE_RESULT;
	r->line = line;
	error = load_pattern(ld, r, &text, &groups);
	if (error == NULL) {
		text = str_trim(text);
		r->result = str_make(str_dup(text), text.n);
		error = text.n == 0 ? "a pattern without a result" :
				      result_check(r, groups, ld->rt->t.flags);
	}
	if (error == NULL)
		return;
	complain(ld, line, error, "rule ignored");
	rule_drop(ld->rt);
}

static const char *
load_line(struct loading *ld, const struct source_line *line)
{
	struct str s = line->text;

	if (memchr(s.p, '\0', s.n) != NULL) {
		complain(ld, line->first, "a zero byte", "line ignored");
		return NULL;
	}
	s = str_trim(s);
	if (ld->rt->n >= RULES_MAX)
		return "too many rules";
	if (first_word(&s, STR("endif"))) {
		load_endif(ld, line->first, s);
	} else if (first_word(&s, STR("if"))) {
		if (ld->nopen == NELEM(ld->open))
			return "too many ifs within ifs";
		load_if(ld, line->first, s);
	} else {
		load_rule(ld, line->first, s);
	}
	return NULL;
}

static const char *
load_all(struct rules_table *rt, const char *path, struct str text)
{
	struct loading ld = { .rt = rt, .path = path };
	struct source_line line;
	const char *error = NULL;
	struct source s;
	int r;

	buf_init(&ld.err, 1024);
	source_init(&s, text);
	while (error == NULL && (r = source_next(&s, &line)) != 0) {
		if (r == -1)
			error = "a line that is too long";
		else
			error = load_line(&ld, &line);
	}
	while (error == NULL && ld.nopen > 0) {
		struct rule *open = &rt->rule[ld.open[--ld.nopen]];

		open->endif = rt->n;
		complain(&ld, open->line, "if without endif",
		    "it goes on to the end");
	}
	source_clear(&s);
	buf_clear(&ld.err);
	return error;
}

/* --- asking --------------------------------------------------------------- */

static enum table_answer
rules_get(struct table *t, struct str key, struct buf *value)
{
	struct rules_table *rt = (struct rules_table *)t;
	enum table_answer answer = TABLE_NONE;
	struct rule_match m;
	struct buf err;
	size_t i = 0;

	if (rt->kind->key != NULL && !rt->kind->key(rt, key))
		return TABLE_NONE;
	buf_init(&err, 512);
	while (i < rt->n && answer == TABLE_NONE) {
		const struct rule *r = &rt->rule[i++];
		int hit = 0;

		m.n = 0;
		if (!r->never)
			hit = rt->kind->match(rt, r, key, &m, &err);
		if (hit == -1) {
			answer = table_later(t, "table %s, rule of line %u: %s",
			    t->name, r->line, buf_cstr(&err));
			break;
		}
		if (hit == 2)
			hit = 0;
		else if (!r->never && r->negate)
			hit = !hit;
		if (r->verb == RULE_IF && !hit) {
			i = r->endif;
		} else if (r->verb == RULE_RESULT && hit) {
			if (r->expands)
				result_write(r, &m, value);
			else
				buf_str(value, r->result);
			answer = TABLE_FOUND;
		}
	}
	buf_clear(&err);
	return answer;
}

static void
rules_close(struct table *t)
{
	struct rules_table *rt = (struct rules_table *)t;

	while (rt->n > 0)
		rule_drop(rt);
	free(rt->rule);
	free(rt->prepared);
}

struct table *
rules_open(struct table_ctx *ctx, const struct rules_kind *kind)
{
	static const struct table_ops ops = { .get = rules_get,
		.close = rules_close };
	struct rules_table *rt;
	const char *error;
	struct table *t;
	struct buf path;
	struct str text;
	int fd;

	buf_init(&path, TABLE_KEY_MAX);
	if (!table_read_text(ctx, &fd, &path, &text)) {
		buf_clear(&path);
		return NULL;
	}
	rt = table_new(ctx, sizeof(*rt), &ops);
	t = &rt->t;
	t->pattern = true;
	rt->kind = kind;
	if (fd != -1)
		table_own_fd(t, fd);
	error = load_all(rt, buf_cstr(&path), text);
	if (error != NULL) {
		table_refuse(ctx, "%s: %s", buf_cstr(&path), error);
		table_close(&t);
	}
	free((void *)(uintptr_t)text.p);
	buf_clear(&path);
	return t;
}
