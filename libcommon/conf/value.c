/* SPDX-License-Identifier: ISC */
/*
 * Values of parameters.
 */
#include "conf/value.h"

int
value_bool(struct str s, bool *out)
{
	bool yes = str_caseeq(s, STR("yes"));

	if (!yes && !str_caseeq(s, STR("no")))
		return -1;
	*out = yes;
	return 0;
}

int
value_int(struct str s, int64_t *out)
{
	bool minus = str_starts(s, STR("-"));
	uint64_t v;

	if (str_u64(str_sub(s, minus ? 1 : 0, s.n), INT64_MAX, &v) == -1)
		return -1;
	*out = minus ? -(int64_t)v : (int64_t)v;
	return 0;
}

/* A number and what follows it. */
static int
number(struct str s, uint64_t *v, struct str *rest)
{
	size_t n = 0;

	while (n < s.n && ascii_isdigit(s.p[n]))
		n++;
	*rest = str_trim(str_sub(s, n, s.n));
	return str_u64(str_sub(s, 0, n), INT64_MAX, v);
}

int
value_size(struct str s, int64_t *out)
{
	static const char units[] = "kmgt";
	unsigned shift = 0;
	struct str rest;
	uint64_t v;

	if (number(s, &v, &rest) == -1 || rest.n > 1)
		return -1;
	if (rest.n == 1) {
		const char *u = strchr(units, ascii_lower(rest.p[0]));

		if (u == NULL || *u == '\0')
			return -1;
		shift = 10 * (unsigned)(u - units + 1);
	}
	if (v > (uint64_t)INT64_MAX >> shift)
		return -1;
	*out = (int64_t)(v << shift);
	return 0;
}

int
value_time(struct str s, int64_t unit, int64_t *out)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 },
		{ "h", 3600 * 1000 }, { "d", 86400 * 1000 },
		{ "w", 7 * 86400 * 1000LL } };
	struct str rest;
	uint64_t v;

	if (number(s, &v, &rest) == -1)
		return -1;
	if (rest.n > 0) {
		unit = 0;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (str_caseeq(rest, str_of(units[i].name)))
				unit = units[i].ms;
	}
	if (unit == 0 || v > (uint64_t)(INT64_MAX / unit))
		return -1;
	*out = (int64_t)v * unit;
	return 0;
}

static bool
is_separator(int c)
{
	return c == ',' || ascii_isspace(c);
}

int
value_token(struct str *s, struct str *out, bool *group)
{
	size_t from = 0, to, closed = 0;
	unsigned depth = 0;

	while (from < s->n && is_separator(s->p[from]))
		from++;
	for (to = from; to < s->n; to++) {
		int c = s->p[to];

		if (depth == 0 && is_separator(c))
			break;
		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0 && --depth == 0)
			closed = to;
	}
	*out = str_sub(*s, from, to);
	*group = out->n >= 2 && out->p[0] == '{' && closed == to - 1;
	*s = str_sub(*s, to, s->n);
	if (depth > 0)
		return -1;
	return out->n > 0;
}

struct str
value_unbrace(struct str s)
{
	return str_trim(str_sub(s, 1, s.n - 1));
}

size_t
value_table(struct str s)
{
	size_t n = 0;

	if (s.n == 0 || !ascii_isalpha(s.p[0]))
		return 0;
	while (n < s.n && (ascii_isalnum(s.p[n]) || s.p[n] == '_'))
		n++;
	return n < s.n && s.p[n] == ':' ? n : 0;
}

bool
value_word(struct str s, const char *words, int64_t *index)
{
	struct str all = str_of(words), w;
	int64_t i = 0;

	while (str_token(&all, " ", &w)) {
		if (str_eq(w, s) || (s.n == 0 && str_eq(w, STR("(empty)")))) {
			if (index != NULL)
				*index = i;
			return true;
		}
		i++;
	}
	return false;
}
