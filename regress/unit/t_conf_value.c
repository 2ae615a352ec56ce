/* SPDX-License-Identifier: ISC */
/*
 * Values, expansion, addresses and match lists of the configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/mem.h"
#include "conf/expand.h"
#include "conf/netlist.h"
#include "conf/value.h"

static void
test_bool(void **state)
{
	bool v = false;

	(void)state;
	assert_int_equal(value_bool(STR("yes"), &v), 0);
	assert_true(v);
	assert_int_equal(value_bool(STR("NO"), &v), 0);
	assert_false(v);
	assert_int_equal(value_bool(STR("1"), &v), -1);
	assert_int_equal(value_bool(STR("true"), &v), -1);
	assert_int_equal(value_bool(STR(""), &v), -1);
}

static void
test_time(void **state)
{
	/* clang-format off */
	static const struct { const char *in; int64_t unit, want; } cases[] = {
		{ "5d", 1000, 5 * 86400000LL },
		{ "300s", 1000, 300000 },
		{ "300", 1000, 300000 },
		{ "3", 86400000, 3 * 86400000LL }, /* the parameter's unit */
		{ "2w", 1000, 14 * 86400000LL },
		{ "10 m", 1000, 600000 },
		{ "250ms", 1000, 250 },
		{ "1h", 1000, 3600000 },
		{ "1x", 1000, -1 },
		{ "", 1000, -1 },
		{ "-1s", 1000, -1 },
		{ "h", 1000, -1 },
		{ "9223372036854775807w", 1000, -1 }, /* overflow */
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		int64_t v = -1;

		value_time(str_of(cases[i].in), cases[i].unit, &v);
		if (v != cases[i].want)
			fail_msg("%s: %lld", cases[i].in, (long long)v);
	}
}

