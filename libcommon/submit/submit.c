/* SPDX-License-Identifier: ISC */
/*
 * Bringing in a message.
 */
#include "submit/submit.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

/* So long qmgr may take for a commit whose cleanup has died. */
#define ORPHAN_MS 10000

static void on_timer(void *arg);

void
submit_init(struct submit *s, struct loop *l, unsigned ahead, unsigned most)
{
	memset(s, 0, sizeof(*s));
	s->loop = l;
	s->ahead = ahead;
	s->ahead_max = most;
	TAILQ_INIT(&s->free);
	TAILQ_INIT(&s->orphans);
	TAILQ_INIT(&s->waits);
	timer_init(&s->timer, l, on_timer, s);
}

static struct submit_slot *
find(struct submit *s, uint64_t id)
{
	struct submit_slot *sl;

	LIST_FOREACH(sl, &s->bucket[id % SUBMIT_BUCKETS], by_id)
		if (sl->id == id)
			return sl;
	return NULL;
}

static void
slot_free(struct submit *s, struct submit_slot *sl)
{
	if (sl->state == SUBMIT_FREE)
		TAILQ_REMOVE(&s->free, sl, link);
	else if (sl->state == SUBMIT_ORPHAN)
		TAILQ_REMOVE(&s->orphans, sl, link);
	LIST_REMOVE(sl, by_id);
	fd_close(&sl->fd);
	free(sl);
}

/* The end of a slot, and the word about it. */
static void
finish(struct submit *s, struct submit_slot *sl,
    const struct submit_result *res)
{
	submit_done_fn *fn = sl->fn;
	void *arg = sl->arg;

	slot_free(s, sl);
	if (fn != NULL)
		fn(res, arg);
}

static void
lose(struct submit *s, struct submit_slot *sl)
{
	static const struct submit_result lost = { .code = 451,
		.dsn = STR("4.3.0"),
		.text = STR("Error: queue file write error") };

	finish(s, sl, &lost);
}

void
submit_clear(struct submit *s)
{
	for (size_t i = 0; i < SUBMIT_BUCKETS; i++)
		while (!LIST_EMPTY(&s->bucket[i]))
			slot_free(s, LIST_FIRST(&s->bucket[i]));
	timer_clear(&s->timer);
}

/* --- the queue manager ---------------------------------------------------- */

static void
tell_want(struct submit *s)
{
	struct spool_want rec = { .slots = s->ahead };

	if (s->qmgr != NULL)
		chan_tell(s->qmgr, SPOOL_WANT, 0, &rec, NULL);
}

static void
tell_drop(struct submit *s, uint64_t id)
{
	struct spool_drop rec;

	memset(&rec, 0, sizeof(rec));
	if (s->qmgr != NULL)
		chan_tell(s->qmgr, SPOOL_DROP, id, &rec, NULL);
}

void
submit_qmgr_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct submit *s = arg;

	(void)instance;
	(void)pid;
	s->qmgr = ch;
	s->full = false;
	tell_want(s);
}

/* Every slot is void: what was on its way may or may not be in the queue. */
void
submit_qmgr_down(struct chan *ch, unsigned instance, void *arg)
{
	struct submit *s = arg;

	(void)instance;
	if (s->qmgr != ch)
		return;
	s->qmgr = NULL;
	for (size_t i = 0; i < SUBMIT_BUCKETS; i++)
		while (!LIST_EMPTY(&s->bucket[i]))
			lose(s, LIST_FIRST(&s->bucket[i]));
}

static void
wake(struct submit *s)
{
	struct submit_wait *w = TAILQ_FIRST(&s->waits);

	if (w == NULL || TAILQ_EMPTY(&s->free))
		return;
	submit_unwait(s, w);
	w->cb(w->arg);
}

/* A qmgr that hands out and hands out would use up our descriptors. */
static bool
enough(const struct submit *s)
{
	const struct submit_slot *sl;
	unsigned n = 0;

	TAILQ_FOREACH(sl, &s->free, link)
		n++;
	return n >= 2 * s->ahead_max;
}

static void
on_slot(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_slot *r = rec;
	struct submit *s = arg;
	struct submit_slot *sl;

	if (ch != s->qmgr || find(s, id) != NULL) {
		chan_drop(ch, "the same slot twice");
		return;
	}
	if (enough(s)) {
		chan_drop(ch, "slots that nobody wants");
		return;
	}
	sl = xcalloc(1, sizeof(*sl));
	sl->id = id;
	sl->fd = fds[0];
	fds[0] = -1;
	sl->qid_len = r->qid.n;
	(void)str_copy(r->qid, sl->qid, sizeof(sl->qid));
	LIST_INSERT_HEAD(&s->bucket[id % SUBMIT_BUCKETS], sl, by_id);
	TAILQ_INSERT_TAIL(&s->free, sl, link);
	wake(s);
}

static void
on_accepted(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_accepted *r = rec;
	struct submit *s = arg;
	struct submit_slot *sl = find(s, id);
	struct submit_result res = { .code = 250,
		.dsn = STR("2.0.0"),
		.text = STR("Ok"),
		.qid = r->qid };

	(void)ch;
	(void)fds;
	if (sl != NULL && sl->state >= SUBMIT_SENT)
		finish(s, sl, &res);
}

static void
on_refused(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_refused *r = rec;
	struct submit *s = arg;
	struct submit_slot *sl = find(s, id);
	struct submit_result res = { .code = r->code,
		.dsn = r->dsn,
		.text = r->text };

	(void)ch;
	(void)fds;
	if (sl != NULL && sl->state >= SUBMIT_SENT)
		finish(s, sl, &res);
}

static void
on_full(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_full *r = rec;
	struct submit *s = arg;

	(void)ch;
	(void)id;
	(void)fds;
	s->full = r->on != 0;
}

