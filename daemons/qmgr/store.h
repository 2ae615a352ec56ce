/* SPDX-License-Identifier: ISC */
#ifndef QMGR_STORE_H
#define QMGR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "queue/envelope.h"
#include "queue/event.h"
#include "queue/qid.h"

/*
 * The store: every message of the queue manager, from the moment an id is
 * handed out until nothing of it is left, on the one spool directory.
 *
 * A message in flight is a sealed memory file and a record in the journal
 * (journal.h); one that waits is a queue file (queue/qfile.h) in the
 * directory of its state.  Callers do not see which.
 *
 * IN HAND is a message whose envelope and events the store has in memory: one
 * that was committed, recovered from the journal, or loaded.  The caller
 * bounds how many those are.  Deferred messages are not in hand and cost no
 * memory: they come back through store_due_next().
 *
 * One thread calls all of this.  Callbacks run in store_dispatch() and
 * store_flush() only, never inside the call that was given them.  An error is
 * an errno value: ENOSPC, EIO, EMFILE, ENOMEM, EDQUOT mean try again later,
 * and the message is where it was; EINVAL that what was given is not proper;
 * ENOENT that there is no such message; EBADMSG that it was found damaged and
 * moved to corrupt; EBUSY that a call on this message waits for its callback.
 */
struct store;
struct store_threads;

typedef void store_fn(uint64_t qid, int error, void *arg);

struct store_opts {
	uint64_t segment_size; /* of the journal, 16 MB */
	unsigned segments_max; /* 16 */
	uint64_t memory_max;   /* of all memory files, 128 MB */
	size_t memory_files;   /* how many at most, 4096 */
	uint64_t large;	       /* content from here on gets a file, 1 MB */
	int64_t age_ms;	       /* in flight so long gets a file, 5000 */
	int64_t lazy_ms;       /* outcomes may wait so long for a barrier, 20 */
	uint64_t minfree;      /* free bytes below which nothing is taken in */
	unsigned hash_depth;   /* directories, 0 to 4 */
	bool long_ids;
	/* What an administrator must hear; text is a whole sentence. */
	void (*log)(uint64_t qid, const char *text, void *arg);
	void *log_arg;
};

/* Fill in the defaults above. */
void store_opts_init(struct store_opts *o);

/* --- life ----------------------------------------------------------------- */

/*
 * The threads that wait for the disk: one for the journal, files for queue
 * files.  They are made before the sandbox is entered, sleep until there is
 * work, and touch nothing but descriptors they are given with it.  NULL when
 * the system has none left.
 */
struct store_threads *store_threads_start(unsigned files);
void store_threads_stop(struct store_threads **tp);

/*
 * Open the store on the spool directory, which stays the caller's, and make
 * what is missing there.  Without threads (NULL) all work is done inside
 * store_flush(): for commands and tests.  NULL with errno and in *why what was
 * being tried.  store_recover() must follow.
 */
struct store *store_open(int dirfd, const struct store_opts *o,
    struct store_threads *t, const char **why);

/*
 * Finish what is on its way, forget what is in hand, and mark the index
 * clean.  Messages handed out but not committed are gone.
 */
void store_close(struct store **sp);

/*
 * Find everything that was committed and not finished.  What is in the journal
 * is in hand afterwards and is reported to found; what is in incoming will be
 * yielded by store_due_next() as due; what is deferred when it is due.
 * -1 with errno when a directory or the journal cannot be read: then nothing
 * may be taken in.
 */
int store_recover(struct store *s, void (*found)(uint64_t qid, void *arg),
    void *arg) WARN_UNUSED;

/* Readable when store_dispatch() has something to do. */
int store_fd(const struct store *s);
void store_dispatch(struct store *s);

/*
 * At the end of each turn of the loop: what was asked in it is given to the
 * threads at once, all commits in one barrier.
 */
void store_flush(struct store *s);

/*
 * Housekeeping: old messages get a file, the index is checked and synced in
 * small steps, lazy records are written.  now_ms is monotonic.  Returns after
 * how many milliseconds it wants to be called again, at most 1000.
 */
int64_t store_tick(struct store *s, int64_t now_ms);

/* --- taking in ------------------------------------------------------------ */

struct store_new {
	uint64_t qid;
	int fd;	   /* the caller's, to be passed to the writer of the content */
	bool file; /* a file, to be written with write(2) only, not a memfd */
};

