/* SPDX-License-Identifier: ISC */
#ifndef QMGR_JOURNAL_H
#define QMGR_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/attr.h"
#include "base/str.h"
#include "journal_format.h"
#include "spool.h"
#include "store_threads.h"

/*
 * The journal: messages in flight, on disk.  Segments are files of one size
 * in journal/, written through once when they are made, so that a barrier
 * (fdatasync) needs to write nothing but the data.
 *
 * Who adds a record is told when it is durable.  One thread takes everything
 * that waits, writes it with one call, and makes one barrier; what is added
 * meanwhile waits for the next, which begins at once.
 *
 * Segments are used in turn.  A record that ends a message is never in an
 * older segment than its COMMIT, and segments are reused strictly in the order
 * in which they were begun; so no end is overwritten before its beginning.
 * A segment is free when no COMMIT in it is held any more.
 */
struct journal;

struct journal_add {
	STAILQ_ENTRY(journal_add) link;
	enum journal_type type;
	uint64_t qid;
	struct str body; /* stays until done() */
	int fd;		 /* COMMIT: a sealed memory file, borrowed */
	uint64_t size;	 /* of its content */
	/*
	 * 0: durable; a COMMIT is then held in segment.  Else an errno: a
	 * COMMIT is not and will not be there; others are to be added again.
	 */
	void (*done)(struct journal_add *, int error);
	void *arg;
	uint64_t segment; /* its generation; for journal_release() */
	int error;
	bool lazy;
};

/*
 * Open the segments that are there.  Nothing is written.  -1 with errno.
 */
struct journal *journal_open(const struct spool *sp, struct store_threads *t,
    uint64_t segment_size, unsigned segments_max) WARN_UNUSED;
void journal_close(struct journal **jp);

/*
 * Go over all records, oldest first; what was lost on the medium is told to
 * damage(), in words.  May be called more than once before journal_start().
 * A COMMIT that is to stay is held by the callback: journal_hold().  -1 with
 * errno.
 */
struct journal_reader {
	void (*record)(void *arg, const struct journal_rec *r, struct str body,
	    struct str content, uint64_t segment);
	void (*damage)(void *arg, const char *text);
	void *arg;
};
int journal_read(struct journal *j, const struct journal_reader *r) WARN_UNUSED;
void journal_hold(struct journal *j, uint64_t segment);

/*
 * After reading: begin to write, behind qid_max.  Makes a first segment when
 * there is none free.  -1 with errno.
 */
int journal_start(struct journal *j, uint64_t qid_max) WARN_UNUSED;

/* The highest id that was ever committed, as far as is known. */
uint64_t journal_qid_max(const struct journal *j);

/* Does a record of this size go into the journal at all? */
bool journal_fits(const struct journal *j, uint64_t body, uint64_t content);

/* Add a record to the next barrier; lazily: one that comes anyway, in time. */
void journal_add(struct journal *j, struct journal_add *a);
void journal_add_lazy(struct journal *j, struct journal_add *a);

/* Give to the thread what was added; lazy ones only along with others. */
void journal_kick(struct journal *j);
void journal_kick_lazy(struct journal *j);

/* Call done() of what is finished.  Call it after each jobs_dispatch(). */
void journal_collect(struct journal *j);

/* A held COMMIT is needed no more. */
void journal_release(struct journal *j, uint64_t segment);

/*
 * The segment whose messages should get files now, because writing waits or
 * will soon wait for it; 0 when there is room.
 */
uint64_t journal_pressed(struct journal *j);

/* Is this segment closed (it gets no more records)? */
bool journal_closed(struct journal *j, uint64_t segment);

/* Does something wait for a free segment, and none is being made? */
bool journal_starved(struct journal *j);

/* Nothing helps: fail what waits for a free segment. */
void journal_fail(struct journal *j, int error);

struct journal_stats {
	unsigned segments;
	unsigned segments_free;
	uint64_t barriers;
	uint64_t errors;
};
void journal_stats(struct journal *j, struct journal_stats *out);

#endif
