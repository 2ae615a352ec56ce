/* SPDX-License-Identifier: ISC */
#ifndef TABLE_IMPL_H
#define TABLE_IMPL_H

#include <sys/stat.h>

#include "base/attr.h"
#include "table/table.h"

/*
 * What a table type provides.  A new type is one file with an open function
 * and an entry in kinds[] of table.c; callers need no change.
 */
struct table_ops {
	/* key is folded if that is due; value is empty. */
	enum table_answer (
	    *get)(struct table *t, struct str key, struct buf *value);
	/* May be NULL: the table cannot be walked. */
	int (*walk)(struct table *t,
	    int (*fn)(void *arg, struct str key, struct str value), void *arg);
	/* Free what is special to the type.  May be NULL. */
	void (*close)(struct table *t);
	/* May be NULL: only the table's own descriptor counts. */
	bool (*stale)(const struct table *t);
};

/* Every type's own struct begins with one of these. */
struct table {
	const struct table_ops *ops;
	char *name;
	unsigned flags; /* of the environment */
	bool pattern;
	bool broken;
	int fd;		/* of the file behind it, or -1 */
	struct stat st; /* of fd, when it was opened */
	struct buf fold;
	struct buf reason;
	struct buf warnings;
};

#define TABLE_WARNINGS_MAX 8192

/* What an open function works with. */
struct table_ctx {
	struct str spec; /* type:name */
	struct str type, name;
	const struct table_env *env;
	unsigned depth;
	struct buf why; /* set when there is no table */
};

/* A new table of size bytes, which begins with its struct table. */
void *
table_new(struct table_ctx *ctx, size_t size, const struct table_ops *ops);

/* Say why, and return NULL. */
void *
table_refuse(struct table_ctx *ctx, const char *fmt, ...) PRINTFLIKE(2, 3);

/* Remember why, and return TABLE_LATER. */
enum table_answer
table_later(struct table *t, const char *fmt, ...) PRINTFLIKE(2, 3);

/* Add a line to the warnings, while there is room. */
void table_warn(struct table *t, const char *fmt, ...) PRINTFLIKE(2, 3);

/*
 * Open the file of this table: its path (for messages) into path, and the
 * descriptor as the result; -1 and ctx->why.
 */
int table_open_file(struct table_ctx *ctx, struct buf *path);

/* Give t its descriptor, for table_stale(). */
int table_own_fd(struct table *t, int fd);

/*
 * The text of a text table: from its file, or written in the name as
 * "{ {line}, {line} }".  heap memory in *text; false and ctx->why.  *fd is
 * the file's, or -1; *path is for messages.
 */
bool table_read_text(struct table_ctx *ctx, int *fd, struct buf *path,
    struct str *text);

/* What is within "{ ... }", trimmed; false when s is not such. */
bool table_braced(struct str s, struct str *inner);

/* Open a member of a combination. */
struct table *table_open_member(struct table_ctx *ctx, struct str spec);

/* The types. */
struct table *table_cdb_open(struct table_ctx *ctx);
struct table *table_text_open(struct table_ctx *ctx);
struct table *table_inline_open(struct table_ctx *ctx);
struct table *table_unix_open(struct table_ctx *ctx);
struct table *table_static_open(struct table_ctx *ctx);
struct table *table_fail_open(struct table_ctx *ctx);
struct table *table_nis_open(struct table_ctx *ctx);
struct table *table_union_open(struct table_ctx *ctx);
struct table *table_pipe_open(struct table_ctx *ctx);
struct table *table_rand_open(struct table_ctx *ctx);
struct table *table_cidr_open(struct table_ctx *ctx);
struct table *table_regexp_open(struct table_ctx *ctx);
struct table *table_pcre_open(struct table_ctx *ctx);

#endif
