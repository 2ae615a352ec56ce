/* SPDX-License-Identifier: ISC */
/*
 * Replies, status codes, answers, words of DSN parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/mem.h"
#include "mail/dsn.h"
#include "mail/reply.h"

/* Feed lines separated by '\n'; the last one must be the first to be done. */
static void
feed(struct reply *r, const char *lines)
{
	struct str rest = str_of(lines);
	enum reply_result res = REPLY_MORE;

	reply_reset(r);
	for (;;) {
		ptrdiff_t lf = str_chr(rest, '\n');

		if (res != REPLY_MORE)
			fail_msg("'%s' is done early", lines);
		res = reply_line(r,
		    lf == -1 ? rest : str_sub(rest, 0, (size_t)lf));
		if (lf == -1)
			break;
		rest = str_sub(rest, (size_t)lf + 1, rest.n);
	}
	if (res != REPLY_DONE)
		fail_msg("'%s' is not done", lines);
}

static void
test_reply(void **state)
{
	static const struct {
		const char *lines;
		int code;
		const char *dsn, *status, *flat;
		unsigned junk;
	} c[] = {
		{ "250 OK", 250, "", "2.0.0", "250 OK", 0 },
		{ "250 OK\r", 250, "", "2.0.0", "250 OK", 0 },
		{ "250", 250, "", "2.0.0", "250", 0 },
		{ "250 2.1.5 Ok", 250, "2.1.5", "2.1.5", "250 2.1.5 Ok", 0 },
		{ "550-5.1.1 no such\n550 5.1.1 user", 550, "5.1.1", "5.1.1",
		    "550-5.1.1 no such 550 5.1.1 user", 0 },
		{ "550-5.7.1 first counts\n550 5.1.1 user", 550, "5.7.1",
		    "5.7.1", "550-5.7.1 first counts 550 5.1.1 user", 0 },
		/* of another class than the code: not believed */
		{ "450 5.1.1 x", 450, "", "4.0.0", "450 5.1.1 x", 0 },
		{ "550-4.1.1 x\n550 5.2.2 y", 550, "5.2.2", "5.2.2",
		    "550-4.1.1 x 550 5.2.2 y", 0 },
		/* the last line's code counts */
		{ "250-a\n550 b", 550, "", "5.0.0", "250-a 550 b", 0 },
		{ "354 2.0.0 go", 354, "", "4.0.0", "354 2.0.0 go", 0 },
		/* junk */
		{ "hello\n250 OK", 250, "", "2.0.0", "hello 250 OK", 1 },
		{ "\n250 OK", 250, "", "2.0.0", " 250 OK", 1 },
		{ "2500 no\n25 no\n250OK\n250 OK", 250, "", "2.0.0",
		    "2500 no 25 no 250OK 250 OK", 3 },
		{ "100 no\n600 no\n250 OK", 250, "", "2.0.0",
		    "100 no 600 no 250 OK", 2 },
		{ "-250 no\n+25 no\n421 bye", 421, "", "4.0.0",
		    "-250 no +25 no 421 bye", 2 },
		{ "250 a\033[31m\xc3\xa4\xff", 250, "", "2.0.0",
		    "250 a?[31m\xc3\xa4?", 0 },
		/* not quite enhanced codes */
		{ "550 5.1 x", 550, "", "5.0.0", "550 5.1 x", 0 },
		{ "550 5.1.1000 x", 550, "", "5.0.0", "550 5.1.1000 x", 0 },
		{ "550 5.1.1x", 550, "", "5.0.0", "550 5.1.1x", 0 },
		{ "550 5.1.1", 550, "5.1.1", "5.1.1", "550 5.1.1", 0 },
		{ "550 5.999.999 x", 550, "5.999.999", "5.999.999",
		    "550 5.999.999 x", 0 },
	};
	struct reply r;
	struct buf b;
	char dsn[DSN_MAX];

	(void)state;
	reply_init(&r);
	buf_init(&b, 1000);
	for (size_t i = 0; i < NELEM(c); i++) {
		feed(&r, c[i].lines);
		assert_int_equal(r.code, c[i].code);
		assert_string_equal(dsn_text(r.dsn, dsn), c[i].dsn);
		assert_string_equal(dsn_text(reply_status(&r), dsn),
		    c[i].status);
		buf_reset(&b);
		assert_int_equal(reply_flat(&r, &b), 0);
		assert_string_equal(buf_cstr(&b), c[i].flat);
		assert_int_equal(r.junk, c[i].junk);
	}
	assert_int_equal(reply_line(&r, STR("250 a\0b")), REPLY_DONE);
	reply_reset(&r);
	assert_int_equal(reply_line(&r, STR("250\0")), REPLY_MORE);
	buf_clear(&b);
	reply_clear(&r);
}

