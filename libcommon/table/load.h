/* SPDX-License-Identifier: ISC */
#ifndef TABLE_LOAD_H
#define TABLE_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "table/index.h"

/*
 * From the text an administrator wrote to pairs in memory: for texthash, and
 * for postmap and postalias.
 */
enum load_format {
	LOAD_PAIRS,   /* key whitespace value */
	LOAD_ALIASES, /* name: value, value */
};

enum load_dup {
	LOAD_DUP_WARN, /* the first stays, say so */
	LOAD_DUP_IGNORE,
	LOAD_DUP_REPLACE,
};

struct load {
	struct index *into;
	enum load_format format;
	enum load_dup dup;
	bool fold; /* keys to lower case; alias names always are */
	bool utf8; /* keys and values must be well-formed UTF-8 */

	/* Told of each problem, with the line it begins on. */
	void (*say)(void *arg, unsigned line, bool error, const char *what);
	/* May be NULL: makes what is stored out of a value; -1 said why. */
	int (*value)(void *arg, unsigned line, struct str in, struct buf *out);
	void *arg;

	unsigned errors; /* lines that were left out */
	unsigned warnings;
};

/* Load text.  -1 when the index is full (said as an error, too). */
int load_text(struct load *l, struct str text);

#endif
