/* SPDX-License-Identifier: ISC */
#ifndef POSTMAP_POSTMAP_H
#define POSTMAP_POSTMAP_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "table/load.h"
#include "table/table.h"

/*
 * postmap, postalias, newaliases: one program that makes and asks tables.
 */
struct options {
	bool alias;		  /* aliases(5) format */
	const char *config_dir;	  /* -c, MAIL_CONFIG, or NULL */
	const char *query;	  /* -q */
	const char *remove;	  /* -d */
	bool list;		  /* -s */
	bool incremental;	  /* -i */
	bool nofold;		  /* -f */
	bool file_values;	  /* -F */
	bool zeros;		  /* -N */
	bool stay_root;		  /* -o */
	bool plain_mode;	  /* -p */
	bool no_utf8;		  /* -u */
	bool headers, body, mime; /* -h -b -m */
	enum load_dup dup;	  /* -r -w */
	int verbose;
};

/* Messages go to standard error, with the name of the program. */
void say(const char *fmt, ...) PRINTFLIKE(1, 2);
void say_warn(const char *fmt, ...) PRINTFLIKE(1, 2);
void say_fatal(const char *fmt, ...) PRINTFLIKE(1, 2) NORETURN;

/*
 * config.c: the expanded value of a parameter of main.cf, on the heap; the
 * caller frees it.  Ends the program when main.cf cannot be used.
 */
char *config_get(const struct options *opt, const char *name);

/*
 * build.c: make, extend or shrink the table "type:name".  0, or 1 when
 * something was wrong, which has been said; remove_run() returns 1 when no key
 * was there.
 */
int build_run(const struct options *opt, struct str spec);
int remove_run(const struct options *opt, char *const specs[], int n);

/* query.c: -q and -s.  The exit status. */
int query_run(const struct options *opt, char *const specs[], int n);
int list_run(const struct options *opt, char *const specs[], int n);

/*
 * The tables of the command line, opened.  query_one() prints what the first
 * of them that knows the key says: true if one does.
 */
struct queries {
	const struct options *opt;
	struct table *t[TABLE_MEMBERS_MAX];
	int n;
	struct buf value;
};
bool query_one(struct queries *q, struct str key, bool with_key);

/*
 * message.c: ask about each header, each body line of the message on standard
 * input.  True if one was found.
 */
bool message_query(struct queries *q);

/*
 * values.c: the values of -F.  The content of the files that value names, in
 * base64, and back.  -1 with words in err.
 */
int values_read(struct str value, struct buf *out, struct buf *err);
int values_decode(struct str value, struct buf *out);

#endif
