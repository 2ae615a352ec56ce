/* SPDX-License-Identifier: ISC */
#ifndef EDGE_BROKER_H
#define EDGE_BROKER_H

#include "chan/rec.h"
#include "edge/run.h"

/*
 * A component (A) and the broker (B), on slot FD_BROKER of every component.
 *
 * Until it has said BROKER_SEALED and the launcher has read the kernel's own
 * evidence, a component may send BROKER_LOG and nothing else, and is granted
 * nothing.  Then come the grants its policy lists; it answers BROKER_READY
 * when it has what it needs to work.  A copy of an image (sandbox/warm.h) does
 * not, being what others were before: it counts as ready when it is introduced.
 *
 * Requests carry fixed-size, typed fields; each verb has a rate, a burst and
 * an open count in the policy of the component, charged before anything else.
 * The answer to a request that was refused is BROKER_REFUSED.
 */

/* What the component says while nobody else listens to it. */
#define broker_log_FIELDS(F) \
	F(U8, level) \
	F(STR, text, 1024)

/*
 * without: peers, separated by spaces, that it has no use for in this life, and
 * is not introduced to.
 */
#define broker_sealed_FIELDS(F) \
	F(STR, without, 128)
#define broker_ready_FIELDS(F)

/*
 * A descriptor, unasked.  kind: see enum grant_kind; name: of the peer
 * component, of the service (GRANT_LISTENER, GRANT_CONFIG) or of the thing;
 * instance: which of several peers or services; pid: of the peer, outside its
 * namespace, for log lines.
 */
#define broker_grant_FIELDS(F) \
	F(U8, kind) \
	F(U32, instance) \
	F(U32, pid) \
	F(STR, edge, 32) \
	F(STR, name, 128)

enum grant_kind {
	GRANT_CHANNEL = 1, /* we are side A of edge `edge` to peer `name` */
	GRANT_CHANNEL_B, /* we are side B */
	GRANT_LISTENER, /* a listening socket of service `name` */
	GRANT_CONFIG, /* sealed configuration of service `name` */
	GRANT_DIR, /* a directory */
	GRANT_FILE, /* a file: log, table, ... */
};

/* The configuration has changed: the new one of this component. */
#define broker_config_FIELDS(F) \
	F(U32, generation)

/* Finish what you are doing and exit; after grace_ms you will be killed. */
#define broker_stop_FIELDS(F) \
	F(U32, grace_ms)

/* Leave as soon as there is nothing in your hand, as if you had been idle. */
#define broker_retire_FIELDS(F)

#define broker_refused_FIELDS(F) \
	F(U32, error) \
	F(STR, why, 256)

/*
 * smtp: a connection to an address that the dns component vouched for.  The
 * ticket is its word (edge/ticket.h).  bind is our own address, or family 0.
 */
#define broker_connect_FIELDS(F) \
	F(ADDR, to) \
	F(ADDR, bind) \
	F(U32, expires) \
	F(U8, flags) \
	F(U64, ticket)
/* The connection is established (or on its way: writable says so). */
#define broker_connected_FIELDS(F) \
	F(ADDR, local)

/*
 * smtp: a connection to a socket in the file system (`unix:/path`, or `unix:`
 * and a path below the queue directory), which rewrite vouched for.  The
 * launcher looks at that and connects, with the rights of mail_owner.  The
 * answer is BROKER_FILE.
 */
#define broker_unix_FIELDS(F) \
	F(U64, ticket) \
	F(STR, nexthop, 512)

/* dns: a socket to the configured resolver with this index. */
#define broker_resolver_FIELDS(F) \
	F(U16, index) \
	F(U8, tcp)
#define broker_socket_FIELDS(F)

/* lookup: the file behind a table named in the configuration. */
#define broker_table_FIELDS(F) \
	F(STR, table, 512)
#define broker_file_FIELDS(F)

/*
 * lookup: a file that an alias includes, `UID:PATH`, opened as user UID, who
 * owns the alias file or another included one; as default_privs with 0.  The
 * answer is BROKER_FILE.
 */
#define broker_include_FIELDS(F) \
	F(STR, path, 524)

/*
 * local, virtual: a mailbox process for a user.  For local the name is a login
 * name and the launcher asks the system's databases; for virtual uid and gid
 * come from the configured maps and the base directory from configuration.
 * With dir (local only, without a name) it is the process that writes files
 * of that directory, for aliases: `UID:DIRECTORY`, with the rights of the owner
 * of the alias file, or those of default_privs when UID is 0.  The answer is a
 * channel of edge `mailbox`; refused with EAGAIN, it can be had a moment later,
 * with ECHILD, the process did not start.
 */
#define broker_mailbox_FIELDS(F) \
	F(STR, user, 64) \
	F(U32, uid) \
	F(U32, gid) \
	F(STR, dir, 524)
#define broker_mailbox_open_FIELDS(F) \
	F(U32, uid) \
	F(STR, home, 1024)

