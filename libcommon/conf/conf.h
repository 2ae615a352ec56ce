/* SPDX-License-Identifier: ISC */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "conf/params.h"

/*
 * The configuration as a component sees it: one checked, typed snapshot for
 * one service (main.cf, that service's -o overrides, and defaults, all
 * expanded), made by the broker (conf/build.h) and passed as a sealed memory
 * file.  Nothing here opens a path.
 *
 * A snapshot is verified once, when it is opened; after that no accessor
 * fails.  Text and lists are borrowed from the snapshot and live as long as
 * it does.  Asking for a parameter by another type than its declaration is
 * a bug of ours and aborts.
 */
struct conf;

/* What stands between the commas and blanks of a list. */
enum conf_kind {
	CONF_WORD,  /* a name, a number, a domain, an address */
	CONF_TABLE, /* type:name, see type and text */
	CONF_GROUP  /* { ... }, text is what is between the braces, trimmed */
};

struct conf_item {
	enum conf_kind kind;
	bool negate;	 /* was written with ! (match lists only) */
	struct str text; /* the item; for CONF_TABLE what follows the colon */
	struct str type; /* CONF_TABLE: the table type, else empty */
	struct str full; /* CONF_TABLE: type:name as written, else as text */
};

struct conf_list {
	const struct conf_item *v;
	size_t n;
};

/* One line of master.cf. */
enum conf_socket {
	CONF_INET,
	CONF_UNIX,
	CONF_UNIX_DGRAM,
	CONF_PASS
};

struct conf_service {
	struct str name;   /* as written: smtp, 127.0.0.1:10025, relay */
	struct str host;   /* inet: address or empty */
	struct str port;   /* inet: as written */
	uint16_t port_num; /* inet: resolved, network services only */
	enum conf_socket socket;
	bool is_private;
	bool is_privileged;   /* unprivileged column is n */
	bool is_chroot;	      /* read and reported; walls are always up */
	uint32_t wakeup;      /* seconds; 0: never */
	bool wakeup_lazy;     /* 60?: only once the service was used */
	uint32_t maxproc;     /* 0: no limit; default_process_limit filled in */
	struct str command;   /* as written: smtpd, trivial-rewrite, pipe */
	struct str component; /* ours: smtpd, rewrite, pipe, gate ... */
	struct conf_list args; /* without -o; as words, groups opened */
};

/*
 * Read a snapshot from a descriptor, which stays the caller's, or from
 * memory, which is copied.  NULL when it is not a whole and proper snapshot
 * made by this very version, with errno EINVAL, or with that of the read.
 */
struct conf *conf_open(int fd);
struct conf *conf_from(const void *p, size_t n);
void conf_free(struct conf **cp);

/* Counts up with every reload. */
uint32_t conf_generation(const struct conf *c);

/*
 * Values.  Times are kept in milliseconds whatever their unit was.  A size
 * is in bytes.  conf_str() answers for every type (the expanded text);
 * conf_cstr() the same with a terminator.
 */
bool conf_bool(const struct conf *c, enum param_id id);
int64_t conf_int(const struct conf *c, enum param_id id);
int64_t conf_size(const struct conf *c, enum param_id id);
int64_t conf_ms(const struct conf *c, enum param_id id);
int64_t conf_secs(const struct conf *c, enum param_id id);
struct str conf_str(const struct conf *c, enum param_id id);
const char *conf_cstr(const struct conf *c, enum param_id id);

/* A parameter of type enum is (a set has) this word. */
bool conf_is(const struct conf *c, enum param_id id, const char *word);
bool conf_has(const struct conf *c, enum param_id id, const char *word);

/* Lists, cut into items; contents of /files are already in their place. */
struct conf_list conf_list(const struct conf *c, enum param_id id);

/*
 * Parameters without an id: those an administrator invented and refers to
 * as $name, restriction classes, and what belongs to a table (NAME_server_host
 * of ldap:NAME).  False when there is none; *out is then empty.
 */
bool conf_named(const struct conf *c, struct str name, struct str *out);
/* The same as a list; empty when there is none. */
struct conf_list conf_named_list(const struct conf *c, struct str name);

/*
 * The families: one value for each transport in master.cf, with
 * ${transport}_destination_concurrency_limit and the like falling back to
 * default_destination_concurrency_limit and the like.  For a transport that
 * is not in master.cf the value is that of the default parameter.
 */
int64_t conf_transport_int(const struct conf *c, enum family_id id,
    struct str transport);
int64_t conf_transport_ms(const struct conf *c, enum family_id id,
    struct str transport);
struct str conf_transport_str(const struct conf *c, enum family_id id,
    struct str transport);

/*
 * master.cf.  conf_self() is the line this snapshot was made for, or NULL
 * when it was made for no service in particular; conf_service() goes over
 * all lines, and answers NULL behind the last.
 */
const struct conf_service *conf_self(const struct conf *c);
const struct conf_service *conf_service(const struct conf *c, size_t i);

/* The first line with this name and socket kind, or NULL. */
const struct conf_service *conf_service_find(const struct conf *c,
    struct str name, enum conf_socket socket);

#endif
