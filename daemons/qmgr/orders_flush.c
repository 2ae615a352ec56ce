/* SPDX-License-Identifier: ISC */
/*
 * Flushing: mail that waits is tried now, whenever it is due.
 *
 * Nothing is read ahead.  A flush is a place in the index; the scheduler takes
 * messages from it as it takes those that are due, when there is room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"

#include "orders.h"

#define LOOKS 64      /* messages of another site passed over in one call */
#define TRIES_MAX 500 /* for one that is busy, */
#define TRY_MS 20     /* so long apart */

struct flush {
	TAILQ_ENTRY(flush) link;
	uint64_t qid; /* one message, or 0 and: */
	struct store_walk *walk;
	char *site;  /* only mail with a recipient there; NULL: all */
	bool all;    /* dead destinations are tried while this lasts */
	unsigned tries;
};

static void
flush_free(struct orders *o, struct flush *f)
{
	TAILQ_REMOVE(&o->flushes, f, link);
	o->nflushes--;
	store_walk_free(&f->walk);
	free(f->site);
	free(f);
	o->q->flushing = false;
	TAILQ_FOREACH(f, &o->flushes, link)
		o->q->flushing |= f->all;
}

static struct flush *
flush_new(struct orders *o)
{
	struct flush *f;

	if (o->nflushes >= FLUSHES_MAX)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	TAILQ_INSERT_TAIL(&o->flushes, f, link);
	o->nflushes++;
	sched_waiting(o->q->sched, SCHED_DEFERRED);
	qmgr_touch(o->q);
	return f;
}

/* --- orders --------------------------------------------------------------- */

void
flush_all(struct orders *o)
{
	struct flush *f, *old;

	sched_flush(o->q->sched);
	maildrop_scan(o->q);
	/* One that is under way begins anew. */
	TAILQ_FOREACH(old, &o->flushes, link)
		if (old->all)
			break;
	if (old != NULL)
		flush_free(o, old);
	f = flush_new(o);
	if (f == NULL)
		return;
	f->walk = store_walk_key(o->q->store, 0);
	f->all = true;
	o->q->flushing = true;
	if (f->walk == NULL)
		flush_free(o, f);
}

bool
flush_id(struct orders *o, uint64_t qid)
{
	struct message *m = active_find(o->q, qid);
	struct flush *f;

	if (m != NULL) {
		if (m->sm != NULL)
			sched_flush_msg(o->q->sched, m->sm);
		return true;
	}
	f = flush_new(o);
	if (f == NULL)
		return false;
	f->qid = qid;
	return true;
}

/*
 * A site.  Which messages wait for it is found by the destination that its
 * mail goes to now; of those only the ones that have a recipient there count,
 * since a relay host is the destination of all sites.
 */
struct asking {
	TAILQ_ENTRY(asking) link;
	struct orders *o;
	struct chan *ch;
	uint64_t id;
	char *site;
	bool listed;
	flush_done_fn *done;
};

/* One for this site that is under way begins anew. */
static void
forget_site(struct orders *o, const char *site)
{
	struct flush *f;

	TAILQ_FOREACH(f, &o->flushes, link)
		if (f->site != NULL && strcmp(f->site, site) == 0)
			break;
	if (f != NULL)
		flush_free(o, f);
}

/* What waits for the site of as, which goes that way; an errno, or 0. */
static int
start_site(struct asking *as, const struct resolve_answer *a)
{
	struct orders *o = as->o;
	struct flush *f;

	if (a->status != RESOLVE_OK)
		return a->status == RESOLVE_BAD ? EINVAL : EAGAIN;
	if (as->listed && a->exists != EXISTS_YES)
		return EPERM;
	forget_site(o, as->site);
	f = flush_new(o);
	if (f == NULL)
		return EAGAIN;
	sched_flush_site(o->q->sched, a->nexthop);
	f->walk = store_walk_key(o->q->store,
	    active_key(o->q, a->transport, a->nexthop));
	f->site = as->site;
	as->site = NULL;
	if (f->walk == NULL)
		flush_free(o, f);
	return 0;
}

static void
on_way(unsigned type, const void *rec, int *fds, void *arg)
{
	struct asking *as = arg;
	int error = type == RESOLVE_ANSWER ? start_site(as, rec) : EAGAIN;

	(void)fds;
	as->done(as->ch, as->id, error, 0, error == 0 ? "" :
	    error == EPERM ? "it is not in fast_flush_domains" :
	    error == EINVAL ? "this is no domain" :
	    "the way to this site cannot be found out now");
	TAILQ_REMOVE(&as->o->askings, as, link);
	free(as->site);
	free(as);
}

void
flushes_forget(struct orders *o, const struct chan *ch)
{
	struct asking *as;

	TAILQ_FOREACH(as, &o->askings, link)
		if (as->ch == ch)
			as->ch = NULL;
}

