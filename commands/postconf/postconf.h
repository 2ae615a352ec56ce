/* SPDX-License-Identifier: ISC */
#ifndef POSTCONF_H
#define POSTCONF_H

#include <stdbool.h>

#include "base/attr.h"
#include "conf/build.h"
#include "conf/names.h"

/*
 * postconf(1): prints and edits the configuration.  Runs as whoever calls it
 * and has the rights of that user, no more.
 */
enum edit {
	EDIT_NONE,
	EDIT_SET,
	EDIT_COMMENT,
	EDIT_REMOVE
};

/* -C */
#define CLASS_BUILTIN 1
#define CLASS_SERVICE 2
#define CLASS_USER 4
#define CLASS_ALL 7

struct options {
	char **names; /* what is behind the options */
	int nnames;
	const char *dir;	    /* -c, or NULL */
	enum edit edit;		    /* -e -# -X */
	unsigned classes;	    /* -C */
	bool defaults;		    /* -d */
	bool only_set;		    /* -n */
	bool expand;		    /* -x */
	bool hide_name, hide_value; /* -h -H */
	bool fold;		    /* -f */
	char what; /* p: main.cf, M: services, F: fields, P: their -o */
};

/* "postconf: fatal: ..." and out; "postconf: warning: ..." and on. */
void die(const char *fmt, ...) NORETURN PRINTFLIKE(1, 2);
void warn_of(const char *fmt, ...) PRINTFLIKE(1, 2);

/* show.c: parameters of main.cf. */
void show_params(const struct options *o, struct build *b);

/*
 * Print "name = value" as the options say: without one of them, words apart
 * by one blank, folded.
 */
void show_value(const struct options *o, const char *name, const char *value);

/* master.c: services, their fields, their parameters. */
void show_services(const struct options *o, struct build *b);
void show_fields(const struct options *o, struct build *b);
void show_overrides(const struct options *o, struct build *b);

/*
 * Does "name/type/rest" match a request in which * stands for anything?  A
 * request may have fewer parts.
 */
bool
request_matches(const char *request, const struct service *s, const char *rest);

/* The eight columns: -F's names of them, and what a service has there. */
extern const char *const field_names[8];
char *field_get(const struct service *s, int field); /* the caller's */

/* One line of master.cf, without a newline; the caller frees it. */
char *service_line(const struct service *s, bool fold);

/* edit.c, edit_master.c */
void edit_main(const struct options *o, const char *dir);
void edit_master(const struct options *o, struct build *b);

/*
 * Put text in the place of dir/name so that at any time the old or the new
 * file is there, whole; owner and mode stay.
 */
void edit_replace(const char *dir, const char *name, struct str text);

/* Read dir/name, at most 4 MB; the caller frees it. */
char *edit_read(const char *dir, const char *name, size_t *n);

/* manual.c: postconf(5). */
void manual_print(void);

#endif
