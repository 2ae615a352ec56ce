/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_JSON_H
#define MAILCTL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * JSON, as much of it as our own components write and people want from us.
 *
 * Reading walks over the text without building anything:
 *
 *	struct json j = json_find(json_of(text), "processes"), p;
 *	while (json_each(&j, &p))
 *		pid = json_num(json_find(p, "pid"));
 *
 * What is not there, or is no JSON, is an empty value, which has no members
 * and is 0 or "".
 */
struct json {
	struct str text; /* from the value's first byte on */
};

struct json json_of(struct str text);

/* A member of an object. */
struct json json_find(struct json object, const char *name);

/* The next member of an array: cut from the front of *array. */
bool json_each(struct json *array, struct json *out);

/* As they are; a string's escapes are left as they are, too. */
int64_t json_num(struct json v);
struct str json_str(struct json v);

/* Append a string with its quotes, whatever bytes it has. */
void json_put(struct buf *b, struct str s);

#endif
