/* SPDX-License-Identifier: ISC */
#ifndef SENDMAIL_SENDMAIL_H
#define SENDMAIL_SENDMAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "conf/params.h"
#include "queue/envelope.h"
#include "queue/maildrop.h"

/*
 * sendmail: what programs and people post mail with.
 *
 *	options.c	the command line
 *	config.c	what main.cf says
 *	input.c		standard input, and recipients in it
 *	post.c		to pickup, or into maildrop
 *	smtp.c		-bs
 */
enum mode {
	MODE_POST,
	MODE_SMTP,	 /* -bs */
	MODE_LIST,	 /* -bp */
	MODE_ALIASES,	 /* -bi */
	MODE_DAEMON,	 /* -bd, -bl */
	MODE_FLUSH,	 /* -q */
	MODE_FLUSH_ID,	 /* -qI */
	MODE_FLUSH_SITE, /* -qR */
	MODE_NOTHING,	 /* -q30m, -bh: nothing here */
};

struct options {
	enum mode mode;
	const char *dir;     /* configuration directory, or NULL */
	const char *aliases; /* -oA */
	const char *flush;   /* -qI, -qR */
	const char *fullname;
	const char *from;
	const char *envid;
	bool from_header; /* -t */
	bool keep_dots;	  /* -i */
	unsigned verbose; /* how many -v */
	bool interval;	  /* -q30m: a setting, not a command */
	uint32_t flags; /* DROP_... */
	uint8_t notify;
	uint8_t ret;
	char **rcpts; /* the rest of the command line */
	int nrcpts;
};

/* Ends the program when the command line is wrong. */
void options_parse(struct options *o, int argc, char *argv[]);

/* --- main.c --------------------------------------------------------------- */
void warning(const char *fmt, ...) PRINTFLIKE(1, 2);
void fatal(int status, const char *fmt, ...) PRINTFLIKE(2, 3) NORETURN;

/* --- config.c ------------------------------------------------------------- */

/* Read main.cf; ends the program when it cannot be used. */
void config_read(const char *dir);
/* The expanded value of a parameter, on the heap. */
char *config_get(enum param_id id);
uint64_t config_size(enum param_id id);
/* The directory it was read from. */
const char *config_dir(void);

/* --- input.c -------------------------------------------------------------- */

#define SPILL ((size_t)256 << 10)

/* A submission in the making: in memory, from a certain size on in a file. */
struct post {
	struct drop_writer w;
	struct buf b;
	int fd;		   /* memory file with what came before b, or -1 */
	uint64_t size_max; /* of content; 0: none */
	bool too_big;	   /* so its content is not whole */
};

void post_init(struct post *p, uint64_t size_max);
void post_clear(struct post *p);

/* Append; ends the program when that cannot be, but for content: too_big. */
void post_put(struct post *p, const struct drop *d);
void post_content(struct post *p, struct str text);
void post_end(struct post *p);

/* Standard input until its end; its header, as far as asked for, to *head. */
void input_read(struct post *p, bool keep_dots, struct buf *head);

/*
 * The recipients named in a header: of its Resent- fields when it has any of
 * them.  fn gets addresses in their internal form.
 */
void
input_rcpts(struct str head, void (*fn)(struct str addr, void *arg), void *arg);

/* --- post.c --------------------------------------------------------------- */

/* What became of it. */
struct posted {
	int status;	/* of sysexits */
	char text[600]; /* queue id, maildrop/NAME, or why not */
};

/* Hand it to pickup, or leave it in maildrop. */
void post_send(struct post *p, const char *queue_dir, struct posted *out);

/* --- smtp.c --------------------------------------------------------------- */

/* -bs: an SMTP session on standard input and output.  The exit status. */
int smtp_run(const struct options *o);

#endif
