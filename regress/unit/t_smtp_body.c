/* SPDX-License-Identifier: ISC */
/*
 * Content as it goes over the wire, whatever the pieces it is made in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daemons/smtp/smtp.h"

/* clang-format off */
static const struct {
	const char *in;
	size_t limit;
	const char *want;
	const char *why;
} cases[] = {
	{ "a\nb\n", 998, "a\r\nb\r\n.\r\n", "LF becomes CR LF" },
	{ "", 998, ".\r\n", "nothing" },
	{ "a", 998, "a\r\n.\r\n", "a last line without its end" },
	{ "\n\n", 998, "\r\n\r\n.\r\n", "empty lines" },
	{ ".\n", 998, "..\r\n.\r\n", "a dot alone" },
	{ "..\n.a\na.\n", 998, "...\r\n..a\r\na.\r\n.\r\n", "dots in front" },
	{ ".", 998, "..\r\n.\r\n", "a dot at the very end" },
	{ "a\r\n", 998, "a\r\n.\r\n", "a CR before the LF goes" },
	{ "a\rb\n", 998, "a b\r\n.\r\n", "one inside becomes a blank" },
	{ "a\r\r\n", 998, "a \r\n.\r\n", "two of them" },
	{ "a\r.\r\n", 998, "a .\r\n.\r\n", "no line end to be had by CR" },
	{ "\r.\r\n", 998, " .\r\n.\r\n", "nor a final dot" },
	{ "a\r", 998, "a\r\n.\r\n", "a CR at the very end" },
	{ "\r", 998, "\r\n.\r\n", "a CR alone" },
	{ "abcdef\n", 3, "abc\r\n de\r\n f\r\n.\r\n", "folded at the limit" },
	{ "abc\n", 3, "abc\r\n.\r\n", "just fits" },
	{ ".bcd\n", 3, "..bc\r\n d\r\n.\r\n", "folded with a dot" },
	{ "abc.d\n", 3, "abc\r\n .d\r\n.\r\n", "a dot behind a fold" },
	{ "abc\n", 1, "ab\r\n c\r\n.\r\n", "a line has a blank and something" },
	{ "abcdef\n", 0, "abcdef\r\n.\r\n", "no limit" },
	{ "\303\244\n", 998, "\303\244\r\n.\r\n", "8 bits" },
};
/* clang-format on */

static void
run_case(size_t i, size_t chunk)
{
	struct content c;
	struct body b;
	struct buf out, all;
	size_t n = strlen(cases[i].in);
	int fd = memfd_from("m", cases[i].in, n);

	assert_int_equal(content_init(&c, fd, 0, n, NULL, 0), 0);
	body_init(&b, &c, cases[i].limit);
	buf_init(&out, SESSION_OUT);
	buf_init(&all, 10000);
	while (!b.ended) {
		assert_int_equal(body_fill(&b, &out, chunk), 0);
		buf_str(&all, buf_get(&out));
		buf_reset(&out);
	}
	if (!str_eq(buf_get(&all), str_of(cases[i].want)))
		fail_msg("%s: \"" STR_FMT "\"", cases[i].why,
		    STR_ARG(buf_get(&all)));
	/* The same again for the next server. */
	body_init(&b, &c, cases[i].limit);
	assert_int_equal(body_fill(&b, &out, 10000), 0);
	assert_true(str_eq(buf_get(&out), str_of(cases[i].want)));
	content_clear(&c);
	buf_clear(&out);
	buf_clear(&all);
	close(fd);
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		run_case(i, BODY_CHUNK);
		run_case(i, 1);
	}
}

/* A CR and its LF, a dot and its line, in different windows. */
static void
test_windows(void **state)
{
	(void)state;
	for (size_t pad = CONTENT_WINDOW - 4; pad <= CONTENT_WINDOW + 1;
	     pad++) {
		char *text = xcalloc(1, pad + 16);
		struct content c;
		struct body b;
		struct buf out;
		struct str s;
		int fd;

		memset(text, 'x', pad);
		strlcpy(text + pad, "\r\n.\nend\n", 16);
		fd = memfd_from("m", text, strlen(text));
		assert_int_equal(content_init(&c, fd, 0, strlen(text), NULL, 0),
		    0);
		body_init(&b, &c, 0);
		buf_init(&out, SESSION_OUT);
		assert_int_equal(body_fill(&b, &out, 100000), 0);
		s = buf_get(&out);
		assert_true(str_ends(s, STR("x\r\n..\r\nend\r\n.\r\n")));
		assert_int_equal(s.n, pad + 14);
		content_clear(&c);
		buf_clear(&out);
		close(fd);
		free(text);
	}
}

/* Less there than was promised: the dot must not go out. */
static void
test_short(void **state)
{
	struct content c;
	struct body b;
	struct buf out;
	int fd = memfd_from("m", "abc\n", 4);

	(void)state;
	assert_int_equal(content_init(&c, fd, 0, 10, NULL, 0), 0);
	body_init(&b, &c, 998);
	buf_init(&out, SESSION_OUT);
	while (body_fill(&b, &out, 1000) == 0 && !b.ended)
		;
	assert_false(b.ended);
	content_clear(&c);
	buf_clear(&out);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
