/* SPDX-License-Identifier: ISC */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "chan/chan.h"
#include "edge/run.h"
#include "loop/loop.h"

/*
 * command: runs one command for one message, as the user whose it is.
 *
 *	expand.c	$name in arguments and directories
 *	env.c		the environment of commands of local
 *	start.c		the child: descriptors, directory, program
 *	main.c		its life, from order to report
 */
#define ARGS_MAX 4096 /* words of a command line */
#define WORD_MAX 8192

/* Words for execve(2), with a NULL at the end; each is its own allocation. */
struct words {
	char **v;
	size_t n;
};

void words_add(struct words *w, struct str s);
void words_clear(struct words *w);

/* A recipient and what it was at first. */
struct whom {
	struct str addr, orig;
};

/* The next pair of a list; false at its end. */
bool whom_next(struct str *list, struct whom *out);

/* --- expand.c ------------------------------------------------------------- */

/*
 * The command line that an order of master.cf makes for these recipients.  -1
 * with a sentence in err.
 */
int expand_argv(const struct order_run *o, const struct run_for *r,
    struct words *out, struct buf *err);

/* command_execution_directory; out empty: none.  -1 with a sentence. */
int expand_dir(const struct order_run *o, const struct run_for *r,
    struct buf *out, struct buf *err);

/* --- env.c ---------------------------------------------------------------- */

/* What the launcher gives, and (for local) what the message says. */
void env_make(const struct order_run *o, const struct run_for *r,
    struct words *out);

/* The parts of an address; extension is empty where there is none. */
struct parts {
	struct str local, user, extension, domain;
	struct str delimiter;
};
void parts_of(struct str addr, struct str delimiters, struct parts *out);

/* --- start.c -------------------------------------------------------------- */

/*
 * The words of a command text when it can do without a shell; false when it
 * needs one.
 */
bool start_words(struct str text, struct words *out);

/*
 * Become the command: never returns.  in and out are its standard descriptors;
 * it does not outlive parent, who calls.
 */
void start_child(const struct order_run *o, const struct words *argv,
    const struct words *env, const char *dir, int in, int out, pid_t parent)
    __attribute__((noreturn));

#endif
