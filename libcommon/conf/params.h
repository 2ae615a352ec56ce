/* SPDX-License-Identifier: ISC */
#ifndef CONF_PARAMS_H
#define CONF_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Every parameter of main.cf, declared once, as data, in params_*.def: name,
 * type, default, range, whether this version supports it, and its paragraph
 * of the manual.  parameter_name has the id P_PARAMETER_NAME.
 */
enum param_type {
	PT_BOOL, /* yes or no */
	PT_INT,
	PT_SIZE, /* bytes; k, m, g understood */
	PT_TIME, /* number and unit: s m h d w, also ms */
	PT_STR,
	PT_RAW,	  /* text whose $names are expanded when it is used */
	PT_ENUM,  /* one of words */
	PT_SET,	  /* some of words */
	PT_LIST,  /* names, no negation, no files */
	PT_MATCH, /* names, /file, type:table, ! */
	PT_NETS,  /* address blocks, /file, type:table, ! */
	PT_MAPS,  /* tables */
	PT_RULES  /* restrictions of the SMTP server, tables, groups */
};

enum param_status {
	PS_OK,	  /* supported */
	PS_VOID,  /* understood, without effect: the text says why */
	PS_LATER, /* known, refused: not supported by this version */
	PS_READ	  /* computed; can be read as $name but not be set */
};

enum param_id {
#define PARAM(id, ...) P_##id,
#define PARAM_BOOL PARAM
#define PARAM_INT PARAM
#define PARAM_SIZE PARAM
#define PARAM_TIME PARAM
#define PARAM_STR PARAM
#define PARAM_RAW PARAM
#define PARAM_ENUM PARAM
#define PARAM_SET PARAM
#define PARAM_LIST PARAM
#define PARAM_MATCH PARAM
#define PARAM_NETS PARAM
#define PARAM_MAPS PARAM
#define PARAM_RULES PARAM
#include "conf/params_all.def"
#include "conf/params_undef.h"
	P_COUNT
};

struct param {
	const char *name;
	enum param_type type;
	enum param_status status;
	const char *dflt;  /* unexpanded; NULL: computed, see conf/eval.c */
	int64_t min, max;  /* PT_INT, PT_SIZE, PT_TIME (ms) */
	const char *words; /* PT_ENUM, PT_SET: blank separated */
	const char *text;  /* manual; NULL when there is none yet */
};

extern const struct param params[P_COUNT];

/* The declaration of a name, or -1 (an id otherwise). */
int param_find(struct str name);

/* The id of the i-th name in alphabetical order, -1 behind the last. */
int param_sorted(size_t i);

/* Default unit of a PT_TIME in milliseconds: the unit of its default. */
int64_t param_unit(const struct param *p);

/*
 * The families: TRANSPORT_suffix, for every transport in master.cf.  A member
 * may also be a parameter declared by itself, when its default is another
 * one (local_destination_recipient_limit is 1).
 */
enum family_id {
#define FAMILY(id, ...) F_##id,
#include "conf/params_family.def"
#undef FAMILY
	F_COUNT
};

struct family {
	const char *suffix;   /* _destination_concurrency_limit */
	enum param_type type; /* PT_INT, PT_TIME or PT_STR */
	enum param_id dflt;   /* the parameter that it falls back to */
};

extern const struct family families[F_COUNT];

/*
 * Which family a name belongs to, or -1; *transport is then what stands
 * before the suffix.
 */
int family_find(struct str name, struct str *transport);

/*
 * Names of other days.  now is the parameter that took over (its value is
 * used, with a warning) or NULL when the name was removed without successor;
 * advice says what to write.  One old name may have several successors.
 */
struct param_old {
	const char *name;
	const char *now;
	const char *advice;
};

extern const struct param_old params_old[];
extern const size_t params_old_n;

/*
 * The known name nearest to this one, if it is near enough to be what was
 * meant, or NULL.
 */
const char *param_nearest(struct str name);
/* The same of any names, the last of which is NULL. */
const char *name_nearest(struct str name, const char *const names[]);

#endif
