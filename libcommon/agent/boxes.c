/* SPDX-License-Identifier: ISC */
/*
 * Channels to mailbox processes.
 */
#include "agent/boxes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "edge/broker.h"
#include "log/log.h"

#define BOXES_MAX 200 /* the policies allow 256 */
#define BUCKETS 256
#define RETRY_MS 250 /* the broker had too many requests */
#define RETRIES 40
#define SWEEP_MS 5000
#define REST_FIRST_MS 1000 /* one that did not start; then twice as long */
#define REST_MAX_MS 60000

enum box_state {
	BOX_WANTED, /* no room for it, or to be asked for again */
	BOX_ASKED,
	BOX_OPEN,
	BOX_RESTING, /* its process did not start: not asked for until rested */
};

struct box {
	LIST_ENTRY(box) hash;
	TAILQ_ENTRY(box) link; /* least recently used first */
	struct boxes *bs;
	enum box_state state;
	char *user, *dir;
	uint32_t uid, gid;
	struct chan *ch;
	unsigned busy; /* questions not answered */
	unsigned tries;
	unsigned starts;   /* that failed, one after the other */
	int64_t rest_ms;   /* how long it rested last */
	int64_t rested_ms; /* when it will have */
	char *why;	   /* it rests */
	int64_t used_ms;
	bool dead; /* gone, or on its way: not to be given to anybody */
	STAILQ_HEAD(, box_call) waiting;
};

struct boxes {
	struct loop *loop;
	struct chan *const *broker;
	int64_t idle_ms;
	LIST_HEAD(, box) hash[BUCKETS];
	TAILQ_HEAD(, box) all;
	unsigned open; /* asked for or open */
	struct timer sweep;
	struct timer retry;
	uint8_t key[SIPHASH_KEY];
};

static void ask_wanted(struct boxes *bs);
static void on_retry(void *arg);
static void on_sweep(void *arg);

/* --- finding -------------------------------------------------------------- */

static unsigned
bucket(const struct boxes *bs, const struct box_who *w)
{
	if (w->user.n > 0)
		return siphash(bs->key, w->user.p, w->user.n) % BUCKETS;
	if (w->dir.n > 0)
		return siphash(bs->key, w->dir.p, w->dir.n) % BUCKETS;
	return w->uid % BUCKETS;
}

static struct box *
find(struct boxes *bs, const struct box_who *w)
{
	struct box *b;

	LIST_FOREACH(b, &bs->hash[bucket(bs, w)], hash)
		if (!b->dead && b->uid == w->uid && b->gid == w->gid &&
		    str_eq(w->user, str_of(b->user)) &&
		    str_eq(w->dir, str_of(b->dir)))
			return b;
	return NULL;
}

static struct box *
make(struct boxes *bs, const struct box_who *w)
{
	struct box *b = xcalloc(1, sizeof(*b));

	b->bs = bs;
	b->user = str_dup(w->user);
	b->dir = str_dup(w->dir);
	b->uid = w->uid;
	b->gid = w->gid;
	STAILQ_INIT(&b->waiting);
	LIST_INSERT_HEAD(&bs->hash[bucket(bs, w)], b, hash);
	TAILQ_INSERT_TAIL(&bs->all, b, link);
	return b;
}

static void
box_free(struct box *b)
{
	if (b->state == BOX_ASKED || b->state == BOX_OPEN)
		b->bs->open--;
	LIST_REMOVE(b, hash);
	TAILQ_REMOVE(&b->bs->all, b, link);
	chan_free(&b->ch);
	free(b->user);
	free(b->dir);
	free(b->why);
	free(b);
}

static void
touch(struct box *b)
{
	b->used_ms = loop_now(b->bs->loop);
	TAILQ_REMOVE(&b->bs->all, b, link);
	TAILQ_INSERT_TAIL(&b->bs->all, b, link);
}

/* --- those who wait ------------------------------------------------------- */

