/* SPDX-License-Identifier: ISC */
/*
 * What all tables have in common: names, opening, asking, going stale.
 */
#include "table/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "table/impl.h"

enum needs {
	NEEDS_NOTHING,
	NEEDS_TEXT,	/* the file name; or rules within braces */
	NEEDS_COMPILED, /* the file name and a suffix */
	NEEDS_SYSTEM,	/* /etc/passwd or /etc/group */
	NEEDS_MEMBERS,	/* what its members need */
};

struct kind {
	const char *type;
	enum needs needs;
	const char *suffix;
	struct table *(*open)(struct table_ctx *ctx);
};

/* clang-format off */
static const struct kind kinds[] = {
	{ "btree",	NEEDS_COMPILED,	".db",	 table_cdb_open },
	{ "cdb",	NEEDS_COMPILED,	".cdb",	 table_cdb_open },
	{ "cidr",	NEEDS_TEXT,	NULL,	 table_cidr_open },
	{ "fail",	NEEDS_NOTHING,	NULL,	 table_fail_open },
	{ "hash",	NEEDS_COMPILED,	".db",	 table_cdb_open },
	{ "inline",	NEEDS_NOTHING,	NULL,	 table_inline_open },
	{ "lmdb",	NEEDS_COMPILED,	".lmdb", table_cdb_open },
	{ "nis",	NEEDS_NOTHING,	NULL,	 table_nis_open },
#ifdef HAVE_PCRE2
	{ "pcre",	NEEDS_TEXT,	NULL,	 table_pcre_open },
#endif
	{ "pipemap",	NEEDS_MEMBERS,	NULL,	 table_pipe_open },
	{ "randmap",	NEEDS_NOTHING,	NULL,	 table_rand_open },
	{ "regexp",	NEEDS_TEXT,	NULL,	 table_regexp_open },
	{ "static",	NEEDS_NOTHING,	NULL,	 table_static_open },
	{ "texthash",	NEEDS_TEXT,	NULL,	 table_text_open },
	{ "unionmap",	NEEDS_MEMBERS,	NULL,	 table_union_open },
	{ "unix",	NEEDS_SYSTEM,	NULL,	 table_unix_open },
};

/* Types an administrator may come with, and what to use instead. */
static const struct {
	const char *type, *advice;
} absent[] = {
	{ "dbm",	"use cdb: and rebuild with postmap" },
	{ "sdbm",	"use cdb: and rebuild with postmap" },
	{ "nisplus",	"export the map to a text file and use cdb:" },
	{ "netinfo",	"export the map to a text file and use cdb:" },
	{ "pcre",	"this build is without PCRE2; use regexp:" },
	{ "environ",	"use inline: or static:" },
	{ "internal",	"use inline:" },
	{ "ldap",	"it is not served in this process" },
	{ "mysql",	"it is not served in this process" },
	{ "pgsql",	"it is not served in this process" },
	{ "sqlite",	"it is not served in this process" },
	{ "memcache",	"it is not served in this process" },
	{ "socketmap",	"it is not served in this process" },
	{ "tcp",	"it is not served in this process" },
};
/* clang-format on */

const char *const table_types[] = { "btree", "cdb", "cidr", "fail", "hash",
	"inline", "lmdb", "nis",
#ifdef HAVE_PCRE2
	"pcre",
#endif
	"pipemap", "proxy", "randmap", "regexp", "static", "texthash",
	"unionmap", "unix", NULL };

static const struct kind *
kind_find(struct str type)
{
	for (size_t i = 0; i < NELEM(kinds); i++) {
		if (str_eq(type, str_of(kinds[i].type)))
			return &kinds[i];
	}
	return NULL;
}

const char *
table_suffix(struct str type)
{
	const struct kind *k = kind_find(type);

	return k == NULL ? NULL : k->suffix;
}

/* --- names ---------------------------------------------------------------- */

/* The path of a name, as the administrator would write it. */
static bool
path_of(const struct table_env *env, struct str name, const char *suffix,
    struct buf *path)
{
	buf_reset(path);
	if (name.n == 0 || memchr(name.p, '\0', name.n) != NULL)
		return false;
	if (name.p[0] != '/' && env != NULL && env->config_dir != NULL)
		buf_printf(path, "%s/", env->config_dir);
	buf_str(path, name);
	if (suffix != NULL)
		buf_puts(path, suffix);
	return !buf_full(path);
}

