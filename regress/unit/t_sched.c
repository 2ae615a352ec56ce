/* SPDX-License-Identifier: ISC */
/*
 * The scheduler: windows, turns, death and return of destinations.
 */
#include "t_sched_sim.h"

#include "daemons/qmgr/timers.h"

static void
test_feedback(void **state)
{
	static const struct {
		const char *text;
		int want;
		unsigned n;
		double value; /* at concurrency n */
	} t[] = {
		{ "1", 0, 7, 1 },
		{ " 0.25 ", 0, 7, 0.25 },
		{ "1/4", 0, 7, 0.25 },
		{ "1 / concurrency", 0, 4, 0.25 },
		{ "0.5/concurrency", 0, 4, 0.125 },
		{ "1/sqrt_concurrency", 0, 16, 0.25 },
		{ "0", 0, 1, 0 },
		{ "", -1, 0, 0 },
		{ "1.5", -1, 0, 0 }, /* more than one a delivery */
		{ "2/concurrency", -1, 0, 0 },
		{ "-1", -1, 0, 0 },
		{ "1/0", -1, 0, 0 },
		{ "1/0.5", -1, 0, 0 },
		{ "1/", -1, 0, 0 },
		{ "/2", -1, 0, 0 },
		{ "nan", -1, 0, 0 },
		{ "0x1", -1, 0, 0 },
		{ "1e0", -1, 0, 0 },
		{ "1..1", -1, 0, 0 },
		{ "1/2/3", -1, 0, 0 },
		{ "1/Concurrency", -1, 0, 0 },
		{ "0.00000000000000000000000000000000000001", -1, 0, 0 },
	};
	struct feedback f;

	(void)state;
	for (size_t i = 0; i < NELEM(t); i++) {
		if (feedback_parse(str_of(t[i].text), &f) != t[i].want)
			fail_msg("%s", t[i].text);
		if (t[i].want == 0)
			assert_true(feedback_value(&f, t[i].n) == t[i].value);
	}
}

static void
test_window(void **state)
{
	struct feedback f = { 1, FEEDBACK_CONCURRENCY }, one = { 1, 0 };
	struct feedback half = { 0.4, FEEDBACK_FIXED };
	struct window w;
	int n = 0;

	(void)state;
	/* Up one after as many successes as it is wide. */
	window_init(&w, 2);
	for (unsigned want = 2; want < 20; want++) {
		assert_int_equal(w.size, want);
		for (unsigned i = 0; i < want; i++) {
			assert_int_equal(w.size, want);
			window_success(&w, &f, want, 2, 20);
		}
	}
	for (int i = 0; i < 100; i++)
		window_success(&w, &f, 20, 2, 20);
	assert_int_equal(w.size, 20); /* the limit */
	/* Down at the first failure, and again a cohort later. */
	assert_false(window_failure(&w, &f, 3));
	assert_int_equal(w.size, 19);
	for (int i = 0; i < 18; i++)
		assert_false(window_failure(&w, &f, 3));
	assert_int_equal(w.size, 19);
	assert_false(window_failure(&w, &f, 3));
	assert_int_equal(w.size, 18);
	/* A success ends the row of failures. */
	assert_true(w.cohorts > 1);
	window_success(&w, &f, 18, 2, 20);
	assert_true(w.cohorts == 0);
	/* A cohort of failures is death, in the end. */
	window_init(&w, 20);
	while (!window_failure(&w, &f, 1))
		n++;
	assert_in_range(n, 17, 19);
	window_init(&w, 2);
	assert_false(window_failure(&w, &f, 1));
	assert_int_equal(w.size, 1);
	assert_true(window_failure(&w, &f, 1));
	/* No limit, no death; and never below one. */
	window_init(&w, 3);
	for (int i = 0; i < 1000; i++)
		assert_false(window_failure(&w, &one, 0));
	assert_int_equal(w.size, 1);
	/* A window that is not used does not grow. */
	window_init(&w, 5);
	for (int i = 0; i < 100; i++)
		window_success(&w, &one, 1, 5, 0);
	assert_int_equal(w.size, 6);
	/* What is over 1 is carried over: 5 times 0.4 are two steps. */
	window_init(&w, 2);
	for (int i = 0; i < 5; i++)
		window_success(&w, &half, 9, 9, 0);
	assert_int_equal(w.size, 4);
}

