/* SPDX-License-Identifier: ISC */
/*
 * Which keys are asked, in which order, of which tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attr.h"
#include "table/lookup.h"

enum how {
	ADDRESS,
	ACCESS,
	DOMAIN,
	IP,
	TRANSPORT
};

/* A * before a key: pattern tables are asked, too. */
static const struct {
	enum how how;
	unsigned flags;
	const char *delims, *key, *want;
} cases[] = {
	{ ADDRESS, 0, "+", "u+e@d.tld", "*u+e@d.tld u@d.tld @d.tld" },
	{ ADDRESS, LOOKUP_BARE_USER, "+", "u+e@d.tld",
	    "*u+e@d.tld u@d.tld u+e u @d.tld" },
	{ ADDRESS, LOOKUP_BARE_USER, "", "u+e@d.tld", "*u+e@d.tld u+e @d.tld" },
	{ ADDRESS, LOOKUP_NO_DOMAIN, "+", "u+e@d", "*u+e@d u@d" },
	{ ADDRESS, 0, "+", "u+e", "*u+e u" },
	{ ADDRESS, 0, "+", "u", "*u" },
	{ ADDRESS, 0, "+", "@d", "*@d @d" },
	{ ADDRESS, 0, "+", "u@", "*u@" },
	{ ADDRESS, 0, "+", "", "" },
	{ ADDRESS, 0, "+-", "u-e+f@d", "*u-e+f@d u@d @d" },
	{ ADDRESS, 0, "+", "u+e+f@d", "*u+e+f@d u@d @d" },
	{ ADDRESS, 0, "+", "\"a@b\"+c@d", "*\"a@b\"+c@d \"a@b\"@d @d" },
	{ ACCESS, 0, "+", "u+e@a.b.c",
	    "*u+e@a.b.c u@a.b.c a.b.c .b.c .c u+e@ u@" },
	{ ACCESS, LOOKUP_PARENTS, "+", "u@a.b.c", "*u@a.b.c a.b.c b.c c u@" },
	{ ACCESS, 0, "", "<>", "*<>" },
	{ DOMAIN, 0, "", "a.b.c", "*a.b.c .b.c .c" },
	{ DOMAIN, LOOKUP_PARENTS, "", "a.b.c", "*a.b.c b.c c" },
	{ DOMAIN, 0, "", "localhost", "*localhost" },
	{ IP, 0, "", "192.0.2.1", "*192.0.2.1 192.0.2 192.0 192" },
	{ IP, 0, "", "2001:db8::1", "*2001:db8::1 2001:db8: 2001:db8 2001" },
	{ IP, 0, "", "::1", "*::1 :" },
	{ TRANSPORT, 0, "+", "u+e@a.b.c",
	    "*u+e@a.b.c u@a.b.c a.b.c .b.c .c *" },
	{ TRANSPORT, LOOKUP_PARENTS, "+", "u@a.b", "*u@a.b a.b b *" },
	{ TRANSPORT, 0, "+", "u", "*u *" },
};

static void
write_keys(struct lookup_keys *k, size_t i)
{
	struct str key = str_of(cases[i].key), d = str_of(cases[i].delims);

	switch (cases[i].how) {
	case ADDRESS:
		lookup_keys_address(k, key, d, cases[i].flags);
		break;
	case ACCESS:
		lookup_keys_access(k, key, d, cases[i].flags);
		break;
	case DOMAIN:
		lookup_keys_domain(k, key, cases[i].flags);
		break;
	case IP:
		lookup_keys_ip(k, key);
		break;
	case TRANSPORT:
		lookup_keys_transport(k, key, d, cases[i].flags);
		break;
	}
}

static void
test_keys(void **state)
{
	struct lookup_keys k;
	struct buf got;

	(void)state;
	lookup_keys_init(&k);
	buf_init(&got, 4096);
	for (size_t i = 0; i < NELEM(cases); i++) {
		write_keys(&k, i);
		buf_reset(&got);
		for (size_t j = 0; j < k.n; j++)
			buf_printf(&got, "%s%s" STR_FMT, j > 0 ? " " : "",
			    k.key[j].whole ? "*" : "",
			    STR_ARG(lookup_key_text(&k, j)));
		if (strcmp(buf_cstr(&got), cases[i].want) != 0)
			fail_msg("%s: got %s, want %s", cases[i].key,
			    buf_cstr(&got), cases[i].want);
	}
	buf_clear(&got);
	lookup_keys_clear(&k);
}

static const struct {
	const char *local, *delims;
	int want; /* length of the name, -1: not split */
} exts[] = {
	{ "u+e", "+", 1 },
	{ "u+e+f", "+", 1 },
	{ "u+", "+", 1 },
	{ "+e", "+", -1 },
	{ "u-e", "+", -1 },
	{ "u-e", "+-", 1 },
	{ "u+e", "", -1 },
	{ "mailer-daemon", "-", -1 },
	{ "Double-Bounce", "-", -1 },
	{ "owner-list", "-", -1 },
	{ "list-request", "-", -1 },
	{ "owner-", "-", 5 },
	{ "owner-list", "+", -1 },
	{ "owner+list", "+", 5 },
	{ "request-x", "-", 7 },
};