/*
 * qmgr, gate: a component on demand that the asker shares a channel with.  Who
 * asks has no channel to it, or has let go of it (boot.h).  With replace there
 * is to be another in its place: the old one is told to retire when the new
 * one works.  The answer is BROKER_DONE when it is on its way.
 */
#define broker_start_FIELDS(F) \
	F(STR, component, 32) \
	F(U32, instance) \
	F(U8, replace)

/*
 * pipe, local: a process that runs a command (edge/run.h), with the rights of
 * a user.  kind says what the others mean: a line of master.cf by its number;
 * a login name; the owner of an alias file; a text, and the word of whoever
 * read it that it is to be run (edge/ticket.h).  The answer is a channel of
 * edge `run`.
 */
#define broker_command_FIELDS(F) \
	F(U8, kind) \
	F(U32, service) \
	F(U32, uid) \
	F(U32, expires) \
	F(U64, ticket) \
	F(STR, user, 64) \
	F(STR, text, COMMAND_TEXT_MAX)
#define broker_command_open_FIELDS(F)

/*
 * keys: a file that the configuration names for a key or certificate, by that
 * name.  The answer is BROKER_FILE.
 */
#define broker_key_FIELDS(F) \
	F(STR, file, 512)

/* logd: the log file anew, after it was rotated. */
#define broker_reopen_FIELDS(F)

/* control: what mailctl asked for.  what: enum admin_what; the answer's text
 * is JSON, in pieces of BROKER_TEXT when it is long. */
#define broker_admin_FIELDS(F) \
	F(U8, what) \
	F(U32, uid) \
	F(STR, arg, 256)
#define broker_text_FIELDS(F) \
	F(STR, text, 32768)
#define broker_done_FIELDS(F) \
	F(U32, error) \
	F(STR, text, 1024)

enum admin_what {
	ADMIN_STATUS = 1,
	ADMIN_STOP,
	ADMIN_RELOAD,
	ADMIN_GRANTS, /* the record of grants, for audit and graph */
	/*
	 * Learning mode of a component (to control: "COMPONENT SECONDS"), and
	 * its end.  It ends with the asker, too.
	 */
	ADMIN_TRACE,
	ADMIN_UNTRACE,
};

/*
 * The order counts: a question is answered by what comes next of the answers
 * behind it, or by those before all questions (chan/rec.h).
 */
#define EDGE_BROKER(R) \
	R(BROKER_LOG, broker_log, REC_TELL, SIDE_A, 0) \
	R(BROKER_SEALED, broker_sealed, REC_TELL, SIDE_A, 0) \
	R(BROKER_READY, broker_ready, REC_TELL, SIDE_A, 0) \
	R(BROKER_GRANT, broker_grant, REC_TELL, SIDE_B, 1) \
	R(BROKER_CONFIG, broker_config, REC_TELL, SIDE_B, 1) \
	R(BROKER_STOP, broker_stop, REC_TELL, SIDE_B, 0) \
	R(BROKER_RETIRE, broker_retire, REC_TELL, SIDE_B, 0) \
	R(BROKER_REFUSED, broker_refused, REC_ANSWER, SIDE_B, 0) \
	R(BROKER_CONNECT, broker_connect, REC_ASK, SIDE_A, 0) \
	R(BROKER_CONNECTED, broker_connected, REC_ANSWER, SIDE_B, 1) \
	R(BROKER_RESOLVER, broker_resolver, REC_ASK, SIDE_A, 0) \
	R(BROKER_SOCKET, broker_socket, REC_ANSWER, SIDE_B, 1) \
	R(BROKER_UNIX, broker_unix, REC_ASK, SIDE_A, 0) \
	R(BROKER_TABLE, broker_table, REC_ASK, SIDE_A, 0) \
	R(BROKER_INCLUDE, broker_include, REC_ASK, SIDE_A, 0) \
	R(BROKER_REOPEN, broker_reopen, REC_ASK, SIDE_A, 0) \
	R(BROKER_KEY, broker_key, REC_ASK, SIDE_A, 0) \
	R(BROKER_FILE, broker_file, REC_ANSWER, SIDE_B, 1) \
	R(BROKER_MAILBOX, broker_mailbox, REC_ASK, SIDE_A, 0) \
	R(BROKER_MAILBOX_OPEN, broker_mailbox_open, REC_ANSWER, SIDE_B, 1) \
	R(BROKER_COMMAND, broker_command, REC_ASK, SIDE_A, 0) \
	R(BROKER_COMMAND_OPEN, broker_command_open, REC_ANSWER, SIDE_B, 1) \
	R(BROKER_START, broker_start, REC_ASK, SIDE_A, 0) \
	R(BROKER_ADMIN, broker_admin, REC_ASK, SIDE_A, 0) \
	R(BROKER_TEXT, broker_text, REC_TELL, SIDE_B, 0) \
	R(BROKER_DONE, broker_done, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(broker, EDGE_BROKER);

#endif