static void
test_size(void **state)
{
	/* clang-format off */
	static const struct { const char *in; int64_t want; } cases[] = {
		{ "0", 0 }, { "10240000", 10240000 }, { "256M", 256LL << 20 },
		{ "1k", 1024 }, { "2g", 2LL << 30 }, { "1T", 1LL << 40 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775807k", -1 }, { "1kb", -1 }, { "k", -1 },
		{ "-1", -1 }, { "", -1 }, { "9223372036854775808", -1 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		int64_t v = -1;

		value_size(str_of(cases[i].in), &v);
		if (v != cases[i].want)
			fail_msg("%s: %lld", cases[i].in, (long long)v);
	}
}

/* ---- tokens ---- */

static void
test_token(void **state)
{
	/* clang-format off */
	static const struct { const char *in, *want; } cases[] = {
		{ "a, b c", "<a><b><c>" },
		{ " ,, ", "" },
		{ "inline:{a=b, c=d} x", "<inline:{a=b, c=d}><x>" },
		{ "{ inet:h:1, timeout=3 }, y", "G<{ inet:h:1, timeout=3 }><y>" },
		{ "{a {b c} d}e", "<{a {b c} d}e>" }, /* not a whole group */
		{ "{}", "G<{}>" },
		{ "a}b", "<a}b>" },
		{ "{a", "!" },
		{ "b {a {c}", "<b>!" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct str s = str_of(cases[i].in), t;
		struct buf got;
		bool group;
		int rc;

		buf_init(&got, 1000);
		while ((rc = value_token(&s, &t, &group)) == 1)
			buf_printf(&got, "%s<" STR_FMT ">", group ? "G" : "",
			    STR_ARG(t));
		if (rc == -1)
			buf_putc(&got, '!');
		assert_string_equal(buf_cstr(&got), cases[i].want);
		buf_clear(&got);
	}
}

/* ---- expansion ---- */

static bool
names(void *arg, struct str name, bool probe, struct str *value)
{
	static const char *const vars[][2] = { { "x", "abc" }, { "e", "" },
		{ "loop", "a$loop" }, { "l1", "$l2" }, { "l2", "${l1}" },
		{ "y", "<$x>" }, { "lvl", "3.10" }, { "d0", "$d1$d1" },
		{ "d1", "$d2$d2" }, { "d2", "$d3$d3" }, { "d3", "$d4$d4" },
		{ "d4", "$d5$d5" }, { "d5", "$d6$d6" }, { "d6", "$d7$d7" },
		{ "d7", "$d8$d8" }, { "d8", "$d9$d9" }, { "d9", "$e$e" } };

	for (size_t i = 0; i < NELEM(vars); i++)
		if (str_eq(name, str_of(vars[i][0]))) {
			*value = str_of(vars[i][1]);
			return true;
		}
	if (!probe)
		++*(int *)arg;
	return false;
}

static void
test_expand(void **state)
{
	/* What Postfix makes of the same text; "!" is an error. */
	static const char *const cases[][2] = {
		{ "plain", "plain" },
		{ "$x", "abc" },
		{ "${x}", "abc" },
		{ "$(x)", "abc" },
		{ "$(x?foo)", "foo" },
		{ "${ x }", "abc" },
		{ "$x-y", "abc-y" },
		{ "$$x", "$x" },
		{ "$x$$e", "abc$e" },
		{ "$y", "<abc>" },
		{ "{$x}", "{abc}" },
		{ "$u|", "|" },
		{ "${x:def}", "" },
		{ "${e:def}", "def" },
		{ "${u:def}", "def" },
		{ "${u?def}", "" },
		{ "${x?def}", "def" },
		{ "${e?def}", "" },
		{ "${x?{a}:{b}}", "a" },
		{ "${e?{a}:{b}}", "b" },
		{ "${x?a:b}", "a:b" },
		{ "${x?{a}}", "a" },
		{ "${x?{a} : {b}}", "a" },
		{ "${x ? {a} : {b}}", "a" },
		{ "${x?  pad }|", "pad|" },
		{ "${e:{d e}}|", "d e|" },
		{ "${u:}|", "|" },
		{ "${x?${y}}", "<abc>" },
		{ "${{$x} == {abc} ? {yes} : {no}}", "yes" },
		{ "${{10} > {9} ? {yes} : {no}}", "yes" },
		{ "${{b} > {9}?yes}", "yes" },
		{ "${{b} > {9}:{yes}}", "" },
		{ "${{a} == {b}}", "" },
		{ "${{a} == {a} ? {$x$x}}", "abcabc" },
		{ "${{ a } == {a}?{t}:{f}}", "t" },
		{ "${{a} != {b} ? {t}}", "t" },
		{ "${{2} <= {2} ? {t}}", "t" },
		{ "${{2} >= {3} ? {t}}", "" },
		{ "${{2} < {10} ? {t}}", "t" },
		{ "${{$lvl} >level {3.9} ? {y} : {n}}", "y" },
		{ "${{$lvl} <level {3.9} ? {y} : {n}}", "n" },
		{ "${{3} <=level {3.0} ? {y} : {n}}", "y" },
		{ "a$", "!" },
		{ "$ x", "!" },
		{ "$.", "!" },
		{ "${}", "!" },
		{ "${x", "!" },
		{ "${x-y}", "!" },
		{ "${x?{a}", "!" },
		{ "${{a} =! {b} ? c}", "!" },
		{ "${{a} {b}}", "!" },
		{ "${{a} ==", "!" },
		{ "${{a} == b}", "!" },
		{ "$loop", "!" },
		{ "${l1}", "!" },
		/* Two to the tenth of nothing is a lot of work, but bounded. */
		{ "$d0", "" },
	};
	struct expand_error err;
	int undefined = 0;

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct buf out;
		int rc;

		buf_init(&out, 1000);
		rc = expand_value(str_of(cases[i][0]), names, &undefined, &out,
		    &err);
		if (strcmp(rc == -1 ? "!" : buf_cstr(&out), cases[i][1]) != 0)
			fail_msg("%s: \"%s\" %s", cases[i][0], buf_cstr(&out),
			    err.text);
		if (rc == -1 && err.text[0] == '\0')
			fail_msg("%s: no message", cases[i][0]);
		buf_clear(&out);
	}
	assert_int_equal(undefined, 1); /* $u, and none of ${u?...} */
}

static void
test_expand_deep(void **state)
{
	struct expand_error err;
	struct buf text, out;
	int undefined = 0;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&out, 1 << 20);
	for (int i = 0; i < 20000; i++)
		buf_puts(&text, "${x?{");
	for (int i = 0; i < 20000; i++)
		buf_puts(&text, "}}");
	assert_int_equal(expand_value(buf_get(&text), names, &undefined, &out,
			     &err),
	    -1);
	buf_clear(&text);
	buf_clear(&out);
}

/* ---- addresses ---- */

static void
test_net(void **state)
{
	/* clang-format off */
	static const struct { const char *block, *addr; int want; } cases[] = {
		{ "127.0.0.0/8", "127.9.9.9", 1 },
		{ "127.0.0.0/8", "128.0.0.1", 0 },
		{ "192.0.2.1", "192.0.2.1", 1 },
		{ "192.0.2.0/25", "192.0.2.128", 0 },
		{ "0.0.0.0/0", "255.255.255.255", 1 },
		{ "0.0.0.0/0", "::1", 0 },
		{ "[::1]/128", "::1", 1 },
		{ "[2001:db8::]/33", "2001:db8:8000::1", 0 },
		{ "[2001:db8::]/32", "2001:db8:8000::1", 1 },
		{ "[::1]", "::1", 1 },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", 1 }, /* mapped */
		{ "[::ffff:10.0.0.0]/104", "10.1.2.3", 1 },
		{ "192.0.2.1/24", NULL, -1 }, /* bits behind the prefix */
		{ "192.0.2.0/33", NULL, -1 },
		{ "2001:db8::/32", NULL, -1 }, /* brackets */
		{ "[2001:db8::/32]", NULL, -1 },
		{ "192.0.2", NULL, -1 },
		{ "192.0.2.0/", NULL, -1 },
		{ "", NULL, -1 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		const char *why = NULL;
		struct net a, b;
		int got = net_parse(str_of(cases[i].block), &a, &why);

		if (got == 0) {
			assert_int_equal(net_parse(str_of(cases[i].addr), &b,
					     NULL),
			    0);
			got = net_contains(&a, &b);
		} else {
			assert_non_null(why);
		}
		if (got != cases[i].want)
			fail_msg("%s in %s: %d", cases[i].addr, cases[i].block,
			    got);
	}
}

/* ---- match lists ---- */

/* The table type:k1+k2 has those keys; fail:x cannot be asked. */
static enum match
table(void *arg, const struct conf_item *it, struct str key)
{
	struct str all = it->text, k;

	(void)arg;
	if (str_eq(it->type, STR("fail")))
		return MATCH_RETRY;
	while (str_token(&all, "+", &k))
		if (str_caseeq(k, key))
			return MATCH_YES;
	return MATCH_NO;
}

static struct conf_list
make_list(const char *text, struct conf_item *v)
{
	struct str s = str_of(text), w;
	size_t n = 0;

	while (str_token(&s, " ", &w)) {
		struct conf_item *it = &v[n++];
		size_t type;

		*it = (struct conf_item){ 0 };
		if (w.p[0] == '!') {
			it->negate = true;
			w = str_sub(w, 1, w.n);
		}
		type = value_table(w);
		it->full = it->text = w;
		if (type > 0) {
			it->kind = CONF_TABLE;
			it->type = str_sub(w, 0, type);
			it->text = str_sub(w, type + 1, w.n);
		}
	}
	return (struct conf_list){ v, n };
}

static void
test_match(void **state)
{
	/* clang-format off */
	static const struct {
		char what; /* d domain, p with parents, w word */
		const char *list, *key; enum match want;
	} cases[] = {
		{ 'd', "example.com", "EXAMPLE.com", MATCH_YES },
		{ 'd', "example.com", "a.example.com", MATCH_NO },
		{ 'p', "example.com", "a.example.com", MATCH_YES },
		{ 'p', "example.com", "badexample.com", MATCH_NO },
		{ 'd', ".example.com", "a.example.com", MATCH_YES },
		{ 'd', ".example.com", "example.com", MATCH_NO },
		{ 'p', ".example.com", "a.example.com", MATCH_NO },
		{ 'd', "!a.com a.com b.com", "a.com", MATCH_NO },
		{ 'p', "!x.a.com a.com", "y.x.a.com", MATCH_NO },
		{ 'p', "!x.a.com a.com", "y.a.com", MATCH_YES },
		{ 'd', "hash:a.com+b.com", "b.com", MATCH_YES },
		{ 'd', "hash:.b.com", "a.b.com", MATCH_YES },
		{ 'd', "hash:b.com", "a.b.com", MATCH_NO },
		{ 'p', "hash:b.com", "a.b.com", MATCH_YES },
		{ 'd', "!hash:b.com b.com", "b.com", MATCH_NO },
		{ 'd', "fail:x b.com", "b.com", MATCH_RETRY },
		{ 'd', "b.com fail:x", "b.com", MATCH_YES },
		{ 'd', "", "b.com", MATCH_NO },
		{ 'w', "root static:any", "ROOT", MATCH_YES },
		{ 'w', "!root static:bin", "bin", MATCH_YES },
	};
	/* clang-format on */
	struct conf_item v[20];

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct conf_list list = make_list(cases[i].list, v);
		struct str key = str_of(cases[i].key);
		enum match got;

		if (cases[i].what == 'w')
			got = match_word(list, key, table, NULL);
		else
			got = match_domain(list, key, cases[i].what == 'p',
			    table, NULL);
		if (got != cases[i].want)
			fail_msg("%c %s in %s: %d", cases[i].what, cases[i].key,
			    cases[i].list, got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_expand_deep),
		cmocka_unit_test(test_net),
		cmocka_unit_test(test_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
