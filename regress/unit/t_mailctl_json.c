/* SPDX-License-Identifier: ISC */
/*
 * mailctl's JSON: what it reads, what it refuses, what it writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "commands/mailctl/json.h"

static void
test_find(void **state)
{
	static const struct {
		const char *text, *name, *want;
	} cases[] = {
		{ "{\"a\":1}", "a", "1" },
		{ " { \"a\" : 1 , \"b\" : \"x,}\" } ", "b", "\"x,}\"" },
		{ "{\"a\":{\"b\":2},\"b\":3}", "b", "3" },
		{ "{\"a\":[1,{\"b\":2}],\"b\":[]}", "a", "[1,{\"b\":2}]" },
		{ "{\"a\\\"\":1,\"b\":2}", "b", "2" },
		{ "{\"a\":1}", "c", "" },
		{ "{\"a\":1", "a", "1" },
		{ "{\"a\":", "a", "" },
		{ "{\"a\":\"open", "a", "" },
		{ "{\"a\" 1}", "a", "" },
		{ "[1]", "a", "" },
		{ "", "a", "" },
		{ "{", "a", "" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct json v =
		    json_find(json_of(str_of(cases[i].text)), cases[i].name);

		if (!str_eq(v.text, str_of(cases[i].want)))
			fail_msg("%s: " STR_FMT, cases[i].text,
			    STR_ARG(v.text));
	}
}

static void
test_each(void **state)
{
	struct json list = json_of(STR("[ 1, \"a]b\" ,[2,3],{\"x\":[4]} ]"));
	static const char *const want[] = { "1", "\"a]b\"", "[2,3]",
		"{\"x\":[4]}" };
	struct json v;
	size_t n = 0;

	(void)state;
	while (json_each(&list, &v)) {
		assert_true(n < NELEM(want));
		assert_true(str_eq(v.text, str_of(want[n++])));
	}
	assert_int_equal(n, NELEM(want));
	list = json_of(STR("[]"));
	assert_false(json_each(&list, &v));
	list = json_of(STR("[1,"));
	assert_true(json_each(&list, &v));
	assert_false(json_each(&list, &v));
	list = json_of(STR("{}"));
	assert_false(json_each(&list, &v));
}

static void
test_values(void **state)
{
	(void)state;
	assert_int_equal(json_num(json_of(STR("42"))), 42);
	assert_int_equal(json_num(json_of(STR("-7"))), -7);
	assert_int_equal(json_num(json_of(STR("1795271292.696513"))),
	    1795271292);
	assert_int_equal(json_num(json_of(STR("x"))), 0);
	assert_int_equal(json_num(json_of(STR("99999999999999999999"))), 0);
	assert_true(
	    str_eq(json_str(json_of(STR("\"a\\\"b\" "))), STR("a\\\"b")));
	assert_true(str_eq(json_str(json_of(STR("12"))), STR("")));
}

static void
test_put(void **state)
{
	static const struct {
		struct str in;
		const char *want;
	} cases[] = {
		{ { "plain", 5 }, "\"plain\"" },
		{ { "a\"b\\c", 5 }, "\"a\\\"b\\\\c\"" },
		{ { "\n\t\r\0\x7f", 5 }, "\"\\n\\t\\u000d\\u0000\\u007f\"" },
		{ { "\xc3\xa9", 2 }, "\"\xc3\xa9\"" },
		{ { "\xff", 1 }, "\"\\u00ff\"" },
		{ { NULL, 0 }, "\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct buf b;

		buf_init(&b, 256);
		json_put(&b, cases[i].in);
		assert_string_equal(buf_cstr(&b), cases[i].want);
		buf_clear(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
