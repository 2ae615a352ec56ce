/* SPDX-License-Identifier: ISC */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Lookup tables.  A table is named "type:name", as in main.cf, and answers a
 * key with found, not found, or try later.  The last is never turned into the
 * second: a table that cannot be read does not say that a user is unknown.
 *
 * Nothing in here opens a path.  Files come from the caller's open function,
 * so that a sandboxed process reads the descriptors it was handed and a
 * command opens what the administrator names.  Only pread(2) and fstat(2) are
 * used on a descriptor: no mapping (a mapped file that is truncated kills its
 * reader), no shared offset, no locks.
 *
 * Types: cdb, hash, btree, lmdb (one compiled format, see table_files());
 * texthash, inline, static, cidr, regexp, pcre (where built in), unix
 * (passwd.byname, group.byname), unionmap, pipemap, randmap, fail, nis (an
 * empty table where the system has no NIS domain), proxy:x which is x.
 */
struct table;

enum table_answer {
	TABLE_LATER = -1, /* see table_reason(); temporary failure */
	TABLE_NONE = 0,
	TABLE_FOUND = 1,
};

#define TABLE_KEY_MAX 65536	  /* a longer key is TABLE_NONE */
#define TABLE_VALUE_MAX (1 << 20) /* a longer value is TABLE_LATER */
#define TABLE_TEXT_MAX (64 << 20) /* size of a text table */
#define TABLE_NEST_MAX 8	  /* unionmap in pipemap in ... */
#define TABLE_MEMBERS_MAX 100	  /* of one unionmap, or of one list */

/* What a file is to a table.  table_files() says which ones it wants. */
enum table_file_kind {
	TABLE_FILE_TEXT,     /* read as text */
	TABLE_FILE_COMPILED, /* written by postmap or postalias */
};

/*
 * Where tables come from.
 *
 * open returns a descriptor the table then owns, or -1 with errno.  It is
 * called with the path that table_files() reports for the same name.
 */
struct table_env {
	int (*open)(void *arg, const char *path);
	void *arg;
	const char *config_dir; /* of relative names; NULL: leave them */
	unsigned flags;
};

#define TABLE_NOFOLD 0x01 /* do not lower-case keys */
/*
 * Results have nothing of the key in them: a rule with a $number is left out.
 * For tables whose word is carried out, when strangers choose the key.
 */
#define TABLE_NOSUB 0x02

/*
 * Open "type:name".  Never NULL: what cannot be opened becomes a table that
 * answers TABLE_LATER, with the reason, until it is opened anew.
 */
struct table *table_open(struct str spec, const struct table_env *env);

/* The same from one descriptor, which the table owns; -1 for types without. */
struct table *table_open_fd(struct str spec, int fd, unsigned flags);

/* Close, and clear *tp.  NULL is allowed. */
void table_close(struct table **tp);

/*
 * Look a key up.  value is reset first and holds the value if found; its own
 * maximum counts too (more is TABLE_LATER).  Tables of fixed strings fold
 * the key to lower case (ASCII) unless opened with TABLE_NOFOLD.
 */
enum table_answer table_get(struct table *t, struct str key, struct buf *value);

/* Why the last answer was TABLE_LATER, in words for the log.  Never NULL. */
const char *table_reason(const struct table *t);

/* The reason why a table cannot answer at all, or NULL if it can. */
const char *table_broken(const struct table *t);

/*
 * What was wrong in its source but did not stop it (rules that were skipped,
 * duplicate keys): complete lines to log, possibly none, bounded.
 */
struct str table_warnings(const struct table *t);

/*
 * True when the file behind it has been replaced, removed or changed since it
 * was opened: ask for a new descriptor, and open again.  Costs one fstat(2)
 * a file, so ask now and then, not at every key.
 */
bool table_stale(const struct table *t);

/*
 * True for patterns (cidr, regexp, pcre): they are given the whole search
 * string, and never a part of it such as a parent domain.
 */
bool table_is_pattern(const struct table *t);

/* "type:name", without proxy:. */
const char *table_name(const struct table *t);

/*
 * Call fn for each key and value in the table's own order, until it returns
 * other than 0, which is then returned; -1 if the table cannot be walked
 * (errno ENOTSUP) or is broken.  Only for compiled and text tables.
 */
int table_walk(struct table *t,
    int (*fn)(void *arg, struct str key, struct str value), void *arg);

/*
 * The files a table needs, without opening any.  fn gets the path as open
 * will, the kind, and for compiled files the text source beside it (else
 * NULL), so that "older than its source" can be noticed.  Returns what fn
 * returned when not 0, and -1 for a name that makes no sense, with the reason
 * in err (may be NULL).
 *
 * Compiled files are always constant databases (cdb).  cdb:f is f.cdb; hash:f
 * and btree:f are f.db, and lmdb:f is f.lmdb, so that main.cf and scripts
 * need not change; a Berkeley DB or LMDB file found there is recognised and
 * refused with the advice to run postmap.
 */
int table_files(struct str spec, const struct table_env *env,
    int (*fn)(void *arg, enum table_file_kind kind, const char *path,
	const char *source),
    void *arg, struct buf *err);

/* File name suffix of a compiled type (".db"), or NULL for other types. */
const char *table_suffix(struct str type);

/*
 * Cut "type:name" in two; false when there is no type.  The name is returned
 * as it stands; proxy: is removed first.
 */
bool table_split(struct str spec, struct str *type, struct str *name);

/*
 * Cut the next element of a list of tables, separated by commas and blanks;
 * braces group.  False at the end, and for unbalanced braces (then s->n > 0).
 */
bool table_token(struct str *s, struct str *out);

/* The types there are, in order, NULL at the end (postconf -m). */
extern const char *const table_types[];

#endif
