/* SPDX-License-Identifier: ISC */
#ifndef CONF_BUILD_H
#define CONF_BUILD_H

#include <stdint.h>

#include "base/buf.h"
#include "conf/hostfacts.h"
#include "conf/maincf.h"
#include "conf/mastercf.h"
#include "conf/report.h"

/*
 * The configuration as the broker (and postconf, and check) sees it: both
 * files and the facts of the host, from which a snapshot is made for each
 * service.  For processes that have not been sealed: files are opened here.
 */
struct build {
	char *dir; /* config_directory */
	struct maincf main;
	struct mastercf master;
	struct maincf over; /* -o options of a command line */
	struct hostfacts host;
	struct report rep; /* everything that was found wrong */
};

/*
 * Read main.cf and master.cf in dir (NULL: the environment's MAIL_CONFIG, or
 * else the directory we were built for), and gather facts.  A file that
 * cannot be read is an error in the report.  Always to be cleared.
 */
void build_load(struct build *b, const char *dir);

/* The same from memory, for tests; facts are the caller's to fill in. */
void build_parse(struct build *b, const char *dir, struct str main,
    struct str master);

void build_clear(struct build *b);

/*
 * Check everything: unknown names, and every value for every service.  The
 * number of errors in the report, 0 for a configuration that can be served.
 */
size_t build_check(struct build *b);

/*
 * The snapshot for a service of b->master, or for none in particular (NULL).
 * Appends to out, which wants a maximum of BUILD_MAX.  -1 when a value is
 * wrong; the report has it.
 */
#define BUILD_MAX ((size_t)64 << 20)
int build_snapshot(struct build *b, const struct service *self,
    uint32_t generation, struct buf *out);

/* The same in a sealed memory file, the caller's.  -1. */
int
build_memfd(struct build *b, const struct service *self, uint32_t generation);

#endif
