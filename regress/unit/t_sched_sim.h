/* SPDX-License-Identifier: ISC */
#ifndef T_SCHED_SIM_H
#define T_SCHED_SIM_H

/*
 * A small world around the scheduler, in simulated time: a store, agents, and
 * sites that are slow, down, or grumpy.  Everything is deterministic.
 *
 * It keeps its own books, and fails a test when a recipient is delivered
 * twice, when a message leaves with recipients that have no fate, or when a
 * bounce was not announced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/mem.h"
#include "daemons/qmgr/retry.h"
#include "daemons/qmgr/sched.h"

#define SEC ((int64_t)1000)
#define WALL_BASE ((int64_t)1700000000 * 1000000)
#define SITES 4096
#define TIMES 64

struct site {
	char name[16];
	struct sched_transport *transport;
	int64_t latency, fail_latency;
	bool down;
	enum sched_fate answer;
	unsigned conns, conns_max;
	unsigned attempts; /* deliveries begun */
	unsigned rcpts;	   /* delivered */
	int64_t last_ms;   /* of the last delivery */
};

struct mail {
	struct mail *next;
	struct sched_msg *msg; /* while active */
	uint64_t id;
	enum sched_source from;
	int64_t arrival_ms, last_ms;
	uint32_t n, read, first, span;
	unsigned char *fate;  /* a recipient: 0, or 1 + enum sched_fate */
	int64_t times[TIMES]; /* of attempts at the first recipient */
	unsigned n_times, rounds, owed;
	unsigned notices; /* those that were made */
	bool null_sender, warned, force, gone;
	enum sched_what what; /* how it left the scheduler last */
	bool expired;
};

enum sim_kind {
	SIM_REPORT,
	SIM_ARRIVE,
	SIM_READ,
	SIM_NOTICE,
	SIM_TAKE
};

struct sim_event {
	int64_t at;
	uint64_t seq;
	enum sim_kind kind;
	struct mail *mail;
	struct sched_unit *unit;
	struct site *site;
	uint32_t max;
};

struct sim_list {
	struct mail *first, **last;
};

struct sim {
	struct sched *sched;
	struct sched_limits limits;
	struct sched_transport *smtp, *local;
	int64_t now, wake;
	struct sim_event *heap;
	size_t n, cap;
	uint64_t seq;
	struct sim_list queue[SCHED_SOURCES];
	struct site *sites;
	struct mail *all[200000];
	uint32_t n_all;
	uint64_t events;
	uint32_t peak_active, peak_rcpts, peak_deferred, peak_running;
	unsigned put_off; /* recipients, by the scheduler itself */
	char why[512];
	unsigned rng;
	/* behaviour */
	int64_t lazy;	      /* questions are answered up to this much later */
	unsigned die_percent; /* of deliveries end with the agent's death */
	unsigned die_next;    /* so many deliveries do */
	unsigned report_before_death;
	bool notice_fails, busy, down, check, no_retry;
};

static struct sim *sim_one; /* for the callbacks of fixtures */

static unsigned
sim_random(struct sim *w, unsigned below)
{
	w->rng = w->rng * 1103515245u + 12345u;
	return (w->rng >> 8) % below;
}

