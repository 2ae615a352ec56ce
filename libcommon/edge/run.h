/* SPDX-License-Identifier: ISC */
#ifndef EDGE_RUN_H
#define EDGE_RUN_H

#include "chan/rec.h"
#include "edge/spool.h"
#include "mail/address.h"

/*
 * Commands of the administrator and of users, run for a message.
 *
 * The asker (pipe, local) has the broker start one (BROKER_COMMAND).  The
 * launcher makes a process that has the rights of the user whose command it
 * is, and there runs the program `command`, which is told by the launcher what
 * to run (edge order, one record in a sealed memory file on SLOT_CONFIG) and by
 * the asker for which message (edge run).  Neither can say the other's part:
 * who asks cannot choose a program, an option, a variable's name or a user.
 */
#define COMMAND_TEXT_MAX 8192
#define COMMAND_OUTPUT_MAX 4096 /* of what a command says is kept */
#define COMMAND_WAIT_MS 20000 /* its process waits so long for the asker */

enum command_kind {
	COMMAND_MASTER = 1, /* a pipe line of master.cf, by its number */
	COMMAND_MAILBOX,    /* mailbox_command, as this user */
	COMMAND_MAPS,	    /* mailbox_command_maps; lookup vouches for it */
	COMMAND_ALIAS,	    /* "|command"; lookup vouches for text and owner */
	COMMAND_FORWARD,    /* as above; the user's mailbox process vouches */
	/* None: an alias's /file, for the process that writes it (mailbox.h) */
	COMMAND_FILE,
};

/*
 * What the launcher says.  argv and env: words, each with a NUL behind it.
 * With argv the words are templates ($recipient and the like); else text is
 * what a shell would be given.
 */
enum order_flags {
	ORDER_FOLD_HOST = 0x1, /* flags=h */
	ORDER_FOLD_LOCAL = 0x2, /* flags=u */
	ORDER_QUOTE = 0x4, /* flags=q */
};

#define order_run_FIELDS(F) \
	F(U8, kind) \
	F(U8, flags) \
	F(I64, limit_ms) \
	F(STR, argv, 16384) \
	F(STR, text, COMMAND_TEXT_MAX) \
	F(STR, shell, 512) /* local_command_shell */ \
	F(STR, dir, 1024) /* where it runs; local: a template */ \
	F(STR, dir_filter, 512) \
	F(STR, filter, 512) /* what values in the environment may have */ \
	F(STR, env, 16384) \
	F(STR, null_sender, 256) \
	F(STR, delimiter, 16) \
	F(STR, user, 64) /* whose rights it has */ \
	F(STR, home, 1024) \
	F(STR, login_shell, 256)

#define EDGE_ORDER(R) \
	R(ORDER_RUN, order_run, REC_TELL, SIDE_A, 0)

EDGE_DECLARE(order, EDGE_ORDER);

/*
 * Asker (A) and command (B).  rcpts: pairs of recipient and original
 * recipient, each with a NUL behind it.  The launcher, before the process is
 * there, sends RUN_STDIN with a pipe that takes the message and keeps nobody
 * waiting; then the process RUN_READY, and the asker says for whom.  At the end
 * comes the answer.  When the asker goes, the command is killed: the message is
 * still in the queue.
 *
 * The process keeps the command's time, and the launcher that of the process:
 * it is the user's, who could have stopped it.
 */
#define run_for_FIELDS(F) \
	F(STR, qid, QID_MAX) \
	F(STR, sender, ADDR_MAX) \
	F(STR, nexthop, ADDR_MAX) \
	F(STR, envid, 256) \
	F(U64, size) \
	F(STR, rcpts, 40960)

#define run_ready_FIELDS(F)
#define run_stdin_FIELDS(F)

/* how: enum run_how; code: exit status or signal. */
#define run_done_FIELDS(F) \
	F(U8, how) \
	F(U32, code) \
	F(STR, command, 1024) /* as it was run, for the log */ \
	F(STR, output, COMMAND_OUTPUT_MAX)

enum run_how {
	RUN_EXITED = 1,
	RUN_SIGNALED,
	RUN_TIMEOUT,
	RUN_FAILED, /* could not be run; output says why */
};

/* The launcher, in place of both: it will not run, and why. */
#define run_refused_FIELDS(F) \
	F(STR, text, 512)

#define EDGE_RUN(R) \
	R(RUN_FOR, run_for, REC_ASK, SIDE_A, 0) \
	R(RUN_READY, run_ready, REC_REPORT, SIDE_B, 0) \
	R(RUN_STDIN, run_stdin, REC_REPORT, SIDE_B, 1) \
	R(RUN_DONE, run_done, REC_ANSWER, SIDE_B, 0) \
	R(RUN_REFUSED, run_refused, REC_REPORT, SIDE_B, 0)

EDGE_DECLARE(run, EDGE_RUN);

#endif
