/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_RULES_H
#define SMTPD_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/queue.h>

#include "base/str.h"
#include "conf/conf.h"

/*
 * Restriction lists, compiled: each rule is bound to what carries it out, and
 * has its argument.  rules.c knows names and shapes, restrict.c evaluates.
 */
struct eval;

/* What a rule decides. */
enum verdict {
	RULE_DUNNO,  /* nothing: the next rule */
	RULE_PERMIT, /* the list ends */
	RULE_REJECT, /* eval_reject() was called */
	RULE_WAIT,   /* a question is under way; asked again when answered */
	RULE_ENTER,  /* a list was entered: eval_enter() */
};

struct rule;
typedef enum verdict rule_fn(struct eval *e, const struct rule *r);

enum rule_shape {
	SHAPE_PLAIN,
	SHAPE_TABLE, /* type:name follows */
};

/* The rule can turn away strangers' mail for strangers (RES-04). */
#define RULE_REFUSES 0x1

struct rule_def {
	const char *name;
	rule_fn *fn;
	enum rule_shape shape;
	int what; /* of rules that share a function */
	unsigned flags;
};

extern const struct rule_def rule_defs[]; /* ends with a NULL name */

struct rule {
	const struct rule_def *def;
	struct str name;  /* as written */
	struct str table; /* type:name */
	const struct rules *class;
	const struct rules *list; /* where it stands: lookup wants the name */
};

struct rules {
	struct str param; /* name of the parameter, or of the class */
	struct rule *v;
	size_t n;
	bool refuses;
	int access; /* what a bare table stands for: enum access */
	STAILQ_ENTRY(rules) link;
};

/* What check_*_access look at; a bare table is of its list's kind. */
enum access {
	ACCESS_CLIENT,
	ACCESS_REVERSE_CLIENT,
	ACCESS_HELO,
	ACCESS_SENDER,
	ACCESS_RCPT,
	ACCESS_ETRN,
	ACCESS_NONE,
};

/* The restriction classes of a configuration. */
struct rule_book {
	const struct conf *conf; /* NULL: there are none */
	bool closed; /* tables have to be named by a parameter or class */
	STAILQ_HEAD(, rules) classes;
};

void rule_book_init(struct rule_book *b, const struct conf *conf);
void rule_book_clear(struct rule_book *b);

/*
 * Compile a list.  Text is borrowed.  A rule that is not known, or not
 * supported, becomes one that defers all mail and says so in the log.
 */
void rules_compile(struct rules *r, struct rule_book *b, struct str param,
    struct conf_list list, int access);

/*
 * The same from plain words, as access tables name rules; text is borrowed.
 */
void
rules_words(struct rules *r, struct rule_book *b, struct str text, int access);
void rules_clear(struct rules *r);

/* A restriction class by name, or NULL. */
const struct rules *rules_class(struct rule_book *b, struct str name);

#endif
