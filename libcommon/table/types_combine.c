/* SPDX-License-Identifier: ISC */
/*
 * Tables made of tables: unionmap, pipemap, and of plain words, randmap.
 */
#include <stdlib.h>

#include "table/impl.h"

struct group_table {
	struct table t;
	size_t n;
	struct table *member[TABLE_MEMBERS_MAX];
	struct buf scratch;
};

static enum table_answer
member_later(struct group_table *g, struct table *member)
{
	return table_later(&g->t, "%s", table_reason(member));
}

/* All that are found, with commas between. */
static enum table_answer
union_get(struct table *t, struct str key, struct buf *value)
{
	struct group_table *g = (struct group_table *)t;
	enum table_answer answer = TABLE_NONE;

	for (size_t i = 0; i < g->n; i++) {
		switch (table_get(g->member[i], key, &g->scratch)) {
		case TABLE_LATER:
			return member_later(g, g->member[i]);
		case TABLE_FOUND:
			if (answer == TABLE_FOUND)
				buf_putc(value, ',');
			buf_str(value, buf_get(&g->scratch));
			answer = TABLE_FOUND;
			break;
		case TABLE_NONE:
			break;
		}
	}
	return answer;
}

/* What one finds is the key of the next. */
static enum table_answer
pipe_get(struct table *t, struct str key, struct buf *value)
{
	struct group_table *g = (struct group_table *)t;

	buf_str(value, key);
	for (size_t i = 0; i < g->n; i++) {
		enum table_answer answer;

		if (buf_full(value))
			return table_later(t,
			    "table %s: a value longer than allowed", t->name);
		answer = table_get(g->member[i], buf_get(value), &g->scratch);
		if (answer == TABLE_LATER)
			return member_later(g, g->member[i]);
		if (answer == TABLE_NONE)
			return TABLE_NONE;
		buf_reset(value);
		buf_str(value, buf_get(&g->scratch));
	}
	return TABLE_FOUND;
}

static void
group_close(struct table *t)
{
	struct group_table *g = (struct group_table *)t;

	for (size_t i = 0; i < g->n; i++)
		table_close(&g->member[i]);
	buf_clear(&g->scratch);
}

static bool
group_stale(const struct table *t)
{
	const struct group_table *g = (const struct group_table *)t;

	for (size_t i = 0; i < g->n; i++) {
		if (table_stale(g->member[i]))
			return true;
	}
	return false;
}

/* A list with at least one member; broken members make all of it broken. */
static struct table *
group_open(struct table_ctx *ctx, const struct table_ops *ops)
{
	struct str inner, spec;
	struct group_table *g;
	struct table *t;

	if (!table_braced(ctx->name, &inner))
		return table_refuse(ctx, "want {table, table, ...}");
	g = table_new(ctx, sizeof(*g), ops);
	t = &g->t;
	t->flags |= TABLE_NOFOLD; /* members know what to fold */
	buf_init(&g->scratch, TABLE_VALUE_MAX);
	while (table_token(&inner, &spec)) {
		struct table *m;

		if (g->n == TABLE_MEMBERS_MAX) {
			table_refuse(ctx, "too many tables");
			table_close(&t);
			return NULL;
		}
		m = g->member[g->n++] = table_open_member(ctx, spec);
		if (table_broken(m) != NULL) {
			table_refuse(ctx, "%s", table_broken(m));
			table_close(&t);
			return NULL;
		}
		buf_str(&t->warnings, table_warnings(m));
		/* A pipe is asked what its first member is asked. */
		if (table_is_pattern(m) && (ops->get == union_get || g->n == 1))
			t->pattern = true;
	}
	if (g->n == 0 || inner.n > 0) {
		table_refuse(ctx,
		    inner.n > 0 ? "unbalanced braces" :
				  "no table in the braces");
		table_close(&t);
	}
	return t;
}

struct table *
table_union_open(struct table_ctx *ctx)
{
	static const struct table_ops ops = { .get = union_get,
		.close = group_close,
		.stale = group_stale };

	return group_open(ctx, &ops);
}

struct table *
table_pipe_open(struct table_ctx *ctx)
{
	static const struct table_ops ops = { .get = pipe_get,
		.close = group_close,
		.stale = group_stale };

	return group_open(ctx, &ops);
}

/* --- randmap -------------------------------------------------------------- */

static enum table_answer
rand_get(struct table *t, struct str key, struct buf *value)
{
	struct str inner, word = STR_NONE;
	uint32_t n = 0, pick;

	(void)key;
	table_braced(str_of(t->name + sizeof("randmap:") - 1), &inner);
	for (struct str s = inner; table_token(&s, &word);)
		n++;
	pick = arc4random_uniform(n);
	for (uint32_t i = 0; i <= pick; i++)
		table_token(&inner, &word);
	table_braced(word, &word);
	buf_str(value, word);
	return TABLE_FOUND;
}

struct table *
table_rand_open(struct table_ctx *ctx)
{
	static const struct table_ops ops = { .get = rand_get };
	struct str inner, word;
	size_t n = 0;

	if (!table_braced(ctx->name, &inner))
		return table_refuse(ctx, "want {value, value, ...}");
	while (table_token(&inner, &word))
		n++;
	if (n == 0 || inner.n > 0)
		return table_refuse(ctx,
		    inner.n > 0 ? "unbalanced braces" :
				  "no value in the braces");
	return table_new(ctx, sizeof(struct table), &ops);
}