static const char *
system_path(struct str name)
{
	if (str_eq(name, STR("passwd.byname")))
		return "/etc/passwd";
	if (str_eq(name, STR("group.byname")))
		return "/etc/group";
	return NULL;
}

/* --- which files ---------------------------------------------------------- */

struct files {
	const struct table_env *env;
	int (*fn)(void *arg, enum table_file_kind kind, const char *path,
	    const char *source);
	void *arg;
	struct buf *err;
};

static int
files_error(const struct files *f, struct str spec, const char *what)
{
	if (f->err != NULL)
		buf_printf(f->err, "table " STR_FMT ": %s", STR_ARG(spec),
		    what);
	return -1;
}

static int
files_one(const struct files *f, const struct kind *k, struct str spec,
    struct str name)
{
	struct buf path, source;
	int ret = -1;

	buf_init(&path, TABLE_KEY_MAX);
	buf_init(&source, TABLE_KEY_MAX);
	if (!path_of(f->env, name, k->suffix, &path) ||
	    !path_of(f->env, name, NULL, &source))
		files_error(f, spec, "no file name");
	else
		ret = f->fn(f->arg,
		    k->needs == NEEDS_TEXT ? TABLE_FILE_TEXT :
					     TABLE_FILE_COMPILED,
		    buf_cstr(&path),
		    k->needs == NEEDS_TEXT ? NULL : buf_cstr(&source));
	buf_clear(&path);
	buf_clear(&source);
	return ret;
}

static int
files_of(const struct files *f, struct str spec, unsigned depth)
{
	struct str type, name, inner, member;
	const struct kind *k;
	int ret = 0;

	if (!table_split(spec, &type, &name))
		return files_error(f, spec, "want type:name");
	if ((k = kind_find(type)) == NULL)
		return files_error(f, spec, "no such table type");
	switch (k->needs) {
	case NEEDS_NOTHING:
		return 0;
	case NEEDS_SYSTEM:
		if (system_path(name) == NULL)
			return files_error(f, spec, "no such system table");
		return f->fn(f->arg, TABLE_FILE_TEXT, system_path(name), NULL);
	case NEEDS_TEXT:
		if (table_braced(name, &inner))
			return 0;
		return files_one(f, k, spec, name);
	case NEEDS_COMPILED:
		return files_one(f, k, spec, name);
	case NEEDS_MEMBERS:
		break;
	}
	if (depth >= TABLE_NEST_MAX || !table_braced(name, &inner))
		return files_error(f, spec, "want {table, table, ...}");
	while (ret == 0 && table_token(&inner, &member))
		ret = files_of(f, member, depth + 1);
	return ret;
}

int
table_files(struct str spec, const struct table_env *env,
    int (*fn)(void *arg, enum table_file_kind kind, const char *path,
	const char *source),
    void *arg, struct buf *err)
{
	struct files f = { env, fn, arg, err };

	return files_of(&f, str_trim(spec), 0);
}

/* --- opening -------------------------------------------------------------- */

void *
table_new(struct table_ctx *ctx, size_t size, const struct table_ops *ops)
{
	struct table *t = xcalloc(1, size);

	t->ops = ops;
	t->name = str_dup(ctx->spec);
	t->flags = ctx->env == NULL ? 0 : ctx->env->flags;
	t->fd = -1;
	buf_init(&t->fold, TABLE_KEY_MAX);
	buf_init(&t->reason, TABLE_WARNINGS_MAX);
	buf_init(&t->warnings, TABLE_WARNINGS_MAX);
	return t;
}

/* Format into b, which is emptied first. */
static void
buf_vset(struct buf *b, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	buf_reset(b);
	buf_puts(b, text);
}

void *
table_refuse(struct table_ctx *ctx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vset(&ctx->why, fmt, ap);
	va_end(ap);
	return NULL;
}

enum table_answer
table_later(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vset(&t->reason, fmt, ap);
	va_end(ap);
	return TABLE_LATER;
}

void
table_warn(struct table *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&t->warnings, "%s: %s\n", t->name, text);
}

static enum table_answer
broken_get(struct table *t, struct str key, struct buf *value)
{
	(void)t;
	(void)key;
	(void)value;
	return TABLE_LATER; /* the reason is there since it was opened */
}

static const struct table_ops broken_ops = { .get = broken_get };

