/* SPDX-License-Identifier: ISC */
#ifndef EDGE_MAILBOX_H
#define EDGE_MAILBOX_H

#include "chan/rec.h"
#include "edge/deliver.h"
#include "edge/run.h"

/*
 * local, virtual (A) to the mailbox process of one user (B).
 *
 * path is relative: to the user's home (or virtual_mailbox_base) when root is
 * 0, to the mail spool directory when it is 1; a trailing slash makes it a
 * Maildir, else it is an mbox file.  prefix goes before the content
 * (Return-Path:, X-Original-To:, Delivered-To:, each line with its LF).  The
 * answer is on disk when it comes.
 *
 * Where the process has the directory of an alias's /file, it writes what
 * lookup vouched for (ticket, good until expires), and nothing else.
 */
#define mailbox_write_FIELDS(F) \
	F(U8, root) \
	F(U8, flags) \
	F(STR, path, 1024) \
	F(STR, sender, ADDR_MAX) /* of the mbox From_ line */ \
	F(STR, prefix, 8192) \
	F(U32, expires) \
	F(U64, ticket) \
	F(U64, limit) /* bytes the mailbox (message) may have, 0: any */ \
	F(U64, offset) \
	F(U64, size) \
	F(STR, edits, DELIVER_EDITS_MAX)

enum mailbox_root {
	MAILBOX_HOME = 0,
	MAILBOX_SPOOL = 1,
};

enum mailbox_flags {
	MAILBOX_DOTLOCK = 0x1,
	MAILBOX_FLOCK = 0x2,
	MAILBOX_FCNTL = 0x4,
	MAILBOX_FILE = 0x8, /* an alias target: append, whatever it is */
};

/*
 * On SLOT_KEY it finds its key, and behind that, of a login user, `NAME:HOME`.
 * A process without a key writes virtual mailboxes.
 */
#define MAILBOX_BIRTH_MAX 1100

/* fate: enum fate. */
#define mailbox_written_FIELDS(F) \
	F(U8, fate) \
	F(STR, dsn, 16) \
	F(STR, text, 1024)

/* A small text file of the user (~/.forward): checked for owner and mode. */
#define MAILBOX_TEXT_MAX 32768

#define mailbox_read_FIELDS(F) \
	F(STR, path, 1024)
#define mailbox_text_FIELDS(F) \
	F(U8, status) /* enum mailbox_read_status */ \
	F(STR, text, MAILBOX_TEXT_MAX)

enum mailbox_read_status {
	MAILBOX_READ_OK = 0,
	MAILBOX_READ_NONE, /* no such file */
	MAILBOX_READ_REFUSED, /* not the user's alone, or no plain file */
	MAILBOX_READ_LATER,
	MAILBOX_READ_NO_HOME, /* the home directory is missing */
};

/*
 * A command that stands in such a file: the answer has the ticket that makes
 * the broker run it as this user.  status as above; NONE when the file does
 * not have it.
 */
#define mailbox_sign_FIELDS(F) \
	F(STR, path, 1024) \
	F(STR, command, COMMAND_TEXT_MAX)
#define mailbox_signed_FIELDS(F) \
	F(U8, status) \
	F(U32, expires) \
	F(U64, ticket)

#define EDGE_MAILBOX(R) \
	R(MAILBOX_WRITE, mailbox_write, REC_ASK, SIDE_A, 1) \
	R(MAILBOX_WRITTEN, mailbox_written, REC_ANSWER, SIDE_B, 0) \
	R(MAILBOX_READ, mailbox_read, REC_ASK, SIDE_A, 0) \
	R(MAILBOX_TEXT, mailbox_text, REC_ANSWER, SIDE_B, 0) \
	R(MAILBOX_SIGN, mailbox_sign, REC_ASK, SIDE_A, 0) \
	R(MAILBOX_SIGNED, mailbox_signed, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(mailbox, EDGE_MAILBOX);

#endif
