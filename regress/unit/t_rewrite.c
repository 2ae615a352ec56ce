/* SPDX-License-Identifier: ISC */
/*
 * rewrite: what an address means, with a lookup service of our own at the
 * other end of its channel.
 */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "conf/build.h"
#include "daemons/rewrite/rewrite.h"
#include "edge/edges.h"

static struct rewrite rw;
static struct chan *server, *asker, *tables;
static unsigned asked;
static struct resolve_answer got;
static char got_text[4096];

/* param, key, value: what our lookup service knows. */
static const struct {
	const char *param, *key, *value;
} known[] = {
	{ "transport_maps", "u@special.example", "smtp:[10.0.0.5]:2525" },
	{ "transport_maps", "u@gone.example", "error:5.1.6 moved" },
	{ "transport_maps", "u@bare.example", "error:" },
	{ "transport_maps", "u@keep.example", ":" },
	{ "transport_maps", "u@nh.example", ":other.example" },
	{ "transport_maps", "u@tr.example", "relay:" },
	{ "transport_maps", "u@broken.example", NULL },
	{ "local_recipient_maps", "joe@mx.example.org", "x" },
	{ "relay_recipient_maps", "r@relay.example", "x" },
	{ "virtual_mailbox_maps", "v@virtual.example", "v/" },
	{ "mydestination", "table.example", "x" },
};

static void
on_find(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_find *f = rec;
	struct lookup_answer a = { .status = LOOKUP_NOT_FOUND };

	(void)fds;
	(void)arg;
	asked++;
	for (size_t i = 0; i < NELEM(known); i++) {
		if (!str_eq(f->param, str_of(known[i].param)) ||
		    !str_eq(f->key, str_of(known[i].key)))
			continue;
		a.status = known[i].value == NULL ? LOOKUP_LATER : LOOKUP_FOUND;
		a.value = str_of(known[i].value);
	}
	chan_answer(ch, LOOKUP_ANSWER, id, &a, NULL);
}

static const struct chan_on tables_on[] = { { LOOKUP_FIND, on_find }, { 0 } };
static const struct chan_on rewrite_on[] = { { RESOLVE_ASK, question_ask },
	{ 0 } };
static const struct chan_on nothing[] = { { 0 } };

static struct str
keep(size_t *at, struct str s)
{
	struct str k = str_make(got_text + *at, s.n);

	memcpy(got_text + *at, s.n == 0 ? "" : s.p, s.n);
	*at += s.n;
	return k;
}

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	size_t at = 0;

	(void)fds;
	(void)arg;
	assert_int_equal(type, RESOLVE_ANSWER);
	got = *(const struct resolve_answer *)rec;
	got.addr = keep(&at, got.addr);
	got.transport = keep(&at, got.transport);
	got.nexthop = keep(&at, got.nexthop);
	got.text = keep(&at, got.text);
	loop_stop(rw.loop, 0);
}

static void
resolve(const char *addr)
{
	struct resolve_ask q = { .flags = RESOLVE_EXISTS,
		.addr = str_of(addr) };

	asked = 0;
	chan_ask(asker, RESOLVE_ASK, &q, NULL, on_answer, NULL);
	loop_run(rw.loop);
}

static void
pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			     sv),
	    0);
}

static int
setup_more(const char *more)
{
	static const char main_cf[] =
	    "myhostname = mx.example.org\n"
	    "inet_interfaces = 127.0.0.1\n"
	    "mydestination = $myhostname, cdb:table\n"
	    "relay_domains = relay.example\n"
	    "relay_recipient_maps = cdb:relay\n"
	    "local_recipient_maps = cdb:local\n"
	    "virtual_mailbox_domains = virtual.example\n"
	    "virtual_mailbox_maps = cdb:virtual\n"
	    "virtual_alias_domains = alias.example\n"
	    "transport_maps = cdb:transport\n";
	struct build b;
	struct buf blob, text;
	int sv[2];

	memset(&b, 0, sizeof(b));
	buf_init(&text, 4096);
	buf_puts(&text, main_cf);
	buf_puts(&text, more);
	build_parse(&b, "/etc/postern", buf_get(&text),
	    STR("smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n"));
	buf_init(&blob, BUILD_MAX);
	if (build_snapshot(&b, NULL, 1, &blob) == -1) {
		for (size_t i = 0; i < b.rep.n; i++)
			printf("# %s\n", b.rep.v[i].text);
		return -1;
	}
	rw.conf = conf_from(buf_get(&blob).p, buf_get(&blob).n);
	rw.loop = loop_new();
	rw.route_key.have = true;
	pair(sv);
	rw.lookup =
	    chan_new(rw.loop, sv[0], &edge_lookup, SIDE_A, nothing, NULL, NULL);
	tables = chan_new(rw.loop, sv[1], &edge_lookup, SIDE_B, tables_on, NULL,
	    NULL);
	pair(sv);
	asker = chan_new(rw.loop, sv[0], &edge_resolve, SIDE_A, nothing, NULL,
	    NULL);
	server = chan_new(rw.loop, sv[1], &edge_resolve, SIDE_B, rewrite_on,
	    NULL, &rw);
	build_clear(&b);
	buf_clear(&blob);
	buf_clear(&text);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return setup_more("");
}

