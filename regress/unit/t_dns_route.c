/* SPDX-License-Identifier: ISC */
/*
 * From next hops to addresses; names of clients; records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "t_dns.h"

/* clang-format off */
static const struct zone_rr zone[] = {
	{ "two.example", RR_MX, "20 b.example" },
	{ "two.example", RR_MX, "10 a.example" },
	{ "a.example", RR_A, "192.0.2.1" },
	{ "a.example", RR_AAAA, "2001:db8::1" },
	{ "b.example", RR_A, "192.0.2.2" },
	{ "nomx.example", RR_A, "192.0.2.3" },
	{ "null.example", RR_MX, "0 ." },
	{ "null.example", RR_A, "192.0.2.4" },
	{ "noaddr.example", RR_MX, "10 txtonly.example" },
	{ "txtonly.example", RR_TXT, "hello" },
	{ "lost.example", RR_MX, "10 nowhere.example" },
	{ "backup.example", RR_MX, "10 a.example" },
	{ "backup.example", RR_MX, "20 us.example" },
	{ "backup.example", RR_MX, "30 b.example" },
	{ "best.example", RR_MX, "10 us.example" },
	{ "best.example", RR_MX, "20 b.example" },
	{ "us.example", RR_A, "192.0.2.99" },
	{ "proxied.example", RR_MX, "10 gate.example" },
	{ "gate.example", RR_A, "198.51.100.7" },
	{ "later.example", RR_MX, "10 servfail.example" },
	{ "half.example", RR_MX, "10 servfail.example" },
	{ "half.example", RR_MX, "20 b.example" },
	{ "noprimary.example", RR_MX, "10 nowhere.example" },
	{ "noprimary.example", RR_MX, "20 us.example" },
	{ "evil.example", RR_MX, "10 metadata.example" },
	{ "metadata.example", RR_A, "169.254.169.254" },
	{ "mapped.example", RR_AAAA, "::ffff:10.0.0.1" },
	{ "mixed.example", RR_A, "10.1.2.3" },
	{ "mixed.example", RR_A, "192.0.2.5" },
	{ "zero.example", RR_A, "0.0.0.0" },
	{ "lo.example", RR_A, "127.0.0.5" },
	{ "self.example", RR_A, "127.0.0.1" },
	{ "alias.example", RR_CNAME, "two.example" },
	{ "faralias.example", RR_CNAME, "two.example" },
	{ "loop1.example", RR_CNAME, "farloop.example" },
	{ "farloop.example", RR_CNAME, "loop1.example" },
	{ "cname.example", RR_CNAME, "b.example" },
	{ "forged.example", RR_A, "192.0.2.6" },
	{ "cut.example", RR_A, "192.0.2.7" },
	{ "formerr.example", RR_A, "192.0.2.8" },
	{ "txt.example", RR_TXT, "v=spf1 \\ -all" },
	{ "1.2.0.192.in-addr.arpa", RR_PTR, "a.example" },
	{ "2.2.0.192.in-addr.arpa", RR_PTR, "a.example" },
	{ "3.2.0.192.in-addr.arpa", RR_PTR, "servfail.example" },
	{ "4.2.0.192.in-addr.arpa", RR_PTR, "bad,name.example" },
	{ NULL, 0, NULL }
};

#define MAIN \
	"myhostname = us.example\ninet_interfaces = 192.0.2.50, 127.0.0.1\n" \
	"proxy_interfaces = 198.51.100.7\nmynetworks = 127.0.0.0/8\n" \
	"smtp_private_networks = 127.0.0.5/32\nsmtp_fallback_relay = [10.9.9.9]\n"

