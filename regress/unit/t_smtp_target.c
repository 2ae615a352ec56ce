/* SPDX-License-Identifier: ISC */
/*
 * In which order servers are tried, and how delays are written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemons/smtp/smtp.h"

/*
 * Hosts in a string: 4 or 6 for the family, a letter for the address, a blank
 * between preferences, a bar between next hops.
 */
static size_t
parse(const char *s, struct dns_host *v)
{
	size_t n = 0;
	uint8_t item = 0;
	uint16_t pref = 0;

	for (; *s != '\0'; s++) {
		if (*s == ' ') {
			pref++;
		} else if (*s == '|') {
			item++;
		} else {
			v[n] = (struct dns_host){ .item = item, .pref = pref };
			v[n].addr.family = (uint8_t)(*s - '0');
			v[n++].addr.ip[0] = (uint8_t) * ++s;
		}
	}
	return n;
}

static void
text(const struct dns_host *v, size_t n, char *out)
{
	*out = '\0';
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && v[i].item != v[i - 1].item)
			*out++ = '|';
		else if (i > 0 && v[i].pref != v[i - 1].pref)
			*out++ = ' ';
		*out++ = (char)(v[i].addr.family + '0');
		*out++ = (char)v[i].addr.ip[0];
		*out = '\0';
	}
}

static void
test_order(void **state)
{
	/* clang-format off */
	static const struct {
		const char *in;
		enum preference preference;
		bool balance, randomize;
		unsigned limit;
		const char *want;
	} cases[] = {
		{ "4b4a 4c", PREFER_ANY, true, true, 5, "4b4a 4c" },
		{ "4b4a 4c", PREFER_ANY, true, false, 5, "4a4b 4c" },
		{ "6a4b6c4d 4e6f", PREFER_IPV4, true, true, 9, "4b4d6a6c 4e6f" },
		{ "6a4b6c4d 4e6f", PREFER_IPV6, true, true, 9, "6a6c4b4d 6f4e" },
		{ "4a4b4c4d", PREFER_ANY, true, true, 2, "4a4b" },
		{ "4a4b4c6d", PREFER_ANY, false, true, 2, "4a4b" },
		{ "4a4b4c6d", PREFER_ANY, true, true, 2, "4a6d" },
		{ "6a6b6c6d6e4f4g", PREFER_ANY, true, true, 5, "6a6b6c4f4g" },
		{ "6a4b6c6d6e4f", PREFER_ANY, true, true, 5, "6a4b6c6d6e" },
		{ "4a4b4c", PREFER_ANY, true, true, 0, "4a4b4c" },
		{ "4a|4b6c", PREFER_IPV6, true, true, 0, "4a|6c4b" },
		{ "4a", PREFER_IPV6, true, false, 1, "4a" },
		{ "", PREFER_ANY, true, true, 5, "" },
	};
	/* clang-format on */
	struct dns_host v[32];
	char got[100];

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct settings st = { .preference = cases[i].preference,
			.balance = cases[i].balance,
			.randomize = cases[i].randomize,
			.address_limit = cases[i].limit };
		size_t n = target_order(&st, v, parse(cases[i].in, v));

		text(v, n, got);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%zu: %s, not %s", i, got, cases[i].want);
	}
}

static void
test_delay(void **state)
{
	static const struct {
		int64_t us;
		const char *want;
	} cases[] = {
		{ 0, "0" },
		{ -5, "0" },
		{ 4999, "0" },
		{ 5000, "0.01" },
		{ 50000, "0.05" },
		{ 100000, "0.1" },
		{ 350000, "0.35" },
		{ 994999, "0.99" },
		{ 995000, "1" },
		{ 1234567, "1.2" },
		{ 9949999, "9.9" },
		{ 9950000, "10" },
		{ 12600000, "13" },
		{ 86400000000, "86400" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct buf b;

		buf_init(&b, 100);
		report_delay(&b, cases[i].us);
		assert_string_equal(buf_cstr(&b), cases[i].want);
		buf_clear(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
