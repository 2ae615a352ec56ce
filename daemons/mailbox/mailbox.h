/* SPDX-License-Identifier: ISC */
#ifndef MAILBOX_MAILBOX_H
#define MAILBOX_MAILBOX_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "chan/chan.h"
#include "edge/mailbox.h"
#include "edge/ticket.h"
#include "loop/pool.h"
#include "queue/envelope.h"

/*
 * mailbox: writes the mail of one user, as that user.
 *
 *	service.c	requests in, answers out, the end when nobody asks
 *	batch.c		who works on which delivery when
 *	maildir.c	a batch of deliveries into Maildirs
 *	mbox.c		one delivery to the end of a file, with locks
 *	write.c		what both write: prefix and content
 *	read.c		small files of the user (.forward)
 *	named.c		which files those may be
 *	path.c		directories
 *
 * The loop's thread takes requests, answers them and does nothing that waits.
 * maildir.c, mbox.c, write.c, read.c and path.c run in the threads of a pool:
 * a thread has the deliveries it was given to itself until it is done.
 */
#define MAILBOX_THREADS 8
#define MAILBOX_LANES 6 /* threads that may write Maildirs at one time */
#define BATCH_MAX 8	/* deliveries in one batch */
#define WRITE_BUF 65536 /* bytes in one write(2) */
#define MAILBOX_PATH 1024
#define MAILBOX_LINGER_MS 5000

/* Paths that files of the user name: the newest of them. */
#define NAMED_MAX 1024
struct named {
	char *v[NAMED_MAX]; /* NULL behind the last */
	size_t next;
};

struct mailbox {
	struct loop *loop;
	struct pool *pool;
	int root_fd[2]; /* enum mailbox_root; -1: there is none */
	uid_t uid;
	gid_t gid;
	uint32_t instance; /* in names of files being written */
	char host[256];	   /* in names of files, safe there */
	int lock_attempts;
	int64_t lock_delay_ms;
	int64_t lock_stale_s;
	bool strict_owner;
	struct ticket_key key; /* signs his .forward's commands, or see below */
	/*
	 * Of a login user's process: who he is, what his .forward may be
	 * called, and his mailbox, as the configuration has it.  NULL in all
	 * others, whose one directory is for mail: for files of aliases, if
	 * there is a key, by which lookup says which; or for virtual mailboxes.
	 */
	char *user, *home, *forward_path, *home_mailbox, *spool;
	struct named includes, files; /* that his .forward has */
	void (*idle)(void *arg); /* nobody asks any more */
	void *idle_arg;

	/* service.c */
	TAILQ_HEAD(, client) clients;
	unsigned open; /* deliveries and reads not answered */
	struct timer linger;
	bool leave; /* a new process could do more: see mbox.c */
	bool proven; /* in the mail spool, where a new one is no better */

	/* batch.c */
	STAILQ_HEAD(delivery_list, delivery) waiting;
	TAILQ_HEAD(, mbox) mboxes;
	struct lane {
		struct pool_job job;
		struct mailbox *mb;
		struct delivery *batch[BATCH_MAX];
		unsigned n;
		bool busy;
		char *buf;
	} lanes[MAILBOX_LANES];
	struct turn deal;
};

/* Somebody with a channel to us. */
struct client {
	TAILQ_ENTRY(client) link;
	struct chan *ch; /* NULL: gone, with deliveries still in hand */
	unsigned open;
};

/* One message for one mailbox. */
struct delivery {
	STAILQ_ENTRY(delivery) link;
	struct mailbox *mb;
	struct client *client;
	uint64_t id;
	int root_fd; /* borrowed from mb */
	uint8_t root;
	uint8_t flags;
	bool maildir;
	char *path; /* without a trailing slash */
	char *sender;
	struct str prefix;
	uint64_t limit;
	int fd; /* of the message */
	uint64_t off, size;
	struct env_edit *edits; /* their texts are in copy */
	size_t nedits;
	char *copy;

