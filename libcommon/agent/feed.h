/* SPDX-License-Identifier: ISC */
#ifndef AGENT_FEED_H
#define AGENT_FEED_H

#include <stdbool.h>

#include "agent/job.h"
#include "loop/loop.h"
#include "queue/content.h"

/*
 * A job's message, written into a pipe as the reader takes it: never more than
 * a window of it is in memory.
 */
#define FEED_BLANK 0x1	    /* an empty line at the end */
#define FEED_QUOTE_FROM 0x2 /* `>` before lines that begin with `From ` */
#define FEED_DOT 0x4	    /* another dot before lines that begin with one */

struct feed {
	struct agent_job *job; /* borrowed */
	unsigned flags;
	char eol[8];
	struct buf out; /* to be written; begins with From_ line and headers */
	struct content content;
	struct env_edit *edits;
	bool open;  /* content is */
	bool ended; /* all of it is in out */
	int fd;	    /* the pipe, ours; -1 */
	struct watch watch;
	struct loop *loop;
	void (*fn)(int error, void *arg);
	void *arg;
};

/*
 * Prepare.  head, which is copied, has lines that end with LF: what goes before
 * the message.
 */
void feed_init(struct feed *f, struct loop *l, struct agent_job *j,
    unsigned flags, const char *eol, struct str head);

/*
 * Begin to write into fd, which is non-blocking and now the feed's.  fn is
 * called once, perhaps before this returns: with 0 at the end, or with errno.
 * EPIPE means that the reader wanted no more.
 */
void feed_begin(struct feed *f, int fd, void (*fn)(int error, void *arg),
    void *arg);

/* The end, at any time; zeroed memory is fine. */
void feed_clear(struct feed *f);

/* `From sender  date` as it stands before a message in an mbox. */
void feed_from(struct buf *out, struct str sender);

#endif