static struct table *
open_broken(struct table_ctx *ctx)
{
	struct table *t = table_new(ctx, sizeof(*t), &broken_ops);

	t->broken = true;
	buf_printf(&t->reason, "table " STR_FMT ": " STR_FMT,
	    STR_ARG(ctx->spec), STR_ARG(buf_get(&ctx->why)));
	return t;
}

static void
refuse_type(struct table_ctx *ctx)
{
	for (size_t i = 0; i < NELEM(absent); i++) {
		if (str_eq(ctx->type, str_of(absent[i].type))) {
			table_refuse(ctx, "unsupported type %s: %s",
			    absent[i].type, absent[i].advice);
			return;
		}
	}
	table_refuse(ctx, "unknown table type " STR_FMT,
	    STR_ARG(str_sub(ctx->type, 0, 64)));
}

static struct table *
open_spec(struct str spec, const struct table_env *env, unsigned depth)
{
	struct table_ctx ctx = { .env = env, .depth = depth };
	const struct kind *k;
	struct table *t = NULL;

	spec = str_trim(spec);
	while (str_starts(spec, STR("proxy:")))
		spec = str_sub(spec, 6, spec.n);
	ctx.spec = spec;
	buf_init(&ctx.why, TABLE_WARNINGS_MAX);
	if (!table_split(spec, &ctx.type, &ctx.name))
		table_refuse(&ctx, "not a table (want type:name)");
	else if (depth > TABLE_NEST_MAX)
		table_refuse(&ctx, "tables within tables within tables");
	else if ((k = kind_find(ctx.type)) == NULL)
		refuse_type(&ctx);
	else
		t = k->open(&ctx);
	if (t == NULL)
		t = open_broken(&ctx);
	buf_clear(&ctx.why);
	return t;
}

struct table *
table_open(struct str spec, const struct table_env *env)
{
	return open_spec(spec, env, 0);
}

struct table *
table_open_member(struct table_ctx *ctx, struct str spec)
{
	return open_spec(spec, ctx->env, ctx->depth + 1);
}

/* An open function that has one descriptor to give. */
static int
give_fd(void *arg, const char *path)
{
	int *fd = arg, given = *fd;

	(void)path;
	*fd = -1;
	if (given == -1)
		errno = ENOENT;
	return given;
}

struct table *
table_open_fd(struct str spec, int fd, unsigned flags)
{
	struct table_env env = { .open = give_fd, .arg = &fd, .flags = flags };
	struct table *t = table_open(spec, &env);

	fd_close(&fd); /* if the type did not want it */
	return t;
}

int
table_open_file(struct table_ctx *ctx, struct buf *path)
{
	const struct kind *k = kind_find(ctx->type);
	const char *text;
	int fd;

	if (k->needs == NEEDS_SYSTEM) {
		if ((text = system_path(ctx->name)) == NULL) {
			table_refuse(ctx,
			    "no such system table (want "
			    "passwd.byname or group.byname)");
			return -1;
		}
		buf_reset(path);
		buf_puts(path, text);
	} else if (!path_of(ctx->env, ctx->name, k->suffix, path)) {
		table_refuse(ctx, "no file name");
		return -1;
	}
	if (ctx->env == NULL || ctx->env->open == NULL) {
		table_refuse(ctx, "no file was handed over for %s",
		    buf_cstr(path));
		return -1;
	}
	fd = ctx->env->open(ctx->env->arg, buf_cstr(path));
	if (fd != -1)
		return fd;
	if (errno == ENOENT && k->suffix != NULL)
		table_refuse(ctx,
		    "%s does not exist: make it with "
		    "\"postmap " STR_FMT ":" STR_FMT
		    "\" (aliases: postalias or newaliases)",
		    buf_cstr(path), STR_ARG(ctx->type), STR_ARG(ctx->name));
	else
		table_refuse(ctx, "open %s: %s", buf_cstr(path),
		    strerror(errno));
	return -1;
}

int
table_own_fd(struct table *t, int fd)
{
	t->fd = fd;
	return fstat(fd, &t->st);
}

