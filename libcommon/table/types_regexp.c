/* SPDX-License-Identifier: ISC */
/*
 * regexp: POSIX regular expressions, by the C library.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "table/delimited.h"
#include "table/rules.h"

bool
delimited_cut(struct str *text, struct str *pattern, struct str *flags,
    struct buf *err)
{
	size_t i, j;
	char d;

	d = text->n > 0 ? text->p[0] : ' ';
	if (!ascii_isgraph(d) || ascii_isalnum(d) || d == '\\' || d == '!') {
		buf_puts(err, "want /pattern/flags result");
		return false;
	}
	for (i = 1; i < text->n && text->p[i] != d; i++) {
		if (text->p[i] == '\\')
			i++;
	}
	if (i >= text->n) {
		buf_puts(err, "a pattern without its closing delimiter");
		return false;
	}
	for (j = i + 1; j < text->n && !ascii_isspace(text->p[j]);)
		j++;
	*pattern = str_sub(*text, 1, i);
	*flags = str_sub(*text, i + 1, j);
	*text = str_sub(*text, j, text->n);
	return true;
}

/* The flags toggle. */
static int
regexp_flags(struct str flags, struct buf *err)
{
	int bits = REG_EXTENDED | REG_ICASE;

	for (size_t i = 0; i < flags.n; i++) {
		switch (flags.p[i]) {
		case 'i':
			bits ^= REG_ICASE;
			break;
		case 'm':
			bits ^= REG_NEWLINE;
			break;
		case 'x':
			bits ^= REG_EXTENDED;
			break;
		default:
			buf_printf(err, "an unknown flag \"%c\"", flags.p[i]);
			return -1;
		}
	}
	return bits;
}

/*
 * The C library writes repetitions out: a group that is repeated a hundred
 * times, in one that is, too, takes ten thousand times its memory, and each of
 * a row of `+` doubles what is before it.  What is repeated within what is
 * repeated takes time by the power of how deep that goes.  So what a pattern
 * comes to is counted before it is compiled.
 */
#define COST_MAX 100000
#define NEST_MAX 8
#define DEPTH_MAX 64

/* Behind `{`: the larger of its numbers, and where it ends. */
static size_t
read_interval(struct str p, size_t i, uint64_t *times)
{
	uint64_t n = 0;

	*times = 1;
	for (; i < p.n && p.p[i] != '}'; i++) {
		if (p.p[i] < '0' || p.p[i] > '9')
			n = 0;
		else if (n < COST_MAX)
			n = n * 10 + (uint64_t)(p.p[i] - '0');
		if (n > *times)
			*times = n;
	}
	return i;
}

/* Behind `[`: where the set ends. */
static size_t
skip_set(struct str p, size_t i)
{
	if (i < p.n && p.p[i] == '^')
		i++;
	if (i < p.n && p.p[i] == ']')
		i++;
	while (i < p.n && p.p[i] != ']')
		i++;
	return i;
}

static bool
regexp_fits(struct str p, bool extended)
{
	uint64_t sum[DEPTH_MAX] = { 0 }, last = 0, times;
	unsigned nest[DEPTH_MAX] = { 0 }, inner = 0;
	size_t depth = 0;

	for (size_t i = 0; i < p.n; i++) {
		bool escaped = p.p[i] == '\\' && i + 1 < p.n;
		char c = p.p[escaped ? ++i : i];
		/* In the old syntax these are special behind a backslash. */
		bool special = strchr("(){", c) == NULL || c == '\0' ?
		    !escaped :
		    escaped != extended;

		times = 1;
		if (special && c == '(') {
			if (++depth == DEPTH_MAX)
				return false;
			sum[depth] = last = nest[depth] = inner = 0;
			continue;
		}
		if (special && c == '{') {
			i = read_interval(p, i + 1, &times);
		} else if (special && c == '+') {
			times = 2;
		} else if (special && c == ')' && depth > 0) {
			inner = nest[depth];
			last = sum[depth--] + 1;
			sum[depth] += last;
		} else if (!special || (c != '*' && c != '?' && c != '|')) {
			inner = 0;
			last = 1;
			sum[depth]++;
		}
		if (special && c != '\0' && strchr("{+*?", c) != NULL)
			inner++;
		if (inner > nest[depth])
			nest[depth] = inner;
		if (special && c == '[')
			i = skip_set(p, i + 1);
		sum[depth] += last * (times - 1);
		last *= times;
		if (sum[depth] > COST_MAX || inner > NEST_MAX)
			return false;
	}
	return true;
}

static void *
regexp_compile(struct str *text, size_t *groups, struct buf *err)
{
	struct str pattern, flags;
	regex_t *re;
	char *p, why[256];
	int bits, error;

	if (!delimited_cut(text, &pattern, &flags, err) ||
	    (bits = regexp_flags(flags, err)) == -1)
		return NULL;
	if (!regexp_fits(pattern, (bits & REG_EXTENDED) != 0)) {
		buf_puts(err, "a pattern that repeats too much");
		return NULL;
	}
	p = str_dup(pattern);
	re = xmalloc(sizeof(*re));
	error = regcomp(re, p, bits);
	free(p);
	if (error != 0) {
		regerror(error, re, why, sizeof(why));
		buf_puts(err, why);
		free(re);
		return NULL;
	}
	*groups = re->re_nsub;
	return re;
}

/*
 * The C library wants a terminator.  Where it has REG_STARTEND it looks behind
 * a zero byte as well; elsewhere that byte must not hide what follows it.
 */
static bool
regexp_key(struct rules_table *rt, struct str key)
{
	char *p = rt->prepared = xreallocarray(rt->prepared, key.n + 1, 1);

	if (key.n > 0)
		memcpy(p, key.p, key.n);
	p[key.n] = '\0';
#ifndef REG_STARTEND
	for (size_t i = 0; i < key.n; i++) {
		if (p[i] == '\0')
			p[i] = '\1';
	}
#endif
	return true;
}

static int
regexp_match(const struct rules_table *rt, const struct rule *r, struct str key,
    struct rule_match *m, struct buf *err)
{
	regmatch_t at[RULES_GROUPS_MAX];
	char why[256];
	int error, flags = 0;

#ifdef REG_STARTEND
	flags = REG_STARTEND;
	at[0].rm_so = 0;
	at[0].rm_eo = (regoff_t)key.n;
#endif
	error = regexec(r->pattern, rt->prepared, r->expands ? NELEM(at) : 0,
	    at, flags);
	if (error == REG_NOMATCH)
		return 0;
	if (error != 0) {
		regerror(error, r->pattern, why, sizeof(why));
		buf_puts(err, why);
		return -1;
	}
	for (m->n = 0; r->expands && m->n < NELEM(at); m->n++) {
		struct str *g = &m->group[m->n];

		*g = STR_NONE;
		if (at[m->n].rm_so >= 0)
			*g = str_sub(key, (size_t)at[m->n].rm_so,
			    (size_t)at[m->n].rm_eo);
	}
	return 1;
}

static void
regexp_free(void *pattern)
{
	regfree(pattern);
	free(pattern);
}

struct table *
table_regexp_open(struct table_ctx *ctx)
{
	static const struct rules_kind kind = { .compile = regexp_compile,
		.match = regexp_match,
		.free = regexp_free,
		.key = regexp_key };

	return rules_open(ctx, &kind);
}
