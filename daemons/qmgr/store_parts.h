/* SPDX-License-Identifier: ISC */
#ifndef QMGR_STORE_PARTS_H
#define QMGR_STORE_PARTS_H

/* Inside of the store; store.h is what others see. */

#include <sys/queue.h>

#include "base/buf.h"
#include "journal.h"
#include "queue/qfile.h"
#include "spool.h"
#include "store.h"
#include "store_index.h"
#include "store_threads.h"

/* Events of one message, in memory. */
#define EVENTS_MAX (16 << 20)

/* A larger envelope is read from the queue file in windows. */
#define ENV_MEMORY (64 << 10)

/* Jobs of our own (not asked for by the caller) at a time. */
#define MOVING_MAX 32

struct file_job;

/*
 * A message that the store knows of: handed out, in hand, yielded as due, or
 * with a job on its way.
 */
struct msg {
	LIST_ENTRY(msg) chain; /* of the table */
	uint64_t qid;
	enum store_state state; /* not CORRUPT; NONE: only being looked for */
	bool in_hand;
	bool is_file; /* NEW: content goes to incoming/new.ID */
	bool doomed;  /* removed while a job runs */
	uint64_t size;
	uint32_t nrcpts;
	uint32_t nedits;
	struct buf events;

	/* NEW and FLIGHT */
	int fd;		 /* the memory file; the file's read-only descriptor */
	uint64_t memory; /* of it, counted */
	char *env;	 /* its bytes, when small */
	size_t env_len;
	int env_fd;		/* else, until it has a file */
	struct journal_add add; /* the COMMIT */
	uint64_t segment;
	int64_t since_ms;
	TAILQ_ENTRY(msg) flight;

	/* with a file */
	struct qfile q;
	struct spool_at at;
	uint64_t end; /* where the next event goes; 0: not known */
	size_t saved; /* bytes of events that are in the file */
	int64_t due_us;
	struct index_bucket *bucket; /* its entry that was yielded */

	struct file_job *job;  /* with a thread, or waiting for it */
	struct file_job *next; /* to be done after that */
	store_fn *fn;	       /* of a COMMIT in the journal */
	void *arg;
};

enum file_kind {
	FILE_PLACE,  /* into a directory: make the file, or move it */
	FILE_STREAM, /* commit what was streamed into incoming/new.ID */
	FILE_LOAD,
};

/* One thing that a thread does to one message's file. */
struct file_job {
	struct job job; /* first */
	struct store *s;
	struct msg *m;
	enum file_kind kind;
	enum spool_dir to;
	bool sync;	/* of a move; making is always synced */
	bool commit;	/* a failure is the end of the message */
	bool leave;	/* not in hand afterwards */
	bool found;	/* LOAD: at is known */
	bool have_file; /* PLACE: it is to be moved */
	int64_t due_s;	/* -1: leave the time alone */
	uint64_t keys[STORE_KEYS_MAX];
	size_t nkeys;
	store_fn *fn; /* NULL: it was our own idea */
	void *arg;

	/* copies for the thread */
	const struct spool *sp;
	uint64_t qid;
	char *events; /* that the file does not have */
	size_t events_len;
	struct spool_at at;
	struct qfile q;
	uint64_t end;

	/* results */
	int error;
	enum qfile_state bad; /* LOAD */
	struct buf loaded;
	struct env_counts counts;
};

#define TABLE 4096

struct store {
	struct store_opts o;
	struct spool sp;
	struct store_threads *t;
	bool own_t;
	bool recovered;
	bool closing; /* what fails now is not tried again */
	struct journal *j;
	struct store_index *x;
	struct qid_maker maker;
	LIST_HEAD(, msg) table[TABLE];
	TAILQ_HEAD(, msg) flight; /* oldest first */
	size_t nflight;
	size_t nhand;
	size_t nnew;
	size_t nmemory; /* memory files */
	uint64_t memory;
	unsigned moving;  /* jobs that were our own idea */
	int64_t lazy_at;  /* when lazy records are to be written; 0: none */
	int64_t space_at; /* when free space was last looked at */
	uint64_t space;	  /* free bytes then */
	uint64_t deferred;
	uint64_t commits;
	uint64_t files;
	uint64_t corrupt;

	/* checking the index, and syncing it */
	struct spool_walk check;
	bool checking;
	bool check_again;     /* from the beginning, */
	int64_t check_after;  /* but not before */
	int64_t check_from_s; /* files changed before need no look */
	uint64_t check_count;
	struct sync_job {
		struct job job;
		struct store *s;
		int64_t at_s;
		int rc;
		bool busy;
	} sync;
	int64_t sync_at;
};

/* store.c */
void
store_say(struct store *s, uint64_t qid, const char *fmt, ...) PRINTFLIKE(3, 4);
void store_lazy(struct store *s, enum journal_type type, uint64_t qid,
    struct str body);

/* store_msg.c */
struct msg *msg_find(struct store *s, uint64_t qid);
struct msg *msg_new(struct store *s, uint64_t qid, enum store_state st);
void msg_free(struct store *s, struct msg **mp);
void msg_hand(struct store *s, struct msg *m, bool in_hand);
/* Its memory is needed no more: it has a file, or is gone. */
void msg_land(struct store *s, struct msg *m);
/* It is in the journal. */
void msg_fly(struct store *s, struct msg *m, uint64_t segment);
enum store_state msg_state_in(enum spool_dir dir);
struct msg *msg_in_hand(struct store *s, uint64_t qid);

/* store_file.c */
struct file_job *file_job(struct store *s, struct msg *m, enum file_kind k);
void file_put(struct file_job *f);
int file_append(struct store *s, struct msg *m);
void file_place_run(struct file_job *f);
void file_stream_run(struct file_job *f);

/* store_land.c: what follows a job */
void file_done(struct file_job *f);
int land_index(struct store *s, const struct msg *m, int64_t due_s,
    const uint64_t *keys, size_t nkeys);
void land_move(struct store *s, struct msg *m);
void land_pressed(struct store *s);

/* store_check.c */
void check_later(struct store *s);
void check_begin(struct store *s, int64_t from_s);
void check_step(struct store *s);
void check_sync(struct store *s, int64_t now_ms);

#endif
