/* SPDX-License-Identifier: ISC */
/*
 * Who works on which delivery when.
 *
 * What comes for Maildirs during a turn of the loop is dealt out among the
 * lanes at its end: a lone message at once and alone, many in batches that
 * share their barriers.  An mbox has one writer at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "mailbox.h"

/* A file with deliveries in hand, in the order in which they came. */
struct mbox {
	struct pool_job job;
	TAILQ_ENTRY(mbox) link;
	struct mailbox *mb;
	struct delivery_list list; /* the first is being worked on */
	struct timer retry;
	char *buf;
};

/* --- Maildirs ------------------------------------------------------------- */

static void
lane_run(struct pool_job *j)
{
	struct lane *l = (struct lane *)j;

	maildir_write(l->batch, l->n, l->buf);
}

static void
lane_done(struct pool_job *j)
{
	struct lane *l = (struct lane *)j;

	l->busy = false;
	for (unsigned i = 0; i < l->n; i++)
		delivery_done(l->batch[i]);
	l->n = 0;
	if (!STAILQ_EMPTY(&l->mb->waiting))
		turn_ask(&l->mb->deal);
}

static struct lane *
free_lane(struct mailbox *mb)
{
	for (int i = 0; i < MAILBOX_LANES; i++)
		if (!mb->lanes[i].busy)
			return &mb->lanes[i];
	return NULL;
}

static void
on_deal(void *arg)
{
	struct mailbox *mb = arg;
	struct delivery *d;
	struct lane *l;

	while (!STAILQ_EMPTY(&mb->waiting) && (l = free_lane(mb)) != NULL) {
		while (l->n < BATCH_MAX &&
		    (d = STAILQ_FIRST(&mb->waiting)) != NULL) {
			STAILQ_REMOVE_HEAD(&mb->waiting, link);
			l->batch[l->n++] = d;
		}
		l->busy = true;
		pool_put(mb->pool, &l->job);
	}
}

/* --- mboxes --------------------------------------------------------------- */

static void
mbox_run(struct pool_job *j)
{
	struct mbox *m = (struct mbox *)j;

	mbox_write(STAILQ_FIRST(&m->list), m->buf);
}

static void
mbox_free(struct mbox *m)
{
	TAILQ_REMOVE(&m->mb->mboxes, m, link);
	timer_clear(&m->retry);
	free(m->buf);
	free(m);
}

static void
on_retry(void *arg)
{
	struct mbox *m = arg;

	pool_put(m->mb->pool, &m->job);
}

static void
mbox_done(struct pool_job *j)
{
	struct mbox *m = (struct mbox *)j;
	struct delivery *d = STAILQ_FIRST(&m->list);

	/* Another program has it: all of the list waits behind the first. */
	if (d->again && d->client->ch != NULL) {
		timer_set(&m->retry, m->mb->lock_delay_ms);
		return;
	}
	STAILQ_REMOVE_HEAD(&m->list, link);
	delivery_done(d);
	if (STAILQ_EMPTY(&m->list))
		mbox_free(m);
	else
		pool_put(m->mb->pool, &m->job);
}

static struct mbox *
mbox_find(struct mailbox *mb, const struct delivery *d)
{
	struct mbox *m;

	TAILQ_FOREACH(m, &mb->mboxes, link) {
		const struct delivery *f = STAILQ_FIRST(&m->list);

		if (f->root_fd == d->root_fd && strcmp(f->path, d->path) == 0)
			return m;
	}
	return NULL;
}

static void
mbox_add(struct delivery *d)
{
	struct mailbox *mb = d->mb;
	struct mbox *m = mbox_find(mb, d);

	if (m != NULL) {
		STAILQ_INSERT_TAIL(&m->list, d, link);
		return;
	}
	m = xcalloc(1, sizeof(*m));
	m->mb = mb;
	m->job.run = mbox_run;
	m->job.done = mbox_done;
	m->buf = xmalloc(WRITE_BUF);
	STAILQ_INIT(&m->list);
	timer_init(&m->retry, mb->loop, on_retry, m);
	TAILQ_INSERT_TAIL(&mb->mboxes, m, link);
	STAILQ_INSERT_TAIL(&m->list, d, link);
	pool_put(mb->pool, &m->job);
}

/* --- both ----------------------------------------------------------------- */

void
batch_init(struct mailbox *mb)
{
	STAILQ_INIT(&mb->waiting);
	TAILQ_INIT(&mb->mboxes);
	turn_init(&mb->deal, mb->loop, on_deal, mb);
	for (int i = 0; i < MAILBOX_LANES; i++) {
		struct lane *l = &mb->lanes[i];

		*l = (struct lane){ .mb = mb, .buf = xmalloc(WRITE_BUF) };
		l->job.run = lane_run;
		l->job.done = lane_done;
	}
}

void
batch_clear(struct mailbox *mb)
{
	turn_cancel(&mb->deal);
	for (int i = 0; i < MAILBOX_LANES; i++)
		free(mb->lanes[i].buf);
}

void
batch_add(struct delivery *d)
{
	if (!d->maildir) {
		mbox_add(d);
		return;
	}
	STAILQ_INSERT_TAIL(&d->mb->waiting, d, link);
	turn_ask(&d->mb->deal);
}

/*
 * Nobody waits for these: the queue will have them delivered again.  (Those in
 * the hand of a thread, and those behind one in an mbox, are finished.)
 */
void
batch_forget(struct mailbox *mb, const struct client *c)
{
	struct delivery_list keep = STAILQ_HEAD_INITIALIZER(keep);
	struct delivery *d;

	while ((d = STAILQ_FIRST(&mb->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&mb->waiting, link);
		if (d->client == c)
			delivery_done(d);
		else
			STAILQ_INSERT_TAIL(&keep, d, link);
	}
	STAILQ_CONCAT(&mb->waiting, &keep);
}