static void
test_retry(void **state)
{
	struct retry r = { 300 * SEC, 4000 * SEC, 432000 * SEC };
	static const struct {
		int64_t age, wait, lifetime;
		const char *why;
	} t[] = {
		{ 0, 300, 432000, "minimal" },
		{ 299, 300, 432000, "minimal" },
		{ 300, 300, 432000, "age" },
		{ 2400, 2400, 432000, "age" },
		{ 4800, 4000, 432000, "maximal" },
		{ 430000, 2000, 432000, "the last on time" },
		{ 431900, 300, 432000, "not before the minimal" },
		{ 440000, 4000, 432000, "over" },
		{ -500, 300, 432000, "the clock was set back" },
		{ 0, 300, 0, "one try" },
		{ 0, 300, 100, "short life" },
	};
	int64_t arrival = WALL_BASE, now;

	(void)state;
	for (size_t i = 0; i < NELEM(t); i++) {
		now = arrival + t[i].age * 1000000;
		r.lifetime_ms = t[i].lifetime * SEC;
		if (retry_next(&r, arrival, now) - now != t[i].wait * 1000000)
			fail_msg("%s", t[i].why);
		assert_int_equal(retry_expired(&r, arrival, now),
		    t[i].age >= t[i].lifetime);
	}
}

static void
test_timers(void **state)
{
	struct timers ts = { 0 };
	struct alarm t[500] = { 0 }, *first;
	unsigned rng = 7, set = 0;
	int64_t last = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		rng = rng * 1103515245u + 12345u;
		if ((rng >> 9) % 3 == 0)
			alarm_clear(&ts, &t[(rng >> 12) % NELEM(t)]);
		else
			alarm_set(&ts, &t[(rng >> 12) % NELEM(t)],
			    (rng >> 4) % 1000);
	}
	for (size_t i = 0; i < NELEM(t); i++)
		set += alarm_is_set(&t[i]);
	assert_int_equal(set, ts.n);
	assert_true(set > 100);
	while ((first = timers_first(&ts)) != NULL) {
		assert_true(first->at_ms >= last);
		last = first->at_ms;
		alarm_clear(&ts, first);
		assert_false(alarm_is_set(first));
		set--;
	}
	assert_int_equal(set, 0);
	timers_clear(&ts);
}

/* Deliveries take a second: how many are under way in each of them. */
static void
test_slow_start(void **state)
{
	struct sim *w = sim_new(NULL);
	unsigned want = 2;

	(void)state;
	for (int i = 0; i < 400; i++)
		sim_mail(w, SCHED_INCOMING, 1, 5, 1);
	for (int s = 0; s < 25; s++) {
		sim_for(w, s == 0 ? 500 : 1000);
		assert_int_equal(w->sites[5].conns, want);
		if (want < 20)
			want++;
	}
	sim_for(w, 60 * SEC);
	assert_int_equal(w->sites[5].rcpts, 400);
	assert_int_equal(w->sites[5].conns_max, 20);
	assert_int_equal(sim_left(w), 0);
	sim_sane(w);
	sim_free(w);
}

/* A site that is learnt stops answering: the window falls, then it is dead. */
static void
test_fall(void **state)
{
	struct sim *w = sim_new(NULL);
	struct site *a;

	(void)state;
	a = &w->sites[5];
	for (int i = 0; i < 2000; i++)
		sim_mail(w, SCHED_INCOMING, 1, 5, 1);
	sim_for(w, 25500);
	assert_int_equal(a->conns, 20);
	a->down = true;
	a->attempts = 0;
	sim_for(w, 100 * SEC);
	/* Those that were under way are a cohort. */
	assert_int_equal(a->attempts, 0);
	assert_int_equal(a->conns, 0);
	assert_int_equal(sim_left(w), 2000 - a->rcpts);
	for (uint32_t i = 0; i < w->n_all; i++)
		assert_null(w->all[i]->msg); /* QUE-21: none is active */
	assert_non_null(strstr(w->why, "suspended: connect: "));
	a->down = false;
	sim_for(w, 1000 * SEC);
	assert_int_equal(sim_left(w), 0);
	sim_free(w);
}

