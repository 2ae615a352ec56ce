/* SPDX-License-Identifier: ISC */
/*
 * $name in values that differ from message to message.
 */
#include "local.h"

#define NEST_MAX 8

static bool
name_value(struct str name, const struct names *n, struct str *out)
{
	const struct {
		struct str name, value;
	} known[] = {
		{ STR("user"), n->user },
		{ STR("extension"), n->extension },
		{ STR("recipient_delimiter"), n->delimiter },
		{ STR("home"), n->home },
		{ STR("domain"), n->domain },
		{ STR("local"), n->local },
		{ STR("recipient"), n->recipient },
	};

	for (size_t i = 0; i < NELEM(known); i++) {
		if (!str_eq(name, known[i].name))
			continue;
		*out = known[i].value;
		return true;
	}
	return false;
}

static int
add_value(struct str v, const struct names *n, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++)
		if (buf_putc(out,
			n->filter.n == 0 || str_chr(n->filter, v.p[i]) != -1 ?
			    v.p[i] :
			    '_') == -1)
			return -1;
	return 0;
}

static size_t
name_end(struct str s)
{
	size_t i = 0;

	while (i < s.n && (ascii_isalnum(s.p[i]) || s.p[i] == '_'))
		i++;
	return i;
}

static int
expand(struct str text, const struct names *n, struct buf *out, int nest);

/* What is between the braces: name, name?text, name:text. */
static int
braces(struct str s, const struct names *n, struct buf *out, int nest)
{
	size_t end = name_end(s);
	struct str value, rest = str_sub(s, end + 1, s.n);

	if (end == 0 || !name_value(str_sub(s, 0, end), n, &value))
		return -1;
	if (end == s.n)
		return value.n == 0 ? 1 : add_value(value, n, out);
	switch (s.p[end]) {
	case '?':
		return value.n > 0 ? expand(rest, n, out, nest + 1) : 0;
	case ':':
		return value.n == 0 ? expand(rest, n, out, nest + 1) : 0;
	default:
		return -1;
	}
}

/* The length of what is between a brace and its partner; -1 without one. */
static ptrdiff_t
partner(struct str s, char open, char close)
{
	int depth = 1;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == open)
			depth++;
		else if (s.p[i] == close && --depth == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

/* One $something at the beginning of *s, which is cut. */
static int
dollar(struct str *s, const struct names *n, struct buf *out, int nest)
{
	struct str rest = str_sub(*s, 1, s->n), value;
	ptrdiff_t len;
	size_t end;

	if (rest.n > 0 && (rest.p[0] == '{' || rest.p[0] == '(')) {
		char open = rest.p[0], close = open == '{' ? '}' : ')';

		rest = str_sub(rest, 1, rest.n);
		len = partner(rest, open, close);
		if (len == -1)
			return -1;
		*s = str_sub(rest, (size_t)len + 1, rest.n);
		return braces(str_sub(rest, 0, (size_t)len), n, out, nest);
	}
	if (rest.n > 0 && rest.p[0] == '$') {
		*s = str_sub(rest, 1, rest.n);
		return buf_putc(out, '$');
	}
	end = name_end(rest);
	if (end == 0 || !name_value(str_sub(rest, 0, end), n, &value))
		return -1;
	*s = str_sub(rest, end, rest.n);
	return value.n == 0 ? 1 : add_value(value, n, out);
}

static int
expand(struct str text, const struct names *n, struct buf *out, int nest)
{
	int r = 0;

	if (nest > NEST_MAX)
		return -1;
	while (text.n > 0 && r == 0) {
		if (text.p[0] == '$') {
			r = dollar(&text, n, out, nest);
		} else {
			r = buf_putc(out, text.p[0]);
			text = str_sub(text, 1, text.n);
		}
	}
	return r;
}

int
expand_names(struct str text, const struct names *n, struct buf *out)
{
	return expand(text, n, out, 0);
}
