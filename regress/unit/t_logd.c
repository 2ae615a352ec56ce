/* SPDX-License-Identifier: ISC */
/*
 * logd: no line can pretend to be two, or another's, or come out of order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/attr.h"
#include "daemons/logd/logd.h"

static const struct writer smtpd = { .component = "smtpd", .pid = 42 };

/* 2026-11-21 12:00:00.5 UTC */
#define WHEN 1795262400500000

static void
test_line(void **state)
{
	static const struct {
		enum log_form form;
		uint8_t level;
		const char *service, *text, *want;
	} cases[] = {
		{ FORM_FILE, 3, "", "connect from x",
		    "Nov 21 12:00:00 mx postern/smtpd[42]: connect from x\n" },
		{ FORM_FILE, 3, "postern/submission", "hi",
		    "Nov 21 12:00:00 mx postern/submission/smtpd[42]: hi\n" },
		{ FORM_SYSLOG, 2, "", "warning: w",
		    "<20>Nov 21 12:00:00 postern/smtpd[42]: warning: w" },
		{ FORM_FILE, 3, "", "a\nNov 21 fake\r\t\x1b[2J\x7f",
		    "Nov 21 12:00:00 mx postern/smtpd[42]: a?Nov 21 fake"
		    "???[2J?\n" },
		{ FORM_FILE, 3, "", "\xc3\xa4 \xff\xc3 \xc2\x85 \xed\xa0\x80",
		    "Nov 21 12:00:00 mx postern/smtpd[42]: \xc3\xa4 ?? ? ???"
		    "\n" },
		{ FORM_JSON, 1, "", "say \"x\\y\"\n",
		    "{\"time\":\"2026-11-21T12:00:00.500000\",\"host\":\"mx\","
		    "\"service\":\"postern/smtpd\",\"pid\":42,\"level\":"
		    "\"error\",\"text\":\"say \\\"x\\\\y\\\"?\"}\n" },
	};
	struct line_style style = { .host = "mx", .syslog_name = "postern",
		.facility = 2 };
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct log_line line = { .level = cases[i].level,
			.when_us = WHEN, .service = str_of(cases[i].service),
			.text = str_of(cases[i].text) };

		style.form = cases[i].form;
		buf_reset(&b);
		line_format(&style, &smtpd, &line, &b);
		assert_string_equal(buf_cstr(&b), cases[i].want);
	}
	buf_clear(&b);
}

static void
test_rate(void **state)
{
	struct writer w = { .pid = 1 };
	uint64_t missed, n = 0;

	(void)state;
	while (writer_charge(&w, 1000, &missed))
		n++;
	assert_true(n >= 1000 && n <= 1000000);
	for (int i = 0; i < 9; i++)
		assert_false(writer_charge(&w, 1000, &missed));
	assert_true(writer_charge(&w, 2000, &missed));
	assert_int_equal(missed, 10);
	assert_true(writer_charge(&w, 2000, &missed));
	assert_int_equal(missed, 0);
}

static void
collect(struct str line, void *arg)
{
	buf_str(arg, line);
}

static void
test_order(void **state)
{
	struct sorter so;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	sorter_init(&so);
	sorter_add(&so, 20, STR("b"));
	sorter_add(&so, 30, STR("d"));
	sorter_add(&so, 10, STR("a"));
	sorter_add(&so, 20, STR("c")); /* equal times: as they came */
	sorter_add(&so, 40, STR("e"));
	assert_int_equal(so.bytes, 5);
	sorter_take(&so, 20, collect, &b);
	assert_string_equal(buf_cstr(&b), "abc");
	sorter_take(&so, INT64_MAX, collect, &b);
	assert_string_equal(buf_cstr(&b), "abcde");
	assert_int_equal(so.bytes, 0);
	buf_clear(&b);
}

static void
test_facility(void **state)
{
	(void)state;
	assert_int_equal(line_facility(STR("mail")), 2);
	assert_int_equal(line_facility(STR("local7")), 23);
	assert_int_equal(line_facility(STR("nothing")), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_facility),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
