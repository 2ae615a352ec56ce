/* SPDX-License-Identifier: ISC */
/*
 * The scheduler: messages, their windows, retries, ends, and orders.
 */
#include "t_sched_sim.h"

static struct sim *
sim_small(uint32_t active, uint32_t rcpts, uint32_t extra)
{
	struct sched_limits l;

	sched_limits_init(&l);
	l.active_limit = active;
	l.rcpt_limit = rcpts;
	l.rcpt_extra = extra;
	return sim_new(&l);
}

/* QUE-22: attempts at these ages. */
static void
test_ages(void **state)
{
	static const int64_t want[] = { 0, 300, 600, 1200, 2400, 4800, 8800,
		12800, 16800 };
	struct sim *w = sim_new(NULL);
	struct mail *m;

	(void)state;
	w->sites[1].answer = SCHED_PUT_OFF;
	w->sites[1].latency = 0;
	sim_for(w, 12345);
	m = sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 17000 * SEC);
	assert_int_equal(m->n_times, NELEM(want));
	for (size_t i = 0; i < NELEM(want); i++)
		assert_int_equal(m->times[i] - m->arrival_ms, want[i] * SEC);
	assert_int_equal(m->notices, 0);
	/* Refusals of a recipient say nothing against the destination. */
	assert_int_equal(w->put_off, 0);
	sim_free(w);
}

static void
test_expiry(void **state)
{
	struct sched_limits l;
	struct mail *m, *bounce, *some;
	struct sim *w;

	(void)state;
	sched_limits_init(&l);
	l.lifetime_ms = 10000 * SEC;
	l.bounce_lifetime_ms = 1000 * SEC;
	l.delay_warning_ms = 1000 * SEC;
	w = sim_new(&l);
	w->sites[1].answer = SCHED_PUT_OFF;
	w->sites[1].latency = 0;
	w->sites[3].answer = SCHED_BOUNCED;
	m = sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	bounce = sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	bounce->null_sender = true;
	some = sim_mail(w, SCHED_INCOMING, 3, 1, 3);
	sim_for(w, 990 * SEC);
	assert_int_equal(m->notices, 0);
	assert_int_equal(some->notices, SCHED_NOTICE_FAILED);
	assert_false(bounce->gone);
	sim_until(w, 1010 * SEC);
	assert_true(bounce->gone && bounce->expired);
	assert_int_equal(bounce->times[3], 1000 * SEC);
	assert_int_equal(bounce->n_times, 4);
	/* Warned once, with the first attempt after the time. */
	sim_until(w, 1201 * SEC);
	assert_int_equal(m->notices, SCHED_NOTICE_DELAY);
	assert_true(m->warned);
	assert_int_equal(bounce->notices, SCHED_NOTICE_EXPIRED);
	sim_until(w, 9999 * SEC);
	assert_false(m->gone);
	sim_until(w, 10001 * SEC);
	assert_true(m->gone && m->expired);
	assert_int_equal(m->times[m->n_times - 1], 10000 * SEC);
	assert_int_equal(m->notices, SCHED_NOTICE_DELAY | SCHED_NOTICE_EXPIRED);
	assert_true(some->gone && some->expired);
	assert_int_equal(w->sites[2].rcpts, 1);
	sim_free(w);
}

/* Lifetime 0: one try, of a living or a dead destination. */
static void
test_one_try(void **state)
{
	struct sched_limits l;
	struct sim *w;
	struct mail *m;

	(void)state;
	sched_limits_init(&l);
	l.lifetime_ms = 0;
	w = sim_new(&l);
	w->sites[1].answer = SCHED_PUT_OFF;
	w->sites[2].down = true;
	m = sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	for (int i = 0; i < 50; i++)
		sim_mail(w, SCHED_INCOMING, 1, 2, 1);
	sim_mail(w, SCHED_INCOMING, 1, 3, 1);
	sim_for(w, 2 * SEC);
	assert_true(m->gone && m->expired);
	assert_int_equal(m->n_times, 1);
	sim_for(w, 60 * SEC);
	assert_int_equal(sim_left(w), 0);
	assert_int_equal(w->sites[2].attempts, 2);
	sim_free(w);
}