/*
 * An id and a descriptor for a message to come, ahead of use.  It is a file
 * when want is at least opts.large (0: not known), or no memory is left.  -1
 * with errno.
 */
int
store_create(struct store *s, uint64_t want, struct store_new *out) WARN_UNUSED;

/* It will not be committed. */
void store_discard(struct store *s, uint64_t qid);

/*
 * The content is complete: a memory file is sealed, a file has no writer left
 * (both are proved, EINVAL and EBUSY if not).  The envelope is in env; or, when
 * env is empty, in env_fd, a sealed memory file that stays the caller's.
 *
 * 0: fn will be called, with 0 once the message would survive a power cut; it
 * is in hand then.  With an error the message is gone, as if discarded, and
 * nothing of it will ever be delivered but after a crash in the very moment.
 * -1 with errno: the same, at once.
 */
int store_commit(struct store *s, uint64_t qid, struct str env, int env_fd,
    store_fn *fn, void *arg) WARN_UNUSED;

/*
 * May a message of this size be taken in?  0, or -1 with ENOSPC when less
 * than minfree would be left.
 */
int store_space(struct store *s, uint64_t size) WARN_UNUSED;

/* --- messages in hand ----------------------------------------------------- */

enum store_state {
	STORE_NONE,	/* no such message */
	STORE_NEW,	/* handed out, not committed */
	STORE_FLIGHT,	/* in memory and journal */
	STORE_INCOMING, /* queue files */
	STORE_DEFERRED,
	STORE_HOLD,
	STORE_CORRUPT,
};

struct store_info {
	enum store_state state;
	bool in_hand;
	bool busy;     /* a callback is owed */
	uint64_t size; /* of the content as received */
	uint32_t nrcpts;
	uint32_t nedits;
	int64_t due_us; /* deferred */
};

/* What is known of a message; the file's header is read when not in hand. */
int store_info(struct store *s, uint64_t qid, struct store_info *out);

/*
 * Take a message that waits in hand: read and verify it all.  fn gets ENOENT,
 * EBADMSG, or 0.  It stays in its directory.
 */
int
store_load(struct store *s, uint64_t qid, store_fn *fn, void *arg) WARN_UNUSED;

/*
 * Out of hand, without a verdict: it will be yielded by store_due_next() as
 * due.  One in flight gets a file first, by and by.
 */
void store_park(struct store *s, uint64_t qid);

/* Read its envelope; env_close(r) at the end. */
int
store_envelope(struct store *s, uint64_t qid, struct env_reader *r) WARN_UNUSED;

/* Its events so far, for event_get(); borrowed until the next call. */
struct str store_events(struct store *s, uint64_t qid);

/*
 * A read-only descriptor with its content, for one receiver, who uses pread
 * only: sealed memory in flight, else an open file description of its own.
 * *fd is the caller's.
 */
struct store_content {
	int fd;
	uint64_t off;
	uint64_t size;
};
int store_content(struct store *s, uint64_t qid,
    struct store_content *out) WARN_UNUSED;

/*
 * Something happened to it.  It is on disk soon, not at once: a power cut in
 * between means that a delivery is done twice.  -1 with errno when it could
 * not be written; the message goes on without it.
 */
int store_event(struct store *s, uint64_t qid, const struct event *e);

/*
 * Try again at due_us (wall clock).  e is the EVENT_DEFER to be appended.  keys
 * are the destinations it waits for (store_key()), which store_walk_key()
 * finds it by.  After fn with 0 it is not in hand any more; with an error it
 * still is, unchanged.
 */
#define STORE_KEYS_MAX 16
int store_defer(struct store *s, uint64_t qid, const struct event *e,
    const uint64_t *keys, size_t nkeys, store_fn *fn, void *arg) WARN_UNUSED;

/*
 * All is final: nothing is left of it.  Works in hand or not.  The outcome is
 * on disk soon, as for an event.
 */
int store_remove(struct store *s, uint64_t qid) WARN_UNUSED;

/*
 * Park it until store_release(), which makes it due at once.  In hand (it is
 * not any more after fn with 0) or not; durable at fn.
 */
int store_hold(struct store *s, uint64_t qid, struct str reason, store_fn *fn,
    void *arg) WARN_UNUSED;
int store_release(struct store *s, uint64_t qid) WARN_UNUSED;

