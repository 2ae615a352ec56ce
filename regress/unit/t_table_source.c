/* SPDX-License-Identifier: ISC */
/*
 * The text of tables: logical lines, pairs, aliases and their values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"
#include "table/alias_value.h"
#include "table/load.h"
#include "table/source.h"

/* Logical lines as "first-last:text|". */
static const struct {
	const char *text, *want, *why;
} lines[] = {
	{ "", "", "nothing" },
	{ "a b", "1-1:a b|", "no newline at the end" },
	{ "a b\nc d\n", "1-1:a b|2-2:c d|", "two lines" },
	{ "a\n b\n\tc\n", "1-3:a b\tc|", "continuation by blank and tab" },
	{ "#x\n\n  \na b\n", "4-4:a b|", "comments and empty lines" },
	{ "a\n#x\n\n  # y\n b\nc\n", "1-5:a b|6-6:c|",
	    "comments within a logical line" },
	{ "a\n#x\n#y\nb\n", "1-1:a|4-4:b|", "comments between two" },
	{ "  a b\n", "1-1:  a b|", "blank at the start is kept to be seen" },
	{ "a b\r\nc\r\n d\r\n", "1-1:a b|2-3:c d|", "carriage returns" },
	{ "a # b\n", "1-1:a # b|", "no comment behind text" },
};

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(lines); i++) {
		struct source_line line;
		struct source s;
		struct buf got;

		buf_init(&got, 4096);
		source_init(&s, str_of(lines[i].text));
		while (source_next(&s, &line) == 1)
			buf_printf(&got, "%u-%u:" STR_FMT "|", line.first,
			    line.last, STR_ARG(line.text));
		if (strcmp(buf_cstr(&got), lines[i].want) != 0)
			fail_msg("%s: got %s, want %s", lines[i].why,
			    buf_cstr(&got), lines[i].want);
		source_clear(&s);
		buf_clear(&got);
	}
}

static void
test_long_line(void **state)
{
	struct source_line line;
	struct source s;

	(void)state;
	source_init(&s, STR("aaaaaaaaaa\nb\nccc\n ccc\n ccc\nd\n"));
	s.max = 8;
	assert_int_equal(source_next(&s, &line), -1);
	assert_int_equal(line.first, 1);
	assert_int_equal(source_next(&s, &line), 1);
	assert_true(str_eq(line.text, STR("b")));
	assert_int_equal(source_next(&s, &line), -1);
	assert_int_equal(line.first, 3);
	assert_int_equal(source_next(&s, &line), 1);
	assert_true(str_eq(line.text, STR("d")));
	assert_int_equal(source_next(&s, &line), 0);
	source_clear(&s);
}

static const struct {
	struct str line;
	const char *key, *value; /* NULL: an error */
	bool note;
} pairs[] = {
	{ STR("a b"), "a", "b", false },
	{ STR("a\t b  c \t"), "a", "b  c", false },
	{ STR("\"a b\"@c d"), "\"a b\"@c", "d", false },
	{ STR("\"a\\\" b\"@c d"), "\"a\\\" b\"@c", "d", false },
	{ STR("a\\ b c"), "a\\ b", "c", false },
	{ STR("a: b"), "a:", "b", true },
	{ STR("a"), NULL, NULL, false },
	{ STR("a "), NULL, NULL, false },
	{ STR(" a b"), NULL, NULL, false },
	{ STR("\"a b"), NULL, NULL, false },
	{ STR("a\0 b"), NULL, NULL, false },
};

static void
test_pairs(void **state)
{
	struct str key, value;
	const char *note, *error;

	(void)state;
	for (size_t i = 0; i < NELEM(pairs); i++) {
		error = source_pair(pairs[i].line, &key, &value, &note);
		assert_int_equal(error == NULL, pairs[i].key != NULL);
		if (error != NULL)
			continue;
		assert_true(str_eq(key, str_of(pairs[i].key)));
		assert_true(str_eq(value, str_of(pairs[i].value)));
		assert_int_equal(note != NULL, pairs[i].note);
	}
}

/*
 * Values of aliases.  want: items as kind:text|, kinds a, f, c, i, and a
 * backslash for direct; ! at the end for an error.
 */
