/* SPDX-License-Identifier: ISC */
#ifndef EDGE_LOOKUP_H
#define EDGE_LOOKUP_H

#include "chan/rec.h"
#include "edge/run.h"

/*
 * Any asker (A) to lookup (B): a key in the tables that a parameter names.
 *
 * The asker names the parameter, not the tables: lookup reads the list from
 * its own configuration, and answers only for parameters that this asker's
 * work needs, so that a captured smtpd cannot browse the password maps.  An
 * item of a list parameter (mynetworks, a restriction) is named by its text.
 */
#define LOOKUP_KEY_MAX 2048
#define LOOKUP_VALUE_MAX 49152
/* An item may be a whole table (inline:{...}); a longer one is not asked. */
#define LOOKUP_TABLE_MAX 49152
#define LOOKUP_PARAM_MAX 64

/* how: enum find_how.  flags: enum find_flags.  param: the parameter's name.
 * table: empty for all tables of the parameter in order, or the one item to
 * look into. */
#define lookup_find_FIELDS(F) \
	F(U8, how) \
	F(U8, flags) \
	F(STR, param, LOOKUP_PARAM_MAX) \
	F(STR, table, LOOKUP_TABLE_MAX) \
	F(STR, key, LOOKUP_KEY_MAX)

enum find_how {
	FIND_PLAIN = 0, /* the key as it is, folded */
	FIND_ADDRESS, /* user+ext@dom, user@dom, user+ext, user, @dom */
	FIND_ACCESS, /* access(5) of an address: also domain, parents, user@ */
	FIND_DOMAIN, /* the domain and its parents */
	FIND_TRANSPORT, /* the order of transport(5) */
	FIND_NETWORK, /* an address and its prefixes */
};

enum find_flags {
	FIND_BARE_USER = 0x1, /* FIND_ADDRESS: its domain is a local one */
	FIND_NO_DOMAIN = 0x2, /* FIND_ADDRESS: no @domain */
	FIND_PARENTS = 0x4, /* domains stand for their subdomains */
};

/*
 * answer.flags: FIND_EXT_USED when the key had the extension in it.
 */
#define FIND_EXT_USED 0x1

#define lookup_answer_FIELDS(F) \
	F(U8, status) \
	F(U8, flags) \
	F(STR, key, LOOKUP_KEY_MAX) \
	F(STR, value, LOOKUP_VALUE_MAX)

enum lookup_status {
	LOOKUP_FOUND = 0,
	LOOKUP_NOT_FOUND,
	LOOKUP_LATER, /* a table cannot be read; value says why */
	LOOKUP_REFUSED, /* not a parameter of yours */
};

/* A user of the system's password database, by name. */
#define lookup_user_FIELDS(F) \
	F(STR, name, 256)
#define lookup_passwd_FIELDS(F) \
	F(U8, status) \
	F(U32, uid) \
	F(U32, gid) \
	F(STR, name, 256) \
	F(STR, home, 1024) \
	F(STR, shell, 256) \
	F(STR, gecos, 512)

/*
 * local: a piece of an :include: file that this alias of alias_maps names, or
 * another such file that was read for it.  The stamp is the same for all pieces
 * of a file that has not changed.
 */
#define lookup_include_FIELDS(F) \
	F(STR, alias, LOOKUP_KEY_MAX) \
	F(STR, path, 512) \
	F(U64, offset)
/* status: FOUND, or text says why not. */
#define lookup_text_FIELDS(F) \
	F(U8, status) \
	F(U8, more) \
	F(U64, stamp) \
	F(STR, text, LOOKUP_VALUE_MAX)

/*
 * local: a command or /file that this alias of alias_maps names (or the
 * :include: file that it names), or what mailbox_command_maps says of a user
 * (key; text and path are empty).  The answer has the ticket with which it is
 * run or written, and whose file it stood in.
 */
#define lookup_command_FIELDS(F) \
	F(U8, kind) /* COMMAND_ALIAS, COMMAND_FILE, COMMAND_MAPS */ \
	F(STR, key, LOOKUP_KEY_MAX) \
	F(STR, path, 512) \
	F(STR, text, COMMAND_TEXT_MAX)
#define lookup_signed_FIELDS(F) \
	F(U8, status) \
	F(U32, uid) \
	F(U32, expires) \
	F(U64, ticket) \
	F(STR, text, COMMAND_TEXT_MAX)

#define EDGE_LOOKUP(R) \
	R(LOOKUP_FIND, lookup_find, REC_ASK, SIDE_A, 0) \
	R(LOOKUP_ANSWER, lookup_answer, REC_ANSWER, SIDE_B, 0) \
	R(LOOKUP_USER, lookup_user, REC_ASK, SIDE_A, 0) \
	R(LOOKUP_PASSWD, lookup_passwd, REC_ANSWER, SIDE_B, 0) \
	R(LOOKUP_INCLUDE, lookup_include, REC_ASK, SIDE_A, 0) \
	R(LOOKUP_TEXT, lookup_text, REC_ANSWER, SIDE_B, 0) \
	R(LOOKUP_COMMAND, lookup_command, REC_ASK, SIDE_A, 0) \
	R(LOOKUP_SIGNED, lookup_signed, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(lookup, EDGE_LOOKUP);

#endif
