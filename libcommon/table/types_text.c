/* SPDX-License-Identifier: ISC */
/*
 * Tables that are read into memory when they are opened: texthash, inline,
 * and the system's users and groups.
 */
#include <stdlib.h>

#include "base/fd.h"
#include "table/impl.h"
#include "table/index.h"
#include "table/load.h"

struct text_table {
	struct table t;
	struct index ix;
};

static enum table_answer
text_get(struct table *t, struct str key, struct buf *value)
{
	struct text_table *tt = (struct text_table *)t;
	struct str found;

	if (!index_find(&tt->ix, key, &found))
		return TABLE_NONE;
	buf_str(value, found);
	return TABLE_FOUND;
}

static int
text_walk(struct table *t,
    int (*fn)(void *arg, struct str key, struct str value), void *arg)
{
	struct text_table *tt = (struct text_table *)t;
	struct str key, value;
	int ret = 0;

	for (size_t i = 0; i < tt->ix.n && ret == 0; i++) {
		if (index_at(&tt->ix, i, &key, &value))
			ret = fn(arg, key, value);
	}
	return ret;
}

static void
text_close(struct table *t)
{
	index_clear(&((struct text_table *)t)->ix);
}

static const struct table_ops text_ops = { .get = text_get,
	.walk = text_walk,
	.close = text_close };

static struct text_table *
text_new(struct table_ctx *ctx)
{
	struct text_table *tt = table_new(ctx, sizeof(*tt), &text_ops);

	index_init(&tt->ix, 2 * (size_t)TABLE_TEXT_MAX);
	return tt;
}

/* --- texthash ------------------------------------------------------------- */

struct told {
	struct table *t;
	const char *path;
};

static void
tell(void *arg, unsigned line, bool error, const char *what)
{
	struct told *to = arg;

	table_warn(to->t, "%s, line %u: %s%s", to->path, line, what,
	    error ? ": line ignored" : "");
}

struct table *
table_text_open(struct table_ctx *ctx)
{
	struct text_table *tt;
	struct told to;
	struct load l = { .say = tell, .arg = &to };
	struct table *ret;
	struct buf path;
	struct str text;
	int fd;

	buf_init(&path, TABLE_KEY_MAX);
	if (!table_read_text(ctx, &fd, &path, &text)) {
		buf_clear(&path);
		return NULL;
	}
	tt = text_new(ctx);
	if (fd != -1)
		table_own_fd(&tt->t, fd);
	to = (struct told){ &tt->t, buf_cstr(&path) };
	l.into = &tt->ix;
	l.fold = (tt->t.flags & TABLE_NOFOLD) == 0;
	ret = &tt->t;
	if (load_text(&l, text) == -1) {
		table_close(&ret);
		table_refuse(ctx, "%s holds too much", buf_cstr(&path));
	}
	free((void *)(uintptr_t)text.p);
	buf_clear(&path);
	return ret;
}

/* --- inline --------------------------------------------------------------- */

/* Add "key = value", or "{ key = value }". */
static bool
inline_add(struct table_ctx *ctx, struct text_table *tt, struct str member)
{
	struct str key, value;
	ptrdiff_t eq;
	char *folded;
	int r;

	table_braced(member, &member);
	eq = str_chr(member, '=');
	if (eq == -1) {
		table_refuse(ctx, "want key = value, not \"" STR_FMT "\"",
		    STR_ARG(str_sub(member, 0, 200)));
		return false;
	}
	key = str_trim(str_sub(member, 0, (size_t)eq));
	value = str_trim(str_sub(member, (size_t)eq + 1, member.n));
	if (key.n == 0 || value.n == 0) {
		table_refuse(ctx, "an empty key or value");
		return false;
	}
	folded = (tt->t.flags & TABLE_NOFOLD) != 0 ? str_dup(key) :
						     str_dup_lower(key);
	r = index_add(&tt->ix, str_make(folded, key.n), value, INDEX_REPLACE);
	free(folded);
	if (r == 0)
		table_warn(&tt->t,
		    "duplicate entry \"" STR_FMT "\", the last one counts",
		    STR_ARG(str_sub(key, 0, 200)));
	if (r == -1)
		table_refuse(ctx, "too large");
	return r != -1;
}

/*
 * The members are "key=value" without blanks, or braced.  "{ a = b }" without
 * inner braces is taken as well, as one pair a member.
 */
struct table *
table_inline_open(struct table_ctx *ctx)
{
	struct str inner, member;
	struct text_table *tt;
	struct table *t;
	bool ok = true;

	if (!table_braced(ctx->name, &inner))
		return table_refuse(ctx,
		    "want inline:{ key=value, { key = value } }");
	if (inner.n == 0)
		return table_refuse(ctx, "an empty inline table");
	tt = text_new(ctx);
	t = &tt->t;
	while (ok && table_token(&inner, &member))
		ok = inline_add(ctx, tt, member);
	if (ok && inner.n > 0) {
		table_refuse(ctx, "unbalanced braces");
		ok = false;
	}
	if (!ok)
		table_close(&t);
	return t;
}

/* --- unix ----------------------------------------------------------------- */

/*
 * Add one line of passwd(5) or group(5).  Its second field may be a password
 * in old systems: that is no mail server's business, and is replaced.
 */
static int
unix_add(struct text_table *tt, struct str line)
{
	struct str name, rest;
	struct buf b;
	ptrdiff_t colon = str_chr(line, ':');
	int r;

	if (colon <= 0 || line.p[0] == '#' || line.p[0] == '+' ||
	    line.p[0] == '-')
		return 0;
	name = str_sub(line, 0, (size_t)colon);
	rest = str_sub(line, (size_t)colon + 1, line.n);
	colon = str_chr(rest, ':');
	if (colon == -1)
		return 0;
	buf_init(&b, TABLE_VALUE_MAX);
	buf_str(&b, name);
	buf_puts(&b, ":x");
	buf_str(&b, str_sub(rest, (size_t)colon, rest.n));
	r = buf_full(&b) ? -1 :
			   index_add(&tt->ix, name, buf_get(&b), INDEX_KEEP);
	buf_clear(&b);
	return r;
}

struct table *
table_unix_open(struct table_ctx *ctx)
{
	struct str text, rest, line;
	struct text_table *tt;
	struct table *t;
	struct buf path;
	int fd, r = 0;

	buf_init(&path, TABLE_KEY_MAX);
	if (!table_read_text(ctx, &fd, &path, &text)) {
		buf_clear(&path);
		return NULL;
	}
	tt = text_new(ctx);
	t = &tt->t;
	if (fd != -1)
		table_own_fd(t, fd);
	rest = text;
	while (r != -1 && str_token(&rest, "\n", &line))
		r = unix_add(tt, line);
	if (r == -1) {
		table_refuse(ctx, "%s holds too much", buf_cstr(&path));
		table_close(&t);
	}
	free((void *)(uintptr_t)text.p);
	buf_clear(&path);
	return t;
}
