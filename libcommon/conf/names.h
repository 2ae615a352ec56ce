/* SPDX-License-Identifier: ISC */
#ifndef CONF_NAMES_H
#define CONF_NAMES_H

#include "base/str.h"
#include "conf/build.h"

/*
 * Which names may be set.  A name that is no parameter is known when it
 * belongs to a transport of master.cf, to a table that some value names, is
 * a restriction class, or is referred to as $name.
 */
enum name_kind {
	NAME_PARAM,  /* declared */
	NAME_OLD,    /* of other days */
	NAME_FAMILY, /* TRANSPORT_suffix, and master.cf has the transport */
	NAME_USER,   /* made up, and used */
	NAME_TABLE,  /* belongs to a table */
	NAME_UNKNOWN
};

/* What the values of a configuration refer to. */
struct names {
	struct str *used; /* $name, restriction classes; borrowed */
	size_t nused;
	struct str *tables; /* NAME of ldap:NAME and the like; borrowed */
	size_t ntables;
	char *classes; /* expanded smtpd_restriction_classes */
	const struct build *b;
};

void names_init(struct names *n, struct build *b);
void names_clear(struct names *n);
enum name_kind names_kind(const struct names *n, struct str name);

/* Is it one of smtpd_restriction_classes? */
bool names_class(const struct names *n, struct str name);

/* Report everything that is set and may not be. */
void names_check(struct names *n, struct build *b);

#endif
