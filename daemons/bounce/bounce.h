/* SPDX-License-Identifier: ISC */
#ifndef BOUNCE_BOUNCE_H
#define BOUNCE_BOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/bounce.h"
#include "queue/envelope.h"
#include "queue/event.h"
#include "submit/submit.h"

/*
 * bounce: notices about mail that did not arrive, is late, or did arrive.
 *
 *	job.c		an order of qmgr's: who is to be told, and the end of it
 *	report.c	what happened to each recipient: read, and written as
 *			message/delivery-status (RFC 3464)
 *	notice.c	a notice: its header and its text for people
 *	original.c	the message it is about, or its header
 *	out.c		what is written goes to a slot's file in blocks
 */
#define JOBS_MAX 256

struct bounce {
	struct submit submit; /* first: see submit/submit.h */
	const struct conf *conf;
	struct chan *orders; /* edge bounce to qmgr; NULL: down */
	TAILQ_HEAD(job_list, job) jobs;
	size_t njobs;
};

void bounce_init(struct bounce *b, struct loop *l, const struct conf *c);
void bounce_clear(struct bounce *b);

extern const struct chan_on orders_on[];
void orders_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
void orders_down(struct chan *ch, unsigned instance, void *arg);

/* --- report.c ------------------------------------------------------------- */

/* One recipient and what happened to it; strings borrowed from the order. */
struct outcome {
	struct env_rcpt rcpt;
	struct event event;
};

#define REPORTS_MAX 512

/*
 * Cut the next from the front of *in.  1, 0 at the end, -1 when what is there
 * is none.
 */
int outcome_next(struct str *in, uint64_t qid, struct outcome *out);

/* Does a notice of this kind to the sender speak of this recipient? */
bool outcome_wanted(enum bounce_kind kind, const struct outcome *r);

/* --- out.c ---------------------------------------------------------------- */
struct out {
	int fd; /* borrowed */
	struct buf b;
	uint64_t total; /* bytes so far */
	bool failed;
};

void out_init(struct out *o, int fd);
/* Write the rest; -1 when something could not be written. */
int out_end(struct out *o);
void out_str(struct out *o, struct str s);
void out_puts(struct out *o, const char *s);
void out_printf(struct out *o, const char *fmt, ...) PRINTFLIKE(2, 3);
/*
 * A stranger's words: printable, at most max bytes, UTF-8 only where utf8
 * is; folded at blanks where a line gets long, the next begins with indent.
 */
void out_text(struct out *o, struct str s, size_t max, bool utf8,
    const char *indent);

/* --- job.c ---------------------------------------------------------------- */

/* Whom a notice is for. */
enum reader {
	READER_SENDER,
	READER_POSTMASTER,
};

struct job {
	TAILQ_ENTRY(job) link;
	struct bounce *b;
	uint64_t id; /* of the question */
	bool orphan; /* qmgr's channel has gone */

	struct bounce_make make; /* strings in text */
	char *text;
	uint64_t qid;
	int fd; /* the message */
	struct env_edit *edits;
	size_t nedits;
	struct outcome *outcomes;
	size_t noutcomes;

	/* The notice being made. */
	enum reader reader;
	struct submit_slot *slot;
	struct submit_wait wait;
	char boundary[64];
	bool utf8, eightbit;
	char made[QID_MAX + 1]; /* of the sender's, when it is in the queue */
};

/* Whom the notice being made is for. */
struct str job_reader_addr(const struct job *j);

/* --- notice.c ------------------------------------------------------------- */

/* Write the notice to the slot's file.  -1 with errno. */
int notice_write(struct job *j, int fd, struct str qid);

/* Is the recipient spoken of in this notice? */
bool notice_has(const struct job *j, const struct outcome *r);

/* --- report.c, original.c: parts of it ------------------------------------ */

/* The word of the report for what happened: delivered, failed, ... */
const char *outcome_action(const struct job *j, enum event_fate fate);
void report_write(const struct job *j, struct out *o);
/* -1 with errno when the message cannot be read. */
int original_write(const struct job *j, struct out *o);

#endif
