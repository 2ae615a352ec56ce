/* SPDX-License-Identifier: ISC */
/*
 * What the scheduler costs: how long a message takes, and how big it is.
 * Speed is printed and not judged; sizes are what sched.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemons/qmgr/sched_parts.h"

#define MAILS 400000u
#define SITES 5000u

struct bench {
	struct sched *sched;
	struct sched_transport *smtp;
	struct sched_unit *ring[1024];
	unsigned head, tail, made, done, n_rcpt;
	unsigned at[MAILS + 1]; /* recipients read, of each message */
	unsigned told, units;
};

static enum sched_take
bench_take(void *arg, enum sched_source from)
{
	struct bench *b = arg;
	struct sched_msg_info info = { .from = from, .n_rcpt = b->n_rcpt };

	if (b->made >= MAILS / b->n_rcpt)
		return SCHED_TAKE_NONE;
	sched_msg_new(b->sched, (void *)(uintptr_t)++b->made, &info);
	return SCHED_TAKE_NOW;
}

static void
bench_read(void *arg, void *cookie, struct sched_msg *m, uint32_t max)
{
	struct bench *b = arg;
	unsigned id = (unsigned)(uintptr_t)cookie, i;
	char name[32];
	int n;

	for (; max > 0 && b->at[id] < b->n_rcpt; max--) {
		i = b->at[id]++;
		n = snprintf(name, sizeof(name), "s%u.example",
		    (id * 7 + i) % SITES);
		assert_int_equal(sched_rcpt_add(b->sched, m, b->smtp,
				     str_make(name, (size_t)n), STR_NONE, i),
		    0);
	}
	sched_read_end(b->sched, m, b->at[id] < b->n_rcpt);
}

static enum sched_start
bench_deliver(void *arg, struct sched_unit *u)
{
	struct bench *b = arg;

	if (b->tail - b->head == NELEM(b->ring))
		return SCHED_START_BUSY;
	b->ring[b->tail++ % NELEM(b->ring)] = u;
	return SCHED_START_OK;
}

static void
bench_finish(void *arg, void *cookie, struct sched_msg *m,
    const struct sched_outcome *o)
{
	struct bench *b = arg;

	(void)cookie;
	(void)m;
	assert_int_equal(o->what, SCHED_DONE);
	b->done++;
}

static void
bench_run(unsigned n_rcpt)
{
	static const uint8_t key[SIPHASH_KEY] = { 1 };
	static const struct sched_ops ops = { .take = bench_take,
		.read = bench_read,
		.deliver = bench_deliver,
		.finish = bench_finish };
	struct bench *b = xcalloc(1, sizeof(*b));
	struct sched_transport_conf c;
	struct sched_limits l;
	struct sched_unit *u;
	int64_t begun, ms;

	b->n_rcpt = n_rcpt;
	sched_limits_init(&l);
	b->sched = sched_new(&l, &ops, b, key);
	sched_transport_conf_init(&c);
	c.process_limit = 500;
	b->smtp = sched_transport_set(b->sched, STR("smtp"), &c);
	begun = clock_ms();
	sched_tick(b->sched, 0, 0);
	sched_waiting(b->sched, SCHED_INCOMING);
	while (b->done < MAILS / n_rcpt) {
		sched_run(b->sched);
		for (int i = 0; i < 64 && b->head != b->tail; i++) {
			u = b->ring[b->head++ % NELEM(b->ring)];
			for (uint32_t k = 0; k < sched_unit_count(u); k++)
				assert_int_equal(sched_report(b->sched, u, k,
						     SCHED_DELIVERED),
				    0);
			b->told += sched_unit_count(u);
			b->units++;
			sched_unit_end(b->sched, u, SCHED_END_OK, STR_NONE);
		}
	}
	ms = clock_ms() - begun;
	/* Nothing was left out, or the figures would flatter. */
	assert_int_equal(b->told, MAILS);
	/* Taken, gone; read, reported; begun, ended. */
	print_message("# %u messages of %u recipients in %u deliveries: "
		      "%lld ms, %.0f recipients/s, %.1f million events/s\n",
	    b->done, n_rcpt, b->units, (long long)ms,
	    MAILS * 1e3 / (double)(ms + 1),
	    2.0 * (b->done + b->told + b->units) / 1e3 / (double)(ms + 1));
	sched_free(&b->sched);
	free(b);
}

static void
test_bench(void **state)
{
	(void)state;
	bench_run(1);
	bench_run(50);
	bench_run(1000);
}

static void
test_sizes(void **state)
{
	(void)state;
	print_message("# message %zu, unit %zu, recipient %zu, "
		      "destination %zu, transport %zu bytes\n",
	    sizeof(struct sched_msg), sizeof(struct sched_unit),
	    sizeof(struct rcpt), sizeof(struct destination),
	    sizeof(struct sched_transport));
	assert_true(sizeof(struct sched_msg) <= 144);
	assert_true(sizeof(struct sched_unit) <= 96);
	assert_true(sizeof(struct rcpt) <= 16);
	assert_true(sizeof(struct destination) <= 336);
	assert_true(sizeof(struct sched_transport) <= 2240);
	assert_true(sizeof(struct sched) <= 33792);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bench),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
