/* SPDX-License-Identifier: ISC */
#ifndef QMGR_JOURNAL_PARTS_H
#define QMGR_JOURNAL_PARTS_H

/* Inside of the journal: journal.c, journal_write.c, journal_segment.c. */

#include <pthread.h>

#include "journal.h"

enum segment_state {
	SEGMENT_FREE,
	SEGMENT_CURRENT,
	SEGMENT_FULL
};

struct segment {
	TAILQ_ENTRY(segment) link;
	int fd;
	unsigned number;	  /* the file's name */
	struct journal_head head; /* gen 0: never begun */
	enum segment_state state;
	unsigned held; /* COMMITs */
	bool bad;      /* a barrier failed: not to be used again */
	bool damaged;  /* recovery missed something in it */
};

TAILQ_HEAD(segments, segment);
STAILQ_HEAD(journal_adds, journal_add);

/* What the writer knows of the segment it writes; the thread's own. */
struct writer {
	struct segment *seg; /* NULL: the next one is to be begun */
	uint64_t pos;	     /* of the next batch, at a page boundary */
	uint64_t mac;	     /* of the last acknowledged record */
	uint64_t batch;
	uint64_t last_gen; /* for the next header: the segment before */
	uint64_t last_end;
	uint8_t *buf;
	size_t cap;
	struct journal_adds work; /* taken, not yet written */
};

struct making {
	struct job job;
	struct journal *j;
	struct segment *seg;
	int error;
	bool busy;
};

struct journal {
	struct job job;
	const struct spool *sp;
	struct store_threads *t;
	uint64_t segment_size;
	unsigned segments_max;

	/* the loop's */
	struct journal_adds fresh;
	struct journal_adds lazy;
	bool running; /* the job is with the thread */
	struct making making;
	unsigned numbers;   /* the next file's name */
	int make_error;	    /* of the last attempt, */
	int64_t make_after; /* and when to make another */

	struct writer w;

	/* shared, under the lock */
	pthread_mutex_t lock;
	struct journal_adds pending;
	struct journal_adds finished;
	struct segments used; /* by generation; the current one is last */
	struct segments free; /* in the order in which they were begun */
	uint64_t gen;	      /* of the newest */
	uint64_t qid_max;
	unsigned nsegs;
	bool starved; /* work waits for a free segment */
	uint64_t barriers;
	uint64_t errors;
};

/* journal_write.c: the thread. */
void journal_run(struct job *job);

/* journal_segment.c */
int segment_make(const struct spool *sp, struct segment *s, uint64_t size);
void segment_free(struct segment **sp);
void segment_drop(struct journal *j, struct segment *s);
void segment_name(const struct segment *s, char out[16]);
int segment_load_all(struct journal *j);

#endif
