/* SPDX-License-Identifier: ISC */
#ifndef CONF_ITEMS_H
#define CONF_ITEMS_H

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/maincf.h"
#include "conf/params.h"
#include "conf/report.h"

/*
 * Cutting the value of a list parameter into items, with the contents of
 * /files put in, and checking that each item is what its type allows.
 */
struct items {
	struct item {
		enum conf_kind kind;
		bool negate;
		size_t type; /* CONF_TABLE: length of the type */
		char *full;
	} * v;
	size_t n;

	/* For the report. */
	const char *name;	       /* of the parameter */
	const struct maincf_entry *at; /* or NULL */
	struct report *rep;
};

/* Cut text as a list of this type.  -1, reported. */
int items_parse(struct items *it, enum param_type type, struct str text);
void items_clear(struct items *it);

/*
 * Report restrictions that this version does not support, and warn of words
 * that are nearly the names of restrictions.
 */
void items_check_rules(const struct items *it, struct str classes);
/* Their names, up to NULL: more than this version's server knows. */
extern const char *const restriction_names[];

/* Append to a snapshot. */
void items_write(const struct items *it, struct buf *out);

/* A table type that some mail system knows, whether or not we have it. */
bool items_table_type(struct str type);

#endif
