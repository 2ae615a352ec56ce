/* SPDX-License-Identifier: ISC */
#include "sandbox/policy_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define REASON_MAX 1024

void
parse_init(struct parser *ps, const char *file, struct str text, char *err,
    size_t err_size)
{
	*ps = (struct parser){ .file = file,
		.rest = text,
		.err = err,
		.err_size = err_size };
	buf_init(&ps->above, REASON_MAX);
	if (err_size > 0)
		err[0] = '\0';
}

void
parse_clear(struct parser *ps)
{
	buf_clear(&ps->above);
}

/* A line without statement: gather its comment, or forget the gathered. */
static void
gather(struct parser *ps, struct str comment, bool has_comment)
{
	if (!has_comment) {
		buf_reset(&ps->above);
		return;
	}
	comment = str_trim(comment);
	if (buf_get(&ps->above).n > 0 && comment.n > 0)
		buf_putc(&ps->above, ' ');
	buf_str(&ps->above, comment);
}

bool
parse_line(struct parser *ps)
{
	/* What was above the last statement does not count for this one. */
	if (ps->words.p != NULL)
		buf_reset(&ps->above);
	while (ps->rest.n > 0) {
		ptrdiff_t nl = str_chr(ps->rest, '\n');
		size_t len = nl == -1 ? ps->rest.n : (size_t)nl;
		struct str line = str_sub(ps->rest, 0, len), comment = STR_NONE;
		ptrdiff_t hash = str_chr(line, '#');

		ps->rest = str_sub(ps->rest, len + (nl != -1), ps->rest.n);
		ps->lineno++;
		if (hash != -1) {
			comment = str_sub(line, (size_t)hash + 1, line.n);
			line = str_sub(line, 0, (size_t)hash);
		}
		line = str_trim(line);
		if (line.n == 0) {
			gather(ps, comment, hash != -1);
			continue;
		}
		ps->line = ps->words = line;
		ps->reason = str_trim(comment);
		if (ps->reason.n == 0)
			ps->reason = buf_get(&ps->above);
		return true;
	}
	return false;
}

bool
parse_next(struct parser *ps, struct str *out)
{
	return str_token(&ps->words, " \t\r", out);
}

int
parse_word(struct parser *ps, const char *what, struct str *out)
{
	if (parse_next(ps, out))
		return 0;
	return parse_bad(ps, "the line ends where %s should be", what);
}

int
parse_number(struct parser *ps, const char *what, uint64_t max, uint64_t *out)
{
	struct str w;

	if (parse_word(ps, what, &w) == -1)
		return -1;
	if (str_u64(w, max, out) == -1)
		return parse_bad(ps, "'" STR_FMT "' is not %s (up to %llu)",
		    STR_ARG(w), what, (unsigned long long)max);
	return 0;
}

bool
parse_option(struct str w, const char *name, struct str *value)
{
	size_t n = strlen(name);

	if (w.n <= n || memcmp(w.p, name, n) != 0 || w.p[n] != '=')
		return false;
	*value = str_sub(w, n + 1, w.n);
	return true;
}

