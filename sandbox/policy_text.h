/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_POLICY_TEXT_H
#define SANDBOX_POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "sandbox/policy.h"
#include "sandbox/policy_names.h"

/*
 * The lines and words of policy text.  Shared by the statements of a policy
 * (policy_parse.c) and the calls of a promise (promise.c).
 */
struct parser {
	const char *file;
	unsigned lineno;
	struct str rest;   /* lines not read yet */
	struct str line;   /* the current one, without its comment */
	struct str words;  /* what is left of it */
	struct str reason; /* its comment, or the one above it */
	struct buf above;  /* comment lines directly above */
	const char *text;  /* kept copies of line and reason */
	const char *why;
	const char *origin; /* the overlay's file, or NULL */
	char *err;
	size_t err_size;
};

void parse_init(struct parser *ps, const char *file, struct str text, char *err,
    size_t err_size);
void parse_clear(struct parser *ps);

/* The next line with something on it; false at the end. */
bool parse_line(struct parser *ps);

/* The next word of the line; false when there is none. */
bool parse_next(struct parser *ps, struct str *out);

/* The same, but there must be one: -1 with a message naming what. */
int parse_word(struct parser *ps, const char *what, struct str *out);
int
parse_number(struct parser *ps, const char *what, uint64_t max, uint64_t *out);

/* Is w "name=value"? */
bool parse_option(struct str w, const char *name, struct str *value);

/* Write "FILE:LINE: ..." into err; always -1. */
int parse_bad(struct parser *ps, const char *fmt, ...) PRINTFLIKE(2, 3);

/* The same for a word that is in no table, with the word probably meant. */
int parse_unknown(struct parser *ps, const char *what, struct str w,
    const struct named *table);

struct policy_src parse_src(const struct parser *ps);

/*
 * NAME [CONDITION, ...] [fails ERRNO], where CONDITION is
 *	aN == VALUE [wide]	aN >= VALUE	aN within VALUE|VALUE
 *	aN & MASK == VALUE
 * Everything but out->name and out->src is filled in.
 */
int call_parse(struct parser *ps, struct policy_call *out, struct str *name);

/* The same as text again: "mmap a0 == 0 wide, a2 within 0x3". */
void call_format(const struct policy_call *c, struct buf *out);

#endif
