/* SPDX-License-Identifier: ISC */
/*
 * Expansion of $name.
 */
#include "conf/expand.h"

#include <stdio.h>

#include "base/attr.h"
#include "conf/value.h"

/* Values inside of values; also bounds the recursion of the parser. */
#define DEPTH_MAX 50
#define NEST_MAX 200
#define NAME_MAX_LEN 200
/* Values doubling each other make much from little, and take their time. */
#define OUT_MAX (1 << 20)
#define LOOKUPS_MAX 100000

struct expander {
	expand_fn *fn;
	void *arg;
	struct expand_error *err;
	struct str names[DEPTH_MAX]; /* being expanded, outermost first */
	unsigned depth;
	unsigned nest; /* texts inside of texts and values, for the stack */
	unsigned lookups;
};

static int expand_text(struct expander *, struct str, struct buf *);

static int
fail(struct expander *x, const char *what, struct str where)
{
	if (where.n > 100)
		where.n = 100;
	snprintf(x->err->text, sizeof(x->err->text), "%s in \"" STR_FMT "\"",
	    what, STR_ARG(where));
	return -1;
}

static size_t
name_len(struct str s)
{
	size_t n = 0;

	while (n < s.n && (ascii_isalnum(s.p[n]) || s.p[n] == '_'))
		n++;
	return n;
}