/* --- events --------------------------------------------------------------- */
static bool
sim_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void
sim_at(struct sim *w, int64_t at, struct sim_event e)
{
	size_t i;

	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 1024 : 2 * w->cap;
		w->heap = xreallocarray(w->heap, w->cap, sizeof(*w->heap));
	}
	e.at = at;
	e.seq = w->seq++;
	for (i = w->n++; i > 0 && sim_before(&e, &w->heap[(i - 1) / 2]);
	     i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct sim_event
sim_next(struct sim *w)
{
	struct sim_event out = w->heap[0], e = w->heap[--w->n];
	size_t i = 0, kid;

	while ((kid = 2 * i + 1) < w->n) {
		if (kid + 1 < w->n &&
		    sim_before(&w->heap[kid + 1], &w->heap[kid]))
			kid++;
		if (!sim_before(&w->heap[kid], &e))
			break;
		w->heap[i] = w->heap[kid];
		i = kid;
	}
	w->heap[i] = e;
	return out;
}

/* --- the store ------------------------------------------------------------ */
static void
sim_queue(struct sim *w, struct mail *m)
{
	struct sim_list *l = &w->queue[m->from];

	m->next = NULL;
	*l->last = m;
	l->last = &m->next;
	sched_waiting(w->sched, m->from);
}

static bool
sim_unsettled(const struct mail *m, uint32_t i)
{
	return m->fate[i] == 0 || m->fate[i] == 1 + SCHED_PUT_OFF;
}

static void
sim_activate(struct sim *w, struct mail *m)
{
	struct sched_msg_info info = {
		.from = m->from,
		.arrival_us = WALL_BASE + m->arrival_ms * 1000,
		.owed = m->owed,
		.null_sender = m->null_sender,
		.warned = m->warned,
		.force = m->force,
	};

	for (uint32_t i = 0; i < m->n; i++)
		info.n_rcpt += sim_unsettled(m, i);
	m->read = 0;
	m->rounds++;
	m->msg = sched_msg_new(w->sched, m, &info);
}

static enum sched_take
sim_take(void *arg, enum sched_source from)
{
	struct sim *w = arg;
	struct sim_list *l = &w->queue[from];
	struct mail *m = l->first;

	if (m == NULL)
		return SCHED_TAKE_NONE;
	if ((l->first = m->next) == NULL)
		l->last = &l->first;
	if (w->lazy == 0) {
		sim_activate(w, m);
		return SCHED_TAKE_NOW;
	}
	sim_at(w, w->now + sim_random(w, (unsigned)w->lazy),
	    (struct sim_event){ .kind = SIM_TAKE, .mail = m });
	return SCHED_TAKE_LATER;
}

static void
sim_give(struct sim *w, struct mail *m, uint32_t max)
{
	struct site *site;
	char user[32];

	for (; m->read < m->n; m->read++) {
		if (!sim_unsettled(m, m->read))
			continue;
		if (max-- == 0)
			break;
		site = &w->sites[m->first + m->read % m->span];
		snprintf(user, sizeof(user), "user@%s", site->name);
		m->fate[m->read] = 0;
		assert_int_equal(sched_rcpt_add(w->sched, m->msg,
				     site->transport, str_of(site->name),
				     str_of(user), m->read),
		    0);
	}
	sched_read_end(w->sched, m->msg, m->read < m->n);
}

static void
sim_read(void *arg, void *cookie, struct sched_msg *msg, uint32_t max)
{
	struct sim *w = arg;
	struct mail *m = cookie;

	assert_ptr_equal(msg, m->msg);
	if (w->lazy == 0)
		sim_give(w, m, max);
	else
		sim_at(w, w->now + sim_random(w, (unsigned)w->lazy),
		    (struct sim_event){ .kind = SIM_READ,
			.mail = m,
			.max = max });
}

/* --- agents and sites ----------------------------------------------------- */
static enum sched_start
sim_deliver(void *arg, struct sched_unit *u)
{
	struct sim *w = arg;
	struct mail *m = sched_unit_cookie(u);
	struct str hop = sched_unit_nexthop(u);
	struct site *site = &w->sites[atoi(hop.p + 1)]; /* s12 is number 12 */

	if (w->busy)
		return SCHED_START_BUSY;
	if (w->down)
		return SCHED_START_DOWN;
	assert_null(sched_unit_tag(u));
	sched_unit_tag_set(u, site);
	site->attempts++;
	if (++site->conns > site->conns_max)
		site->conns_max = site->conns;
	for (uint32_t i = 0; i < sched_unit_count(u); i++)
		assert_int_equal(m->fate[sched_unit_rcpt(u, i)], 0);
	if (sched_unit_rcpt(u, 0) == 0 && m->n_times < TIMES)
		m->times[m->n_times++] = w->now;
	sim_at(w, w->now + (site->down ? site->fail_latency : site->latency),
	    (struct sim_event){ .kind = SIM_REPORT, .unit = u, .site = site });
	return SCHED_START_OK;
}

static void
sim_fate(struct sim *w, struct mail *m, uint64_t rcpt, enum sched_fate f)
{
	assert_true(rcpt < m->n);
	assert_int_equal(m->fate[rcpt], 0); /* never twice */
	m->fate[rcpt] = (unsigned char)(1 + f);
	m->last_ms = w->now;
}

static void
sim_report(struct sim *w, struct sched_unit *u, struct site *site)
{
	struct mail *m = sched_unit_cookie(u);
	uint32_t n = sched_unit_count(u);
	bool dies = w->die_next > 0 ||
	    (w->die_percent > 0 && sim_random(w, 100) < w->die_percent);

	site->conns--;
	if (site->down) {
		sched_unit_end(w->sched, u, SCHED_END_SITE,
		    STR("connect: Connection timed out"));
		return;
	}
	if (dies) {
		if (w->die_next > 0)
			w->die_next--;
		n = n < w->report_before_death ? n : w->report_before_death;
	}
	for (uint32_t i = 0; i < n; i++) {
		sim_fate(w, m, sched_unit_rcpt(u, i), site->answer);
		assert_int_equal(sched_report(w->sched, u, i, site->answer), 0);
		if (site->answer == SCHED_DELIVERED)
			site->rcpts++;
		site->last_ms = w->now;
	}
	sched_unit_end(w->sched, u, dies ? SCHED_END_DIED : SCHED_END_OK,
	    dies ? STR("agent died") : STR_NONE);
}

static void
sim_defer(void *arg, void *cookie, uint64_t rcpt, struct str why)
{
	struct sim *w = arg;

	assert_true(why.n > 0);
	str_copy(why, w->why, sizeof(w->why));
	w->put_off++;
	sim_fate(w, cookie, rcpt, SCHED_PUT_OFF);
}

/* --- the end of a message ------------------------------------------------- */
static void
sim_noticed(struct sim *w, struct mail *m, unsigned kinds)
{
	if (!w->notice_fails)
		m->notices |= kinds;
	sched_notice_done(w->sched, m->msg, !w->notice_fails);
}

static void
sim_notice(void *arg, void *cookie, struct sched_msg *msg, unsigned kinds)
{
	struct sim *w = arg;
	struct mail *m = cookie;

	assert_ptr_equal(msg, m->msg);
	assert_true(kinds != 0);
	assert_int_equal(m->notices & kinds & ~SCHED_NOTICE_FAILED, 0);
	if (w->lazy == 0)
		sim_noticed(w, m, kinds);
	else
		sim_at(w, w->now + sim_random(w, (unsigned)w->lazy),
		    (struct sim_event){ .kind = SIM_NOTICE,
			.mail = m,
			.max = kinds });
}

static void
sim_count(const struct mail *m, uint32_t out[4])
{
	memset(out, 0, 4 * sizeof(out[0]));
	for (uint32_t i = 0; i < m->n; i++)
		out[m->fate[i]]++;
}

static void
sim_finish(void *arg, void *cookie, struct sched_msg *msg,
    const struct sched_outcome *o)
{
	struct sim *w = arg;
	struct mail *m = cookie;
	uint32_t got[4];

	assert_ptr_equal(msg, m->msg);
	sim_count(m, got);
	m->msg = NULL;
	m->what = o->what;
	m->owed = o->owed;
	m->warned = o->warned;
	m->expired = o->expired;
	m->force = false;
	if (o->what == SCHED_DONE) {
		m->gone = true;
		assert_int_equal(got[0], 0);
		assert_int_equal(o->owed, 0);
		if (got[1 + SCHED_BOUNCED] > 0)
			assert_true(m->notices & SCHED_NOTICE_FAILED);
		assert_int_equal(o->expired, got[1 + SCHED_PUT_OFF] > 0);
		if (o->expired)
			assert_true(m->notices & SCHED_NOTICE_EXPIRED);
	} else if (o->what == SCHED_RETRY) {
		assert_true(o->next_us >= WALL_BASE + w->now * 1000);
		m->from = SCHED_DEFERRED;
		if (!w->no_retry)
			sim_at(w, (o->next_us - WALL_BASE + 999) / 1000,
			    (struct sim_event){ .kind = SIM_ARRIVE,
				.mail = m });
	} else if (o->what == SCHED_DELETE) {
		m->gone = true;
	}
}

static uint64_t
sim_key(void *arg, const struct sched_site *site)
{
	(void)arg;
	return (uint64_t)atoi(site->nexthop.p + 1);
}

static const struct sched_ops sim_ops = {
	.take = sim_take,
	.read = sim_read,
	.deliver = sim_deliver,
	.key = sim_key,
	.defer = sim_defer,
	.notice = sim_notice,
	.finish = sim_finish,
};

/* --- the world ------------------------------------------------------------ */
static struct sim *
sim_new(const struct sched_limits *l)
{
	static const uint8_t key[SIPHASH_KEY] = { 1, 2, 3 };
	struct sim *w = xcalloc(1, sizeof(*w));
	struct sched_transport_conf c;

	if (l == NULL)
		sched_limits_init(&w->limits);
	else
		w->limits = *l;
	w->rng = 1;
	w->wake = -1;
	w->sites = xcalloc(SITES, sizeof(*w->sites));
	for (int i = 0; i < SCHED_SOURCES; i++)
		w->queue[i].last = &w->queue[i].first;
	w->sched = sched_new(&w->limits, &sim_ops, w, key);
	sched_tick(w->sched, 0, WALL_BASE);
	sched_transport_conf_init(&c);
	w->smtp = sched_transport_set(w->sched, STR("smtp"), &c);
	c.recipient_limit = 1;
	c.concurrency_limit = 2;
	w->local = sched_transport_set(w->sched, STR("local"), &c);
	for (int i = 0; i < SITES; i++) {
		snprintf(w->sites[i].name, sizeof(w->sites[i].name), "s%d", i);
		w->sites[i].transport = w->smtp;
		w->sites[i].latency = 1 * SEC;
		w->sites[i].fail_latency = 30 * SEC;
		w->sites[i].answer = SCHED_DELIVERED;
	}
	sim_one = w;
	return w;
}

static void
sim_free(struct sim *w)
{
	sched_free(&w->sched);
	for (uint32_t i = 0; i < w->n_all; i++) {
		free(w->all[i]->fate);
		free(w->all[i]);
	}
	free(w->sites);
	free(w->heap);
	free(w);
	sim_one = NULL;
}

/* So many deliveries at once, of either transport. */
UNUSED static void
sim_processes(struct sim *w, uint32_t n)
{
	struct sched_transport_conf c;

	sched_transport_conf_init(&c);
	c.process_limit = n;
	sched_transport_set(w->sched, STR("smtp"), &c);
	c.recipient_limit = 1;
	c.concurrency_limit = 2;
	sched_transport_set(w->sched, STR("local"), &c);
}

/* A mail of n recipients at span sites, from first on; it arrives now. */
static struct mail *
sim_mail(struct sim *w, enum sched_source from, uint32_t n, uint32_t first,
    uint32_t span)
{
	struct mail *m = xcalloc(1, sizeof(*m));

	assert_true(w->n_all < NELEM(w->all));
	m->id = w->n_all;
	w->all[w->n_all++] = m;
	m->from = from;
	m->arrival_ms = w->now;
	m->n = n;
	m->first = first;
	m->span = span;
	m->fate = xcalloc(n, 1);
	sim_queue(w, m);
	return m;
}

static void
sim_do(struct sim *w, const struct sim_event *e)
{
	w->events++;
	switch (e->kind) {
	case SIM_REPORT:
		sim_report(w, e->unit, e->site);
		break;
	case SIM_ARRIVE:
		sim_queue(w, e->mail);
		break;
	case SIM_READ:
		sim_give(w, e->mail, e->max);
		break;
	case SIM_NOTICE:
		sim_noticed(w, e->mail, e->max);
		break;
	case SIM_TAKE:
		sim_activate(w, e->mail);
		break;
	}
}

#define PEAK(p, v) ((p) = (v) > (p) ? (v) : (p))

static void
sim_turn(struct sim *w)
{
	struct sched_stats st;
	const char *e;

	do {
		w->wake = sched_run(w->sched);
		sched_stats(w->sched, &st);
		PEAK(w->peak_active, st.active[0] + st.active[1]);
		PEAK(w->peak_deferred, st.active[SCHED_DEFERRED]);
		PEAK(w->peak_rcpts, st.rcpts);
		PEAK(w->peak_running, st.running);
		if (w->check && (e = sched_check(w->sched)) != NULL)
			fail_msg("%s", e);
	} while (w->wake != -1 && w->wake <= w->now);
}

/* Let the world go on until then. */
static void
sim_until(struct sim *w, int64_t until)
{
	struct sim_event e;
	int64_t next;

	sim_turn(w);
	for (;;) {
		next = w->n > 0 ? w->heap[0].at : INT64_MAX;
		if (w->wake != -1 && w->wake < next)
			next = w->wake;
		if (next > until)
			break;
		w->now = next > w->now ? next : w->now;
		sched_tick(w->sched, w->now, WALL_BASE + w->now * 1000);
		while (w->n > 0 && w->heap[0].at <= w->now) {
			e = sim_next(w);
			sim_do(w, &e);
		}
		sim_turn(w);
	}
	w->now = until;
	sched_tick(w->sched, w->now, WALL_BASE + w->now * 1000);
}

static void
sim_for(struct sim *w, int64_t ms)
{
	sim_until(w, w->now + ms);
}

UNUSED static uint32_t
sim_left(const struct sim *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_all; i++)
		n += !w->all[i]->gone;
	return n;
}

static void
sim_sane(const struct sim *w)
{
	const char *e = sched_check(w->sched);

	if (e != NULL)
		fail_msg("%s", e);
}

#endif