static void
test_dead(void **state)
{
	struct sim *w = sim_new(NULL);
	struct site *dead = &w->sites[1], *live = &w->sites[2];
	int64_t until;
	struct sched_stats st;

	(void)state;
	dead->down = true;
	for (int i = 0; i < 1000; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	for (int i = 0; i < 300; i++)
		sim_mail(w, SCHED_INCOMING, 1, 2, 1);
	assert_false(sched_dead(w->sched, 1, &until));
	sim_for(w, 31 * SEC);
	assert_int_equal(dead->attempts, 2); /* the initial window */
	assert_int_equal(live->rcpts, 300);  /* as if nothing was the matter */
	assert_true(live->last_ms < 27 * SEC);
	sched_stats(w->sched, &st);
	assert_int_equal(st.active[0] + st.active[1], 0);
	assert_int_equal(st.dead, 1);
	assert_true(sched_dead(w->sched, 1, &until));
	assert_int_equal(until, 330 * SEC);
	assert_false(sched_dead(w->sched, 2, &until));
	/* New mail is put off without an attempt. */
	sim_mail(w, SCHED_INCOMING, 3, 1, 1);
	sim_for(w, 1 * SEC);
	assert_int_equal(dead->attempts, 2);
	assert_int_equal(w->all[1300]->what, SCHED_RETRY);
	/* Back-off ends: one probe, and all put off again. */
	sim_until(w, 380 * SEC);
	assert_int_equal(dead->attempts, 3);
	assert_int_equal(dead->conns_max, 2);
	sched_stats(w->sched, &st);
	assert_int_equal(st.active[0] + st.active[1], 0);
	/* An hour of that: a probe every 330 seconds. */
	sim_until(w, 3600 * SEC);
	assert_in_range(dead->attempts, 3, 12);
	/* It returns: one probe, then the beginner's window, then all. */
	dead->down = false;
	dead->conns_max = 0;
	sim_for(w, 9000 * SEC);
	assert_int_equal(sim_left(w), 0);
	assert_int_equal(dead->rcpts, 1003);
	sim_sane(w);
	sim_free(w);
}

static void
test_probe_is_one(void **state)
{
	struct sim *w = sim_new(NULL);
	struct site *a = &w->sites[1];
	struct sched_stats st;
	int64_t until;

	(void)state;
	a->down = true;
	for (int i = 0; i < 500; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_until(w, 300 * SEC);
	assert_int_equal(a->attempts, 2);
	a->conns_max = 0;
	a->fail_latency = 100 * SEC;
	sim_until(w, 331 * SEC);
	assert_int_equal(a->conns, 1);
	assert_int_equal(a->conns_max, 1);
	/* While it is out, some wait for it; the others are put off. */
	sched_stats(w->sched, &st);
	assert_int_equal(st.queued, SCHED_PROBE_QUEUE);
	assert_int_equal(st.active[0] + st.active[1], SCHED_PROBE_QUEUE + 1);
	assert_true(sched_dead(w->sched, 1, &until));
	assert_int_equal(until, w->now + 60 * SEC);
	sim_until(w, 429 * SEC);
	assert_int_equal(a->attempts, 3);
	a->down = false; /* too late for this probe */
	sim_until(w, 731 * SEC);
	a->conns_max = 0;
	sim_until(w, 732 * SEC);
	assert_in_range(a->conns_max, 0, 2);
	sim_until(w, 2000 * SEC);
	assert_int_equal(a->rcpts, 500);
	assert_false(sched_dead(w->sched, 1, &until));
	sim_free(w);
}

/* Ten thousand to one, ten to the other: the ten do not wait. */
static void
test_turns(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_transport_conf c;

	(void)state;
	sched_transport_conf_init(&c);
	c.process_limit = 10;
	sched_transport_set(w->sched, STR("smtp"), &c);
	w->sites[1].latency = w->sites[2].latency = 100;
	for (int i = 0; i < 10000; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 10 * SEC); /* A has all the channels */
	assert_int_equal(w->sites[1].conns, 10);
	for (int i = 0; i < 10; i++)
		sim_mail(w, SCHED_INCOMING, 1, 2, 1);
	sim_for(w, 1 * SEC);
	assert_int_equal(w->sites[2].rcpts, 10);
	assert_true(w->sites[1].rcpts < 1200);
	sim_for(w, 200 * SEC);
	assert_int_equal(sim_left(w), 0);
	assert_int_equal(w->peak_running, 10);
	sim_free(w);
}

/* Each has a channel before one has two; a single one may have them all. */
static void
test_spread(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_transport_conf c;

	(void)state;
	sched_transport_conf_init(&c);
	c.process_limit = 10;
	c.initial_concurrency = 10;
	sched_transport_set(w->sched, STR("smtp"), &c);
	for (int i = 0; i < 100; i++)
		sim_mail(w, SCHED_INCOMING, 1, 0, 1);
	for (uint32_t k = 1; k < 10; k++)
		for (int i = 0; i < 20; i++)
			sim_mail(w, SCHED_INCOMING, 1, k, 1);
	for (int s = 0; s < 20; s++) {
		sim_for(w, s == 0 ? 500 : 1000);
		for (int k = 0; k < 10; k++)
			assert_int_equal(w->sites[k].conns, 1);
	}
	sim_for(w, 1000);
	assert_int_equal(w->sites[0].conns, 10); /* alone now */
	sim_for(w, 20 * SEC);
	assert_int_equal(sim_left(w), 0);
	sim_free(w);
}

/* Turns alone would let the slowest sit on all channels. */
static void
test_spread_slow(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_transport_conf c;

	(void)state;
	sched_transport_conf_init(&c);
	c.process_limit = 4;
	c.initial_concurrency = 10;
	sched_transport_set(w->sched, STR("smtp"), &c);
	w->sites[0].latency = 100 * SEC;
	for (uint32_t i = 0; i < 800; i++)
		sim_mail(w, SCHED_INCOMING, 1, i % 4, 1);
	sim_for(w, 99 * SEC);
	assert_int_equal(w->sites[0].conns_max, 1);
	for (int i = 1; i < 4; i++)
		assert_in_range(w->sites[i].rcpts, 95, 99);
	sim_free(w);
}

/* The same with more deliveries than there are buckets to tell them apart. */
static void
test_spread_wide(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_transport_conf c;

	(void)state;
	sched_transport_conf_init(&c);
	c.process_limit = 160;
	c.initial_concurrency = 100;
	c.concurrency_limit = 0;
	sched_transport_set(w->sched, STR("smtp"), &c);
	for (uint32_t i = 0; i < 1000; i++)
		sim_mail(w, SCHED_INCOMING, 1, i % 2, 1);
	sim_for(w, 500);
	assert_int_equal(w->sites[0].conns, 80);
	assert_int_equal(w->sites[1].conns, 80);
	sim_free(w);
}

/* Slow destinations get their share of channels and no more. */
static void
test_slow_neighbour(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_transport_conf c;
	unsigned alone;

	(void)state;
	sched_transport_conf_init(&c);
	c.process_limit = 20;
	sched_transport_set(w->sched, STR("smtp"), &c);
	for (int i = 0; i < 3000; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1 + (uint32_t)i % 5, 1);
	sim_for(w, 100 * SEC);
	alone = w->sites[1].rcpts;
	w->sites[9].down = true;
	w->sites[9].fail_latency = 300 * SEC;
	for (int i = 0; i < 3000; i++)
		sim_mail(w, SCHED_INCOMING, 1, 9, 1);
	sim_for(w, 40 * SEC);
	assert_true(w->sites[1].rcpts - alone >= 4 * 40 * 8 / 10);
	assert_int_equal(w->sites[9].conns, 2);
	sim_free(w);
}

static void
test_units(void **state)
{
	struct sim *w = sim_new(NULL);
	struct mail *m;

	(void)state;
	m = sim_mail(w, SCHED_INCOMING, 120, 1, 1);
	sim_for(w, 10 * SEC);
	assert_true(m->gone);
	assert_int_equal(w->sites[1].attempts, 3); /* 50, 50, 20 */
	/* Mixed destinations are sorted out. */
	m = sim_mail(w, SCHED_INCOMING, 120, 2, 4);
	sim_for(w, 10 * SEC);
	assert_true(m->gone);
	for (int i = 2; i < 6; i++) {
		assert_int_equal(w->sites[i].attempts, 1);
		assert_int_equal(w->sites[i].rcpts, 30);
	}
	/* One at a time for local, two to one user at most. */
	w->sites[7].transport = w->local;
	for (int i = 0; i < 10; i++)
		sim_mail(w, SCHED_INCOMING, 1, 7, 1);
	sim_for(w, 30 * SEC);
	assert_int_equal(w->sites[7].rcpts, 10);
	assert_int_equal(w->sites[7].conns_max, 2);
	assert_int_equal(sim_left(w), 0);
	sim_free(w);
}

static void
test_rate_delays(void **state)
{
	struct sim *w = sim_new(NULL);
	struct sched_transport_conf c;

	(void)state;
	sched_transport_conf_init(&c);
	c.destination_rate_delay_ms = 10 * SEC;
	sched_transport_set(w->sched, STR("smtp"), &c);
	for (int i = 0; i < 5; i++) {
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
		sim_mail(w, SCHED_INCOMING, 1, 2, 1);
	}
	/* 1 s delivery and 10 s pause: begun at 0, 11, 22, 33, 44. */
	sim_for(w, 43500);
	assert_int_equal(w->sites[1].attempts, 4);
	sim_for(w, 1000);
	assert_int_equal(w->sites[1].attempts, 5);
	assert_int_equal(w->sites[1].conns_max, 1);
	assert_int_equal(w->sites[2].attempts, 5);
	sim_for(w, 20 * SEC);
	assert_int_equal(sim_left(w), 0);
	/* The pause of a destination without mail is kept, too. */
	sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 2 * SEC);
	sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 8 * SEC);
	assert_int_equal(w->sites[1].attempts, 6);
	sim_for(w, 2 * SEC);
	assert_int_equal(w->sites[1].attempts, 7);
	sim_for(w, 20 * SEC);
	/* For the transport as a whole. */
	c.destination_rate_delay_ms = 0;
	c.transport_rate_delay_ms = 5 * SEC;
	sched_transport_set(w->sched, STR("smtp"), &c);
	for (uint32_t i = 0; i < 10; i++)
		sim_mail(w, SCHED_INCOMING, 1, 10 + i, 1);
	sim_for(w, 44 * SEC);
	assert_int_equal(w->peak_running, 2);
	assert_int_equal(w->sites[18].attempts, 1);
	assert_int_equal(w->sites[19].attempts, 0);
	sim_for(w, 10 * SEC);
	assert_int_equal(sim_left(w), 0);
	sim_free(w);
}

