/* SPDX-License-Identifier: ISC */
/*
 * Which transports local may pass recipients on to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "conf/build.h"
#include "daemons/qmgr/pass.h"

static const struct {
	const char *main_cf;
	const char *transport;
	bool allowed;
	const char *why;
} cases[] = {
	{ "", "smtp", false, "nobody asked for it" },
	{ "", "", false, "nor for none" },
	{ "mailbox_transport = lmtp:unix:private/lmtp\n", "lmtp", true,
	    "as configured" },
	{ "mailbox_transport = lmtp:unix:private/lmtp\n", "lmt", false,
	    "not by its beginning" },
	{ "mailbox_transport = lmtp:unix:private/lmtp\n", "uucp", false,
	    "another line of master.cf" },
	{ "mailbox_transport = virtual\n", "virtual", true,
	    "without a next hop" },
	{ "fallback_transport = smtp:[mail.example]\n", "smtp", true,
	    "of those who are nobody" },
	{ "fallback_transport = smtp:[mail.example]\n", "pipe", false,
	    "and no other" },
	{ "mailbox_transport_maps = static:x\n", "uucp", true,
	    "only rewrite knows what maps say" },
};

static struct conf *
conf_of(const char *main_cf)
{
	struct build b;
	struct buf out;
	struct conf *c;

	build_parse(&b, "/nowhere", str_of(main_cf), STR(""));
	buf_init(&out, BUILD_MAX);
	assert_int_equal(build_snapshot(&b, NULL, 1, &out), 0);
	c = conf_from(buf_get(&out).p, buf_get(&out).n);
	assert_non_null(c);
	buf_clear(&out);
	build_clear(&b);
	return c;
}

static void
test_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct conf *c = conf_of(cases[i].main_cf);

		if (pass_allowed(c, str_of(cases[i].transport)) !=
		    cases[i].allowed)
			fail_msg("%s: %s", cases[i].main_cf, cases[i].why);
		conf_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