const struct chan_on submit_spool_on[] = {
	{ SPOOL_SLOT, on_slot },
	{ SPOOL_ACCEPTED, on_accepted },
	{ SPOOL_REFUSED, on_refused },
	{ SPOOL_FULL, on_full },
	{ 0, NULL },
};

/* --- cleanup -------------------------------------------------------------- */

void
submit_cleanup_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct submit *s = arg;

	(void)instance;
	(void)pid;
	if (s->ncleanup < SUBMIT_CLEANUPS)
		s->cleanup[s->ncleanup++] = ch;
}

/*
 * It may have handed a message on before it died, and then qmgr will say so;
 * or not, and then nobody ever will.
 */
void
submit_cleanup_down(struct chan *ch, unsigned instance, void *arg)
{
	struct submit *s = arg;
	struct submit_slot *sl;

	(void)instance;
	for (size_t i = 0; i < s->ncleanup; i++)
		if (s->cleanup[i] == ch)
			s->cleanup[i--] = s->cleanup[--s->ncleanup];
	for (size_t i = 0; i < SUBMIT_BUCKETS; i++) {
		LIST_FOREACH(sl, &s->bucket[i], by_id) {
			if (sl->state != SUBMIT_SENT || sl->cleanup != ch)
				continue;
			sl->state = SUBMIT_ORPHAN;
			sl->cleanup = NULL;
			sl->until_ms = loop_now(s->loop) + ORPHAN_MS;
			TAILQ_INSERT_TAIL(&s->orphans, sl, link);
		}
	}
	if (!TAILQ_EMPTY(&s->orphans) && !s->timer.armed)
		timer_set(&s->timer, ORPHAN_MS);
}

static void
on_timer(void *arg)
{
	struct submit *s = arg;
	struct submit_slot *sl;

	while ((sl = TAILQ_FIRST(&s->orphans)) != NULL &&
	    sl->until_ms <= loop_now(s->loop)) {
		tell_drop(s, sl->id);
		lose(s, sl);
	}
	if (sl != NULL)
		timer_set(&s->timer, sl->until_ms - loop_now(s->loop));
}

static void
on_intake_refused(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct intake_refused *r = rec;
	struct submit *s = arg;
	struct submit_slot *sl = find(s, id);
	struct submit_result res = { .code = r->code,
		.dsn = r->dsn,
		.text = r->text };

	(void)fds;
	if (sl == NULL || sl->state != SUBMIT_SENT || sl->cleanup != ch)
		return;
	tell_drop(s, id);
	finish(s, sl, &res);
}

const struct chan_on submit_intake_on[] = {
	{ INTAKE_REFUSED, on_intake_refused },
	{ 0, NULL },
};

/* --- the owner ------------------------------------------------------------ */

bool
submit_possible(const struct submit *s)
{
	return s->qmgr != NULL && s->ncleanup > 0 && !s->full;
}

struct submit_slot *
submit_take(struct submit *s, submit_done_fn *fn, void *arg)
{
	struct submit_slot *sl = TAILQ_FIRST(&s->free);

	if (sl == NULL || s->qmgr == NULL)
		return NULL;
	TAILQ_REMOVE(&s->free, sl, link);
	sl->state = SUBMIT_HELD;
	sl->fn = fn;
	sl->arg = arg;
	return sl;
}

void
submit_wait(struct submit *s, struct submit_wait *w)
{
	if (w->waiting)
		return;
	w->waiting = true;
	TAILQ_INSERT_TAIL(&s->waits, w, link);
	/* More write at a time than was thought. */
	if (s->ahead < s->ahead_max) {
		s->ahead =
		    s->ahead * 2 < s->ahead_max ? s->ahead * 2 : s->ahead_max;
		tell_want(s);
	}
}

void
submit_unwait(struct submit *s, struct submit_wait *w)
{
	if (w->waiting)
		TAILQ_REMOVE(&s->waits, w, link);
	w->waiting = false;
}

void
submit_drop(struct submit *s, struct submit_slot **slp)
{
	struct submit_slot *sl = *slp;

	*slp = NULL;
	if (sl == NULL)
		return;
	tell_drop(s, sl->id);
	slot_free(s, sl);
}

/* No cleanup is there: as one that died at once. */
static void
send_to_nobody(struct submit *s, struct submit_slot *sl)
{
	sl->state = SUBMIT_ORPHAN;
	sl->until_ms = loop_now(s->loop);
	TAILQ_INSERT_HEAD(&s->orphans, sl, link);
	timer_set(&s->timer, 0);
}

void
submit_send(struct submit *s, struct submit_slot *sl, struct str form)
{
	int fds[2] = { -1, -1 };

	if (s->ncleanup == 0 ||
	    (form.n > ENVELOPE_INLINE_MAX &&
		(fds[1] = memfd_from("envelope", form.p, form.n)) == -1)) {
		send_to_nobody(s, sl);
		return;
	}
	sl->cleanup = s->cleanup[s->turn++ % s->ncleanup];
	sl->state = SUBMIT_SENT;
	fds[0] = sl->fd;
	sl->fd = -1;
	if (form.n <= ENVELOPE_INLINE_MAX) {
		struct intake_message m = { .qid = submit_qid(sl),
			.envelope = form };

		chan_tell(sl->cleanup, INTAKE_MESSAGE, sl->id, &m, fds);
	} else {
		struct intake_large m = { .qid = submit_qid(sl) };

		chan_tell(sl->cleanup, INTAKE_LARGE, sl->id, &m, fds);
	}
}

void
submit_abandon(struct submit_slot **slp)
{
	if (*slp != NULL)
		(*slp)->fn = NULL;
	*slp = NULL;
}
