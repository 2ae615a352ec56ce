/* SPDX-License-Identifier: ISC */
#ifndef TABLE_RULES_H
#define TABLE_RULES_H

#include "table/impl.h"

/*
 * Tables of patterns: rules in the order they are written, the first that
 * matches gives the result.
 *
 *	pattern result		!pattern result
 *	if pattern		if !pattern
 *	endif
 *
 * cidr, regexp and pcre differ only in what a pattern is.  A rule that makes
 * no sense is left out, with a warning; an if that makes none leaves out
 * everything up to its endif, so that nothing applies to more than it should.
 */
#define RULES_MAX 100000
#define RULES_GROUPS_MAX 100 /* $1 ... $99 */

enum rule_verb {
	RULE_RESULT,
	RULE_IF,
	RULE_ENDIF
};

struct rule {
	enum rule_verb verb;
	bool negate;
	bool never;   /* an if without a valid pattern */
	bool expands; /* the result has $1 and the like */
	unsigned line;
	size_t endif;	   /* RULE_IF: where to go on when it does not match */
	void *pattern;	   /* the kind's own */
	struct str result; /* heap */
};

/* Where the groups of a match are, in the key. */
struct rule_match {
	struct str group[RULES_GROUPS_MAX];
	size_t n;
};

struct rules_table;

struct rules_kind {
	/*
	 * Cut the pattern off the front of *text (which then holds the rest)
	 * and compile it.  NULL on error, with words in err.  *groups becomes
	 * the number of its groups.
	 */
	void *(*compile)(struct str *text, size_t *groups, struct buf *err);
	/*
	 * 1, 0, or -1: too much work, or no memory (words in err).  2 when
	 * the rule is not for such a key, negated or not.
	 */
	int (*match)(const struct rules_table *rt, const struct rule *r,
	    struct str key, struct rule_match *m, struct buf *err);
	void (*free)(void *pattern);
	/* May be NULL: prepare a key, false when no pattern can match it. */
	bool (*key)(struct rules_table *rt, struct str key);
};

struct rules_table {
	struct table t;
	const struct rules_kind *kind;
	struct rule *rule;
	size_t n, cap;
	void *prepared; /* by kind->key; freed with the table */
};

struct table *rules_open(struct table_ctx *ctx, const struct rules_kind *kind);

#endif