/* A notice that cannot be made is owed, and the message stays. */
static void
test_owed(void **state)
{
	struct sched_limits l;
	struct sim *w;
	struct mail *m, *old;

	(void)state;
	sched_limits_init(&l);
	l.lifetime_ms = 500 * SEC;
	w = sim_new(&l);
	w->sites[1].answer = SCHED_BOUNCED;
	w->sites[2].answer = SCHED_PUT_OFF;
	w->notice_fails = true;
	m = sim_mail(w, SCHED_INCOMING, 2, 1, 1);
	old = sim_mail(w, SCHED_INCOMING, 1, 2, 1);
	sim_for(w, 290 * SEC);
	assert_int_equal(m->what, SCHED_RETRY);
	assert_int_equal(m->owed, SCHED_NOTICE_FAILED);
	sim_for(w, 1000 * SEC);
	assert_int_equal(w->sites[1].attempts, 1); /* no second delivery */
	assert_false(m->gone || old->gone);
	assert_true(m->rounds > 2 && old->rounds > 2);
	w->notice_fails = false;
	sim_for(w, 8000 * SEC);
	assert_true(m->gone && old->gone);
	assert_false(m->expired);
	assert_int_equal(m->notices, SCHED_NOTICE_FAILED);
	assert_int_equal(old->notices, SCHED_NOTICE_EXPIRED);
	sim_free(w);
}

/* QUE-03, QUE-13, QUE-14. */
static void
test_window_limits(void **state)
{
	struct sim *w = sim_small(1000, 1000, 100);
	int64_t wait, worst = 0, newest = 0, oldest = 0;
	struct mail *m;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		sim_mail(w, SCHED_DEFERRED, 1, i % 200, 1);
	for (int s = 0; s < 200; s++) {
		for (uint32_t i = 0; i < 20; i++)
			sim_mail(w, SCHED_INCOMING, 1, i * 7, 1);
		sim_for(w, 1 * SEC);
	}
	for (uint32_t i = 100000; i < w->n_all; i++) {
		m = w->all[i];
		wait = (m->gone ? m->last_ms : w->now) - m->arrival_ms;
		worst = wait > worst ? wait : worst;
		newest += m->gone;
	}
	for (uint32_t i = 0; i < 100000; i++)
		oldest += w->all[i]->gone;
	assert_in_range(w->peak_active, 500, 1000);
	assert_in_range(w->peak_deferred, 1, 500);
	assert_true(w->peak_rcpts <= 1100);
	assert_true(worst <= 5 * SEC);
	assert_true(newest >= 3900);  /* all but the last second */
	assert_true(oldest >= 10000); /* the rest of 100 a second */
	sim_sane(w);
	sim_free(w);
}

/* New mail alone is more than can be sent: old mail is not forgotten. */
static void
test_overload(void **state)
{
	struct sim *w = sim_small(200, 1000, 100);
	unsigned old = 0, fresh = 0;

	(void)state;
	sim_processes(w, 10);
	for (uint32_t i = 0; i < 2000; i++)
		sim_mail(w, SCHED_DEFERRED, 1, i % 100, 1);
	for (int s = 0; s < 500; s++) {
		for (uint32_t i = 0; i < 20; i++)
			sim_mail(w, SCHED_INCOMING, 1, 100 + i * 7, 1);
		sim_for(w, 1 * SEC);
	}
	for (uint32_t i = 0; i < w->n_all; i++) {
		if (i < 2000)
			old += w->all[i]->gone;
		else
			fresh += w->all[i]->gone;
	}
	assert_in_range(w->peak_active, 100, 200);
	assert_int_equal(w->peak_running, 10);
	assert_true(fresh > 2 * old); /* favoured */
	assert_true(old > 250); /* not starved: a sixth of 5000 at least */
	assert_in_range(old + fresh, 4900, 5000); /* no channel idle */
	sim_free(w);
}