static const struct {
	const char *nexthop;
	unsigned flags;
	bool ticket; /* with rewrite's word */
	unsigned status;
	const char *hosts; /* or the text */
} routes[] = {
	{ "two.example", DNS_ONLY_IPV4, false, DNS_OK, "a.example 192.0.2.1:25 10;b.example 192.0.2.2:25 20;" },
	{ "TWO.example:26", DNS_ONLY_IPV6, false, DNS_OK, "a.example 2001:db8::1:26 10;" },
	{ "[two.example]", 0, false, DNS_NOT_FOUND, "Host or domain name not found. Name service error for name=two.example type=A: Host found but no data record of requested type" },
	{ "nomx.example", 0, false, DNS_OK, "nomx.example 192.0.2.3:25 0;" },
	{ "[nomx.example]:2500", 0, false, DNS_OK, "nomx.example 192.0.2.3:2500 0;" },
	{ "nomx.example", DNS_NO_MX, false, DNS_OK, "nomx.example 192.0.2.3:25 0;" },
	{ "[192.0.2.9]:10", 0, false, DNS_OK, "192.0.2.9 192.0.2.9:10 0;" },
	{ "[IPv6:2001:db8::9]", 0, false, DNS_OK, "2001:db8::9 2001:db8::9:25 0;" },
	{ "inet:[192.0.2.9]:smtp", 0, false, DNS_OK, "192.0.2.9 192.0.2.9:25 0;" },
	{ "[192.0.2.9], nomx.example", 0, false, DNS_OK, "192.0.2.9 192.0.2.9:25 0;nomx.example 192.0.2.3:25 0;" },
	{ "nothere.example, nomx.example", 0, false, DNS_OK, "nomx.example 192.0.2.3:25 0;" },
	{ "null.example", 0, false, DNS_NULL_MX, "Domain null.example does not accept mail (nullMX)" },
	{ "nothere.example", 0, false, DNS_NOT_FOUND, "Host or domain name not found. Name service error for name=nothere.example type=MX: Host not found" },
	{ "noaddr.example", 0, false, DNS_NOT_FOUND, "Host or domain name not found. Name service error for name=txtonly.example type=A: Host found but no data record of requested type" },
	{ "lost.example", 0, false, DNS_NOT_FOUND, "Host or domain name not found. Name service error for name=nowhere.example type=A: Host not found" },
	{ "servfail.example", 0, false, DNS_LATER, "Host or domain name not found. Name service error for name=servfail.example type=MX: Host not found, try again" },
	{ "later.example", 0, false, DNS_LATER, "Host or domain name not found. Name service error for name=servfail.example type=A: Host not found, try again" },
	{ "half.example", 0, false, DNS_OK, "b.example 192.0.2.2:25 20;" },
	{ "backup.example", DNS_ONLY_IPV4, false, DNS_OK, "a.example 192.0.2.1:25 10;" },
	{ "best.example", 0, false, DNS_LOOP, "mail for best.example loops back to myself" },
	{ "proxied.example", 0, false, DNS_LOOP, "mail for proxied.example loops back to myself" },
	{ "noprimary.example", 0, false, DNS_LATER, "unable to find primary relay for noprimary.example" },
	{ "self.example", 0, true, DNS_LOOP, "mail for self.example loops back to myself" },
	{ "[127.0.0.1]", 0, true, DNS_LOOP, "mail for 127.0.0.1 loops back to myself" },
	{ "[127.0.0.1]:10025", 0, true, DNS_OK, "127.0.0.1 127.0.0.1:10025 0;" },
	{ "lo.example", 0, false, DNS_OK, "lo.example 127.0.0.5:25 0;" }, /* smtp_private_networks */
	{ "evil.example", 0, false, DNS_FORBIDDEN, "evil.example has no address but such as mail may not be sent to (loopback, private or reserved)" },
	{ "evil.example", 0, true, DNS_OK, "metadata.example 169.254.169.254:25 10;" },
	{ "mapped.example", 0, false, DNS_FORBIDDEN, "mapped.example has no" },
	{ "mapped.example", 0, true, DNS_OK, "mapped.example 10.0.0.1:25 0;" },
	{ "mixed.example", 0, false, DNS_OK, "mixed.example 192.0.2.5:25 0;" },
	{ "zero.example", 0, true, DNS_FORBIDDEN, "zero.example has no" },
	{ "[10.0.0.1]", 0, false, DNS_FORBIDDEN, "10.0.0.1 has no" },
	{ "[10.0.0.1]", 0, true, DNS_OK, "10.0.0.1 10.0.0.1:25 0;" },
	{ "[10.9.9.9]", 0, false, DNS_OK, "10.9.9.9 10.9.9.9:25 0;" }, /* fallback relay */
	{ "[::ffff:10.0.0.1]", 0, false, DNS_FORBIDDEN, "::ffff:10.0.0.1 has no" },
	{ "alias.example", DNS_ONLY_IPV4, false, DNS_OK, "a.example 192.0.2.1:25 10;b.example 192.0.2.2:25 20;" },
	{ "faralias.example", DNS_ONLY_IPV4, false, DNS_OK, "a.example 192.0.2.1:25 10;b.example 192.0.2.2:25 20;" },
	{ "loop1.example", 0, false, DNS_LATER, "Host or domain name not found. Name service error for name=loop1.example type=MX: Host not found, try again" },
	{ "[cname.example]", DNS_ONLY_IPV4, false, DNS_OK, "cname.example 192.0.2.2:25 0;" },
	{ "[cname.example]", DNS_ONLY_IPV4 | DNS_CANONICAL, false, DNS_OK, "b.example 192.0.2.2:25 0;" },
	{ "forged.example", 0, false, DNS_OK, "forged.example 192.0.2.6:25 0;" },
	{ "cut.example", 0, false, DNS_OK, "cut.example 192.0.2.7:25 0;" },
	{ "formerr.example", 0, false, DNS_OK, "formerr.example 192.0.2.8:25 0;" },
	{ "unix:/run/lmtp", 0, true, DNS_BAD, "next hop is neither" },
	{ "[]", 0, false, DNS_BAD, "next hop is neither" },
	{ "[x", 0, false, DNS_BAD, "next hop is neither" },
	{ "[a.example]x", 0, false, DNS_BAD, "next hop is neither" },
	{ "a..example", 0, false, DNS_BAD, "next hop is neither" },
	{ "a.example:0", 0, false, DNS_BAD, "next hop is neither" },
	{ "a b", 0, false, DNS_NOT_FOUND, "" },
	{ "", 0, false, DNS_BAD, "no next hop" },
	{ "hostsfile.example", DNS_SYSTEM, false, DNS_OK, "hostsfile.example 192.0.2.77:25 0;" },
	{ "hostsfile.example", DNS_SYSTEM_ONLY, false, DNS_OK, "hostsfile.example 192.0.2.77:25 0;" },
	{ "nomx.example", DNS_SYSTEM_ONLY, false, DNS_NOT_FOUND, "" },
};
/* clang-format on */

