/* SPDX-License-Identifier: ISC */
/*
 * A message in the active window: its recipients come in, meet their fates,
 * and then it leaves.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "retry.h"
#include "sched_parts.h"

/*
 * A list is refilled when half of what was in memory is settled, and not
 * with driblets.
 */
#define REFILL_MIN 100

/* How many of those who wait for room are looked at in a turn. */
#define FEED_LOOK 16

#define US_PER_MS 1000

void
message_todo(struct sched *s, struct sched_msg *m)
{
	if (m->is_todo)
		return;
	TAILQ_INSERT_TAIL(&s->todo, m, in_todo);
	m->is_todo = true;
}

static void
message_not_hungry(struct sched *s, struct sched_msg *m)
{
	if (!m->is_hungry)
		return;
	TAILQ_REMOVE(&s->hungry, m, in_hungry);
	m->is_hungry = false;
}

struct sched_msg *
sched_msg_new(struct sched *s, void *cookie, const struct sched_msg_info *info)
{
	struct sched_msg *m = xcalloc(1, sizeof(*m));

	TAILQ_INIT(&m->units);
	m->cookie = cookie;
	m->arrival_us = info->arrival_us;
	m->left = info->n_rcpt == 0 ? UNKNOWN : info->n_rcpt;
	m->owed = info->owed;
	m->from = info->from;
	m->more = true;
	m->null_sender = info->null_sender;
	m->warned = info->warned;
	m->force = info->force;
	TAILQ_INSERT_TAIL(&s->msgs, m, link);
	s->stats.active[m->from]++;
	s->stats.taken++;
	if (s->taking)
		s->took = true;
	else if (s->promised[m->from] > 0)
		s->promised[m->from]--;
	message_todo(s, m);
	return m;
}

void
message_free(struct sched *s, struct sched_msg *m)
{
	if (m->is_todo)
		TAILQ_REMOVE(&s->todo, m, in_todo);
	message_not_hungry(s, m);
	TAILQ_REMOVE(&s->msgs, m, link);
	s->stats.active[m->from]--;
	free(m);
}

/* --- room for recipients -------------------------------------------------- */
static uint32_t
left_of(uint32_t limit, uint32_t used)
{
	return used < limit ? limit - used : 0;
}

/* Mail from deferred may fill half of the window, so that new mail gets in. */
static uint32_t
half_of(uint32_t limit)
{
	return limit / 2 + limit % 2;
}

bool
message_room(const struct sched *s, enum sched_source from)
{
	const struct sched_limits *l = &s->limits;
	uint64_t old, all;
	uint32_t extra = l->rcpt_extra;

	old = (uint64_t)s->stats.active[SCHED_DEFERRED] +
	    s->promised[SCHED_DEFERRED];
	all =
	    old + s->stats.active[SCHED_INCOMING] + s->promised[SCHED_INCOMING];
	if (all >= l->active_limit)
		return false;
	if (from == SCHED_DEFERRED) {
		extra = 0;
		if (old >= half_of(l->active_limit) ||
		    s->held[SCHED_DEFERRED] >= half_of(l->rcpt_limit))
			return false;
	}
	return s->stats.rcpts < (uint64_t)l->rcpt_limit + extra;
}

/* Few recipients: these messages may use the extra room. */
static bool
message_is_small(const struct sched *s, const struct sched_msg *m)
{
	uint32_t few = s->limits.rcpt_extra / 10;

	return m->left <= (few == 0 ? 1 : few);
}

/*
 * How many recipients may be read now.  A small message gets all or waits;
 * a list gets half of what is free, so that however many lists there are
 * some is left for the next.
 */
static uint32_t
message_grant(const struct sched *s, const struct sched_msg *m)
{
	const struct sched_limits *l = &s->limits;
	uint32_t room = left_of(l->rcpt_limit, s->stats.rcpts), extra, grant;

	if (m->from == SCHED_DEFERRED) {
		extra =
		    left_of(half_of(l->rcpt_limit), s->held[SCHED_DEFERRED]);
		if (extra < room)
			room = extra;
	} else if (message_is_small(s, m)) {
		extra = left_of(l->rcpt_limit + l->rcpt_extra, s->stats.rcpts);
		return m->left <= extra ? m->left : 0;
	}
	if (m->live > 0 && m->transport != NULL &&
	    m->transport->rcpts >= m->transport->conf.rcpt_limit)
		return 0;
	grant = half_of(room);
	if (grant >= m->left)
		return m->left;
	return m->live > 0 && grant < REFILL_MIN ? 0 : grant;
}

static void
message_reserve(struct sched *s, struct sched_msg *m, uint32_t n)
{
	m->asked += n;
	s->held[m->from] += n;
	s->stats.rcpts += n;
}