void
flush_site(struct orders *o, struct chan *ch, uint64_t id, struct str site,
    bool listed, flush_done_fn *done)
{
	struct resolve_ask q = { .flags = listed ? RESOLVE_FLUSH : 0 };
	struct asking *as;
	struct buf b;

	if (site.n > 2 && site.p[0] == '@')
		site = str_sub(site, 1, site.n);
	if (site.n == 0 || site.n > 300 || str_chr(site, '@') != -1) {
		done(ch, id, EINVAL, 0, "this is no domain");
		return;
	}
	if (o->q->rewrite == NULL) {
		done(ch, id, EAGAIN, 0, "address resolver unavailable");
		return;
	}
	buf_init(&b, ADDR_MAX);
	buf_puts(&b, "postmaster@");
	buf_str(&b, site);
	q.addr = buf_get(&b);
	as = xcalloc(1, sizeof(*as));
	as->o = o;
	as->ch = ch;
	as->id = id;
	as->site = str_dup_lower(site);
	as->listed = listed;
	as->done = done;
	TAILQ_INSERT_TAIL(&o->askings, as, link);
	chan_ask(o->q->rewrite, RESOLVE_ASK, &q, NULL, on_way, as);
	buf_clear(&b);
}

/* --- clients of smtpd ----------------------------------------------------- */

#define ETRN_BURST 50
#define ETRN_EACH_MS 200 /* one more may be asked for each time */

static bool
etrn_charge(struct orders *o)
{
	int64_t now = loop_now(o->q->loop);
	int64_t more = (now - o->etrn_ms) / ETRN_EACH_MS;

	if (more > 0)
		o->etrn_ms += more * ETRN_EACH_MS;
	if (more >= ETRN_BURST - (int64_t)o->etrns)
		o->etrns = ETRN_BURST;
	else
		o->etrns += (unsigned)more;
	if (o->etrns == 0)
		return false;
	o->etrns--;
	return true;
}

static void
etrn_done(struct chan *ch, uint64_t id, int error, uint32_t count,
    const char *text)
{
	struct spool_flushed a = { .error = (uint32_t)error };

	(void)count;
	(void)text;
	if (ch != NULL)
		chan_answer(ch, SPOOL_FLUSHED, id, &a, NULL);
}

void
flush_etrn(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_flush *f = rec;
	struct orders *o = orders_get(arg);

	(void)fds;
	if (!etrn_charge(o)) {
		log_warn("more ETRN commands than are carried out");
		etrn_done(ch, id, EAGAIN, 0, "");
		return;
	}
	flush_site(o, ch, id, f->domain, true, etrn_done);
}

/* --- taking --------------------------------------------------------------- */

static bool
is_at(struct str addr, struct str site)
{
	ptrdiff_t at = str_rchr(addr, '@');

	return at != -1 &&
	    str_caseeq(str_sub(addr, (size_t)at + 1, addr.n), site);
}

/* Has it a recipient at that site? */
static bool
goes_to(struct qmgr *q, uint64_t qid, const char *site)
{
	struct store_look look;
	struct envelope head;
	struct env_rcpt r;
	bool found = false;

	if (store_look(q->store, qid, &look) == -1)
		return false;
	if (env_read_head(&look.env, &head) == 0)
		while (!found && env_read_rcpt(&look.env, &r) == 1)
			found = is_at(r.addr, str_of(site));
	store_look_clear(&look);
	return found;
}

/* 1 and *qid; 0: this one is over; -1: ask again soon, -2: in a while. */
static int
take(struct qmgr *q, struct flush *f, uint64_t *qid)
{
	struct store_due due;
	struct store_info si;
	int k;

	if (f->qid != 0) {
		*qid = f->qid;
		if (store_info(q->store, f->qid, &si) == -1 ||
		    si.state == STORE_HOLD || si.state == STORE_CORRUPT)
			return 0;
		/* On its way to the disk: soon it will be there. */
		if (active_find(q, f->qid) != NULL || si.busy)
			return ++f->tries < TRIES_MAX ? -2 : 0;
		f->qid = 0;
		return 1;
	}
	for (int i = 0; f->walk != NULL && i < LOOKS; i++) {
		k = store_walk_next(f->walk, &due);
		if (k == -1 && errno == EAGAIN)
			return -1;
		if (k != 1)
			return 0;
		if (f->site != NULL && !goes_to(q, due.qid, f->site))
			continue;
		*qid = due.qid;
		return 1;
	}
	return f->walk == NULL ? 0 : -1;
}

int
orders_flush_next(struct qmgr *q, uint64_t *qid)
{
	struct orders *o = orders_get(q);
	struct flush *f, *next;
	int later = 0;

	for (f = TAILQ_FIRST(&o->flushes); f != NULL; f = next) {
		next = TAILQ_NEXT(f, link);
		switch (take(q, f, qid)) {
		case 1:
			/* They take turns. */
			TAILQ_REMOVE(&o->flushes, f, link);
			TAILQ_INSERT_TAIL(&o->flushes, f, link);
			return 1;
		case 0:
			flush_free(o, f);
			break;
		case -1:
			later = -1;
			break;
		default:
			orders_wake(o, TRY_MS);
			break;
		}
	}
	return later;
}