/* The length of the balanced {...} or (...) that s begins with, or 0. */
static size_t
group_len(struct str s)
{
	int open = s.p[0], close = open == '(' ? ')' : '}';
	unsigned depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == open)
			depth++;
		else if (s.p[i] == close && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* Expand the value of a name behind out. */
static int
expand_name(struct expander *x, struct str name, bool probe, struct buf *out)
{
	struct str value;
	int rc;

	for (unsigned i = 0; i < x->depth; i++)
		if (str_eq(x->names[i], name))
			return fail(x, "value refers to itself", name);
	if (x->depth == DEPTH_MAX || ++x->lookups > LOOKUPS_MAX)
		return fail(x, "values are nested too deeply", name);
	if (!x->fn(x->arg, name, probe, &value))
		return 0;
	x->names[x->depth++] = name;
	rc = expand_text(x, value, out);
	x->depth--;
	return rc;
}

/* ---- comparisons ---- */

static int
is_number(struct str s)
{
	int64_t v;

	return value_int(s, &v) == 0;
}

int
expand_level_cmp(struct str a, struct str b)
{
	struct str x, y;
	uint64_t p, q;

	while (a.n > 0 || b.n > 0) {
		if (!str_token(&a, ".", &x) || str_u64(x, UINT32_MAX, &p) == -1)
			p = 0;
		if (!str_token(&b, ".", &y) || str_u64(y, UINT32_MAX, &q) == -1)
			q = 0;
		if (p != q)
			return p < q ? -1 : 1;
	}
	return 0;
}

static bool
compare(struct str a, struct str op, struct str b)
{
	bool level = str_ends(op, STR("level"));
	int64_t p, q;
	int c;

	if (level) {
		op.n -= 5;
		c = expand_level_cmp(a, b);
	} else if (is_number(a) && is_number(b)) {
		value_int(a, &p);
		value_int(b, &q);
		c = (p > q) - (p < q);
	} else {
		c = str_cmp(a, b);
	}
	if (str_eq(op, STR("==")))
		return c == 0;
	if (str_eq(op, STR("!=")))
		return c != 0;
	if (op.p[0] == '<')
		return c < 0 || (op.n == 2 && c == 0);
	return c > 0 || (op.n == 2 && c == 0);
}

/* The operator s begins with; longest first. */
static struct str
operator_of(struct str s)
{
	static const char *const ops[] = { "==level", "!=level", "<=level",
		">=level", "<level", ">level", "==", "!=", "<=", ">=", "<",
		">" };

	for (size_t i = 0; i < NELEM(ops); i++)
		if (str_starts(s, str_of(ops[i])))
			return str_of(ops[i]);
	return STR_NONE;
}

/* One {operand}, expanded into out; *s moves behind it. */
static int
operand(struct expander *x, struct str *s, struct buf *out)
{
	struct str whole = *s;
	size_t n;

	*s = str_trim(*s);
	if (s->n == 0 || s->p[0] != '{')
		return fail(x, "\"{\" is missing", whole);
	if ((n = group_len(*s)) == 0)
		return fail(x, "\"}\" is missing", whole);
	if (expand_text(x, value_unbrace(str_sub(*s, 0, n)), out) == -1)
		return -1;
	*s = str_trim(str_sub(*s, n, s->n));
	return 0;
}

/* {a} op {b}; *s moves behind it. */
static int
comparison(struct expander *x, struct str *s, bool *result)
{
	struct str whole = *s, op;
	struct buf a, b;
	int rc = -1;

	buf_init(&a, OUT_MAX);
	buf_init(&b, OUT_MAX);
	if (operand(x, s, &a) == -1)
		goto out;
	op = operator_of(*s);
	if (op.n == 0) {
		fail(x, "comparison operator is missing", whole);
		goto out;
	}
	*s = str_sub(*s, op.n, s->n);
	if (operand(x, s, &b) == -1)
		goto out;
	*result = compare(buf_get(&a), op, buf_get(&b));
	rc = 0;
out:
	buf_clear(&a);
	buf_clear(&b);
	return rc;
}

/* ---- ${...} ---- */

/*
 * Take the text of ?text or ?{text} off the front.  Without braces it goes
 * on to the end.
 */
static int
branch(struct expander *x, struct str *s, struct str *text)
{
	size_t n;

	*s = str_trim(str_sub(*s, 1, s->n));
	if (s->n == 0 || s->p[0] != '{') {
		*text = *s;
		*s = STR_NONE;
		return 0;
	}
	if ((n = group_len(*s)) == 0)
		return fail(x, "\"}\" is missing", *s);
	*text = value_unbrace(str_sub(*s, 0, n));
	*s = str_trim(str_sub(*s, n, s->n));
	return 0;
}

/* What follows the condition: ?yes, :no, ?{yes}:{no}. */
static int
conditional(struct expander *x, struct str s, bool result, struct buf *out)
{
	struct str yes = STR_NONE, no = STR_NONE, whole = s;

	if (s.n > 0 && s.p[0] == '?') {
		if (branch(x, &s, &yes) == -1)
			return -1;
	}
	if (s.n > 0 && s.p[0] == ':') {
		if (branch(x, &s, &no) == -1)
			return -1;
	}
	if (s.n > 0)
		return fail(x, "\"?\" or \":\" expected", whole);
	return expand_text(x, result ? yes : no, out);
}

/* The inside of ${...} or $(...). */
static int
expand_group(struct expander *x, struct str in, struct buf *out)
{
	struct str s = str_trim(in), name;
	struct buf value;
	bool result;
	int rc;

	if (s.n > 0 && s.p[0] == '{') {
		if (comparison(x, &s, &result) == -1)
			return -1;
		return conditional(x, s, result, out);
	}
	name = str_sub(s, 0, name_len(s));
	if (name.n == 0 || name.n > NAME_MAX_LEN)
		return fail(x, "name expected behind \"$\"", in);
	s = str_trim(str_sub(s, name.n, s.n));
	if (s.n == 0)
		return expand_name(x, name, false, out);

	buf_init(&value, OUT_MAX);
	rc = expand_name(x, name, true, &value);
	if (rc == 0)
		rc = conditional(x, s, buf_get(&value).n > 0, out);
	buf_clear(&value);
	return rc;
}

/* What begins with a dollar sign at s; *used is its length. */
static int
expand_dollar(struct expander *x, struct str s, size_t *used, struct buf *out)
{
	struct str after = str_sub(s, 1, s.n);
	size_t n;

	if (after.n > 0 && after.p[0] == '$') {
		*used = 2;
		return buf_putc(out, '$');
	}
	if (after.n > 0 && (after.p[0] == '{' || after.p[0] == '(')) {
		if ((n = group_len(after)) == 0)
			return fail(x, "closing brace is missing", s);
		*used = n + 1;
		return expand_group(x, str_sub(after, 1, n - 1), out);
	}
	n = name_len(after);
	if (n == 0 || n > NAME_MAX_LEN)
		return fail(x,
		    "name expected behind \"$\" (a dollar sign is $$)", s);
	*used = n + 1;
	return expand_name(x, str_sub(after, 0, n), false, out);
}

static int
expand_text(struct expander *x, struct str s, struct buf *out)
{
	int rc = 0;

	if (++x->nest > NEST_MAX)
		rc = fail(x, "values are nested too deeply", s);
	while (rc == 0 && s.n > 0) {
		ptrdiff_t d = str_chr(s, '$');
		size_t n = d == -1 ? s.n : (size_t)d;

		buf_str(out, str_sub(s, 0, n));
		s = str_sub(s, n, s.n);
		if (s.n == 0)
			break;
		rc = expand_dollar(x, s, &n, out);
		s = str_sub(s, n, s.n);
	}
	if (rc == 0 && buf_full(out))
		rc = fail(x, "value becomes too long", s);
	x->nest--;
	return rc;
}

int
expand_value(struct str text, expand_fn *fn, void *arg, struct buf *out,
    struct expand_error *err)
{
	struct expander x = { .fn = fn, .arg = arg, .err = err };

	err->text[0] = '\0';
	return expand_text(&x, text, out);
}

void
expand_names(struct str text, void (*fn)(void *arg, struct str name), void *arg)
{
	for (size_t i = 0; i + 1 < text.n; i++) {
		struct str s = str_sub(text, i + 1, text.n);

		if (text.p[i] != '$')
			continue;
		if (s.p[0] == '$') {
			i++;
			continue;
		}
		/* A name in braces may have blanks before it. */
		if (s.p[0] == '{' || s.p[0] == '(')
			s = str_trim(str_sub(s, 1, s.n));
		s = str_sub(s, 0, name_len(s));
		if (s.n > 0)
			fn(arg, s);
	}
}
