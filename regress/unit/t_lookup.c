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
#include "edge/edges.h"
#include "intake_peers.h"

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

/* --- users of the system -------------------------------------------------- */

static struct loop *loop_of_test;
static const char *who;
static struct chan *our_end, *its_end;
static bool cut_off;

static const char *
asker(UNUSED struct chan *ch)
{
	return who;
}

static void
on_cut(struct chan *ch, UNUSED const char *why, UNUSED void *arg)
{
	cut_off = true;
	if (ch == our_end)
		our_end = NULL;
	else
		its_end = NULL;
	chan_free(&ch);
	loop_stop(loop_of_test, 0);
}

static void
on_end(UNUSED void *arg)
{
	loop_stop(loop_of_test, 0);
}

static void
on_nothing(UNUSED unsigned type, UNUSED const void *rec, UNUSED int *fds,
    UNUSED void *arg)
{
}

/* Who they are, and where they live, is local's to know. */
static void
test_users(void **state)
{
	static const struct chan_on on[] = { { LOOKUP_USER, find_user },
		{ 0, NULL } };
	static const struct chan_on none[] = { { 0, NULL } };
	static const char *const askers[] = { "smtpd", "rewrite", "cleanup",
		"virtual", "smtp", "local" };

	(void)state;
	for (size_t i = 0; i < NELEM(askers); i++) {
		struct lookup_user q = { .name = STR("root") };
		struct lookupd lk = { .asker = asker };
		struct chan *broker, *other;
		struct timer end;
		int sv[2];

		lk.loop = loop_of_test = loop_new();
		TAILQ_INIT(&lk.entries);
		peers_pair(lk.loop, &edge_broker, &other, none, NULL, &broker,
		    none, NULL);
		lk.broker = broker;
		assert_int_equal(socketpair(AF_UNIX,
				     SOCK_SEQPACKET | SOCK_CLOEXEC |
					 SOCK_NONBLOCK,
				     0, sv),
		    0);
		our_end = chan_new(lk.loop, sv[0], &edge_lookup, SIDE_A, none,
		    on_cut, NULL);
		its_end = chan_new(lk.loop, sv[1], &edge_lookup, SIDE_B, on,
		    on_cut, &lk);
		timer_init(&end, lk.loop, on_end, NULL);
		timer_set(&end, 100);
		who = askers[i];
		cut_off = false;
		chan_ask(our_end, LOOKUP_USER, &q, NULL, on_nothing, NULL);
		loop_run(lk.loop);
		if (cut_off == (strcmp(who, "local") == 0))
			fail_msg("%s", who);
		if (its_end != NULL)
			find_forget(its_end);
		entries_forget(&lk);
		chan_free(&our_end);
		chan_free(&its_end);
		chan_free(&broker);
		chan_free(&other);
		timer_clear(&end);
		loop_free(&lk.loop);
	}
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
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_passwd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
