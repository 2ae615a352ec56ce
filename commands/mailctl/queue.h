/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_QUEUE_H
#define MAILCTL_QUEUE_H

#include "mailctl.h"

/*
 * The queue as control shows it.
 */

/*
 * Somebody who looks at a listing as it comes.  end() comes after the last
 * recipient of each message; all is borrowed until the next call.
 */
struct viewer {
	void (*entry)(const struct control_entry *e, void *arg);
	void (*rcpt)(const struct control_rcpt *r, void *arg);
	void (*end)(void *arg);
	void *arg;
};

/*
 * Listing.  detail: 0 no recipients, 1 recipients, 2 corrupt files, too.  qid
 * NULL: all.  Returns an errno, 0 when all went well; its words in why.
 */
int queue_list(struct talk *t, unsigned detail, const char *qid,
    const struct viewer *v, struct buf *why);

/*
 * A change, or a flush.  Returns an errno (ENOENT: no message was meant).
 */
int queue_change(struct talk *t, enum queue_op op, uint8_t state,
    const char *arg, uint32_t *count, struct buf *why);

const char *queue_state_name(uint8_t state);
/* 0 for a name that is none. */
uint8_t queue_state_parse(const char *name);

/* The sender; of a file in maildrop, whose it is. */
struct str queue_sender(const struct control_entry *e, char out[64]);

/* Text of strangers, with what a terminal might obey replaced by `?`. */
void put_printable(struct buf *b, struct str s);

/* --- postqueue.c ---------------------------------------------------------- */

/* In the form of Postfix's mailq; as its JSON lines. */
void show_mailq(struct talk *t, const struct instance *in);
void show_json_lines(struct talk *t);

/* --- show.c --------------------------------------------------------------- */
struct shown {
	int fd;		     /* of the message, borrowed */
	bool file;	     /* a whole queue file; else its content */
	uint64_t off, size;  /* of the content */
	struct str envelope; /* encoded, when it is no file */
	struct str events;
	uint64_t qid;	  /* of those */
	const char *name; /* `deferred/ID` */
};

#define SHOW_ENVELOPE 0x1
#define SHOW_HEADER 0x2
#define SHOW_BODY 0x4
#define SHOW_OFFSETS 0x8
#define SHOW_TYPES 0x10

/* Print it as postcat does; -1 when it is no message (said so). */
int show_message(const struct shown *m, unsigned flags);

/* --- show_drop.c ---------------------------------------------------------- */

/* Is the file at its beginning one of maildrop (queue/maildrop.h)? */
bool is_drop(int fd);
/* Print it, whole; -1 when it is damaged (said so). */
int show_drop(int fd, const char *name, unsigned flags);

/* --- show.c --------------------------------------------------------------- */

/* Ask for message qid and print it; an errno. */
int
show_queued(struct talk *t, const char *qid, unsigned flags, struct buf *why);

#endif
