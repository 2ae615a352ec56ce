/* SPDX-License-Identifier: ISC */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * The text of a value, as a value.  All return -1 when it is not one; out is
 * then untouched.
 */
int value_bool(struct str s, bool *out);

/* Decimal, with sign. */
int value_int(struct str s, int64_t *out);

/* Bytes; one of k m g t (binary, any case) may follow. */
int value_size(struct str s, int64_t *out);

/*
 * Milliseconds.  The number is followed by ms, s, m, h, d, w, or by nothing,
 * when unit (in milliseconds) is meant.
 */
int value_time(struct str s, int64_t unit, int64_t *out);

/*
 * Cut the next element of a list: elements are separated by commas and
 * blanks, except inside of balanced braces.  *group is set when the element
 * is a whole { ... }.  Returns 1, 0 at the end, -1 when a brace is missing.
 */
int value_token(struct str *s, struct str *out, bool *group);

/* The inside of { ... }, trimmed. */
struct str value_unbrace(struct str s);

/*
 * The length of type in type:name, or 0 when this is no table: a type is a
 * word that begins with a letter.
 */
size_t value_table(struct str s);

/* s is one of blank-separated words; *index counts from 0. */
bool value_word(struct str s, const char *words, int64_t *index);

#endif
