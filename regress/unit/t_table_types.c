/* SPDX-License-Identifier: ISC */
/*
 * Every type of table, by what it answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/fd.h"
#include "base/mem.h"
#include "table/table.h"

static const struct {
	const char *path, *text;
} files[] = {
	{ "/etc/passwd",
	    "root:secret:0:0:root:/root:/bin/sh\n+::::::\n#x\nbad\n"
	    "joe:x:1000:1000::/home/joe:/bin/sh\n" },
	{ "/etc/group", "root:x:0:\nmail:x:8:joe\n" },
	{ "/c/text", "Key  Value Text\nkey second\nbad\n\xe9t\xe9 latin\n" },
	{ "/c/cidr",
	    "# networks\n10.0.0.0/8 ten\n!192.168.0.0/16 public\n"
	    "if 192.168.0.0/16\n192.168.1.0/24 one\nif !192.168.2.0/24\n"
	    "192.168.0.0/16 other\nendif\nendif\n[2001:db8::]/32 six\n"
	    "::1 loop\n1.2.3.4/24 bad\n1.2.3.4/33 bad\nx bad\n"
	    "if nonsense\n0.0.0.0/0 never\nendif\n"
	    "if 192.168.2.0/24\n192.168.2.7 seven\n" },
	{ "/c/regexp",
	    "/^user(.*)@(.*)$/ $2-${1}$(1)$$\n!/@/ no at\n"
	    "/^case$/i EXACT\n/a{2,3}\\/b/ counted\n"
	    "if !/^x/\n/^y/ why\nendif\n"
	    "if /^x/\nif /y$/\n/./ xy\nendif\n/./ x\nendif\n"
	    "/a(/ bad\n/b/z badflag\n/(c)/ $2 badgroup\n!/d@(x)/ $1\n"
	    "/nores/\nx bad\n|p@q| bars\n" },
	{ "/c/never", "if /a(/\n/./ never\nendif\n/^z/ zed\n" },
};

static unsigned opened;

static int
open_fake(void *arg, const char *path)
{
	(void)arg;
	opened++;
	for (size_t i = 0; i < NELEM(files); i++) {
		if (strcmp(path, files[i].path) == 0)
			return memfd_from("table", files[i].text,
			    strlen(files[i].text));
	}
	errno = strstr(path, "secret") != NULL ? EACCES : ENOENT;
	return -1;
}

static const struct table_env env = { .open = open_fake, .config_dir = "/c" };

#define F TABLE_FOUND
#define N TABLE_NONE
#define L TABLE_LATER

static const struct {
	const char *spec, *key;
	enum table_answer want;
	const char *value; /* or a part of the reason */
} cases[] = {
	{ "static:x y", "any", F, "x y" },
	{ "static:{ x y }", "any", F, "x y" },
	{ "inline:{a=b, {c = d e}}", "C", F, "d e" },
	{ "inline:{a=b=c}", "a", F, "b=c" },
	{ "inline:{a=1, A=2}", "a", F, "2" },
	{ "inline:{a=b}", "x", N, "" },
	{ "inline:{a}", "a", L, "key = value" },
	{ "inline:{a=}", "a", L, "empty" },
	{ "inline:{}", "a", L, "empty" },
	{ "inline:a=b", "a", L, "want inline" },
	{ "inline:{a=b}}", "a", L, "unbalanced" },
	{ "texthash:text", "KEY", F, "Value Text" },
	{ "texthash:/c/text", "key", F, "Value Text" },
	{ "texthash:text", "bad", N, "" },
	{ "texthash:none", "key", L, "/c/none" },
	{ "texthash:secret", "key", L, "Permission denied" },
	{ "texthash:", "key", L, "no file name" },
	{ "texthash:{ {a b} {c d} }", "c", F, "d" },
	{ "unix:passwd.byname", "joe", F,
	    "joe:x:1000:1000::/home/joe:/bin/sh" },
	{ "proxy:unix:passwd.byname", "root", F,
	    "root:x:0:0:root:/root:/bin/sh" },
	{ "unix:passwd.byname", "bad", N, "" },
	{ "unix:passwd.byname", "+", N, "" },
	{ "unix:group.byname", "mail", F, "mail:x:8:joe" },
	{ "unix:shadow", "root", L, "system table" },
	{ "cdb:none", "a", L, "postmap cdb:none" },
	{ "hash:none", "a", L, "/c/none.db" },
	{ "lmdb:none", "a", L, "/c/none.lmdb" },
	{ "cdb:", "a", L, "no file name" },
	{ "cidr:cidr", "10.255.0.1", F, "ten" },
	{ "cidr:cidr", "11.0.0.1", F, "public" },
	{ "cidr:cidr", "192.168.1.77", F, "one" },
	{ "cidr:cidr", "192.168.3.1", F, "other" },
	{ "cidr:cidr", "192.168.2.1", N, "" },
	{ "cidr:cidr", "192.168.2.7", F, "seven" },
	{ "cidr:cidr", "2001:DB8::9", F, "six" },
	{ "cidr:cidr", "2001:db9::9", N, "" },
	{ "cidr:cidr", "0:0::0001", F, "loop" },
	{ "cidr:cidr", "[10.0.0.1]", F, "ten" },
	{ "cidr:cidr", "host.example", N, "" },
	{ "cidr:cidr", "10.0.0.1.1", N, "" },
	{ "cidr:{{1.2.3.4 a}, {0.0.0.0/0 b}}", "9.9.9.9", F, "b" },
	{ "cidr:{1.2.3.4 a}", "9.9.9.9", L, "{rule}" },
	{ "cidr:{{1.2.3.4 a}", "9.9.9.9", L, "unbalanced" },
	{ "regexp:regexp", "user+x@Dom", F, "Dom-+x+x$" },
	{ "regexp:regexp", "plain", F, "no at" },
	{ "regexp:regexp", "y@", F, "why" },
	{ "regexp:regexp", "x@y", F, "xy" },
	{ "regexp:regexp", "x@z", F, "x" },
	{ "regexp:regexp", "p@q", F, "bars" },
	{ "regexp:regexp", "q@AAA/b", F, "counted" },
	{ "regexp:regexp", "q@a/b", N, "" },
	{ "regexp:never", "aaa", N, "" },
	{ "regexp:never", "zaa", F, "zed" },
	{ "regexp:{{/^Case$/i yes}}", "case", N, "" },
	{ "regexp:{{/^Case$/i yes}}", "Case", F, "yes" },
	{ "regexp:{{/^b/m yes}}", "a\nb", F, "yes" },
	{ "regexp:{{/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/ uuid}}",
	    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", F, "uuid" },
	{ "regexp:{{/^([0-9]{1,3}\\.){3}[0-9]{1,3}$/ ip}}", "192.0.2.1", F,
	    "ip" },
	/* What would take all memory is no rule. */
	{ "regexp:{{/^((a{100}){100}){100}/ x} {/^b/ rest}}", "b", F, "rest" },
	{ "regexp:{{/x+?+?+?+?+?h+?+?+?+?+?/ x} {/^b/ rest}}", "b", F, "rest" },
	{ "regexp:{{/((((a+)?b)*c)+d)?e/ deep}}", "abcde", F, "deep" },
	{ "regexp:{{/a++++++++++++++++++++++++++++/ x} {/^b/ rest}}", "b", F,
	    "rest" },
	{ "regexp:{{/^b/ yes}}", "a\nb", N, "" },
	{ "regexp:{{/a(b)?c/ <$1>}}", "ac", F, "<>" },
#ifdef HAVE_PCRE2
	{ "pcre:{{/^(?<n>\\d+)x/ n$1}}", "12X", F, "n12" },
	{ "pcre:{{/a(b)?(c)/ <$1$2>}}", "ac", F, "<c>" },
	{ "pcre:{{/(/ bad}}", "(", N, "" },
	{ "pcre:{{/^(a+)+$/ slow}}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	    L, "limit" },
#endif
	{ "unionmap:{static:a, inline:{x=b}}", "x", F, "a,b" },
	{ "unionmap:{inline:{y=a} inline:{x=b}}", "x", F, "b" },
	{ "unionmap:{inline:{y=a}}", "x", N, "" },
	{ "unionmap:{static:a, fail:b}", "x", L, "fail:b" },
	{ "unionmap:{static:a, cdb:none}", "x", L, "none.cdb" },
	{ "unionmap:{}", "x", L, "no table" },
	{ "unionmap:static:a", "x", L, "want" },
	{ "pipemap:{inline:{x=Y}, inline:{y=z}}", "x", F, "z" },
	{ "pipemap:{inline:{x=q}, inline:{y=z}}", "x", N, "" },
	{ "pipemap:{inline:{x=y}, fail:z}", "x", L, "fail:z" },
	{ "pipemap:{inline:{x=y}, fail:z}", "q", N, "" },
	{ "randmap:{one}", "x", F, "one" },
	{ "randmap:{}", "x", L, "no value" },
	{ "fail:x", "x", L, "fails" },
	{ "dbm:x", "x", L, "cdb" },
	{ "ldap:/x", "x", L, "ldap" },
	{ "nosuch:x", "x", L, "unknown table type nosuch" },
	{ "plain", "x", L, "type:name" },
	{ "", "x", L, "type:name" },
};

static void
test_answers(void **state)
{
	struct buf value;

	(void)state;
	buf_init(&value, 1000);
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct table *t = table_open(str_of(cases[i].spec), &env);
		enum table_answer got =
		    table_get(t, str_of(cases[i].key), &value);

		if (got != cases[i].want)
			fail_msg("%s %s: answer %d (%s)", cases[i].spec,
			    cases[i].key, got, table_reason(t));
		if (got == L) {
			if (strstr(table_reason(t), cases[i].value) == NULL)
				fail_msg("%s: %s", cases[i].spec,
				    table_reason(t));
			assert_int_equal(buf_get(&value).n, 0);
		} else {
			assert_string_equal(buf_cstr(&value), cases[i].value);
			assert_null(table_broken(t));
		}
		table_close(&t);
	}
	buf_clear(&value);
}

/* What is skipped is said. */
static void
test_warnings(void **state)
{
	static const struct {
		const char *spec;
		unsigned lines[16];
	} want[] = {
		{ "texthash:text", { 2, 3 } },
		{ "cidr:cidr", { 12, 13, 14, 15, 18 } },
		{ "regexp:regexp", { 14, 15, 16, 17, 18, 19 } },
		{ "regexp:never", { 1 } },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(want); i++) {
		struct table *t = table_open(str_of(want[i].spec), &env);
		struct str all = table_warnings(t), line;
		size_t n = 0;

		while (str_token(&all, "\n", &line)) {
			char text[32], *copy = str_dup(line);

			assert_true(want[i].lines[n] != 0);
			snprintf(text, sizeof(text),
			    "line %u:", want[i].lines[n++]);
			if (strstr(copy, text) == NULL)
				fail_msg("%s: %s", text, copy);
			free(copy);
		}
		assert_int_equal(want[i].lines[n], 0);
		table_close(&t);
	}
}

static int
note_file(void *arg, enum table_file_kind kind, const char *path,
    const char *source)
{
	buf_printf(arg, "%s%s<%s ", kind == TABLE_FILE_TEXT ? "t:" : "c:", path,
	    source == NULL ? "" : source);
	return 0;
}

static void
test_files(void **state)
{
	static const struct {
		const char *spec, *want;
		int ret;
	} specs[] = {
		{ "hash:a", "c:/c/a.db</c/a ", 0 },
		{ "btree:/x/a", "c:/x/a.db</x/a ", 0 },
		{ "cdb:a", "c:/c/a.cdb</c/a ", 0 },
		{ "proxy:cidr:a", "t:/c/a< ", 0 },
		{ "cidr:{{1.2.3.4 a}}", "", 0 },
		{ "static:a", "", 0 },
		{ "unix:passwd.byname", "t:/etc/passwd< ", 0 },
		{ "unionmap:{cdb:a, pipemap:{regexp:b,static:x}}",
		    "c:/c/a.cdb</c/a t:/c/b< ", 0 },
		{ "nosuch:a", "", -1 },
		{ "hash:", "", -1 },
		{ "a", "", -1 },
		{ "unionmap:a", "", -1 },
	};
	struct buf got, err;

	(void)state;
	buf_init(&got, 1000);
	buf_init(&err, 1000);
	opened = 0;
	for (size_t i = 0; i < NELEM(specs); i++) {
		buf_reset(&got);
		buf_reset(&err);
		assert_int_equal(table_files(str_of(specs[i].spec), &env,
				     note_file, &got, &err),
		    specs[i].ret);
		assert_string_equal(buf_cstr(&got), specs[i].want);
		assert_int_equal(buf_get(&err).n > 0, specs[i].ret == -1);
	}
	assert_int_equal(opened, 0);
	buf_clear(&got);
	buf_clear(&err);
}

/* However deep it is written, it is not deep. */
static void
test_nesting(void **state)
{
	struct buf spec, value;
	struct table *t;

	(void)state;
	buf_init(&spec, 1 << 20);
	buf_init(&value, 100);
	for (int i = 0; i < 10000; i++)
		buf_puts(&spec, "unionmap:{");
	buf_puts(&spec, "static:a");
	for (int i = 0; i < 10000; i++)
		buf_puts(&spec, "}");
	t = table_open(buf_get(&spec), &env);
	assert_int_equal(table_get(t, STR("x"), &value), TABLE_LATER);
	table_close(&t);
	assert_int_equal(table_files(buf_get(&spec), &env, note_file, &value,
			     NULL),
	    -1);
	buf_clear(&spec);
	buf_clear(&value);
}

static void
test_keys(void **state)
{
	char *long_key = xcalloc(1, TABLE_KEY_MAX + 2);
	struct table *t = table_open(STR("inline:{a=b}"), &env);
	struct buf value;

	(void)state;
	memset(long_key, 'A', TABLE_KEY_MAX + 1);
	buf_init(&value, 100);
	assert_int_equal(table_get(t, str_of(long_key), &value), TABLE_NONE);
	long_key[TABLE_KEY_MAX] = '\0';
	assert_int_equal(table_get(t, str_of(long_key), &value), TABLE_NONE);
	assert_int_equal(table_get(t, str_make("a\0", 2), &value), TABLE_NONE);
	table_close(&t);
	t = table_open(STR("fail:x"), &env);
	assert_int_equal(table_get(t, str_of(long_key), &value), TABLE_LATER);
	table_close(&t);
	table_close(&t);
	free(long_key);
	buf_clear(&value);
}

/* A file that is replaced, removed or changed is noticed. */
static void
test_stale(void **state)
{
	char name[] = "/tmp/t_table_types.XXXXXX";
	struct table *t;
	char *spec;
	int fd = mkstemp(name), again;

	(void)state;
	fd_write_all(fd, "a b\n", 4);
	spec = xasprintf("texthash:%s", name);
	again = open(name, O_RDONLY);
	t = table_open_fd(str_of(spec), again, 0);
	assert_null(table_broken(t));
	assert_false(table_stale(t));
	fd_write_all(fd, "c d\n", 4);
	assert_true(table_stale(t));
	table_close(&t);
	t = table_open_fd(str_of(spec), open(name, O_RDONLY), 0);
	assert_false(table_stale(t));
	unlink(name);
	assert_true(table_stale(t));
	table_close(&t);
	close(fd);
	free(spec);
	t = table_open(STR("static:x"), &env);
	assert_false(table_stale(t));
	table_close(&t);
	t = table_open(STR("cdb:none"), &env);
	assert_true(table_stale(t)); /* broken: worth another try */
	table_close(&t);
}

static void
test_nofold(void **state)
{
	struct table_env e = env;
	struct buf value;
	struct table *t;

	(void)state;
	e.flags = TABLE_NOFOLD;
	buf_init(&value, 100);
	t = table_open(STR("texthash:{{Key v}}"), &e);
	assert_int_equal(table_get(t, STR("key"), &value), TABLE_NONE);
	assert_int_equal(table_get(t, STR("Key"), &value), TABLE_FOUND);
	table_close(&t);
	buf_clear(&value);
}

/* Nothing of the key in a result. */
static void
test_nosub(void **state)
{
	struct table_env e = { .flags = TABLE_NOSUB };
	struct buf v;

	(void)state;
	buf_init(&v, 100);
	for (int nested = 0; nested < 2; nested++) {
		struct table *t = table_open(nested ?
			STR("unionmap:{regexp:{{/^(.*)-x$/ $1} {/a/ b$$}}}") :
			STR("regexp:{{/^(.*)-x$/ $1} {/a/ b$$}}"), &e);

		assert_int_equal(table_get(t, STR("|id-x"), &v), TABLE_NONE);
		assert_int_equal(table_get(t, STR("a"), &v), TABLE_FOUND);
		assert_true(str_eq(buf_get(&v), STR("b$")));
		assert_true(table_warnings(t).n > 0);
		table_close(&t);
	}
	buf_clear(&v);
}

static void
test_types(void **state)
{
	struct buf spec;

	(void)state;
	buf_init(&spec, 100);
	for (size_t i = 0; table_types[i] != NULL; i++) {
		struct table *t;

		buf_reset(&spec);
		buf_printf(&spec, "%s:x", table_types[i]);
		t = table_open(buf_get(&spec), &env);
		if (table_broken(t) != NULL)
			assert_null(strstr(table_broken(t), "unknown table"));
		if (i > 0)
			assert_true(
			    strcmp(table_types[i - 1], table_types[i]) < 0);
		table_close(&t);
	}
	buf_clear(&spec);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_nofold),
		cmocka_unit_test(test_nosub),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
