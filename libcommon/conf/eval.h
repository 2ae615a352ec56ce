/* SPDX-License-Identifier: ISC */
#ifndef CONF_EVAL_H
#define CONF_EVAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "conf/hostfacts.h"
#include "conf/maincf.h"
#include "conf/mastercf.h"
#include "conf/params.h"
#include "conf/report.h"

/*
 * What a parameter is: as set in an override or in main.cf, or else its
 * default, unexpanded or expanded.  Reads no file but what inet_interfaces
 * makes the resolver read.
 */
struct eval {
	const struct maincf *main;
	const struct maincf *over; /* -o of a command line, or NULL */
	const struct service
	    *self; /* its -o count more than main.cf; or NULL */
	const struct hostfacts *host;
	const char *dir;	  /* config_directory */
	const char *process_name; /* or NULL */
	struct report *rep;	  /* of undefined names and the like; or NULL */

	/* Inner state. */
	const struct maincf_entry *at; /* being expanded */
	unsigned busy;		       /* defaults being computed */
	char *computed[P_COUNT];       /* kept once computed */
	bool defaults_only;	       /* as if nothing were set */
};

/* Fill in the fields above the line before the first use. */
void eval_clear(struct eval *e);

/* Where a name is set, or NULL. */
const struct maincf_entry *eval_entry(struct eval *e, struct str name);

/*
 * The same for a parameter, which may also be set under an old name.
 */
const struct maincf_entry *eval_param_entry(struct eval *e, enum param_id id);

/* The unexpanded default, computed where it has to be; borrowed. */
const char *eval_default(struct eval *e, enum param_id id);

/* The unexpanded value; borrowed. */
const char *eval_raw(struct eval *e, enum param_id id);

/* Append the expanded value.  -1, reported. */
int eval_param(struct eval *e, enum param_id id, struct buf *out);

/*
 * Append the expansion of some text; at says where it is from, for the
 * report, or is NULL.
 */
int eval_text(struct eval *e, struct str text, const struct maincf_entry *at,
    struct buf *out);

/* The unexpanded default of a member of a family; borrowed. */
const char *
eval_family_default(struct eval *e, enum family_id id, struct str transport);

#endif