/*
 * An event of a message in hand or not; one that waits becomes due at once,
 * but for one on hold.  EBUSY as above.
 */
int store_append(struct store *s, uint64_t qid,
    const struct event *e) WARN_UNUSED;

/* Set it aside as damaged, never to be delivered or removed by us. */
int store_corrupt(struct store *s, uint64_t qid, const char *why);

/* --- messages that wait --------------------------------------------------- */

/* The key of a destination, the same over restarts; never 0. */
uint64_t store_key(struct store *s, struct str destination);

struct store_due {
	uint64_t qid;
	int64_t due_us;
	uint64_t key; /* its only destination, or 0 when there are several */
};

/*
 * The next message that is due by now_us, in about the order of due times.
 * 1 and one in *out, which the caller then loads, postpones, or parks; 0 when
 * there is none; -1 with EAGAIN when the work of one call was used up, call
 * again next turn; -1 with another errno.  One that was yielded is not yielded
 * again before one of these was done.
 */
int store_due_next(struct store *s, int64_t now_us,
    struct store_due *out) WARN_UNUSED;

/* When the next one may be due; INT64_MAX: never. */
int64_t store_due_at(struct store *s);

/*
 * How many seconds later than its time a message may be yielded; 32 until this
 * is called, and never more.
 */
void store_due_span(struct store *s, int64_t seconds);

/*
 * Without being read: its destination is known to be dead, try at due_us.
 * Costs a few microseconds and no memory.
 */
int store_postpone(struct store *s, uint64_t qid, int64_t due_us,
    uint64_t key) WARN_UNUSED;

/*
 * Go over deferred messages: those that wait for one destination, or all (key
 * 0), whenever they are due.  For flushing.  Yields a message once for each
 * matching index entry, so rarely twice; not those in hand.  Returns as
 * store_due_next().
 */
struct store_walk;
struct store_walk *store_walk_key(struct store *s, uint64_t key);
int store_walk_next(struct store_walk *w, struct store_due *out) WARN_UNUSED;
void store_walk_free(struct store_walk **wp);

/*
 * Go over the files of one state (STORE_INCOMING to STORE_CORRUPT), those in
 * hand too, in no order: for listings.  due_us is set for deferred ones, key
 * is 0.
 */
struct store_walk *store_walk_state(struct store *s, enum store_state st);

/* --- looking in ----------------------------------------------------------- */

/*
 * A message wherever it is, in hand or not, as it is now, for listings.  env
 * is at its beginning; info.nrcpts is 0 when it would have to be counted.
 * What it borrows lives until the next turn of the loop or the next call that
 * changes the message.  -1 with errno (EBADMSG: it is damaged; info.state says
 * where it is); store_look_clear() is for the other case.
 */
struct store_look {
	struct store_info info;
	struct env_reader env;
	struct str events;
	struct buf read; /* behind events, when they are a file's */
};

int store_look(struct store *s, uint64_t qid,
    struct store_look *out) WARN_UNUSED;
void store_look_clear(struct store_look *l);

/* Messages that have no file yet, in slot 0 to STORE_SLOTS - 1 of a table. */
#define STORE_SLOTS 4096
size_t store_flight_slot(struct store *s, unsigned slot, uint64_t *out,
    size_t max);

/*
 * A read-only descriptor, for an administrator: of its queue file as a whole
 * (*file), or of its content when it has none.  *fd is the caller's.
 */
int store_show(struct store *s, uint64_t qid, struct store_content *out,
    bool *file) WARN_UNUSED;

/* How many files are in this state; counting ends at max. */
uint64_t store_count(struct store *s, enum store_state st, uint64_t max);

/* --- figures -------------------------------------------------------------- */

struct store_stats {
	size_t in_hand;
	size_t handed_out; /* not committed */
	size_t flight;	   /* in memory and journal */
	uint64_t memory;   /* of their memory files */
	uint64_t deferred; /* close to the truth while the index is checked */
	bool checking;	   /* the index is being checked after a crash */
	unsigned segments; /* of the journal */
	unsigned segments_free;
	uint64_t commits;
	uint64_t barriers; /* of the journal */
	uint64_t barrier_errors;
	uint64_t files;	  /* queue files made */
	uint64_t corrupt; /* messages set aside */
};

void store_stats(const struct store *s, struct store_stats *out);

#endif