static int
setup_numeric(void **state)
{
	(void)state;
	return setup_more("resolve_numeric_domain = yes\n");
}

static int
teardown(void **state)
{
	struct conf *c = (struct conf *)(uintptr_t)rw.conf;

	(void)state;
	chan_free(&asker);
	chan_free(&server);
	chan_free(&rw.lookup);
	chan_free(&tables);
	loop_free(&rw.loop);
	conf_free(&c);
	return 0;
}

static void
test_meaning(void **state)
{
	static const struct {
		const char *addr;
		enum resolve_status status;
		enum resolve_class class;
		enum resolve_exists exists;
		const char *std, *transport, *nexthop;
		bool configured;
	} cases[] = {
		{ "joe", RESOLVE_OK, CLASS_LOCAL, EXISTS_YES,
		    "joe@mx.example.org", "local", "mx.example.org", true },
		{ "joe@MX.Example.ORG", RESOLVE_OK, CLASS_LOCAL, EXISTS_NO,
		    "joe@MX.Example.ORG", "local", "mx.example.org", true },
		{ "jim@mx.example.org", RESOLVE_OK, CLASS_LOCAL, EXISTS_NO,
		    "jim@mx.example.org", "local", "mx.example.org", true },
		{ "Postmaster", RESOLVE_OK, CLASS_LOCAL, EXISTS_YES,
		    "Postmaster@mx.example.org", "local", "mx.example.org",
		    true },
		{ "x@[127.0.0.1]", RESOLVE_OK, CLASS_LOCAL, EXISTS_NO,
		    "x@[127.0.0.1]", "local", "mx.example.org", true },
		{ "x@[192.0.2.1]", RESOLVE_OK, CLASS_DEFAULT, EXISTS_UNKNOWN,
		    "x@[192.0.2.1]", "smtp", "[192.0.2.1]", false },
		{ "x@table.example", RESOLVE_OK, CLASS_LOCAL, EXISTS_NO,
		    "x@table.example", "local", "mx.example.org", true },
		{ "u@far.example", RESOLVE_OK, CLASS_DEFAULT, EXISTS_UNKNOWN,
		    "u@far.example", "smtp", "far.example", false },
		{ "r@relay.example", RESOLVE_OK, CLASS_RELAY, EXISTS_YES,
		    "r@relay.example", "relay", "relay.example", false },
		{ "n@relay.example", RESOLVE_OK, CLASS_RELAY, EXISTS_NO,
		    "n@relay.example", "relay", "relay.example", false },
		{ "v@virtual.example", RESOLVE_OK, CLASS_VIRTUAL_MAILBOX,
		    EXISTS_YES, "v@virtual.example", "virtual",
		    "virtual.example", false },
		{ "a@alias.example", RESOLVE_OK, CLASS_VIRTUAL_ALIAS, EXISTS_NO,
		    "a@alias.example", "error",
		    "5.1.1 User unknown in virtual alias table", true },
		{ "u@special.example", RESOLVE_OK, CLASS_DEFAULT,
		    EXISTS_UNKNOWN, "u@special.example", "smtp",
		    "[10.0.0.5]:2525", true },
		{ "u@gone.example", RESOLVE_OK, CLASS_DEFAULT, EXISTS_NO,
		    "u@gone.example", "error", "5.1.6 moved", true },
		{ "u@bare.example", RESOLVE_OK, CLASS_DEFAULT, EXISTS_NO,
		    "u@bare.example", "error", "Address is undeliverable",
		    false },
		{ "u@keep.example", RESOLVE_OK, CLASS_DEFAULT, EXISTS_UNKNOWN,
		    "u@keep.example", "smtp", "keep.example", false },
		{ "u@nh.example", RESOLVE_OK, CLASS_DEFAULT, EXISTS_UNKNOWN,
		    "u@nh.example", "smtp", "other.example", true },
		{ "u@tr.example", RESOLVE_OK, CLASS_DEFAULT, EXISTS_UNKNOWN,
		    "u@tr.example", "relay", "tr.example", false },
		{ "u@broken.example", RESOLVE_LATER, 0, 0, NULL, NULL, NULL,
		    false },
		/* Routed through us: what it really leads to. */
		{ "u%far.example@mx.example.org", RESOLVE_OK, CLASS_DEFAULT,
		    EXISTS_UNKNOWN, "u@far.example", "smtp", "far.example",
		    false },
		{ "far.example!u@mx.example.org", RESOLVE_OK, CLASS_DEFAULT,
		    EXISTS_UNKNOWN, "u@far.example", "smtp", "far.example",
		    false },
		{ "u@far.example@mx.example.org", RESOLVE_OK, CLASS_DEFAULT,
		    EXISTS_UNKNOWN, "u@far.example", "smtp", "far.example",
		    false },
		{ "far.example!u", RESOLVE_OK, CLASS_DEFAULT, EXISTS_UNKNOWN,
		    "u@far.example", "smtp", "far.example", false },
		/* A sign that leads nowhere: it stays, and this ends. */
		{ "u%far.example%@mx.example.org", RESOLVE_OK, CLASS_LOCAL,
		    EXISTS_NO, "u%far.example%@mx.example.org", "local",
		    "mx.example.org", true },
		{ "!u%@mx.example.org", RESOLVE_OK, CLASS_LOCAL, EXISTS_NO,
		    "!u%@mx.example.org", "local", "mx.example.org", true },
		/* A domain that cannot be. */
		{ "u@-far.example", RESOLVE_BAD, 0, 0, NULL, NULL, NULL,
		    false },
		{ "u@10.0.0.5", RESOLVE_BAD, 0, 0, NULL, NULL, NULL, false },
		{ "u%10.0.0.5@mx.example.org", RESOLVE_BAD, 0, 0, NULL, NULL,
		    NULL, false },
		{ "u@far_away.example", RESOLVE_OK, CLASS_DEFAULT,
		    EXISTS_UNKNOWN, "u@far_away.example", "smtp",
		    "far_away.example", false },
		{ "u@b\xc3\xbc.example", RESOLVE_OK, CLASS_DEFAULT,
		    EXISTS_UNKNOWN, "u@b\xc3\xbc.example", "smtp",
		    "b\xc3\xbc.example", false },
		{ "u@b..c", RESOLVE_BAD, 0, 0, NULL, NULL, NULL, false },
		/* An option of whatever command gets it. */
		{ "-oX@special.example", RESOLVE_BAD, 0, 0, NULL, NULL, NULL,
		    false },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		resolve(cases[i].addr);
		if (got.status != cases[i].status)
			printf("# %s\n", cases[i].addr);
		assert_int_equal(got.status, cases[i].status);
		if (got.status != RESOLVE_OK)
			continue;
		if (!str_eq(got.addr, str_of(cases[i].std)) ||
		    !str_eq(got.transport, str_of(cases[i].transport)) ||
		    !str_eq(got.nexthop, str_of(cases[i].nexthop)) ||
		    got.class != cases[i].class ||
		    got.exists != cases[i].exists)
			fail_msg("%s: " STR_FMT " class %u exists %u " STR_FMT
				 ":" STR_FMT,
			    cases[i].addr, STR_ARG(got.addr), got.class,
			    got.exists, STR_ARG(got.transport),
			    STR_ARG(got.nexthop));
		/* Only what the configuration says gets a ticket. */
		if ((got.ticket != 0) != cases[i].configured)
			fail_msg("%s: ticket %d", cases[i].addr,
			    got.ticket != 0);
		if (got.ticket != 0)
			assert_true(ticket_route_ok(&rw.route_key, got.nexthop,
			    got.ticket));
	}
}

static void
test_numeric(void **state)
{
	(void)state;
	resolve("u@192.0.2.1");
	assert_int_equal(got.status, RESOLVE_OK);
	assert_true(str_eq(got.addr, STR("u@[192.0.2.1]")));
	assert_true(str_eq(got.nexthop, STR("[192.0.2.1]")));
	resolve("joe@127.0.0.1");
	assert_int_equal(got.class, CLASS_LOCAL);
	assert_true(str_eq(got.addr, STR("joe@[127.0.0.1]")));
	resolve("u@1.2.3");
	assert_int_equal(got.status, RESOLVE_BAD);
}

/* Lookup goes away while a question waits: try later, never `unknown'. */
static void
test_lookup_gone(void **state)
{
	(void)state;
	chan_free(&tables);
	resolve("jim@mx.example.org");
	assert_int_equal(got.status, RESOLVE_LATER);
	chan_free(&rw.lookup);
	resolve("jim@mx.example.org");
	assert_int_equal(got.status, RESOLVE_LATER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_meaning, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lookup_gone, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_numeric, setup_numeric,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