/* QUE-30, QUE-31: a list of 50000, memory for 2000. */
static void
test_huge_list(void **state)
{
	struct sim *w = sim_small(1000, 2000, 100);
	struct mail *list, *second, *m;

	(void)state;
	sim_processes(w, 20);
	list = sim_mail(w, SCHED_INCOMING, 50000, 0, 3000);
	sim_for(w, 20 * SEC);
	second = sim_mail(w, SCHED_INCOMING, 5000, 0, 3000);
	for (int i = 0; i < 100; i++) {
		m = sim_mail(w, SCHED_INCOMING, 2, (uint32_t)i * 11, 2);
		sim_for(w, 5 * SEC);
		assert_true(m->gone); /* overtakes */
		assert_in_range(m->last_ms - m->arrival_ms, 0, 4 * SEC);
	}
	assert_false(list->gone);
	assert_true(w->peak_rcpts <= 2100);
	sim_for(w, 4000 * SEC);
	assert_true(list->gone && second->gone);
	assert_int_equal(sim_left(w), 0);
	assert_int_equal(w->peak_running, 20);
	sim_sane(w);
	sim_free(w);
}

/* A list does not take all the room: the next begins at once. */
static void
test_lists_together(void **state)
{
	struct sim *w = sim_small(1000, 2000, 100);
	struct mail *list[4];
	uint32_t got[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		list[i] = sim_mail(w, SCHED_INCOMING, 5000, i * 500, 2500);
	sim_for(w, 1500);
	for (int i = 0; i < 4; i++) {
		sim_count(list[i], got);
		assert_true(got[1 + SCHED_DELIVERED] >= 3);
	}
	sim_for(w, 1000 * SEC);
	assert_int_equal(sim_left(w), 0);
	sim_free(w);
}

/* Small mail may use the extra room, to the last recipient and no further. */
static void
test_extra(void **state)
{
	struct sim *w = sim_small(1000, 95, 100);

	(void)state;
	sim_processes(w, 1);
	for (uint32_t i = 0; i < 100; i++)
		sim_mail(w, SCHED_INCOMING, 10, i, 10);
	sim_for(w, 100 * SEC);
	assert_in_range(w->peak_rcpts, 186, 195);
	sim_for(w, 2000 * SEC);
	assert_int_equal(sim_left(w), 0);
	sim_free(w);
}

/* The same where every recipient is a destination of its own. */
static void
test_huge_local(void **state)
{
	struct sim *w = sim_small(1000, 2000, 100);
	struct mail *list, *m;

	(void)state;
	sim_processes(w, 10);
	for (int i = 0; i < SITES; i++) {
		w->sites[i].transport = w->local;
		w->sites[i].latency = 100;
	}
	list = sim_mail(w, SCHED_INCOMING, 20000, 0, 4000);
	sim_for(w, 5 * SEC);
	for (int i = 0; i < 50; i++) {
		m = sim_mail(w, SCHED_INCOMING, 1, 4050, 1);
		sim_for(w, 1 * SEC);
		assert_true(m->gone);
	}
	assert_true(w->peak_rcpts <= 2100);
	sim_for(w, 200 * SEC);
	assert_true(list->gone);
	sim_free(w);
}

/* Small mail without end slows a list down and does not stop it. */
static void
test_list_not_starved(void **state)
{
	struct sim *w = sim_small(1000, 2000, 100);
	unsigned before, after;
	uint32_t i;

	(void)state;
	sim_processes(w, 10);
	sim_mail(w, SCHED_INCOMING, 20000, 0, 2000);
	sim_for(w, 200 * SEC);
	for (before = 0, i = 0; i < 2000; i++)
		before += w->sites[i].rcpts;
	for (int s = 0; s < 300; s++) {
		for (i = 0; i < 20; i++)
			sim_mail(w, SCHED_INCOMING, 1, 3000 + i, 1);
		sim_for(w, 1 * SEC);
	}
	for (after = 0, i = 0; i < 2000; i++)
		after += w->sites[i].rcpts;
	assert_true(after - before >= 300 * 10 / 7);
	assert_true(after - before <= 300 * 10 / 3);
	sim_free(w);
}

static void
test_agent_death(void **state)
{
	struct sim *w = sim_new(NULL);
	struct mail *m;

	(void)state;
	w->check = true;
	/* Two deaths are survived, and what was told is not told twice. */
	w->die_next = 2;
	w->report_before_death = 3;
	m = sim_mail(w, SCHED_INCOMING, 10, 1, 1);
	sim_for(w, 2900);
	assert_int_equal(w->sites[1].rcpts, 6);
	sim_for(w, 1 * SEC);
	assert_true(m->gone);
	assert_int_equal(w->sites[1].attempts, 3);
	assert_int_equal(w->sites[1].rcpts, 10);
	/* The third is one too many: later, then. */
	w->die_next = 3;
	w->report_before_death = 0;
	m = sim_mail(w, SCHED_INCOMING, 2, 2, 1);
	sim_for(w, 10 * SEC);
	assert_int_equal(m->what, SCHED_RETRY);
	assert_int_equal(w->sites[2].attempts, 3);
	assert_string_equal(w->why, "agent died");
	sim_for(w, 400 * SEC);
	assert_true(m->gone);
	/* It died when all was told. */
	w->die_next = 1;
	w->report_before_death = 9;
	m = sim_mail(w, SCHED_INCOMING, 4, 3, 1);
	sim_for(w, 2 * SEC);
	assert_true(m->gone);
	assert_int_equal(w->sites[3].attempts, 1);
	/* It died with a message that is to be held. */
	w->die_next = 1;
	w->report_before_death = 1;
	m = sim_mail(w, SCHED_INCOMING, 4, 3, 1);
	sim_for(w, 500);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sim_for(w, 5 * SEC);
	assert_int_equal(m->what, SCHED_HOLD);
	assert_int_equal(w->sites[3].attempts, 2);
	sim_free(w);
}

/* What an agent says is believed once, about its own recipients. */
static struct sched_unit *caught;

static enum sched_start
catch_deliver(void *arg, struct sched_unit *u)
{
	(void)arg;
	caught = u;
	return SCHED_START_OK;
}

static void
test_lying_agent(void **state)
{
	static const uint8_t key[SIPHASH_KEY];
	struct sim *w = sim_new(NULL);
	struct sched_ops ops = sim_ops;
	struct sched_transport_conf c;
	struct sched_unit *u;
	struct mail *m;

	(void)state;
	ops.deliver = catch_deliver;
	sched_free(&w->sched);
	w->sched = sched_new(&w->limits, &ops, w, key);
	sched_tick(w->sched, 0, WALL_BASE);
	sched_transport_conf_init(&c);
	w->sites[1].transport = sched_transport_set(w->sched, STR("smtp"), &c);
	m = sim_mail(w, SCHED_INCOMING, 3, 1, 1);
	sim_for(w, 1);
	u = caught;
	assert_int_equal(sched_unit_count(u), 3);
	assert_true(sched_unit_msg(u) == m->msg);
	assert_true(sched_unit_transport(u) == w->sites[1].transport);
	assert_int_equal(sched_report(w->sched, u, 3, SCHED_DELIVERED), -1);
	assert_int_equal(sched_report(w->sched, u, UINT32_MAX, SCHED_DELIVERED),
	    -1);
	assert_int_equal(sched_report(w->sched, u, 1, SCHED_BOUNCED), 0);
	assert_int_equal(sched_report(w->sched, u, 1, SCHED_DELIVERED), -1);
	m->fate[1] = 1 + SCHED_BOUNCED;
	/* It ends without having told the others: they are put off. */
	sched_unit_end(w->sched, u, SCHED_END_OK, STR("lost connection"));
	sim_for(w, 1);
	assert_int_equal(m->what, SCHED_RETRY);
	assert_int_equal(m->fate[0], 1 + SCHED_PUT_OFF);
	assert_int_equal(m->notices, SCHED_NOTICE_FAILED);
	assert_string_equal(w->why, "lost connection");
	sim_sane(w);
	sim_free(w);
}

/* An agent finds that two of three recipients are another's. */
static void
test_move(void **state)
{
	static const uint8_t key[SIPHASH_KEY];
	struct sim *w = sim_new(NULL);
	struct sched_ops ops = sim_ops;
	struct sched_transport_conf c;
	struct sched_transport *t;
	struct sched_unit *u;
	struct str hop = STR("there"), name = STR("x");
	struct mail *m;

	(void)state;
	ops.deliver = catch_deliver;
	sched_free(&w->sched);
	w->sched = sched_new(&w->limits, &ops, w, key);
	sched_tick(w->sched, 0, WALL_BASE);
	sched_transport_conf_init(&c);
	w->sites[1].transport = sched_transport_set(w->sched, STR("local"), &c);
	t = sched_transport_set(w->sched, STR("lmtp"), &c);
	m = sim_mail(w, SCHED_INCOMING, 3, 1, 1);
	sim_for(w, 1);
	u = caught;
	assert_int_equal(sched_report(w->sched, u, 1, SCHED_DELIVERED), 0);
	m->fate[1] = 1 + SCHED_DELIVERED;
	/* Not one whose fate was told, nor one that is not there. */
	assert_true(sched_unit_told(u, 1) && sched_unit_told(u, 3));
	assert_int_equal(sched_rcpt_move(w->sched, u, 1, t, hop, name, 1), -1);
	assert_int_equal(sched_rcpt_move(w->sched, u, 3, t, hop, name, 1), -1);
	for (uint32_t i = 0; i < 3; i += 2) {
		assert_false(sched_unit_told(u, i));
		assert_int_equal(sched_rcpt_move(w->sched, u, i, t, hop, name,
		    sched_unit_rcpt(u, i)), 0);
		assert_true(sched_unit_told(u, i));
		assert_null(sched_check(w->sched));
	}
	sched_unit_end(w->sched, u, SCHED_END_OK, STR(""));
	assert_false(m->gone);
	caught = NULL;
	sim_for(w, 1);
	/* They go together, by the other transport, in this attempt. */
	u = caught;
	assert_non_null(u);
	assert_true(sched_unit_transport(u) == t);
	assert_true(str_eq(sched_unit_nexthop(u), hop));
	assert_int_equal(sched_unit_count(u), 2);
	assert_int_equal(sched_report(w->sched, u, 0, SCHED_DELIVERED), 0);
	assert_int_equal(sched_report(w->sched, u, 1, SCHED_DELIVERED), 0);
	m->fate[0] = m->fate[2] = 1 + SCHED_DELIVERED;
	sched_unit_end(w->sched, u, SCHED_END_OK, STR(""));
	sim_for(w, 1);
	assert_true(m->gone);
	assert_int_equal(m->what, SCHED_DONE);
	sim_sane(w);
	sim_free(w);
}

static void
test_transports(void **state)
{
	struct sim *w = sim_new(NULL);
	unsigned before, under_way;
	struct sched_transport_conf c;
	struct mail *m;

	(void)state;
	w->check = true;
	/* No room at the agent: it waits until there is. */
	w->busy = true;
	m = sim_mail(w, SCHED_INCOMING, 2, 1, 2);
	sim_for(w, 10 * SEC);
	assert_non_null(m->msg);
	w->busy = false;
	sim_for(w, 10 * SEC);
	assert_false(m->gone); /* nobody said so */
	sched_transport_ready(w->sched, w->smtp);
	sim_for(w, 2 * SEC);
	assert_true(m->gone);
	/* No agent at all: put off at once, also what comes later. */
	w->down = true;
	m = sim_mail(w, SCHED_INCOMING, 2, 1, 2);
	sim_for(w, 1 * SEC);
	assert_int_equal(m->what, SCHED_RETRY);
	assert_non_null(strstr(w->why, "no delivery agent"));
	w->down = false;
	m = sim_mail(w, SCHED_INCOMING, 2, 1, 2);
	sim_for(w, 1 * SEC);
	assert_int_equal(m->what, SCHED_RETRY);
	sim_for(w, 60 * SEC); /* transport_retry_time */
	m = sim_mail(w, SCHED_INCOMING, 2, 1, 2);
	sim_for(w, 2 * SEC);
	assert_true(m->gone);
	/* It is removed, while it delivers; and comes back. */
	m = sim_mail(w, SCHED_INCOMING, 200, 1, 1);
	sim_for(w, 500);
	under_way = w->sites[1].conns;
	assert_in_range(under_way, 2, 3);
	before = w->sites[1].rcpts;
	sched_transport_retire(w->sched, w->smtp);
	assert_null(sched_transport_get(w->sched, STR("smtp")));
	sim_for(w, 2 * SEC);
	assert_int_equal(m->what, SCHED_RETRY);
	assert_non_null(strstr(w->why, "not configured"));
	assert_int_equal(w->sites[1].rcpts, before + under_way * 50);
	sched_transport_conf_init(&c);
	assert_true(sched_transport_set(w->sched, STR("smtp"), &c) == w->smtp);
	assert_true(sched_transport_get(w->sched, STR("smtp")) == w->smtp);
	assert_null(sched_transport_get(w->sched, STR("smt")));
	sim_for(w, 1000 * SEC);
	assert_int_equal(sim_left(w), 0);
	sim_free(w);
}

/* New limits hold at once, up and down. */
static void
test_reload(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_transport_conf c;
	struct sched_stats st;

	(void)state;
	for (int i = 0; i < 3000; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 25500);
	assert_int_equal(w->sites[1].conns, 20);
	sched_transport_conf_init(&c);
	c.concurrency_limit = 5;
	sched_transport_set(w->sched, STR("smtp"), &c);
	sim_for(w, 2 * SEC);
	assert_int_equal(w->sites[1].conns, 5);
	c.process_limit = 3;
	sched_transport_set(w->sched, STR("smtp"), &c);
	sim_for(w, 2 * SEC);
	assert_int_equal(w->sites[1].conns, 3);
	c.process_limit = 0;
	c.concurrency_limit = 0;
	sched_transport_set(w->sched, STR("smtp"), &c);
	sim_for(w, 500);
	assert_true(w->sites[1].conns >= 20);
	w->limits.active_limit = 10;
	sched_limits_set(w->sched, &w->limits);
	for (int i = 0; i < 3000; i++)
		sim_mail(w, SCHED_INCOMING, 1, 2, 1);
	sched_stats(w->sched, &st);
	assert_true(st.active[0] > 1000); /* drains, is not thrown out */
	sim_for(w, 150 * SEC);
	w->peak_active = 0;
	sim_for(w, 50 * SEC);
	assert_int_equal(w->peak_active, 10);
	assert_true(w->sites[2].rcpts > 0);
	sim_free(w);
}

static void
test_orders(void **state)
{
	struct sim *w = sim_new(NULL);
	struct mail *m;

	(void)state;
	w->check = true;
	/* Held in the middle: what is under way is finished. */
	m = sim_mail(w, SCHED_INCOMING, 200, 1, 1);
	sim_for(w, 500);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sim_for(w, 100);
	assert_non_null(m->msg);
	sim_for(w, 10 * SEC);
	assert_int_equal(m->what, SCHED_HOLD);
	assert_int_equal(w->sites[1].rcpts, 100);
	/* Released by the store: the rest is delivered. */
	sim_queue(w, m);
	sim_for(w, 10 * SEC);
	assert_true(m->gone);
	assert_int_equal(w->sites[1].rcpts, 200);
	/* Released before it came to that: it starts over at once. */
	m = sim_mail(w, SCHED_INCOMING, 200, 2, 1);
	sim_for(w, 500);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sched_msg_release(w->sched, m->msg);
	sim_for(w, 10 * SEC);
	assert_true(m->gone);
	assert_int_equal(w->sites[2].rcpts, 200);
	/* Held when all of it is under way: then it is done. */
	m = sim_mail(w, SCHED_INCOMING, 2, 3, 2);
	sim_for(w, 500);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sim_for(w, 2 * SEC);
	assert_int_equal(m->what, SCHED_DONE);
	/* Deleted, and a hold does not save it. */
	m = sim_mail(w, SCHED_INCOMING, 200, 5, 1);
	sim_for(w, 500);
	sched_msg_stop(w->sched, m->msg, SCHED_DELETE);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sched_msg_release(w->sched, m->msg);
	sim_for(w, 5 * SEC);
	assert_int_equal(m->what, SCHED_DELETE);
	assert_int_equal(w->sites[5].rcpts, 100);
	/* Requeued. */
	m = sim_mail(w, SCHED_INCOMING, 200, 6, 1);
	sim_for(w, 500);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sched_msg_stop(w->sched, m->msg, SCHED_REQUEUE);
	sim_for(w, 5 * SEC);
	assert_int_equal(m->what, SCHED_REQUEUE);
	/* Held with bounces that are owed. */
	w->sites[7].answer = SCHED_BOUNCED;
	m = sim_mail(w, SCHED_INCOMING, 200, 7, 1);
	sim_for(w, 500);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sim_for(w, 5 * SEC);
	assert_int_equal(m->what, SCHED_HOLD);
	assert_int_equal(m->owed, SCHED_NOTICE_FAILED);
	assert_int_equal(m->notices, 0);
	sim_queue(w, m);
	sim_for(w, 5 * SEC);
	assert_int_equal(m->notices, SCHED_NOTICE_FAILED);
	assert_true(m->gone);
	/* Held before a recipient of it was read. */
	m = sim_mail(w, SCHED_INCOMING, 2, 8, 1);
	w->lazy = 1000;
	sim_turn(w);
	while (m->msg == NULL)
		sim_for(w, 1);
	sched_msg_stop(w->sched, m->msg, SCHED_HOLD);
	sim_for(w, 5 * SEC);
	assert_int_equal(m->what, SCHED_HOLD);
	assert_int_equal(w->sites[8].attempts, 0);
	sim_free(w);
}

static void
test_flush(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_stats st;
	struct mail *m;

	(void)state;
	w->check = true;
	w->no_retry = true;
	for (uint32_t i = 1; i <= 4; i++) {
		w->sites[i].down = true;
		for (int k = 0; k < 10; k++)
			sim_mail(w, SCHED_INCOMING, 1, i, 1);
	}
	sim_for(w, 40 * SEC);
	for (uint32_t i = 1; i <= 4; i++) {
		assert_int_equal(w->sites[i].attempts, 2);
		w->sites[i].down = false;
	}
	/* One message: a probe of its destination. */
	m = w->all[0];
	m->force = true;
	sim_queue(w, m);
	sim_for(w, 2 * SEC);
	assert_true(m->gone);
	assert_int_equal(w->sites[1].attempts, 3);
	/* One site, by whatever case. */
	sched_flush_site(w->sched, STR("S2"));
	sched_stats(w->sched, &st);
	assert_int_equal(st.dead, 2);
	for (uint32_t i = 10; i < 40; i++)
		sim_queue(w, w->all[i]);
	sim_for(w, 20 * SEC);
	assert_int_equal(w->sites[2].rcpts, 10);
	assert_int_equal(w->sites[3].attempts, 2);
	/* Everything. */
	sched_flush(w->sched);
	sched_stats(w->sched, &st);
	assert_int_equal(st.dead, 0);
	for (uint32_t i = 1; i < 40; i++)
		if (!w->all[i]->gone)
			sim_queue(w, w->all[i]);
	sim_for(w, 20 * SEC);
	assert_int_equal(sim_left(w), 0);
	/* A transport that was down. */
	w->down = true;
	m = sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 1 * SEC);
	assert_int_equal(m->what, SCHED_RETRY);
	w->down = false;
	sched_flush(w->sched);
	sim_queue(w, m);
	sim_for(w, 2 * SEC);
	assert_true(m->gone);
	/* A message that is active, behind a dead destination. */
	w->sites[5].down = true;
	sim_mail(w, SCHED_INCOMING, 1, 5, 1);
	sim_mail(w, SCHED_INCOMING, 1, 5, 1);
	sim_for(w, 40 * SEC);
	m = sim_mail(w, SCHED_INCOMING, 2, 5, 2);
	m->force = true;
	sim_for(w, 500);
	sched_flush_msg(w->sched, m->msg);
	sim_for(w, 40 * SEC);
	assert_int_equal(w->sites[5].attempts, 3);
	sim_free(w);
}

