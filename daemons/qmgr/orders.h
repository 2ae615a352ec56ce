/* SPDX-License-Identifier: ISC */
#ifndef QMGR_ORDERS_H
#define QMGR_ORDERS_H

#include "qmgr.h"

/*
 * What an administrator asks for.  A queue may hold a million messages, and
 * mail goes on meanwhile: work is done in small steps, each in a turn of the
 * loop of its own, and nothing grows with the queue.
 */
struct listing;
struct order;
struct flush;
struct asking;

struct orders {
	struct qmgr *q;
	struct timer timer; /* the next step */
	TAILQ_HEAD(, listing) listings;
	TAILQ_HEAD(, order) orders;
	TAILQ_HEAD(, flush) flushes;
	TAILQ_HEAD(, asking) askings; /* the way to a site */
	size_t nlistings, norders, nflushes;
	unsigned etrns; /* clients may ask for so many sites now, */
	int64_t etrn_ms; /* as of then */
};

#define LISTINGS_MAX 32
#define ORDERS_MAX 256
#define FLUSHES_MAX 4096
#define STEP_MS 4 /* for one listing or order in a turn */

/* Take a step soon: at once, or after ms. */
void orders_wake(struct orders *o, int64_t ms);
/* The answer. */
void orders_done(struct chan *ch, uint64_t id, int error, uint32_t count,
    const char *text);

/* --- orders_list.c -------------------------------------------------------- */
chan_fn listing_begin, listing_more, listing_stop;
/* Go on; 0 when it waits for credit, 1 when there is more to do. */
int listings_step(struct orders *o);
void listings_forget(struct orders *o, const struct chan *ch);

/* --- orders_change.c ------------------------------------------------------ */
void change_begin(struct orders *o, struct chan *ch, uint64_t id,
    const struct queue_change *q);
int changes_step(struct orders *o);
void changes_forget(struct orders *o, const struct chan *ch);

/* --- orders_flush.c ------------------------------------------------------- */

/* Everything that waits, whenever it is due. */
void flush_all(struct orders *o);
/*
 * What waits for this domain, or for this next hop; listed: if it is in
 * fast_flush_domains.  done() gives the answer, on ch, which may have gone
 * meanwhile (NULL).
 */
typedef void flush_done_fn(struct chan *ch, uint64_t id, int error,
    uint32_t count, const char *text);
void flush_site(struct orders *o, struct chan *ch, uint64_t id,
    struct str site, bool listed, flush_done_fn *done);
/* SPOOL_FLUSH, of smtpd. */
chan_fn flush_etrn;
void flushes_forget(struct orders *o, const struct chan *ch);
/* One message; false when there are too many such orders. */
bool flush_id(struct orders *o, uint64_t qid);

#endif