static void
message_unreserve(struct sched *s, struct sched_msg *m, uint32_t n)
{
	m->asked -= n;
	s->held[m->from] -= n;
	s->stats.rcpts -= n;
}

/* Ask for recipients, or wait for room.  Says whether it asked. */
static bool
message_read(struct sched *s, struct sched_msg *m)
{
	uint32_t n = message_grant(s, m);

	if (n == 0) {
		if (!m->is_hungry && message_is_small(s, m))
			TAILQ_INSERT_HEAD(&s->hungry, m, in_hungry);
		else if (!m->is_hungry)
			TAILQ_INSERT_TAIL(&s->hungry, m, in_hungry);
		m->is_hungry = true;
		return false;
	}
	message_not_hungry(s, m);
	message_reserve(s, m, n);
	m->window = m->live + n;
	m->reading = true;
	m->got = false;
	s->ops.read(s->arg, m->cookie, m, n);
	return true;
}

void
message_feed(struct sched *s)
{
	struct sched_msg *m, *next;
	int looks = FEED_LOOK;

	for (m = TAILQ_FIRST(&s->hungry); m != NULL && looks > 0; m = next) {
		next = TAILQ_NEXT(m, in_hungry);
		if (!message_read(s, m))
			looks--;
	}
}

/* --- recipients come in --------------------------------------------------- */
static void
message_got(struct sched_msg *m)
{
	m->got = true;
	if (m->left != UNKNOWN && m->left > 0)
		m->left--;
}

/* An administrator wants to see it tried. */
static void
message_force(struct sched *s, struct destination *d)
{
	bool keep = s->keep;

	s->keep = true; /* it has no unit yet */
	transport_up(s, d->transport);
	dest_probe(s, d);
	s->keep = keep;
}

void
message_add(struct sched *s, struct sched_msg *m, struct sched_transport *t,
    struct str nexthop, struct str rcpt, uint64_t id)
{
	struct destination *d;
	struct sched_unit *u;

	m->live++;
	t->rcpts++;
	d = dest_get(s, t, nexthop,
	    t->conf.recipient_limit == 1 ? rcpt : STR_NONE);
	if (m->force)
		message_force(s, d);
	u = d->open;
	if (u != NULL && u->msg == m && u->n < t->conf.recipient_limit) {
		unit_add(u, id);
		return;
	}
	u = unit_new(m, d);
	unit_add(u, id);
	dest_push(s, u, false);
}

int
sched_rcpt_add(struct sched *s, struct sched_msg *m, struct sched_transport *t,
    struct str nexthop, struct str rcpt, uint64_t id)
{
	if (m->asked == 0 || nexthop.n > SCHED_NAME_MAX ||
	    rcpt.n > SCHED_NAME_MAX)
		return -1;
	message_got(m);
	if (m->stop != SCHED_DONE) {
		m->dropped = true;
		message_unreserve(s, m, 1);
		return 0;
	}
	m->asked--; /* it stays in held and rcpts */
	m->transport = t;
	message_add(s, m, t, nexthop, rcpt, id);
	return 0;
}

void
sched_rcpt_note(struct sched *s, struct sched_msg *m, enum sched_fate f)
{
	message_got(m);
	m->count[f]++;
	if (m->asked > 0)
		message_unreserve(s, m, 1);
}

void
sched_read_end(struct sched *s, struct sched_msg *m, bool more)
{
	if (!m->reading)
		return;
	message_unreserve(s, m, m->asked);
	m->reading = false;
	m->more = more;
	if (more && m->left == 0)
		m->left = UNKNOWN;
	/* More, and none of it: the file cannot be read just now. */
	if (more && !m->got)
		m->dropped = true;
	message_todo(s, m);
}

void
message_left(struct sched *s, struct sched_msg *m, struct sched_transport *t)
{
	m->live--;
	t->rcpts--;
	s->held[m->from]--;
	s->stats.rcpts--;
	if (m->live == 0 || (m->more && m->live <= m->window / 2))
		message_todo(s, m);
}

/* --- the end -------------------------------------------------------------- */
static void
message_retry(const struct sched *s, const struct sched_msg *m,
    struct retry *out)
{
	const struct sched_limits *l = &s->limits;

	*out = (struct retry){
		.min_ms = l->min_backoff_ms,
		.max_ms = l->max_backoff_ms,
		.lifetime_ms =
		    m->null_sender ? l->bounce_lifetime_ms : l->lifetime_ms,
	};
}

static void
message_finish(struct sched *s, struct sched_msg *m, enum sched_what what)
{
	struct sched_outcome o = {
		.what = what,
		.owed = m->owed,
		.warned = m->warned,
		.expired = what == SCHED_DONE && m->expired,
		.delivered = m->count[SCHED_DELIVERED],
		.bounced = m->count[SCHED_BOUNCED],
		.put_off = m->count[SCHED_PUT_OFF],
	};
	struct retry r;

	if (what == SCHED_RETRY) {
		message_retry(s, m, &r);
		o.next_us = m->released ?
		    s->wall_us :
		    retry_next(&r, m->arrival_us, s->wall_us);
	}
	s->stats.finished++;
	s->ops.finish(s->arg, m->cookie, m, &o);
	message_free(s, m);
}

