/* SPDX-License-Identifier: ISC */
#ifndef TABLE_LOOKUP_H
#define TABLE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "table/table.h"

/*
 * Which keys are asked of a table, and in which order.  Each kind of lookup
 * first writes its keys, a pure function, and then tables_first() asks them:
 * the first key of all tables, then the second of all tables, and so on.
 *
 * Keys keep the case of what was looked up; tables fold where they should.
 */
enum lookup_part {
	LOOKUP_FULL,	      /* all of it: user+ext@domain, domain, address */
	LOOKUP_NOEXT,	      /* user@domain, the extension was left out */
	LOOKUP_LOCAL,	      /* user+ext */
	LOOKUP_LOCAL_NOEXT,   /* user */
	LOOKUP_USER_AT,	      /* user+ext@ (access) */
	LOOKUP_USER_AT_NOEXT, /* user@ (access) */
	LOOKUP_AT_DOMAIN,     /* @domain */
	LOOKUP_DOMAIN,	      /* domain */
	LOOKUP_PARENT,	      /* .parent, or parent where those match */
	LOOKUP_PREFIX,	      /* leading octets of an IP address */
	LOOKUP_STAR,	      /* * (transport) */
};

struct lookup_key {
	unsigned off, len; /* in text */
	enum lookup_part part;
	bool whole; /* also asked of pattern tables */
};

#define LOOKUP_KEYS_MAX 160 /* a domain has at most 127 labels */
#define LOOKUP_TEXT_MAX 65536

struct lookup_keys {
	struct buf text;
	size_t n;
	struct lookup_key key[LOOKUP_KEYS_MAX];
	struct str ext; /* "+ext" of the address, empty without; borrowed from
			 * the address given */
};

/* Empty; every writer below empties it first. */
void lookup_keys_init(struct lookup_keys *k);
void lookup_keys_clear(struct lookup_keys *k);

/* The key number i, borrowed until the keys change. */
struct str lookup_key_text(const struct lookup_keys *k, size_t i);

/* How the address is looked up. */
#define LOOKUP_BARE_USER 0x01 /* also user+ext, user: its domain is local */
#define LOOKUP_NO_DOMAIN 0x02 /* never @domain */
/* Subdomains match by name, not by .parent (parent_domain_matches_...). */
#define LOOKUP_PARENTS 0x04

/*
 * virtual(5), canonical(5), relocated(5), generic(5), and the sender and
 * recipient maps: user+ext@domain, user@domain, user+ext, user (with
 * LOOKUP_BARE_USER, or when there is no domain), @domain.  delims is the set
 * recipient_delimiter, empty for none.
 */
void lookup_keys_address(struct lookup_keys *k, struct str addr,
    struct str delims, unsigned flags);

/*
 * access(5), for addresses: user+ext@domain, user@domain, domain, parents,
 * user+ext@, user@.
 */
void lookup_keys_access(struct lookup_keys *k, struct str addr,
    struct str delims, unsigned flags);

/* A domain and its parents. */
void
lookup_keys_domain(struct lookup_keys *k, struct str domain, unsigned flags);

/*
 * An IP address in text, and then its leading parts: 1.2.3.4, 1.2.3, 1.2, 1;
 * 2001:db8::1, 2001:db8:, 2001:db8, 2001.
 */
void lookup_keys_ip(struct lookup_keys *k, struct str addr);

/*
 * transport(5): user+ext@domain, user@domain, domain, parents, *.  An empty
 * recipient is asked by the caller's name for it (MAILER-DAEMON@myhostname).
 */
void lookup_keys_transport(struct lookup_keys *k, struct str addr,
    struct str delims, unsigned flags);

/*
 * Where the extension of a local part begins: the index of the delimiter, or
 * local.n without one.  Names that must not be split are not (postmaster,
 * mailer-daemon, double-bounce; with the delimiter - also owner-x and
 * x-request), nor are an empty name or an empty extension split off.
 */
size_t lookup_ext(struct str local, struct str delims);

/*
 * Several tables that one parameter names, searched in order.
 */
struct tables {
	size_t n;
	struct table *t[TABLE_MEMBERS_MAX];
	const char *reason; /* of the last TABLE_LATER, borrowed */
};

/* What was found, and by what. */
struct tables_hit {
	size_t table, key;
	enum lookup_part part;
	bool ext_used; /* false: the extension is not part of the key */
};

/*
 * Open all tables of a parameter value.  Tables that cannot be opened are
 * kept and answer TABLE_LATER.  -1 when the list itself is malformed or too
 * long; ts is then empty and ts->reason says why.
 */
int
tables_open(struct tables *ts, struct str list, const struct table_env *env);
void tables_close(struct tables *ts);

/* One key, in all tables in order; an error stops with TABLE_LATER. */
enum table_answer
tables_get(struct tables *ts, struct str key, struct buf *value, size_t *which);

/*
 * The first key that any table knows.  Partial keys are not asked of pattern
 * tables.  An error stops with TABLE_LATER.  hit may be NULL.
 */
enum table_answer tables_first(struct tables *ts, const struct lookup_keys *k,
    struct buf *value, struct tables_hit *hit);

#endif
