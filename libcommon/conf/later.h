/* SPDX-License-Identifier: ISC */
#ifndef CONF_LATER_H
#define CONF_LATER_H

#include "base/str.h"

/*
 * What this version does not support, for the report: which feature a
 * parameter or a restriction belongs to, and what to do about the line that
 * names it.  Never NULL.
 */
struct later {
	const char *what;
	const char *advice;
};

struct later later_find(struct str name);

#endif