static void
test_ext(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(exts); i++) {
		struct str local = str_of(exts[i].local);
		size_t got = lookup_ext(local, str_of(exts[i].delims));

		assert_int_equal(got,
		    exts[i].want == -1 ? local.n : (size_t)exts[i].want);
	}
}

/* The list is searched in order, key by key; an error ends it. */
static const struct {
	const char *list, *addr;
	enum table_answer want;
	const char *value;
	size_t table;
	bool ext_used;
} lists[] = {
	{ "inline:{u@d=1} inline:{u@d=2}", "u@d", TABLE_FOUND, "1", 0, false },
	{ "inline:{x=1}, inline:{u@d=2}", "u@d", TABLE_FOUND, "2", 1, false },
	{ "inline:{@d=1} inline:{u+e@d=2}", "u+e@d", TABLE_FOUND, "2", 1,
	    true },
	{ "inline:{u@d=1}", "u+e@d", TABLE_FOUND, "1", 0, false },
	{ "inline:{U@D=1}", "u@d", TABLE_FOUND, "1", 0, false },
	{ "inline:{u@d=1}", "U@D", TABLE_FOUND, "1", 0, false },
	{ "inline:{x=1}", "u@d", TABLE_NONE, "", 0, false },
	{ "", "u@d", TABLE_NONE, "", 0, false },
	{ "fail:x inline:{u@d=1}", "u@d", TABLE_LATER, "", 0, false },
	{ "inline:{u@d=1} fail:x", "u@d", TABLE_FOUND, "1", 0, false },
	{ "inline:{@d=1} fail:x", "u@d", TABLE_LATER, "", 0, false },
	{ "nosuchtype:x", "u@d", TABLE_LATER, "", 0, false },
	{ "cdb:/nonexistent", "u@d", TABLE_LATER, "", 0, false },
	/* Patterns see the address and nothing less. */
	{ "regexp:{{/^@d$/ 1}}", "u@d", TABLE_NONE, "", 0, false },
	{ "regexp:{{/^@d$/ 1} {/^u\\+e@d$/ 2}}", "u+e@d", TABLE_FOUND, "2", 0,
	    true },
	{ "regexp:{{/^@d$/ 1}} inline:{@d=3}", "u@d", TABLE_FOUND, "3", 1,
	    false },
};

static void
test_lists(void **state)
{
	struct lookup_keys k;
	struct tables_hit hit;
	struct tables ts;
	struct buf value;

	(void)state;
	lookup_keys_init(&k);
	buf_init(&value, 100);
	for (size_t i = 0; i < NELEM(lists); i++) {
		enum table_answer got;

		assert_int_equal(tables_open(&ts, str_of(lists[i].list), NULL),
		    0);
		lookup_keys_address(&k, str_of(lists[i].addr), STR("+"), 0);
		got = tables_first(&ts, &k, &value, &hit);
		if (got != lists[i].want)
			fail_msg("%s: %d", lists[i].list, got);
		assert_string_equal(buf_cstr(&value), lists[i].value);
		if (got == TABLE_LATER)
			assert_true(strlen(ts.reason) > 5);
		if (got == TABLE_FOUND) {
			assert_int_equal(hit.table, lists[i].table);
			assert_int_equal(hit.ext_used, lists[i].ext_used);
		}
		tables_close(&ts);
	}
	buf_clear(&value);
	lookup_keys_clear(&k);
}

static void
test_limits(void **state)
{
	char domain[1024], list[TABLE_MEMBERS_MAX * 10 + 100];
	struct lookup_keys k;
	struct tables ts;
	struct buf value;
	size_t n = 0;

	(void)state;
	buf_init(&value, 100);
	for (size_t i = 0; i + 2 < sizeof(domain); i += 2)
		memcpy(domain + i, "a.", 3);
	lookup_keys_init(&k);
	/* More parents than a domain can have: not found is not the answer. */
	lookup_keys_domain(&k, str_of(domain), 0);
	assert_int_equal(tables_open(&ts, STR("inline:{x=y}"), NULL), 0);
	assert_int_equal(tables_first(&ts, &k, &value, NULL), TABLE_LATER);
	tables_close(&ts);
	for (int i = 0; i <= TABLE_MEMBERS_MAX; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "static:a ");
	assert_int_equal(tables_open(&ts, str_of(list), NULL), -1);
	assert_int_equal(ts.n, 0);
	assert_int_equal(tables_open(&ts, STR("inline:{a=b"), NULL), -1);
	assert_non_null(ts.reason);
	assert_int_equal(tables_open(&ts, STR("static:a}"), NULL), -1);
	lookup_keys_clear(&k);
	buf_clear(&value);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_ext),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