/* What is remembered of destinations without mail is bounded. */
static void
test_forgetting(void **state)
{
	struct sched_limits l;
	struct sched_stats st;
	struct sim *w;

	(void)state;
	sched_limits_init(&l);
	l.idle_limit = 10;
	l.dead_limit = 20;
	w = sim_new(&l);
	w->check = true;
	w->no_retry = true;
	for (uint32_t i = 0; i < 300; i++) {
		w->sites[i].down = i % 3 == 0;
		sim_mail(w, SCHED_INCOMING, 2, i, 1);
		sim_mail(w, SCHED_INCOMING, 2, i, 1);
	}
	sim_for(w, 100 * SEC);
	sched_stats(w->sched, &st);
	assert_int_equal(st.dead, 20);
	assert_int_equal(st.idle, 10);
	assert_int_equal(st.destinations, 30);
	/* Less, while they are there; none. */
	l.dead_limit = 5;
	l.idle_limit = 0;
	sched_limits_set(w->sched, &l);
	sched_stats(w->sched, &st);
	assert_int_equal(st.destinations, 5);
	sim_sane(w);
	sim_for(w, 300 * SEC); /* the dead are probed when there is mail */
	sched_stats(w->sched, &st);
	assert_int_equal(st.destinations, 0);
	l.dead_limit = 0;
	sched_limits_set(w->sched, &l);
	for (uint32_t i = 0; i < 30; i++) {
		sim_mail(w, SCHED_INCOMING, 2, i, 1);
		sim_mail(w, SCHED_INCOMING, 2, i, 1)->force = true;
	}
	sim_for(w, 100 * SEC);
	sim_sane(w);
	sim_free(w);
}

/* An idle destination keeps its window for a while only. */
static void
test_idle(void **state)
{
	struct sim *w = sim_new(NULL);

	(void)state;
	for (int i = 0; i < 200; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 60 * SEC);
	assert_int_equal(sim_left(w), 0);
	for (int i = 0; i < 100; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 100);
	assert_in_range(w->sites[1].conns, 10, 20);
	sim_for(w, 200 * SEC);
	for (int i = 0; i < 100; i++)
		sim_mail(w, SCHED_INCOMING, 1, 1, 1);
	sim_for(w, 100);
	assert_int_equal(w->sites[1].conns, 2);
	sim_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feedback),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_slow_start),
		cmocka_unit_test(test_fall),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_probe_is_one),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_spread_slow),
		cmocka_unit_test(test_spread_wide),
		cmocka_unit_test(test_slow_neighbour),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_rate_delays),
		cmocka_unit_test(test_forgetting),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
