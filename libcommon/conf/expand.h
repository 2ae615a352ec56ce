/* SPDX-License-Identifier: ISC */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Expansion of $name in values:
 *
 *	$name  ${name}  $(name)      the value of the parameter
 *	${name?text}  ${name:text}   text if it is (is not) other than empty
 *	${name?{text}:{text}}        the one or the other
 *	${{a} == {b} ? {x} : {y}}    comparisons: == != < <= > >=, of numbers
 *	                             when both are, else of text; <level and
 *	                             its kin compare version numbers
 *	$$                           a dollar sign
 *
 * Values and texts are expanded in their turn.  The expansion ends with an
 * error when a parameter refers to itself, directly or not.
 */

/*
 * Look a name up: true and its unexpanded value, or false when there is no
 * such parameter (it is then empty).  probe tells that the name is only asked
 * for in ${name?...}, where a name that does not exist is no mistake.
 */
typedef bool
expand_fn(void *arg, struct str name, bool probe, struct str *value);

struct expand_error {
	char text[256];
};

/* Append to out.  -1 with *err filled in. */
int expand_value(struct str text, expand_fn *fn, void *arg, struct buf *out,
    struct expand_error *err);

/* Compare version numbers: 3.10 is more than 3.9.  <0, 0, >0. */
int expand_level_cmp(struct str a, struct str b);

/*
 * Call fn for every name that text refers to, without expanding anything.
 * Malformed text is followed as far as it is understood.
 */
void expand_names(struct str text, void (*fn)(void *arg, struct str name),
    void *arg);

#endif