	/* Of the thread that has it. */
	int file_fd;
	unsigned tries;
	char name[384]; /* below tmp */

	/* How it went. */
	enum fate fate;
	char dsn[8];
	char text[512];
	bool again; /* locked by another: later */
	bool leave; /* nothing was written, and a new process may do it */
};

/* --- service.c ------------------------------------------------------------ */
void mailbox_init(struct mailbox *mb, struct loop *l);
void mailbox_clear(struct mailbox *mb);
extern const struct chan_on mailbox_on[], mailbox_write_on[];
/* A channel came up, went down (chan is freed by the caller). */
void mailbox_up(struct mailbox *mb, struct chan *ch);
void mailbox_down(struct mailbox *mb, struct chan *ch);
/* Which of them owns this channel: set by whoever made it. */
struct client *mailbox_client(struct mailbox *mb, const struct chan *ch);
/* Answer and free. */
void delivery_done(struct delivery *d);

/* --- named.c -------------------------------------------------------------- */

/* Is it one of forward_path? */
bool named_forward(const struct mailbox *mb, struct str path);
/* Remember what a file of his that was read names. */
void named_note(struct mailbox *mb, struct str text);
/* Is one of them this path beneath dir? */
bool named_in(const struct named *n, const char *dir, struct str path);
/* Who has a login: `NAME:HOME`, on SLOT_KEY behind the key. */
void named_birth(struct mailbox *mb, struct str birth);
void named_clear(struct named *n);

/* --- batch.c -------------------------------------------------------------- */
void batch_init(struct mailbox *mb);
void batch_clear(struct mailbox *mb);
void batch_add(struct delivery *d);
/* A client is gone: what nobody has begun is dropped. */
void batch_forget(struct mailbox *mb, const struct client *c);

/* --- maildir.c ------------------------------------------------------------ */

/* Deliver n messages; each has its fate afterwards.  buf: WRITE_BUF bytes. */
void maildir_write(struct delivery **v, unsigned n, char *buf);

/* --- mbox.c --------------------------------------------------------------- */

/*
 * Deliver to the end of a file.  d->again is set when somebody else has it
 * locked and another attempt is worth while.
 */
void mbox_write(struct delivery *d, char *buf);

/* --- write.c -------------------------------------------------------------- */

/* How a failure with errno is told: fate, dsn and text of d. */
void delivery_fail(struct delivery *d, int error, const char *fmt, ...)
    PRINTFLIKE(3, 4);
void delivery_sent(struct delivery *d, const char *text);

/*
 * Write prefix and content to d->file_fd.  With from, as an mbox has it: that
 * line before, a `>` before lines that begin like it, an empty line at the end.
 * -1 with errno; EFBIG when more than max bytes would be written (0: any).
 */
int delivery_copy(struct delivery *d, struct str from, uint64_t max,
    char *buf) WARN_UNUSED;

/* --- read.c --------------------------------------------------------------- */
struct user_file {
	struct pool_job job;
	struct mailbox *mb;
	struct client *client;
	uint64_t id;
	char *path;
	char *command; /* to be signed, if it has it; or NULL */
	uint8_t status;
	struct buf text;
};
void user_file_read(struct pool_job *j);
/* Does it have its command? */
bool user_file_has(const struct user_file *f);

/* --- path.c --------------------------------------------------------------- */

/* Is this a path that stays beneath its root by its own text? */
bool path_ok(struct str path);
/* Open a directory beneath root; -1 with errno. */
int path_dir(int root_fd, const char *path);
/*
 * Make a directory and those above it, each on disk when this returns.  It is
 * no error when it is there already.
 */
int path_make(int root_fd, const char *path) WARN_UNUSED;
/* The directory a file is in, and its name; -1 with errno. */
int path_parent(int root_fd, const char *path, const char **name);

#endif