/* "{ {line}, {line} }": each member is a line. */
static bool
braced_text(struct table_ctx *ctx, struct str inner, struct str *text)
{
	struct buf b;
	struct str member, line;

	buf_init(&b, TABLE_TEXT_MAX);
	while (table_token(&inner, &member)) {
		if (!table_braced(member, &line)) {
			table_refuse(ctx, "want { {rule}, {rule}, ... }");
			buf_clear(&b);
			return false;
		}
		buf_str(&b, line);
		buf_putc(&b, '\n');
	}
	if (inner.n > 0) {
		table_refuse(ctx, "unbalanced braces");
		buf_clear(&b);
		return false;
	}
	*text = str_make(NULL, buf_get(&b).n);
	text->p = buf_take(&b);
	return true;
}

bool
table_read_text(struct table_ctx *ctx, int *fd, struct buf *path,
    struct str *text)
{
	struct str inner;
	char *p;

	*fd = -1;
	if (table_braced(ctx->name, &inner)) {
		buf_reset(path);
		buf_str(path, ctx->type);
		return braced_text(ctx, inner, text);
	}
	if ((*fd = table_open_file(ctx, path)) == -1)
		return false;
	if (fd_slurp(*fd, TABLE_TEXT_MAX, &p, &text->n) == 0) {
		text->p = p;
		return true;
	}
	if (errno == EFBIG)
		table_refuse(ctx,
		    "%s is larger than %d MB: use a compiled table (cdb:)",
		    buf_cstr(path), TABLE_TEXT_MAX >> 20);
	else
		table_refuse(ctx, "read %s: %s", buf_cstr(path),
		    strerror(errno));
	fd_close(fd);
	return false;
}

void
table_close(struct table **tp)
{
	struct table *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	if (t->ops->close != NULL)
		t->ops->close(t);
	fd_close(&t->fd);
	buf_clear(&t->fold);
	buf_clear(&t->reason);
	buf_clear(&t->warnings);
	free(t->name);
	free(t);
}

/* --- asking --------------------------------------------------------------- */

static struct str
fold(struct table *t, struct str key)
{
	size_t i = 0;
	char *p;

	while (i < key.n && ascii_lower(key.p[i]) == key.p[i])
		i++;
	if (i == key.n)
		return key;
	buf_reset(&t->fold);
	p = buf_reserve(&t->fold, key.n);
	for (i = 0; i < key.n; i++)
		p[i] = (char)ascii_lower(key.p[i]);
	buf_grow(&t->fold, key.n);
	return buf_get(&t->fold);
}

enum table_answer
table_get(struct table *t, struct str key, struct buf *value)
{
	enum table_answer answer;

	buf_reset(value);
	if (key.n > TABLE_KEY_MAX && !t->broken)
		return TABLE_NONE;
	if (!t->pattern && !t->broken && (t->flags & TABLE_NOFOLD) == 0)
		key = fold(t, key);
	answer = t->ops->get(t, key, value);
	if (answer == TABLE_FOUND && buf_full(value))
		answer = table_later(t, "table %s: a value longer than allowed",
		    t->name);
	if (answer != TABLE_FOUND)
		buf_reset(value);
	return answer;
}

const char *
table_reason(const struct table *t)
{
	/* buf_cstr() only adds the terminator it has room for. */
	return buf_get(&t->reason).n == 0 ?
	    "no reason" :
	    buf_cstr((struct buf *)(uintptr_t)&t->reason);
}

const char *
table_broken(const struct table *t)
{
	return t->broken ? table_reason(t) : NULL;
}

struct str
table_warnings(const struct table *t)
{
	return buf_get(&t->warnings);
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool
table_stale(const struct table *t)
{
	struct stat st;

	if (t->broken)
		return true;
	if (t->ops->stale != NULL && t->ops->stale(t))
		return true;
	if (t->fd == -1)
		return false;
	return fstat(t->fd, &st) == -1 || st.st_nlink == 0 ||
	    st.st_size != t->st.st_size ||
	    !same_time(st.st_mtim, t->st.st_mtim);
}

bool
table_is_pattern(const struct table *t)
{
	return t->pattern;
}

const char *
table_name(const struct table *t)
{
	return t->name;
}

int
table_walk(struct table *t,
    int (*fn)(void *arg, struct str key, struct str value), void *arg)
{
	if (t->broken) {
		errno = EIO;
		return -1;
	}
	if (t->ops->walk == NULL) {
		errno = ENOTSUP;
		table_later(t, "table %s: this type cannot be listed", t->name);
		return -1;
	}
	return t->ops->walk(t, fn, arg);
}