/*
 * Nothing of it is in memory.  What is left of it, apart from notices, are
 * recipients that were put off, or not looked at.
 */
static void
message_end(struct sched *s, struct sched_msg *m)
{
	bool rest = m->dropped || m->more ||
	    (m->count[SCHED_PUT_OFF] > 0 && !m->expired);

	if (m->stop == SCHED_DELETE)
		message_finish(s, m, SCHED_DELETE);
	else if (!rest && m->owed == 0)
		message_finish(s, m, SCHED_DONE);
	else if (m->stop != SCHED_DONE)
		message_finish(s, m, m->stop);
	else
		message_finish(s, m, SCHED_RETRY);
}

/* What must be told to the sender before it may go. */
static unsigned
message_notices(const struct sched *s, const struct sched_msg *m)
{
	unsigned kinds = m->owed;
	struct retry r;

	if (m->count[SCHED_PUT_OFF] == 0 || m->dropped)
		return kinds;
	message_retry(s, m, &r);
	if (retry_expired(&r, m->arrival_us, s->wall_us))
		return kinds | SCHED_NOTICE_EXPIRED;
	if (s->limits.delay_warning_ms > 0 && !m->warned && !m->null_sender &&
	    retry_older(s->limits.delay_warning_ms, m->arrival_us, s->wall_us))
		return kinds | SCHED_NOTICE_DELAY;
	return kinds;
}

static void
message_settle(struct sched *s, struct sched_msg *m)
{
	bool rest = m->dropped || m->more || m->count[SCHED_PUT_OFF] > 0;

	if (m->count[SCHED_BOUNCED] > 0)
		m->owed |= SCHED_NOTICE_FAILED;
	if (m->stop != SCHED_DELETE && (m->stop == SCHED_DONE || !rest))
		m->notices = message_notices(s, m);
	if (m->notices == 0) {
		message_end(s, m);
		return;
	}
	m->noticing = true;
	s->ops.notice(s->arg, m->cookie, m, m->notices);
}

void
sched_notice_done(struct sched *s, struct sched_msg *m, bool ok)
{
	if (!m->noticing)
		return;
	m->noticing = false;
	if (ok) {
		m->owed = 0;
		if ((m->notices & SCHED_NOTICE_DELAY) != 0)
			m->warned = true;
		if ((m->notices & SCHED_NOTICE_EXPIRED) != 0)
			m->expired = true;
	}
	message_todo(s, m);
}

void
message_step(struct sched *s, struct sched_msg *m)
{
	bool reads = m->more && !m->dropped && m->stop == SCHED_DONE;

	if (m->reading || m->noticing)
		return;
	if (m->notices != 0) /* they are made, or cannot be made */
		message_end(s, m);
	else if (reads && m->live <= m->window / 2)
		message_read(s, m);
	else if (!reads && m->live == 0)
		message_settle(s, m);
}

/* --- orders --------------------------------------------------------------- */
static int
message_rank(enum sched_what w)
{
	switch (w) {
	case SCHED_DELETE:
		return 3;
	case SCHED_REQUEUE:
		return 2;
	case SCHED_HOLD:
		return 1;
	case SCHED_DONE:
	case SCHED_RETRY:
		break;
	}
	return 0;
}

void
sched_msg_stop(struct sched *s, struct sched_msg *m, enum sched_what w)
{
	struct sched_unit *u, *next;
	struct destination *d;

	if (message_rank(w) <= message_rank(m->stop))
		return;
	m->stop = w;
	message_not_hungry(s, m);
	for (u = TAILQ_FIRST(&m->units); u != NULL; u = next) {
		next = TAILQ_NEXT(u, in_msg);
		if (u->busy)
			continue;
		d = u->dest;
		dest_remove(s, u);
		unit_drop(s, u);
		dest_settle(s, d);
	}
	message_todo(s, m);
}

void
sched_msg_release(struct sched *s, struct sched_msg *m)
{
	if (m->stop != SCHED_HOLD)
		return;
	m->stop = SCHED_DONE;
	m->released = m->dropped;
	message_todo(s, m);
}

void
sched_flush_msg(struct sched *s, struct sched_msg *m)
{
	struct sched_unit *u;
	bool keep = s->keep;

	m->force = true;
	s->keep = true;
	TAILQ_FOREACH(u, &m->units, in_msg) {
		transport_up(s, u->dest->transport);
		dest_probe(s, u->dest);
	}
	s->keep = keep;
	dest_trim(s);
}
