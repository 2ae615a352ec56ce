/* SPDX-License-Identifier: ISC */
/*
 * Questions on their way: ports and ids, servers that fail, the cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "t_dns.h"

static const struct zone_rr zone[] = { { "a.example", RR_A, "192.0.2.1" },
	{ "silent.example", RR_A, "192.0.2.2" },
	{ "cut.example", RR_A, "192.0.2.3" }, { NULL, 0, NULL } };

static void
start(struct rig *r)
{
	static struct conf *c;

	if (c == NULL)
		c = rig_conf("myhostname = us.example\n");
	rig_init(r, zone, c);
}

/* A forger has to guess a port as well as an id. */
static void
test_ports(void **state)
{
	struct rig r;
	unsigned ports = 0, ids = 0;
	char name[32];

	(void)state;
	start(&r);
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		assert_true(rig_query(&r, name, RR_A));
		assert_int_equal(r.status, DNS_NOT_FOUND);
	}
	assert_int_equal(r.nqueries, 600);
	for (int i = 0; i < 600; i++) {
		bool port = true, id = true;

		for (int k = 0; k < i; k++) {
			port &= r.ports[k] != r.ports[i];
			id &= r.ids[k] != r.ids[i];
		}
		ports += port;
		ids += id;
	}
	assert_in_range(ports, POOL, 40);
	assert_in_range(ids, 580, 600);
	rig_clear(&r);
}

/* Nobody listens at the first server: the kernel says so at once. */
static void
test_dead_server(void **state)
{
	struct rig r;
	int64_t t0;

	(void)state;
	start(&r);
	r.nservers = 2;
	r.dead[0] = true;
	t0 = clock_ms();
	assert_true(rig_query(&r, "a.example", RR_A));
	assert_int_equal(r.status, DNS_OK);
	assert_in_range(clock_ms() - t0, 0, 1200);
	/* It is not asked first for a while. */
	t0 = clock_ms();
	assert_true(rig_query(&r, "b.example", RR_A));
	assert_in_range(clock_ms() - t0, 0, 200);
	rig_clear(&r);
}

static void
test_all_dead(void **state)
{
	struct rig r;
	int64_t t0 = clock_ms();

	(void)state;
	start(&r);
	r.dead[0] = true;
	assert_true(rig_query(&r, "a.example", RR_A));
	assert_int_equal(r.status, DNS_LATER);
	assert_in_range(clock_ms() - t0, 0, 5000);
	rig_clear(&r);
}

static void
test_no_servers(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.nservers = 0;
	assert_true(rig_query(&r, "a.example", RR_A));
	assert_int_equal(r.status, DNS_LATER);
	rig_clear(&r);
}

/* Servers that say nothing are asked three times round, and then no more. */
static void
test_silent(void **state)
{
	struct rig r;
	int64_t t0 = clock_ms();

	(void)state;
	start(&r);
	assert_true(rig_query(&r, "silent.example", RR_A));
	assert_int_equal(r.status, DNS_LATER);
	assert_int_equal(r.nqueries, 3);
	assert_in_range(clock_ms() - t0, 9000, 11500);
	rig_clear(&r);
}

/* SERVFAIL of all servers is an answer; it is not waited for another. */
static void
test_servfail(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.nservers = 2;
	assert_true(rig_query(&r, "servfail.example", RR_A));
	assert_int_equal(r.status, DNS_LATER);
	assert_int_equal(r.nqueries, 2);
	/* And it is remembered. */
	assert_true(rig_query(&r, "servfail.example", RR_A));
	assert_int_equal(r.nqueries, 2);
	rig_clear(&r);
}

static void
on_any(unsigned type, const void *rec, int *fds, void *arg)
{
	struct rig *r = arg;

	(void)type;
	(void)rec;
	(void)fds;
	if (++r->got == 100)
		loop_stop(r->loop, 0);
}

static void
test_coalesce(void **state)
{
	struct dns_query q = { .name = STR("a.EXAMPLE"), .rrtype = RR_A };
	struct rig r;

	(void)state;
	start(&r);
	for (int i = 0; i < 100; i++)
		chan_ask(r.asker, DNS_QUERY, &q, NULL, on_any, &r);
	assert_true(rig_run(&r));
	assert_int_equal(r.got, 100);
	assert_int_equal(r.nqueries, 1);
	rig_clear(&r);
}

static void
test_ttl(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.ttl = 1;
	for (int i = 0; i < 3; i++) {
		assert_true(rig_query(&r, "a.example", RR_A));
		assert_true(rig_query(&r, "nowhere.example", RR_A));
	}
	assert_int_equal(r.nqueries, 2);
	timer_set(&r.end, 1200);
	loop_run(r.loop);
	r.late = false;
	assert_true(rig_query(&r, "a.example", RR_A));
	assert_true(rig_query(&r, "nowhere.example", RR_A));
	assert_int_equal(r.nqueries, 4);
	rig_clear(&r);
}

/* What is remembered is bounded, whatever is asked. */
static void
test_bounded(void **state)
{
	struct answer *a;
	struct rig r;

	(void)state;
	start(&r);
	for (int i = 0; i < 3000; i++) {
		struct dns_query q = { .rrtype = RR_A };
		char name[32];

		snprintf(name, sizeof(name), "n%d.example", i);
		q.name = str_of(name);
		chan_ask(r.asker, DNS_QUERY, &q, NULL, on_any, &r);
		if (i % 100 == 99) {
			r.got = 0;
			assert_true(rig_run(&r));
		}
	}
	assert_int_equal(r.d.cache.n, 3000);
	assert_true(r.d.cache.bytes < 3000 * 1000);
	assert_int_equal(r.d.resolver.nqueries, 0);
	a = answer_new(ANSWER_OK, 1);
	answer_unref(&a);
	assert_null(a);
	rig_clear(&r);
}

static void
test_restart(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	assert_true(rig_query(&r, "a.example", RR_A));
	for (int i = 0; i < 3; i++) {
		char name[32];

		resolver_restart(&r.d.resolver);
		snprintf(name, sizeof(name), "n%d.example", i);
		assert_true(rig_query(&r, name, RR_A));
		assert_int_equal(r.status, DNS_NOT_FOUND);
	}
	assert_int_equal(r.d.resolver.nservers, 1);
	rig_clear(&r);
}

/* Too many for TCP at one time: the rest tries again. */
static void
test_tcp_many(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	for (int i = 0; i < 5; i++) {
		assert_true(rig_query(&r, "cut.example", RR_A));
		assert_int_equal(r.status, DNS_OK);
		assert_string_equal(r.hosts, "192.0.2.3\n");
		r.ttl = 0; /* not remembered from now on */
	}
	assert_int_equal(r.d.resolver.ntcp, 0);
	rig_clear(&r);
}

/* The servers are counted anew while one of them answers over TCP. */
static void
test_tcp_restart(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	r.reload = true;
	assert_true(rig_query(&r, "cut.example", RR_A));
	assert_false(r.reload);
	assert_int_equal(r.status, DNS_OK);
	assert_string_equal(r.hosts, "192.0.2.3\n");
	assert_int_equal(r.d.resolver.ntcp, 0);
	rig_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_dead_server),
		cmocka_unit_test(test_all_dead),
		cmocka_unit_test(test_no_servers),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_servfail),
		cmocka_unit_test(test_coalesce),
		cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_tcp_many),
		cmocka_unit_test(test_tcp_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
