/* SPDX-License-Identifier: ISC */
/*
 * lookup: who may ask for what; lines of passwd(5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "daemons/lookup/lookupd.h"

static void
test_params(void **state)
{
	static const struct {
		const char *asker, *param;
		bool want;
	} cases[] = {
		{ "smtpd", "mynetworks", true },
		{ "smtpd", "smtpd_client_restrictions", true },
		{ "smtpd", "smtp_sasl_password_maps", false },
		{ "smtpd", "alias_maps", false },
		{ "rewrite", "transport_maps", true },
		{ "virtual", "virtual_mailbox_maps", true },
		{ "virtual", "alias_maps", false },
		{ "smtp", "virtual_mailbox_maps", false },
		{ "", "mynetworks", false },
		{ "smtpd", "", false },
	};

	struct lookupd lk = { .nservices = 0 };

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		assert_int_equal(param_allowed(&lk, cases[i].asker,
		    str_of(cases[i].param)), cases[i].want);
}

/* What is carried out is the administrator's word, and none of a stranger's. */
static void
test_flags(void **state)
{
	static const char *const names[] = { "alias_maps",
		"mailbox_command_maps", "mailbox_transport_maps",
		"fallback_transport_maps", "virtual_mailbox_maps",
		"virtual_uid_maps", "virtual_gid_maps" };

	(void)state;
	for (size_t i = 0; i < NELEM(names); i++)
		assert_int_equal(param_flags(str_of(names[i])), TABLE_NOSUB);
	assert_int_equal(param_flags(STR("virtual_alias_maps")), 0);
	assert_int_equal(param_flags(STR("smtpd_client_restrictions")), 0);
}

static void
test_passwd(void **state)
{
	static const char *const bad[] = { "", "root", "root:x", "root:x:0",
		"root:x:zero:0::/:", ":x:0:0::/:/bin/sh",
		"u:x:-1:0::/:/bin/sh", "u:x:4294967296:0::/:" };
	struct lookup_passwd p;

	(void)state;
	assert_true(passwd_parse(STR("joe:x:1000:100:Joe,,,:/home/joe:/bin/sh"),
	    &p));
	assert_true(str_eq(p.name, STR("joe")));
	assert_int_equal(p.uid, 1000);
	assert_int_equal(p.gid, 100);
	assert_true(str_eq(p.gecos, STR("Joe,,,")));
	assert_true(str_eq(p.home, STR("/home/joe")));
	assert_true(str_eq(p.shell, STR("/bin/sh")));
	assert_true(passwd_parse(STR("joe:x:1000:100:::"), &p));
	assert_int_equal(p.home.n, 0);
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_false(passwd_parse(str_of(bad[i]), &p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_passwd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