static void
test_routes(void **state)
{
	struct conf *c = rig_conf(MAIN);
	struct rig r;

	(void)state;
	rig_init(&r, zone, c);
	hostsfile_parse(&r.d.hosts,
	    STR("# nothing\n192.0.2.77 HostsFile.example"
		" other # x\n10.0.0.300 bad\n"));
	for (size_t i = 0; i < NELEM(routes); i++) {
		const char *want = routes[i].hosts, *got;
		uint64_t t = routes[i].ticket ?
		    ticket_route(&r.d.route_key, str_of(routes[i].nexthop)) :
		    0;

		if (strcmp(routes[i].nexthop, "hostsfile.example") == 0 &&
		    (routes[i].flags & DNS_SYSTEM))
			continue; /* MX first: see the next test */
		if (!rig_route(&r, routes[i].nexthop, routes[i].flags, t))
			fail_msg("%s: no answer", routes[i].nexthop);
		got = r.status == DNS_OK ? r.hosts : r.text;
		if (r.status != routes[i].status ||
		    strncmp(got, want, strlen(want)) != 0)
			fail_msg("%s (%zu): %u %s", routes[i].nexthop, i,
			    r.status, got);
		if (r.status == DNS_OK)
			assert_true(ticket_address_ok(&r.d.address_key,
			    &r.first, r.expires, r.ticket));
	}
	assert_int_equal(r.d.nops, 0);
	rig_clear(&r);
	conf_free(&c);
}

