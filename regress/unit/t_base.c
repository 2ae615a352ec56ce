/* SPDX-License-Identifier: ISC */
/*
 * Strings, buffers, hashes, memory files.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/siphash.h"

static void
test_str(void **state)
{
	struct str s = STR("  a,b ,,c"), t;
	uint64_t v;
	char small[3];

	(void)state;
	assert_true(str_token(&s, " ,", &t) && str_eq(t, STR("a")));
	assert_true(str_token(&s, " ,", &t) && str_eq(t, STR("b")));
	assert_true(str_token(&s, " ,", &t) && str_eq(t, STR("c")));
	assert_false(str_token(&s, " ,", &t));
	assert_true(str_caseeq(STR("FooBar"), STR("fOObAR")));
	assert_false(str_caseeq(STR("Foo"), STR("Foo ")));
	assert_true(str_ends(STR("x.example"), STR(".example")));
	assert_false(str_ends(STR("e"), STR(".example")));
	assert_int_equal(str_u64(STR("18446744073709551615"), UINT64_MAX, &v),
	    0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_u64(STR("18446744073709551616"), UINT64_MAX, &v),
	    -1);
	assert_int_equal(str_u64(STR("11"), 10, &v), -1);
	assert_int_equal(str_u64(STR("5"), 3, &v), -1);
	assert_int_equal(str_u64(STR("-1"), 10, &v), -1);
	assert_int_equal(str_copy(STR("abc"), small, sizeof(small)), -1);
	assert_int_equal(str_copy(STR("a\0"), small, sizeof(small)), -1);
	assert_int_equal(str_copy(STR("ab"), small, sizeof(small)), 0);
	assert_string_equal(small, "ab");
	assert_true(str_cmp(STR("ab"), STR("abc")) < 0);
	assert_int_equal(str_rchr(STR("a@b@c"), '@'), 3);
}

static void
test_buf(void **state)
{
	struct buf b;
	char *s;

	(void)state;
	buf_init(&b, 10);
	assert_string_equal(buf_cstr(&b), "");
	assert_int_equal(buf_puts(&b, "hello"), 0);
	buf_consume(&b, 2);
	assert_int_equal(buf_printf(&b, "%d", 12345), 0);
	assert_string_equal(buf_cstr(&b), "llo12345");
	assert_int_equal(buf_puts(&b, "xyz"), -1);
	assert_true(buf_full(&b));
	assert_int_equal(buf_puts(&b, "x"), -1);
	assert_string_equal(buf_cstr(&b), "llo12345");
	buf_reset(&b);
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(buf_puts(&b, "abcdefgh"), 0);
		buf_consume(&b, 8);
	}
	assert_true(b.cap <= 1024);
	assert_int_equal(buf_puts(&b, "0123456789"), 0);
	s = buf_take(&b);
	assert_string_equal(s, "0123456789");
	free(s);
	buf_clear(&b);
}

/* From the reference: key 00..0f, message 00..n-1. */
static void
test_siphash(void **state)
{
	uint8_t key[16], msg[16];

	(void)state;
	for (int i = 0; i < 16; i++)
		key[i] = msg[i] = (uint8_t)i;
	assert_true(siphash(key, msg, 0) == 0x726fdb47dd0e0e31ULL);
	assert_true(siphash(key, msg, 8) == 0x93f5f5799a932462ULL);
	assert_true(siphash(key, msg, 15) == 0xa129ca6149be45e5ULL);
}

static void
test_memfd(void **state)
{
	int fd = memfd_new("t"), rd;
	char *p;
	size_t n;

	(void)state;
	assert_int_equal(fd_write_all(fd, "abc", 3), 0);
	assert_int_equal(memfd_sealed(fd), 0);
	assert_int_equal(memfd_seal(fd), 0);
	assert_int_equal(memfd_sealed(fd), 1);
	assert_int_equal(write(fd, "d", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fd_slurp(fd, 2, &p, &n), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(fd_slurp(fd, 3, &p, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(p, "abc");
	free(p);
	rd = memfd_from("u", "xy", 2);
	assert_int_equal(memfd_sealed(rd), 1);
	fd_close(&rd);
	fd_close(&fd);
	assert_int_equal(fd, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_memfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
