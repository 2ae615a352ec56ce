/* SPDX-License-Identifier: ISC */
/*
 * Tables without files: static, fail, nis; and compiled files.
 */
#include <unistd.h>

#include "base/fd.h"
#include "table/cdb_read.h"
#include "table/impl.h"

/* --- static: the same answer to everything -------------------------------- */

static enum table_answer
static_get(struct table *t, struct str key, struct buf *value)
{
	struct str text = str_of(t->name + sizeof("static:") - 1);

	(void)key;
	table_braced(text, &text);
	buf_str(value, text);
	return TABLE_FOUND;
}

struct table *
table_static_open(struct table_ctx *ctx)
{
	static const struct table_ops ops = { .get = static_get };

	return table_new(ctx, sizeof(struct table), &ops);
}

/* --- fail: never an answer, for tests ------------------------------------- */

static enum table_answer
fail_get(struct table *t, struct str key, struct buf *value)
{
	(void)key;
	(void)value;
	return table_later(t, "table %s: fails always, as told", t->name);
}

struct table *
table_fail_open(struct table_ctx *ctx)
{
	static const struct table_ops ops = { .get = fail_get };

	return table_new(ctx, sizeof(struct table), &ops);
}

/* --- nis ------------------------------------------------------------------ */

static enum table_answer
nis_get(struct table *t, struct str key, struct buf *value)
{
	(void)t;
	(void)key;
	(void)value;
	return TABLE_NONE;
}

/*
 * NIS itself is not spoken.  But alias_maps of many systems name a NIS map
 * that does not exist, because there is no NIS domain: nothing can be in it.
 */
struct table *
table_nis_open(struct table_ctx *ctx)
{
	static const struct table_ops ops = { .get = nis_get };
	char domain[256] = "";
	struct table *t;

	if (getdomainname(domain, sizeof(domain) - 1) == 0 &&
	    domain[0] != '\0' && strcmp(domain, "(none)") != 0)
		return table_refuse(ctx,
		    "NIS is not supported: make a file of the map (ypcat -k) "
		    "and use cdb:");
	t = table_new(ctx, sizeof(*t), &ops);
	table_warn(t, "this host is in no NIS domain: the table is empty");
	return t;
}

/* --- cdb and what looks like it ------------------------------------------- */

struct cdb_table {
	struct table t;
	struct cdb_read cdb;
};

static enum table_answer
cdb_error(struct table *t, const char *error)
{
	return table_later(t, "table %s: %s", t->name, error);
}

static enum table_answer
cdb_get(struct table *t, struct str key, struct buf *value)
{
	struct cdb_table *ct = (struct cdb_table *)t;
	const char *error = NULL;

	switch (cdb_read_get(&ct->cdb, key, value, &error)) {
	case 1:
		return TABLE_FOUND;
	case 0:
		return TABLE_NONE;
	}
	return cdb_error(t, error);
}

static int
cdb_walk(struct table *t,
    int (*fn)(void *arg, struct str key, struct str value), void *arg)
{
	struct cdb_table *ct = (struct cdb_table *)t;
	const char *error = NULL;
	int r = cdb_read_walk(&ct->cdb, fn, arg, &error);

	if (error != NULL)
		cdb_error(t, error);
	return r;
}

static void
cdb_close(struct table *t)
{
	cdb_read_close(&((struct cdb_table *)t)->cdb);
}

struct table *
table_cdb_open(struct table_ctx *ctx)
{
	static const struct table_ops ops = { .get = cdb_get,
		.walk = cdb_walk,
		.close = cdb_close };
	struct cdb_read cdb;
	struct cdb_table *ct;
	const char *error;
	struct buf path;
	int fd;

	buf_init(&path, TABLE_KEY_MAX);
	fd = table_open_file(ctx, &path);
	if (fd == -1) {
		buf_clear(&path);
		return NULL;
	}
	error = cdb_read_open(&cdb, fd);
	if (error != NULL) {
		table_refuse(ctx, "%s: %s", buf_cstr(&path), error);
		buf_clear(&path);
		fd_close(&fd);
		return NULL;
	}
	buf_clear(&path);
	ct = table_new(ctx, sizeof(*ct), &ops);
	table_own_fd(&ct->t, fd);
	ct->cdb = cdb;
	return &ct->t;
}
