/* SPDX-License-Identifier: ISC */
#ifndef CLEANUP_CLEANUP_H
#define CLEANUP_CLEANUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "base/str.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/commit.h"
#include "edge/deliver.h"
#include "edge/intake.h"
#include "edge/lookup.h"
#include "edge/resolve.h"
#include "mail/dsn.h"
#include "mail/header.h"
#include "queue/envelope.h"

/*
 * cleanup: the last step of reception.
 *
 *	message.c	a message from its arrival to its commit
 *	head.c		the header block: what is done about each header
 *	missing.c	headers that are added
 *	rcpts.c		recipients: valid, once each
 *	bcc.c		copies that nobody sees
 *	alias.c		virtual_alias_maps: recipients that stand for others
 *	question.c	what rewrite and lookup have to say of addresses
 *	edits.c		what changes in the content
 *	settings.c	what the configuration says
 *
 * Content is never changed: every change is an edit (queue/envelope.h).  A
 * message goes through: sealed, header scanned, recipients checked, questions
 * asked and answered (none for mail that smtpd has resolved), headers added,
 * committed.
 */
struct settings {
	size_t header_max;	   /* header_size_limit */
	uint64_t size_max;	   /* message_size_limit; 0: none */
	unsigned hops_max;	   /* hopcount_limit */
	uint64_t drop;		   /* message_drop_headers, bits 1 << id */
	struct conf_list drop_all; /* and by name */
	bool always_missing;	   /* always_add_missing_headers */
	struct str undisclosed;	   /* undisclosed_recipients_header */
	bool from_obsolete;	   /* header_from_format */
	size_t duplicates_max;	   /* duplicate_filter_limit */
	bool keep_original;	   /* enable_original_recipient */
	bool append_origin, append_dot, bang, percent;
	unsigned tokens_max; /* header_address_token_limit */
	struct str hostname, origin, mail_name;

	bool aliases; /* there are virtual_alias_maps */
	unsigned alias_total, alias_depth;
	size_t alias_length;
	bool alias_ext; /* propagate_unmatched_extensions has virtual */
	struct str delimiter;
	struct conf_list destinations; /* mydestination */

	struct str bcc;		   /* always_bcc */
	bool bcc_sender, bcc_rcpt; /* there are *_bcc_maps */
};

void settings_read(struct settings *s, const struct conf *c);

/* --- edits.c -------------------------------------------------------------- */

/*
 * Changes to the content, in ascending order.  The text of one may be set
 * later, when an answer is in.
 */
struct edit {
	uint64_t off, del;
	size_t ins, ins_len; /* in text */
};

struct edits {
	struct edit *v;
	size_t n, cap;
	struct buf text;
};

#define EDITS_MAX 1024
#define EDITS_TEXT_MAX DELIVER_EDITS_MAX

void edits_init(struct edits *e);
void edits_clear(struct edits *e);

/* -1 when there are too many. */
int edits_add(struct edits *e, uint64_t off, uint64_t del,
    struct str ins) WARN_UNUSED;
int edits_set(struct edits *e, size_t i, struct str ins) WARN_UNUSED;

/* Encode; *n is how many.  -1 when over what agents can be given. */
int edits_put(const struct edits *e, struct buf *out, uint32_t *n) WARN_UNUSED;

/* --- the message ---------------------------------------------------------- */

/* What the header block was found to hold. */
struct head {
	uint64_t seen;	 /* bits 1 << header_id */
	uint64_t end;	 /* offset of the first byte behind the headers */
	unsigned hops;	 /* Received */
	unsigned tokens; /* addresses looked at */
	bool resent;
	bool blank; /* an empty line follows */
	bool body;  /* something follows */
	bool open;  /* the last line has no LF */
	bool utf8;  /* bytes beyond ASCII */
};

#define HEAD_BIT(id) (UINT64_C(1) << (id))

struct refusal {
	int code; /* 0: none */
	struct dsn dsn;
	const char *text;
};

/* A recipient, and where it comes from. */
struct rcpt {
	struct env_rcpt e;
	uint32_t parent; /* the one that stood for it; itself if none did */
	uint32_t root;	 /* the first in that line */
	uint32_t depth;
	uint32_t born; /* of a root: how many it led to */
	bool gone;     /* others took its place, or nobody */
};

TAILQ_HEAD(questions, question);

/* A piece of heap memory for short texts; the newest is filled up. */
struct kept {
	struct kept *next;
	size_t used, size;
	char text[];
};

