/* SPDX-License-Identifier: ISC */
/*
 * $name in forward_path and luser_relay: what a sender puts into an extension
 * stays text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemons/local/local.h"

static void
test_named(void **state)
{
	static const struct {
		const char *text, *ext;
		int r;
		const char *want, *why;
	} cases[] = {
		{ "$home/.forward", "", 0, "/home/u/.forward", "a name" },
		{ "$home/.forward${recipient_delimiter}${extension}", "x", 0,
		    "/home/u/.forward+x", "all names have values" },
		{ "$home/.forward${extension}", "", 1, NULL,
		    "one that is needed has none" },
		{ "a${extension?-with}", "", 0, "a", "not needed" },
		{ "a${extension?-$extension}", "x", 0, "a-x", "nested" },
		{ "a${extension:none}", "", 0, "anone", "in its absence" },
		{ "$(user)@$domain", "", 0, "u@d.example", "round ones" },
		{ "$$", "", 0, "$", "a dollar" },
		{ "$home/$extension", "$user", 0, "/home/u/_user",
		    "a dollar in a value is not looked at" },
		{ "$home/$extension", "../../etc/passwd", 0,
		    "/home/u/../../etc/passwd",
		    "dots are the mailbox's to refuse" },
		{ "$home/$extension", "a b;c|d", 0, "/home/u/a_b_c_d",
		    "what is not in the filter" },
		{ "${home", "", -1, NULL, "never closed" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct names n = { .user = STR("u"),
			.home = STR("/home/u"),
			.delimiter = STR("+"),
			.domain = STR("d.example"),
			.extension = str_of(cases[i].ext),
			.filter = STR("abcdefghijklmnopqrstuvwxyz/._+") };
		struct buf out;
		int r;

		buf_init(&out, 1024);
		r = named_expand(str_of(cases[i].text), &n, &out);
		if (r != cases[i].r ||
		    (r == 0 && !str_eq(buf_get(&out), str_of(cases[i].want))))
			fail_msg("%s (%s): %d \"%s\"", cases[i].text,
			    cases[i].why, r, buf_cstr(&out));
		buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_named) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
