/* SPDX-License-Identifier: ISC */
#ifndef QMGR_STORE_INDEX_H
#define QMGR_STORE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "spool.h"

/*
 * The index of messages that wait: small files in index/, each for the
 * messages that become due in the same span of time (NAME.t, the last second
 * of it), or that are due now (NAME.r), with an entry of 32 bytes a message and
 * destination.
 *
 * Entries are hints, appended and never changed.  The truth is the queue file:
 * that it is there, and its modification time.  An entry whose message is gone
 * or has another due time by now is passed over.  So an entry too many does
 * no harm, and one too few is found by checking the directory, which is
 * done, in the background, after a start that was not preceded by a proper
 * stop.  What was added before synced_s is on disk even then.
 *
 * A file is removed when all its entries were yielded and settled.
 */
struct store_index;
struct index_bucket;

struct index_entry {
	uint64_t qid;
	uint64_t key; /* 0: several destinations */
	int64_t due_s;
	bool first; /* of the message's entries: the one that tells the time */
};

struct index_state {
	bool clean;
	uint64_t count; /* of deferred messages, at the stop */
	int64_t synced_s;
};

/* -1 with errno.  The index counts as unclean until index_close(). */
struct store_index *
index_open(const struct spool *sp, struct index_state *was) WARN_UNUSED;
void index_close(struct store_index **xp, uint64_t count, bool clean);

/*
 * How many seconds' messages share a file, at most 32, which is where it
 * begins: more is later, fewer is more files.  May change at any time.
 */
void index_span(struct store_index *x, int64_t seconds);

/* A due time that is due at once. */
#define INDEX_NOW(now_s) ((now_s)-64)

/* now_s tells whether it goes to what is due already.  -1 with errno. */
int index_add(struct store_index *x, const struct index_entry *e,
    int64_t now_s) WARN_UNUSED;

/*
 * The next entry of those due, of those with first set.  1 and one; *in is
 * then to be settled once: index_settle().  0 when there is none; -1 with
 * errno.
 */
int index_next(struct store_index *x, int64_t now_s, struct index_entry *out,
    struct index_bucket **in) WARN_UNUSED;
void index_settle(struct store_index *x, struct index_bucket *in);

/* When index_next() may have something: seconds, INT64_MAX: never. */
int64_t index_at(struct store_index *x, int64_t now_s);

/*
 * Write to disk what was added; touches names in index/ only, so that
 * a thread may do it.  index_synced() then says so on disk.
 */
int index_sync(const struct spool *sp) WARN_UNUSED;
bool index_dirty(const struct store_index *x);
void index_synced(struct store_index *x, int64_t at_s);

/* Entries may be missing, whatever was synced: a check must look at all. */
void index_distrust(struct store_index *x);

/* All entries with this key, or with first set when it is 0. */
struct index_walk;
struct index_walk *index_walk_open(struct store_index *x, uint64_t key);
int index_walk_next(struct index_walk *w, struct index_entry *out);
void index_walk_free(struct index_walk **wp);

#endif