struct message {
	TAILQ_ENTRY(message) link;
	struct cleanup *cl;
	struct chan *from; /* the submitter; NULL: it has gone */
	uint64_t slot;
	char qid[QID_MAX + 1];
	int fd;
	uint64_t base; /* where content begins in fd */
	uint64_t size;
	char *form; /* the envelope as it came */
	size_t form_len;
	struct envelope env;
	struct rcpt *rcpts;
	size_t nrcpts, rcpts_cap;
	struct head head;
	struct edits edits;
	bool waits; /* counted in held */
	bool local; /* headers are to be completed */
	struct refusal refusal;

	struct questions todo, open; /* to be asked, and asked */
	size_t nopen;
	bool expanded;	   /* there were aliases; some are gone */
	struct kept *kept; /* what message_keep() copied */
};

struct cleanup {
	struct loop *loop;
	const struct conf *conf;
	struct settings set;
	struct chan *qmgr;    /* NULL: down */
	struct chan *rewrite; /* NULL: down */
	struct chan *lookup;  /* NULL: down */
	TAILQ_HEAD(, message) messages;
	size_t nmessages, held; /* bytes of envelopes that wait */
	char *win;		/* header window */
	size_t win_cap;
	struct buf out; /* the envelope being encoded */
};

void cleanup_init(struct cleanup *cl, const struct conf *conf);
void cleanup_clear(struct cleanup *cl);

extern const struct chan_on intake_on[];

/* A submitter's channel has gone: nobody waits for its messages any more. */
void message_orphan(struct cleanup *cl, const struct chan *from);

/* Every question is answered, or a refusal was noted: m is gone afterwards. */
void message_finish(struct message *m);

/* Remember the first refusal, whose text is a constant; returns -1. */
int
message_refuse(struct message *m, int code, struct dsn dsn, const char *text);

/* A copy of s that lives as long as the message. */
struct str message_keep(struct message *m, struct str s);

/* --- head.c --------------------------------------------------------------- */

/* -1: refused, or not readable (refused, too). */
int head_scan(struct message *m) WARN_UNUSED;

/* --- missing.c ------------------------------------------------------------ */

/* What goes above all, and what is missing.  -1: too much. */
int missing_top(struct message *m) WARN_UNUSED;
int missing_add(struct message *m) WARN_UNUSED;

/* --- rcpts.c -------------------------------------------------------------- */

/* Read and check them.  -1: refused. */
int rcpts_read(struct message *m, struct env_reader *r) WARN_UNUSED;
/* Add one whose strings live as long as the message; its index. */
size_t rcpts_add(struct message *m, const struct env_rcpt *e);
/* Once each, after their addresses are final. */
void rcpts_once(struct message *m);

/* --- alias.c -------------------------------------------------------------- */

/* Do tables have this domain's users by their bare names? */
bool alias_is_ours(const struct settings *s, struct str domain);
/* The address of recipient i is final as rewrite is concerned. */
void alias_check(struct message *m, size_t i);
/* What the tables say of it. */
void alias_answer(struct message *m, size_t i, const struct lookup_answer *a);

/* --- bcc.c ---------------------------------------------------------------- */

/* The recipients are there; the address of the sender, of one, is final. */
void bcc_always(struct message *m);
void bcc_sender(struct message *m);
void bcc_rcpt(struct message *m, size_t i);
/* What a table says: who gets a copy. */
void bcc_answer(struct message *m, const struct lookup_answer *a);

/* --- question.c ----------------------------------------------------------- */

enum about {
	ABOUT_SENDER,
	ABOUT_RCPT,   /* index of a recipient */
	ABOUT_HEADER, /* index of an edit */
	/* Asked of lookup: */
	ABOUT_ALIAS, /* index of a recipient */
	ABOUT_RCPT_BCC,
	ABOUT_SENDER_BCC,
};

struct question {
	TAILQ_ENTRY(question) link;
	struct message *m;
	enum about about;
	uint8_t flags; /* enum find_flags */
	size_t index;
	uint64_t span; /* bytes of the header that the answer replaces */
	struct str addr;
	struct chan *whom;
	uint64_t handle;
};

/* Note one, to be asked by question_run(); the address lives long enough. */
struct question *question_add(struct message *m, enum about about, size_t index,
    struct str addr);
/* Ask as many as may be on their way.  False when none is left. */
bool question_run(struct message *m);
/* Would rewrite change this address? */
bool question_needed(const struct settings *s, struct str addr);
void question_forget(struct message *m);

#endif