static void
tell_all(struct box *b, const char *why)
{
	struct box_call *c;

	while ((c = STAILQ_FIRST(&b->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->waiting, link);
		c->got(NULL, why, c->arg);
	}
}

/* Nobody can have it: tell all who wait, and forget it. */
static void
give_up(struct box *b, const char *why)
{
	b->dead = true;
	tell_all(b, why);
	box_free(b);
}

/*
 * Its process did not start.  That may have been an accident, so it is asked
 * for once more; then those who wait are told, and so is who comes before it
 * has rested.
 */
static void
rest(struct box *b, const char *why)
{
	struct boxes *bs = b->bs;

	if (++b->starts == 1) {
		if (!bs->retry.armed)
			timer_set(&bs->retry, RETRY_MS);
		return;
	}
	b->rest_ms = b->rest_ms == 0 ? REST_FIRST_MS : b->rest_ms * 2;
	if (b->rest_ms > REST_MAX_MS)
		b->rest_ms = REST_MAX_MS;
	b->rested_ms = loop_now(bs->loop) + b->rest_ms;
	b->state = BOX_RESTING;
	free(b->why);
	b->why = xstrdup(why);
	tell_all(b, why);
}

static void
serve(struct box *b)
{
	struct box_call *c;

	b->busy++; /* not to be closed to make room meanwhile */
	while (!b->dead && (c = STAILQ_FIRST(&b->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->waiting, link);
		c->got(b, NULL, c->arg);
	}
	b->busy--;
}

/* --- the channel ---------------------------------------------------------- */

static const struct chan_on no_records[] = { { 0, NULL } };

static void
on_gone(struct chan *ch, const char *why, void *arg)
{
	struct box *b = arg;
	struct boxes *bs = b->bs;

	(void)ch; /* freed with the box */
	if (why != NULL)
		log_warn("security: channel to a mailbox (%s%s%u) closed: %s",
		    b->user, b->dir, b->uid, why);
	give_up(b, "the mailbox process ended");
	ask_wanted(bs);
}

static void
on_open(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;
	struct box *b = arg;
	struct boxes *bs = b->bs;
	char why[300];

	if (type == BROKER_MAILBOX_OPEN) {
		b->state = BOX_OPEN;
		b->starts = 0;
		b->rest_ms = 0;
		b->ch = chan_new(bs->loop, fds[0], &edge_mailbox, SIDE_A,
		    no_records, on_gone, b);
		fds[0] = -1;
		touch(b);
		serve(b);
		return;
	}
	bs->open--;
	b->state = BOX_WANTED;
	if (type == BROKER_REFUSED && no->error == EAGAIN &&
	    ++b->tries < RETRIES) {
		if (!bs->retry.armed)
			timer_set(&bs->retry, RETRY_MS);
		return;
	}
	strlcpy(why, "the broker is gone", sizeof(why));
	if (type == BROKER_REFUSED)
		str_copy(no->why, why, sizeof(why));
	if (type == BROKER_REFUSED && no->error == ECHILD)
		rest(b, why);
	else
		give_up(b, why);
}

static void
ask_broker(struct box *b)
{
	struct broker_mailbox q = { .user = str_of(b->user),
		.uid = b->uid,
		.gid = b->gid,
		.dir = str_of(b->dir) };

	b->state = BOX_ASKED;
	b->bs->open++;
	chan_ask(*b->bs->broker, BROKER_MAILBOX, &q, NULL, on_open, b);
}

/* Close the box that was idle for the longest time; false when none is. */
static bool
make_room(struct boxes *bs)
{
	struct box *b;

	if (bs->open < BOXES_MAX)
		return true;
	TAILQ_FOREACH(b, &bs->all, link) {
		if (b->state != BOX_OPEN || b->busy > 0)
			continue;
		box_free(b);
		return true;
	}
	return false;
}

static void
ask_wanted(struct boxes *bs)
{
	struct box *b, *next;

	for (b = TAILQ_FIRST(&bs->all); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (b->state != BOX_WANTED)
			continue;
		/* Room is made of an idle one, which may be the next. */
		if (bs->open >= BOXES_MAX)
			break;
		ask_broker(b);
	}
}

static bool
somebody_waits(const struct boxes *bs)
{
	const struct box *b;

	TAILQ_FOREACH(b, &bs->all, link)
		if (b->state == BOX_WANTED)
			return true;
	return false;
}

static void
on_retry(void *arg)
{
	ask_wanted(arg);
}

static void
on_sweep(void *arg)
{
	struct boxes *bs = arg;
	int64_t now = loop_now(bs->loop);
	struct box *b, *next;

	for (b = TAILQ_FIRST(&bs->all); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (b->state == BOX_OPEN && b->busy == 0 &&
		    now - b->used_ms >= bs->idle_ms)
			box_free(b);
		else if (b->state == BOX_RESTING &&
		    now >= b->rested_ms + b->rest_ms)
			box_free(b); /* long ago: forgiven */
	}
	if (!bs->retry.armed)
		ask_wanted(bs);
	if (!TAILQ_EMPTY(&bs->all))
		timer_set(&bs->sweep, SWEEP_MS);
}

/* --- the interface -------------------------------------------------------- */

void
box_get(struct boxes *bs, const struct box_who *who, struct box_call *c,
    void (*got)(struct box *b, const char *why, void *arg), void *arg)
{
	struct box *b = find(bs, who);

	c->got = got;
	c->arg = arg;
	if (b != NULL && b->state == BOX_OPEN) {
		got(b, NULL, arg);
		return;
	}
	if (b != NULL && b->state == BOX_RESTING &&
	    loop_now(bs->loop) < b->rested_ms) {
		got(NULL, b->why, arg);
		return;
	}
	if (b != NULL && b->state != BOX_RESTING) {
		STAILQ_INSERT_TAIL(&b->waiting, c, link);
		return;
	}
	if (b == NULL)
		b = make(bs, who);
	b->state = BOX_WANTED;
	b->tries = 0;
	STAILQ_INSERT_TAIL(&b->waiting, c, link);
	if (!bs->sweep.armed)
		timer_set(&bs->sweep, SWEEP_MS);
	if (make_room(bs))
		ask_broker(b);
}

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	struct box_call *c = arg;
	struct box *b = c->box;
	struct boxes *bs = b->bs;

	b->used_ms = loop_now(bs->loop);
	if (type == 0)
		b->dead = true;
	c->fn(type, rec, fds, c->arg);
	b->busy--;
	/* Others wait for room: this one's channel is the price. */
	if (!b->dead && b->busy == 0 && bs->open >= BOXES_MAX &&
	    somebody_waits(bs)) {
		box_free(b);
		ask_wanted(bs);
	}
}

void
box_ask(struct box *b, struct box_call *c, unsigned type, const void *rec,
    int *fds, chan_answer_fn *fn, void *arg)
{
	c->box = b;
	c->fn = fn;
	c->arg = arg;
	b->busy++;
	touch(b);
	chan_ask(b->ch, type, rec, fds, on_answer, c);
}

struct boxes *
boxes_new(struct loop *l, struct chan *const *broker, int64_t idle_ms)
{
	struct boxes *bs = xcalloc(1, sizeof(*bs));

	bs->loop = l;
	bs->broker = broker;
	bs->idle_ms = idle_ms;
	TAILQ_INIT(&bs->all);
	timer_init(&bs->sweep, l, on_sweep, bs);
	timer_init(&bs->retry, l, on_retry, bs);
	/* The names are our users': no stranger chooses where they fall. */
	memcpy(bs->key, &(uint64_t){ 0x9e3779b97f4a7c15 }, 8);
	return bs;
}

void
boxes_idle(struct boxes *bs, int64_t idle_ms)
{
	bs->idle_ms = idle_ms;
}

void
boxes_free(struct boxes **bp)
{
	struct boxes *bs = *bp;
	struct box *b;

	*bp = NULL;
	if (bs == NULL)
		return;
	while ((b = TAILQ_FIRST(&bs->all)) != NULL)
		box_free(b);
	timer_clear(&bs->sweep);
	timer_clear(&bs->retry);
	free(bs);
}
