/* SPDX-License-Identifier: ISC */
#ifndef CONF_MASTERCF_H
#define CONF_MASTERCF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "conf/conf.h"
#include "conf/maincf.h"
#include "conf/report.h"

/*
 * master.cf: one service a line, in eight columns.
 */
struct service {
	char *file;
	unsigned line;
	char *name;	   /* as written */
	char *type;	   /* as written: inet, unix, fifo, unix-dgram, pass */
	char *host, *port; /* inet: "" when not given; port as written */
	uint16_t port_num; /* 0 until mastercf_resolve() */
	enum conf_socket socket;
	/* -1 where the column is "-" */
	int is_private, is_unprivileged, is_chroot;
	int64_t wakeup; /* seconds, 0: never, -1: "-" */
	bool wakeup_lazy;
	int64_t maxproc;       /* 0: no limit, -1: "-" */
	char *command;	       /* as written */
	const char *component; /* what we run for it; NULL when unknown */
	struct maincf opts;    /* -o name=value */
	char **args; /* words behind the command, as written, -o too */
	size_t nargs;
};

struct mastercf {
	struct service *v; /* in the order of the file */
	size_t n;
};

void mastercf_init(struct mastercf *cf);
void mastercf_clear(struct mastercf *cf);

/* Add what a file says.  Lines with mistakes are reported and left out. */
void mastercf_parse(struct mastercf *cf, const char *file, struct str text,
    struct report *rep);

/* Report lines that this version would not serve: postscreen, spawn, ... */
void mastercf_check(const struct mastercf *cf, struct report *rep);

/*
 * Turn the ports of inet services into numbers, asking known (the value of
 * known_tcp_ports) and then /etc/services.  Only for who reads configuration.
 */
void
mastercf_resolve(struct mastercf *cf, struct str known, struct report *rep);

/*
 * A line with this name and type as they are written there, or NULL.  A type
 * of fifo finds unix and the other way round.
 */
const struct service *
mastercf_find(const struct mastercf *cf, const char *name, const char *type);

/*
 * The component behind a command (trivial-rewrite: rewrite; postscreen:
 * gate), or NULL when we have none.
 */
const char *mastercf_component(struct str command);

#endif
