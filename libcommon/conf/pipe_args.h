/* SPDX-License-Identifier: ISC */
#ifndef CONF_PIPE_ARGS_H
#define CONF_PIPE_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "conf/conf.h"

/*
 * What stands behind `pipe` in a line of master.cf: flags=, user=, argv= and
 * the like.  Read by pipe, which writes the message, and by the launcher, which
 * starts the command.
 */
enum pipe_flags {
	PIPE_BLANK = 0x1,	 /* B: an empty line at the end */
	PIPE_DELIVERED = 0x2,	 /* D */
	PIPE_FROM = 0x4,	 /* F: a From_ line */
	PIPE_ORIGINAL = 0x8,	 /* O */
	PIPE_RETURN_PATH = 0x10, /* R */
	PIPE_FINAL = 0x20,	 /* X: it is delivered then, not relayed */
	PIPE_FOLD_HOST = 0x40,	 /* h */
	PIPE_QUOTE = 0x80,	 /* q */
	PIPE_FOLD_LOCAL = 0x100, /* u */
	PIPE_QUOTE_FROM = 0x200, /* > */
	PIPE_DOT = 0x400,	 /* . */
};

struct pipe_args {
	unsigned flags;
	struct str user, group; /* user=name:group */
	struct str directory;
	struct str null_sender;
	char eol[8]; /* what ends a line; never empty */
	uint64_t size; /* largest message; 0: any */
	size_t argv;   /* which of the list is the program */
};

/*
 * Read the arguments of a line; what is in out points into them.  -1 with a
 * sentence in err.
 */
int pipe_args_read(struct conf_list args, struct pipe_args *out,
    struct buf *err);

/*
 * The names that $name in argv= may have.  Those that differ with the
 * recipient make one argument for each of them.
 */
bool pipe_args_name(struct str name, bool *each);

#endif