/* A ticket for one next hop is none for another. */
static void
test_ticket(void **state)
{
	struct conf *c = rig_conf(MAIN);
	struct rig r;

	(void)state;
	rig_init(&r, zone, c);
	assert_true(rig_route(&r, "[10.0.0.1]", 0,
	    ticket_route(&r.d.route_key, STR("[10.0.0.2]"))));
	assert_int_equal(r.status, DNS_FORBIDDEN);
	r.d.address_key.have = false;
	assert_true(rig_route(&r, "nomx.example", 0, 0));
	assert_int_equal(r.status, DNS_LATER);
	rig_clear(&r);
	conf_free(&c);
}

/* MX hosts and addresses of the same preference come in any order. */
static void
test_random_order(void **state)
{
	static const struct zone_rr z[] = { { "x.example", RR_MX,
						"10 a.example" },
		{ "x.example", RR_MX, "10 b.example" },
		{ "x.example", RR_MX, "5 first.example" },
		{ "a.example", RR_A, "192.0.2.1" },
		{ "b.example", RR_A, "192.0.2.2" },
		{ "first.example", RR_A, "192.0.2.3" }, { NULL, 0, NULL } };
	struct conf *c = rig_conf(MAIN);
	struct rig r;
	int a_first = 0;

	(void)state;
	rig_init(&r, z, c);
	for (int i = 0; i < 100; i++) {
		assert_true(rig_route(&r, "x.example", 0, 0));
		assert_true(strncmp(r.hosts, "first.example", 13) == 0);
		a_first += strchr(r.hosts, ';')[1] == 'a';
	}
	assert_in_range(a_first, 10, 90);
	assert_in_range(r.nqueries, 1, 8); /* all else from the cache */
	rig_clear(&r);
	conf_free(&c);
}

static void
test_names(void **state)
{
	static const struct {
		const char *addr;
		unsigned status;
		bool verified;
		const char *name;
	} cases[] = {
		{ "192.0.2.1", DNS_OK, true, "a.example" },
		{ "::ffff:192.0.2.1", DNS_OK, true, "a.example" },
		{ "192.0.2.2", DNS_OK, false, "a.example" },
		{ "192.0.2.3", DNS_LATER, false, "servfail.example" },
		{ "192.0.2.4", DNS_NOT_FOUND, false, "" },
		{ "192.0.2.9", DNS_NOT_FOUND, false, "" },
		{ "2001:db8::9", DNS_NOT_FOUND, false, "" },
		{ "127.0.0.1", DNS_OK, true, "localhost" },
	};
	struct conf *c = rig_conf(MAIN);
	struct rig r;

	(void)state;
	rig_init(&r, zone, c);
	hostsfile_parse(&r.d.hosts, STR("127.0.0.1\tlocalhost\n"));
	for (size_t i = 0; i < NELEM(cases); i++) {
		assert_true(rig_name(&r, cases[i].addr));
		if (r.status != cases[i].status ||
		    r.verified != cases[i].verified ||
		    strcmp(r.name, cases[i].name) != 0)
			fail_msg("%s: %u %u %s", cases[i].addr, r.status,
			    r.verified, r.name);
	}
	rig_clear(&r);
	conf_free(&c);
}

static void
test_records(void **state)
{
	static const struct {
		const char *name;
		unsigned type, status;
		const char *records;
	} cases[] = {
		{ "a.example", RR_A, DNS_OK, "192.0.2.1\n" },
		{ "a.example", RR_MX, DNS_OK, "" },
		{ "A.Example.", RR_AAAA, DNS_OK, "2001:db8::1\n" },
		{ "two.example", RR_MX, DNS_OK,
		    "20 b.example\n10 a.example\n" },
		{ "null.example", RR_MX, DNS_OK, "0 .\n" },
		{ "txt.example", RR_TXT, DNS_OK, "v=spf1 \\092 -all\n" },
		{ "alias.example", RR_CNAME, DNS_OK, "two.example\n" },
		{ "nowhere.example", RR_A, DNS_NOT_FOUND, "" },
		{ "servfail.example", RR_A, DNS_LATER, "" },
		{ "no good", RR_A, DNS_BAD, "" },
		{ "x..y", RR_A, DNS_BAD, "" },
		{ "", RR_A, DNS_BAD, "" },
	};
	struct conf *c = rig_conf(MAIN);
	struct rig r;

	(void)state;
	rig_init(&r, zone, c);
	for (size_t i = 0; i < NELEM(cases); i++) {
		assert_true(rig_query(&r, cases[i].name, cases[i].type));
		if (r.status != cases[i].status ||
		    strcmp(r.hosts, cases[i].records) != 0)
			fail_msg("%s: %u %s", cases[i].name, r.status, r.hosts);
	}
	rig_clear(&r);
	conf_free(&c);
}