static const struct {
	const char *text, *want;
} values[] = {
	{ "", "" },
	{ "  ,, ", "" },
	{ "#sales", "a:#sales|" },
	{ "(c) #sales, #x", "a:#sales|a:#x|" },
	{ "joe", "a:joe|" },
	{ "joe, ann@example.com", "a:joe|a:ann@example.com|" },
	{ "joe,ann,", "a:joe|a:ann|" },
	{ "joe @ example . com", "a:joe@example.com|" },
	{ "joe (the boss, him), ann", "a:joe|a:ann|" },
	{ "(x) joe", "a:joe|" },
	{ "joe\\ \r\n", "a:joe\\ |" },
	{ " joe \r\n", "a:joe|" },
	{ "(a (nested) one) joe", "a:joe|" },
	{ "Joe Doe <joe@example.com>", "a:joe@example.com|" },
	{ "\"Doe, Joe\" <joe@example.com>, b", "a:joe@example.com|a:b|" },
	{ "\"joe doe\"@example.com", "a:\"joe doe\"@example.com|" },
	{ "\"joe, doe\"", "a:\"joe, doe\"|" },
	{ "joe@[192.0.2.1]", "a:joe@[192.0.2.1]|" },
	{ "joe@[IPv6:2001:db8::1]", "a:joe@[IPv6:2001:db8::1]|" },
	{ "\\joe, \"|/bin/x\"", "\\a:joe|c:/bin/x|" },
	{ "/var/mail/joe", "f:/var/mail/joe|" },
	{ "\"/var/my mail\", x", "f:/var/my mail|a:x|" },
	{ "\"|/bin/x -a, \\\"b c\\\" \\\\d\"", "c:/bin/x -a, \"b c\" \\d|" },
	{ "|/bin/x", "c:/bin/x|" },
	{ "|/bin/x -a b, joe", "c:/bin/x -a b|a:joe|" },
	{ "|\"exit 67\"", "c:exit 67|" },
	{ ":include:/etc/list", "i:/etc/list|" },
	{ "\":include:/etc/my list\"", "i:/etc/my list|" },
	{ ":INCLUDE: /etc/list", "i:/etc/list|" },
	{ "\xc3\xa9va@example.com", "a:\xc3\xa9va@example.com|" },
	/* errors: what came before is good */
	{ "joe, ann bob", "a:joe|!" },
	{ "joe, \"ann", "a:joe|!" },
	{ "joe, (ann", "a:joe|!" },
	{ "joe)", "!" },
	{ "<joe", "!" },
	{ "joe>", "!" },
	{ "<joe> ann", "!" },
	{ "<<joe>>", "!" },
	{ "<joe, ann>", "!" },
	{ "joe\\", "!" },
	{ "<>", "!" },
	{ "\"\"", "!" },
	{ "|", "!" },
	{ "\"|\"", "!" },
	{ "\"|/bin/x\" y", "!" },
	{ ":include:list", "!" },
	{ "group: joe, ann;", "!" },
	{ "joe@[1.2", "!" },
	{ "joe\\", "!" },
	{ "jo\001e", "!" },
	{ "jo\\\001e", "!" },
	{ "/jo\\\001e", "!" },
	{ "\"jo\ne\"", "!" },
	{ "<|/bin/x>", "!" },
	{ "\\\"|x\"", "!" },
};

static void
print_items(const char *text, size_t max, struct buf *out, struct buf *std)
{
	struct alias_parser ap;
	struct alias_item item;
	int r;

	buf_reset(out);
	buf_reset(std);
	alias_parse(&ap, str_of(text), max);
	while ((r = alias_next(&ap, &item)) == 1) {
		buf_printf(out, "%s%c:" STR_FMT "|", item.direct ? "\\" : "",
		    "afci"[item.kind], STR_ARG(item.text));
		if (buf_get(std).n > 0)
			buf_puts(std, ", ");
		alias_print(&item, std);
	}
	if (r == -1) {
		assert_non_null(ap.error);
		assert_int_equal(alias_next(&ap, &item), -1);
		buf_putc(out, '!');
	}
}

static void
test_values(void **state)
{
	struct buf got, std, again, none;

	(void)state;
	buf_init(&got, 65536);
	buf_init(&std, 65536);
	buf_init(&again, 65536);
	buf_init(&none, 65536);
	for (size_t i = 0; i < NELEM(values); i++) {
		print_items(values[i].text, 10, &got, &std);
		if (strcmp(buf_cstr(&got), values[i].want) != 0)
			fail_msg("%s: got %s, want %s", values[i].text,
			    buf_cstr(&got), values[i].want);
		/* The standard form says the same. */
		print_items(buf_cstr(&std), 10, &again, &none);
		if (buf_get(&got).n > 0 &&
		    values[i].want[strlen(values[i].want) - 1] == '!')
			buf_trim(&got, 1);
		assert_string_equal(buf_cstr(&again), buf_cstr(&got));
	}
	buf_clear(&got);
	buf_clear(&std);
	buf_clear(&again);
	buf_clear(&none);
}