/* What no agent need see, and names that are too long. */
static void
note_read(void *arg, void *cookie, struct sched_msg *m, uint32_t max)
{
	static const char name[SCHED_NAME_MAX + 1];
	struct sim *w = arg;
	struct mail *mail = cookie;

	assert_true(max >= 4);
	assert_int_equal(sched_rcpt_add(w->sched, m, w->smtp,
			     str_make(name, sizeof(name)), STR_NONE, 0),
	    -1);
	mail->fate[0] = 1 + SCHED_BOUNCED;
	sched_rcpt_note(w->sched, m, SCHED_BOUNCED);
	mail->fate[1] = 1 + SCHED_DELIVERED;
	sched_rcpt_note(w->sched, m, SCHED_DELIVERED);
	for (uint32_t i = 2; i < max; i++)
		assert_int_equal(sched_rcpt_add(w->sched, m, w->smtp, STR("s1"),
				     STR_NONE, i),
		    0);
	assert_int_equal(sched_rcpt_add(w->sched, m, w->smtp, STR("s1"),
			     STR_NONE, 9),
	    -1);
	sched_read_end(w->sched, m, false);
}

static void
test_notes(void **state)
{
	static const uint8_t key[SIPHASH_KEY];
	struct sim *w = sim_new(NULL);
	struct sched_ops ops = sim_ops;
	struct sched_transport_conf c;
	struct mail *m;

	(void)state;
	ops.read = note_read;
	sched_free(&w->sched);
	w->sched = sched_new(&w->limits, &ops, w, key);
	sched_tick(w->sched, 0, WALL_BASE);
	sched_transport_conf_init(&c);
	w->smtp = sched_transport_set(w->sched, STR("smtp"), &c);
	m = sim_mail(w, SCHED_INCOMING, 4, 1, 1);
	sim_for(w, 5 * SEC);
	assert_true(m->gone);
	assert_int_equal(m->notices, SCHED_NOTICE_FAILED);
	assert_int_equal(w->sites[1].rcpts, 2);
	sim_sane(w);
	sim_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_one_try),
		cmocka_unit_test(test_owed),
		cmocka_unit_test(test_window_limits),
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_huge_list),
		cmocka_unit_test(test_lists_together),
		cmocka_unit_test(test_extra),
		cmocka_unit_test(test_huge_local),
		cmocka_unit_test(test_list_not_starved),
		cmocka_unit_test(test_agent_death),
		cmocka_unit_test(test_lying_agent),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_transports),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