static void
test_reply_lines(void **state)
{
	struct str line;
	struct reply r;
	size_t pos = 0;

	(void)state;
	reply_init(&r);
	feed(&r, "250-mx.example\njunk\n250-SIZE 100\n250-\n250 DSN");
	assert_true(reply_next_line(&r, &pos, &line));
	assert_true(str_eq(line, STR("mx.example")));
	assert_true(reply_next_line(&r, &pos, &line));
	assert_true(str_eq(line, STR("SIZE 100")));
	assert_true(reply_next_line(&r, &pos, &line));
	assert_int_equal(line.n, 0);
	assert_true(reply_next_line(&r, &pos, &line));
	assert_true(str_eq(line, STR("DSN")));
	assert_false(reply_next_line(&r, &pos, &line));
	reply_clear(&r);
}

static void
test_reply_bounds(void **state)
{
	char *big = xmalloc(100000);
	enum reply_result res = REPLY_MORE;
	struct reply r;
	unsigned n = 0;

	(void)state;
	memset(big, 'x', 100000);
	memcpy(big, "250-", 4);
	reply_init(&r);
	assert_int_equal(reply_line(&r, str_make(big, 100000)), REPLY_MORE);
	assert_int_equal(buf_get(&r.text).n, REPLY_TEXT_MAX - 1);
	assert_true(r.clipped);
	assert_int_equal(reply_line(&r, STR("550 5.1.1 no")), REPLY_DONE);
	assert_int_equal(r.code, 550);
	assert_int_equal(r.dsn.detail, 1);
	assert_int_equal(buf_get(&r.text).n, REPLY_TEXT_MAX - 1);
	reply_reset(&r);
	while (res == REPLY_MORE && n < 100000) {
		res = reply_line(&r, STR("250-x"));
		n++;
	}
	assert_int_equal(res, REPLY_BAD);
	assert_int_equal(n, REPLY_LINES_MAX + 1);
	reply_clear(&r);
	free(big);
}

static void
test_answer_soften(void **state)
{
	struct answer a = { 554, { 5, 7, 0 }, STR("Denied") };
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	answer_format(&b, answer_soften(a), false);
	assert_string_equal(buf_cstr(&b), "454 4.7.0 Denied\r\n");
	buf_clear(&b);
}