static void
test_vet(void **state)
{
	static const struct {
		const char *addr;
		enum vet want;
	} cases[] = {
		{ "192.0.2.1", VET_PUBLIC },
		{ "8.8.8.8", VET_PUBLIC },
		{ "127.0.0.1", VET_PRIVATE },
		{ "127.255.255.255", VET_PRIVATE },
		{ "128.0.0.1", VET_PUBLIC },
		{ "10.255.0.1", VET_PRIVATE },
		{ "172.15.0.1", VET_PUBLIC },
		{ "172.16.0.1", VET_PRIVATE },
		{ "172.31.255.255", VET_PRIVATE },
		{ "172.32.0.0", VET_PUBLIC },
		{ "192.168.0.1", VET_PRIVATE },
		{ "192.169.0.1", VET_PUBLIC },
		{ "169.254.169.254", VET_PRIVATE },
		{ "100.64.0.1", VET_PRIVATE },
		{ "100.128.0.1", VET_PUBLIC },
		{ "0.0.0.0", VET_NEVER },
		{ "0.1.2.3", VET_NEVER },
		{ "224.0.0.1", VET_NEVER },
		{ "255.255.255.255", VET_NEVER },
		{ "240.0.0.1", VET_NEVER },
		{ "2001:db8::1", VET_PUBLIC },
		{ "::1", VET_PRIVATE },
		{ "::", VET_NEVER },
		{ "::127.0.0.1", VET_NEVER },
		{ "::ffff:127.0.0.1", VET_PRIVATE },
		{ "::ffff:8.8.8.8", VET_PUBLIC },
		{ "::ffff:0.0.0.0", VET_NEVER },
		{ "fe80::1", VET_PRIVATE },
		{ "febf::1", VET_PRIVATE },
		{ "fec0::1", VET_PRIVATE },
		{ "fc00::1", VET_PRIVATE },
		{ "fdff::1", VET_PRIVATE },
		{ "ff02::1", VET_NEVER },
		{ "64:ff9b::127.0.0.1", VET_PRIVATE },
		{ "64:ff9b::8.8.8.8", VET_PUBLIC },
		{ "64:ff9b:1::1", VET_PRIVATE },
		{ "2002:7f00:1::1", VET_PRIVATE },
		{ "2002:808:808::1", VET_PUBLIC },
		{ "100::1", VET_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct netaddr a;

		assert_int_equal(netaddr_parse(str_of(cases[i].addr), &a), 0);
		if (vet_addr(&a) != cases[i].want)
			fail_msg("%s: %d", cases[i].addr, (int)vet_addr(&a));
	}
}

/* An asker that goes while its questions are on their way. */
static void
test_asker_gone(void **state)
{
	struct conf *c = rig_conf(MAIN);
	struct dns_route q = { .nexthop = STR("silent.example"), .port = 25 };
	struct rig r;

	(void)state;
	rig_init(&r, zone, c);
	chan_ask(r.asker, DNS_ROUTE, &q, NULL, rig_on_answer, &r);
	timer_set(&r.end, 50);
	loop_run(r.loop);
	assert_int_equal(r.d.nops, 1);
	chan_free(&r.asker);
	timer_set(&r.end, 16000);
	loop_run(r.loop);
	assert_int_equal(r.d.nops, 0);
	rig_clear(&r);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_ticket),
		cmocka_unit_test(test_random_order),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_vet),
		cmocka_unit_test(test_asker_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