static void
test_bounds(void **state)
{
	char big[ALIAS_ITEM_MAX + 100];
	struct buf got, std;

	(void)state;
	buf_init(&got, 65536);
	buf_init(&std, 65536);
	assert_true(alias_is_comment(STR("  # x")));
	assert_false(alias_is_comment(STR("x # x")));
	assert_false(alias_is_comment(STR(" ")));
	print_items("a, b, c", 2, &got, &std);
	assert_string_equal(buf_cstr(&got), "a:a|a:b|!");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	print_items(big, 2, &got, &std);
	assert_string_equal(buf_cstr(&got), "!");
	big[ALIAS_ITEM_MAX] = '\0';
	print_items(big, 2, &got, &std);
	assert_int_equal(buf_get(&got).n, ALIAS_ITEM_MAX + 3);
	buf_clear(&got);
	buf_clear(&std);
}

static const struct {
	const char *line, *key, *value; /* NULL: an error */
} aliases[] = {
	{ "root: joe", "root", "joe" },
	{ "Root :joe,ann", "root", "joe, ann" },
	{ "\"Foo Bar\": joe", "foo bar", "joe" },
	{ "\"a:b@c\" : joe", "a:b@c", "joe" },
	{ "x: |\"exit 67\"", "x", "\"|exit 67\"" },
	{ "x: Joe Doe <joe@a.b> (c)", "x", "joe@a.b" },
	{ "x:", NULL, NULL },
	{ "x: ,", NULL, NULL },
	{ "x", NULL, NULL },
	{ ": joe", NULL, NULL },
	{ "a@b: joe", NULL, NULL },
	{ "a b: joe", NULL, NULL },
	{ "\"a: joe", NULL, NULL },
	{ "\"a\" joe", NULL, NULL },
	{ "\"\": joe", NULL, NULL },
	{ " x: joe", NULL, NULL },
	{ ":include:/x: joe", NULL, NULL },
	{ "x: joe ann", NULL, NULL },
};

static void
test_aliases(void **state)
{
	const char *error, *note;
	struct buf key, value;

	(void)state;
	buf_init(&key, 100);
	buf_init(&value, 100);
	for (size_t i = 0; i < NELEM(aliases); i++) {
		error =
		    source_alias(str_of(aliases[i].line), &key, &value, &note);
		if ((error == NULL) != (aliases[i].key != NULL))
			fail_msg("%s: %s", aliases[i].line,
			    error == NULL ? "no error" : error);
		if (error != NULL)
			continue;
		assert_string_equal(buf_cstr(&key), aliases[i].key);
		assert_string_equal(buf_cstr(&value), aliases[i].value);
	}
	buf_clear(&key);
	buf_clear(&value);
}

static void
note_line(void *arg, unsigned line, bool error, const char *what)
{
	(void)what;
	buf_printf(arg, "%u%s ", line, error ? "e" : "w");
}

static void
test_load(void **state)
{
	static const struct {
		enum load_dup dup;
		const char *said, *value;
	} cases[] = { { LOAD_DUP_WARN, "3w 5e 7w ", "1" },
		{ LOAD_DUP_IGNORE, "5e 7w ", "1" },
		{ LOAD_DUP_REPLACE, "5e 7w ", "2" } };
	static const char text[] = "A 1\nb 1\na\n 2\nx\n\nc: 1\n";

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct index ix;
		struct buf said;
		struct str v;
		struct load l = { .into = &ix,
			.dup = cases[i].dup,
			.fold = true,
			.say = note_line,
			.arg = &said };

		buf_init(&said, 1000);
		index_init(&ix, 1000);
		/* Line 4 continues line 3: the bad one is line 5. */
		assert_int_equal(load_text(&l, STR(text)), 0);
		assert_int_equal(l.errors, 1);
		assert_true(index_find(&ix, STR("a"), &v));
		assert_true(str_eq(v, str_of(cases[i].value)));
		assert_int_equal(ix.live, 3);
		assert_string_equal(buf_cstr(&said), cases[i].said);
		index_clear(&ix);
		buf_clear(&said);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