int
parse_bad(struct parser *ps, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(ps->err, ps->err_size, "%s:%u: ", ps->file, ps->lineno);
	if (n < 0 || (size_t)n >= ps->err_size)
		return -1;
	va_start(ap, fmt);
	vsnprintf(ps->err + n, ps->err_size - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

int
parse_unknown(struct parser *ps, const char *what, struct str w,
    const struct named *table)
{
	const char *near = named_near(table, w);

	if (near != NULL)
		return parse_bad(ps,
		    "unknown %s '" STR_FMT "': did you mean '%s'?", what,
		    STR_ARG(w), near);
	return parse_bad(ps, "unknown %s '" STR_FMT "': see postern.policy(5)",
	    what, STR_ARG(w));
}

struct policy_src
parse_src(const struct parser *ps)
{
	return (struct policy_src){ ps->lineno, ps->text, ps->why,
		ps->origin };
}

/* A|B|0x10|3, or ~A|B for every bit but those */
static int
value_parse(struct parser *ps, struct str s, uint64_t *out)
{
	struct str w;
	uint64_t v;

	*out = 0;
	if (str_starts(s, STR("~"))) {
		if (value_parse(ps, str_sub(s, 1, s.n), &v) == -1)
			return -1;
		*out = ~v;
		return 0;
	}
	if (s.n == 0)
		return parse_bad(ps, "a value is missing");
	while (str_token(&s, "|", &w)) {
		if (named_find(const_table, w, &v) == 0) {
			*out |= v;
			continue;
		}
		if (str_starts(w, STR("0x")) && w.n > 2 && w.n <= 18) {
			v = 0;
			for (size_t i = 2; i < w.n; i++) {
				int c = ascii_lower((unsigned char)w.p[i]);

				if (!ascii_isdigit(c) && (c < 'a' || c > 'f'))
					return parse_unknown(ps, "constant", w,
					    const_table);
				v = v << 4 |
				    (uint64_t)(c <= '9' ? c - '0' :
							  c - 'a' + 10);
			}
		} else if (str_u64(w, UINT64_MAX, &v) == -1) {
			return parse_unknown(ps, "constant", w, const_table);
		}
		*out |= v;
	}
	return 0;
}

static int
value_word(struct parser *ps, uint64_t *out)
{
	struct str w;

	if (parse_word(ps, "a value", &w) == -1)
		return -1;
	if (str_ends(w, STR(",")))
		w.n--;
	return value_parse(ps, w, out);
}

/* One condition, whose first word is already read. */
static int
arg_parse(struct parser *ps, struct str first, struct call_arg *a)
{
	struct str op, w;
	struct str ahead;

	if (first.n != 2 || first.p[0] != 'a' || first.p[1] < '0' ||
	    first.p[1] > '5')
		return parse_bad(ps,
		    "'" STR_FMT "': expected a0 to a5, or "
		    "'fails ERRNO'",
		    STR_ARG(first));
	a->index = (uint8_t)(first.p[1] - '0');
	if (parse_word(ps, "==, >=, within or &", &op) == -1)
		return -1;
	if (str_eq(op, STR("=="))) {
		a->op = ARG_EQ;
	} else if (str_eq(op, STR(">="))) {
		a->op = ARG_GE;
	} else if (str_eq(op, STR("within"))) {
		a->op = ARG_WITHIN;
	} else if (str_eq(op, STR("&"))) {
		a->op = ARG_MASKED;
		if (value_word(ps, &a->mask) == -1)
			return -1;
		if (!parse_next(ps, &w) || !str_eq(w, STR("==")))
			return parse_bad(ps, "expected & MASK == VALUE");
	} else {
		return parse_bad(ps,
		    "'" STR_FMT "' is no operator: ==, >=, "
		    "within or &",
		    STR_ARG(op));
	}
	if (value_word(ps, &a->value) == -1)
		return -1;
	ahead = ps->words;
	if (str_token(&ahead, " \t\r", &w) &&
	    (str_eq(w, STR("wide")) || str_eq(w, STR("wide,")))) {
		a->wide = true;
		ps->words = ahead;
	}
	if (a->wide && a->op == ARG_GE)
		return parse_bad(ps, ">= compares 32 bits: no wide");
	if (!a->wide) {
		a->value &= UINT32_MAX;
		a->mask &= UINT32_MAX;
	}
	if (a->op == ARG_MASKED && (a->value & ~a->mask) != 0)
		return parse_bad(ps, "a value outside its mask never matches");
	return 0;
}

int
call_parse(struct parser *ps, struct policy_call *c, struct str *name)
{
	struct str w;
	uint64_t v;

	memset(c, 0, sizeof(*c));
	if (parse_word(ps, "a system call", name) == -1)
		return -1;
	while (parse_next(ps, &w)) {
		if (str_eq(w, STR("fails"))) {
			if (parse_word(ps, "an errno", &w) == -1)
				return -1;
			if (named_find(errno_table, w, &v) == -1)
				return parse_unknown(ps, "errno", w,
				    errno_table);
			c->error = (int)v;
			return 0;
		}
		if (c->nargs == CALL_ARGS)
			return parse_bad(ps, "more than %d conditions",
			    CALL_ARGS);
		if (arg_parse(ps, w, &c->args[c->nargs]) == -1)
			return -1;
		for (unsigned i = 0; i < c->nargs; i++) {
			if (c->args[i].index == c->args[c->nargs].index)
				return parse_bad(ps,
				    "two conditions on a%d: "
				    "write two lines, or one mask",
				    c->args[i].index);
		}
		c->nargs++;
	}
	return 0;
}

void
call_format(const struct policy_call *c, struct buf *out)
{
	buf_puts(out, c->name);
	for (unsigned i = 0; i < c->nargs; i++) {
		const struct call_arg *a = &c->args[i];

		buf_printf(out, "%s a%d ", i == 0 ? "" : ",", a->index);
		switch (a->op) {
		case ARG_EQ:
			buf_puts(out, "==");
			break;
		case ARG_GE:
			buf_puts(out, ">=");
			break;
		case ARG_WITHIN:
			buf_puts(out, "within");
			break;
		case ARG_MASKED:
			buf_printf(out,
			    "& 0x%llx ==", (unsigned long long)a->mask);
			break;
		}
		buf_printf(out, " 0x%llx%s", (unsigned long long)a->value,
		    a->wide ? " wide" : "");
	}
	if (c->error != 0)
		buf_printf(out, " fails %s",
		    named_of(errno_table, (uint64_t)c->error));
}
