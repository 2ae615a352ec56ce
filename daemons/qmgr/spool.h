/* SPDX-License-Identifier: ISC */
#ifndef QMGR_SPOOL_H
#define QMGR_SPOOL_H

#include <sys/stat.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/dirlist.h"
#include "queue/qid.h"

/*
 * The spool directory: names of queue files, and the few things that are done
 * to names.  Every path is relative to one descriptor, is built here from
 * constants and a queue id, and is opened without following links.
 *
 *	incoming/ID		committed, on its first attempts
 *	incoming/new.ID		being written; means nothing after a crash
 *	deferred/4/A/ID		waiting; its modification time is when it is due
 *	hold/4/A/ID
 *	corrupt/ID
 *	journal/, index/	see journal.h, store_index.h
 *
 * After spool_open() the struct is only read, so that any thread may use it.
 */
enum spool_dir {
	SPOOL_INCOMING,
	SPOOL_DEFERRED,
	SPOOL_HOLD,
	SPOOL_CORRUPT,
	SPOOL_JOURNAL,
	SPOOL_INDEX,
	SPOOL_NDIRS,
};

struct spool {
	int fd;		      /* borrowed */
	int dir[SPOOL_NDIRS]; /* ours */
	unsigned depth;	      /* of deferred and hold */
};

/* Where a queue file is. */
struct spool_at {
	enum spool_dir dir;
	unsigned depth;
};

/* depth + "new." + an id + "." + a digit, with a terminator. */
#define SPOOL_NAME_MAX 64

/*
 * Make what is missing and open the directories.  -1 with errno, and in *why
 * the directory's name.  spool_clear() closes them.
 */
int spool_open(struct spool *sp, int fd, unsigned depth,
    const char **why) WARN_UNUSED;
void spool_clear(struct spool *sp);

/* Where a message goes that is put into dir now. */
struct spool_at spool_place(const struct spool *sp, enum spool_dir dir);

/*
 * Look for a message in deferred, incoming, hold and corrupt (in this order),
 * at the configured depth and at others.  0 and *at, *st (may be NULL), or -1.
 */
int spool_find(const struct spool *sp, uint64_t qid, struct spool_at *at,
    struct stat *st) WARN_UNUSED;
int spool_find_in(const struct spool *sp, enum spool_dir dir, uint64_t qid,
    struct spool_at *at, struct stat *st) WARN_UNUSED;

/* Open it with these flags (O_CLOEXEC and O_NOFOLLOW are added). */
int spool_file(const struct spool *sp, struct spool_at at, uint64_t qid,
    int flags) WARN_UNUSED;

/* Make and open incoming/new.ID, which must not exist; open it; remove it. */
int spool_new(const struct spool *sp, uint64_t qid, int flags) WARN_UNUSED;
int spool_new_open(const struct spool *sp, uint64_t qid, int flags) WARN_UNUSED;
void spool_new_remove(const struct spool *sp, uint64_t qid);

/*
 * incoming/new.ID becomes the message's file in dir.  Whoever crashes here
 * finds it under one name or the other; with sync, only under the new one
 * after we return.  0 and *at; -1 with errno, and it is under the old one.
 */
int spool_publish(const struct spool *sp, uint64_t qid, enum spool_dir dir,
    bool sync, struct spool_at *at) WARN_UNUSED;

/* From where it is to another directory; *at is updated. */
int spool_move(const struct spool *sp, uint64_t qid, struct spool_at *at,
    enum spool_dir dir, bool sync) WARN_UNUSED;

int spool_unlink(const struct spool *sp, uint64_t qid, struct spool_at at);

/* When it is due: a whole second since the epoch. */
int spool_set_due(const struct spool *sp, uint64_t qid, struct spool_at at,
    int64_t due_s) WARN_UNUSED;

/*
 * Open a file in one of the directories by a single name of ours.
 */
int spool_openat(const struct spool *sp, enum spool_dir dir, const char *name,
    int flags, mode_t mode) WARN_UNUSED;

/*
 * Go over the queue files of a directory, at whatever depth they are, in no
 * order.  Other names are passed over; incoming/new.* are reported with
 * is_new.  spool_walk_next(): 1 and one, 0 at the end, -1 with errno.
 */
struct spool_walk {
	const struct spool *sp;
	enum spool_dir dir;
	struct dirlist *open[QID_HASH_LEVELS];
	unsigned level;
	uint64_t qid;
	struct spool_at at;
	bool is_new;
};

int spool_walk_open(struct spool_walk *w, const struct spool *sp,
    enum spool_dir dir) WARN_UNUSED;
int spool_walk_next(struct spool_walk *w);
void spool_walk_clear(struct spool_walk *w);

#endif
