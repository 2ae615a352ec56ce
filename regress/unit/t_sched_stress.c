/* SPDX-License-Identifier: ISC */
/*
 * The scheduler, when everything goes wrong at once.
 */
#include "t_sched_sim.h"

/* Whatever happens: the books agree, and in the end all mail is settled. */
static void
stress(unsigned seed)
{
	struct sched_limits l;
	struct sim *w;
	struct mail *m;
	unsigned r;

	sched_limits_init(&l);
	l.active_limit = 50;
	l.rcpt_limit = 300;
	l.rcpt_extra = 40;
	l.idle_limit = 5;
	l.dead_limit = 4;
	l.lifetime_ms = 20000 * SEC;
	l.delay_warning_ms = 2000 * SEC;
	w = sim_new(&l);
	w->rng = seed;
	w->check = true;
	sim_processes(w, 12);
	for (int i = 0; i < 30; i++)
		w->sites[i].transport = i % 3 == 0 ? w->local : w->smtp;
	for (int turn = 0; turn < 600; turn++) {
		r = sim_random(w, 100);
		w->sites[sim_random(w, 30)].down = r < 40;
		w->sites[sim_random(w, 30)].answer =
		    (enum sched_fate)sim_random(w, 3);
		w->sites[sim_random(w, 30)].latency = sim_random(w, 5000);
		w->die_percent = turn % 50 < 5 ? 30 : 0;
		w->report_before_death = sim_random(w, 3);
		w->lazy = turn % 100 < 50 ? 0 : 2000;
		w->notice_fails = turn % 30 == 7;
		w->busy = turn % 60 == 9;
		w->down = turn % 90 == 19;
		sched_transport_ready(w->sched, w->smtp);
		sched_transport_ready(w->sched, w->local);
		for (unsigned k = sim_random(w, 12); k > 0; k--) {
			m = sim_mail(w, sim_random(w, 2),
			    1 + sim_random(w, k == 3 ? 900 : 5),
			    sim_random(w, 20), 1 + sim_random(w, 10));
			m->null_sender = sim_random(w, 5) == 0;
			m->force = sim_random(w, 9) == 0;
		}
		if (r > 95)
			sched_flush(w->sched);
		else if (r > 90)
			sched_flush_site(w->sched, STR("s3"));
		m = w->all[sim_random(w, w->n_all)];
		if (m->msg != NULL && r < 20)
			sched_msg_stop(w->sched, m->msg,
			    r < 10 ? SCHED_HOLD : SCHED_DELETE);
		if (m->msg != NULL && r < 5)
			sched_msg_release(w->sched, m->msg);
		if (m->msg != NULL && r == 30)
			sched_flush_msg(w->sched, m->msg);
		sim_for(w, sim_random(w, 20000));
	}
	assert_true(w->peak_active <= 50);
	assert_true(w->peak_rcpts <= 340);
	w->die_percent = 0;
	w->notice_fails = w->busy = w->down = false;
	w->check = false;
	sched_transport_ready(w->sched, w->smtp);
	sched_transport_ready(w->sched, w->local);
	for (int i = 0; i < 30; i++) {
		w->sites[i].down = false;
		w->sites[i].answer = SCHED_DELIVERED;
		w->sites[i].latency = 10;
	}
	for (uint32_t i = 0; i < w->n_all; i++)
		if (w->all[i]->what == SCHED_HOLD && !w->all[i]->gone)
			sim_queue(w, w->all[i]);
	sim_for(w, 100000 * SEC);
	for (uint32_t i = 0; i < w->n_all; i++)
		if (!w->all[i]->gone)
			fail_msg("seed %u: mail %u is left", seed, i);
	sim_sane(w);
	sim_free(w);
}

static void
test_stress(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 12; seed++)
		stress(seed * 7919);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