static void
test_answer_format(void **state)
{
	static const struct {
		struct answer a;
		bool utf8;
		const char *want;
	} c[] = {
		{ { 220, { 0, 0, 0 }, STR("host ESMTP") }, false,
		    "220 host ESMTP\r\n" },
		{ { 250, { 0, 0, 0 }, STR("host\nSIZE\nDSN") }, false,
		    "250-host\r\n250-SIZE\r\n250 DSN\r\n" },
		{ { 550, { 5, 1, 1 }, STR("a\r\nb\n") }, false,
		    "550-5.1.1 a\r\n550 5.1.1 b\r\n" },
		{ { 354, { 2, 0, 0 }, STR("go") }, false, "354 go\r\n" },
		{ { 250, { 2, 0, 0 }, STR("") }, false, "250 2.0.0 \r\n" },
		{ { 250, { 2, 0, 0 }, STR("a\rb\t\xc3\xa4\0") }, false,
		    "250 2.0.0 a?b????\r\n" },
		{ { 250, { 2, 0, 0 }, STR("\xc3\xa4\xff") }, true,
		    "250 2.0.0 \xc3\xa4?\r\n" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < NELEM(c); i++) {
		buf_reset(&b);
		assert_int_equal(answer_format(&b, c[i].a, c[i].utf8), 0);
		assert_string_equal(buf_cstr(&b), c[i].want);
	}
	buf_clear(&b);
	buf_init(&b, 10);
	assert_int_equal(answer_format(&b, c[0].a, false), -1);
	buf_clear(&b);
}

/* Long text is folded, into lines that are legal and lose nothing. */
static void
test_answer_long(void **state)
{
	struct answer a = { 550, { 5, 999, 999 }, STR_NONE };
	char text[5000];
	struct buf b, back;
	struct str rest, line;

	(void)state;
	buf_init(&b, 20000);
	buf_init(&back, 20000);
	for (int kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = kind == 0 ? 'x' :
			    kind == 1	    ? "ab cdefgh"[i % 9] :
					      "\xe2\x82\xac"[i % 3];
		a.text = str_make(text, 4998);
		buf_reset(&b);
		buf_reset(&back);
		assert_int_equal(answer_format(&b, a, true), 0);
		rest = buf_get(&b);
		while (rest.n > 0) {
			size_t n = (size_t)str_chr(rest, '\n') + 1;

			assert_true(n <= REPLY_LINE_MAX);
			line = str_sub(rest, 0, n);
			rest = str_sub(rest, n, rest.n);
			assert_true(str_starts(line,
			    rest.n > 0 ? STR("550-5.999.999 ") :
					 STR("550 5.999.999 ")));
			line = str_trim(str_sub(line, 14, line.n));
			if (kind == 1 && buf_get(&back).n > 0)
				buf_putc(&back, ' ');
			buf_str(&back, line);
		}
		assert_true(str_eq(buf_get(&back), str_trim(a.text)));
	}
	buf_clear(&b);
	buf_clear(&back);
}

static void
test_notify(void **state)
{
	static const struct {
		const char *s, *want;
	} c[] = {
		{ "NEVER", "NEVER" },
		{ "never", "NEVER" },
		{ "SUCCESS", "SUCCESS" },
		{ "delay,Failure,SUCCESS", "SUCCESS,FAILURE,DELAY" },
		{ "", NULL },
		{ ",", NULL },
		{ "DELAY,", NULL },
		{ "NEVER,DELAY", NULL },
		{ "DELAY,DELAY", NULL },
		{ "FOO", NULL },
		{ "SUCCESS FAILURE", NULL },
	};
	enum dsn_ret ret;
	unsigned n = 0;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < NELEM(c); i++) {
		buf_reset(&b);
		assert_int_equal(dsn_notify_parse(str_of(c[i].s), &n),
		    c[i].want == NULL ? -1 : 0);
		if (c[i].want == NULL)
			continue;
		assert_int_equal(dsn_notify_format(&b, n), 0);
		assert_string_equal(buf_cstr(&b), c[i].want);
	}
	buf_clear(&b);
	assert_int_equal(dsn_ret_parse(STR("hdrs"), &ret), 0);
	assert_int_equal(ret, DSN_RET_HDRS);
	assert_int_equal(dsn_ret_parse(STR("FULL"), &ret), 0);
	assert_int_equal(ret, DSN_RET_FULL);
	assert_int_equal(dsn_ret_parse(STR("HEADERS"), &ret), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_reply_lines),
		cmocka_unit_test(test_reply_bounds),
		cmocka_unit_test(test_answer_soften),
		cmocka_unit_test(test_answer_format),
		cmocka_unit_test(test_answer_long),
		cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
