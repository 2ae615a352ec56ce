/* SPDX-License-Identifier: ISC */
/*
 * Tickets that the launcher's key is behind: who can make which.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "edge/ticket.h"

static const struct ticket_key root = { .key = "0123456789abcde",
	.have = true };

static struct ticket_key
derive2(const char *one, const char *two)
{
	struct ticket_key k = ticket_derive(&root, str_of(one));

	return ticket_derive(&k, str_of(two));
}

/* Nobody's key is that of another, whatever a user may be called. */
static void
test_derive(void **state)
{
	struct ticket_key all[] = { root, ticket_derive(&root, STR(KEY_TABLES)),
		ticket_derive(&root, STR(KEY_REWRITE)),
		ticket_derive(&root, STR("rewrite")),
		ticket_derive(&root, STR("alice")),
		derive2(KEY_REWRITE, KEY_SOCKET), derive2(KEY_REWRITE, KEY_WAY),
		derive2(KEY_TABLES, KEY_WAY) };
	char name[KEY_NAME_MAX + 1];
	struct ticket_key k;

	(void)state;
	for (size_t i = 0; i < NELEM(all); i++)
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(all[i].key, all[j].key,
			    sizeof(k.key));
	/* One that is too long for it gives none, and so does none. */
	memset(name, 'x', sizeof(name));
	assert_true(ticket_derive(&root, str_make(name, KEY_NAME_MAX)).have);
	assert_false(ticket_derive(&root, str_make(name, sizeof(name))).have);
	k = (struct ticket_key){ .have = false };
	assert_false(ticket_derive(&k, STR("alice")).have);
}

/* The way of a recipient: whatever is changed in it, rewrite did not say so. */
static void
test_way(void **state)
{
	struct ticket_key k = derive2(KEY_REWRITE, KEY_WAY);
	struct ticket_key other = derive2(KEY_REWRITE, KEY_SOCKET);
	const struct ticket_way good = { STR("joe@example.org"), STR("lmtp"),
		STR("unix:private/lmtp"), 7 };
	const struct ticket_way bad[] = {
		{ STR("jim@example.org"), good.transport, good.nexthop, 7 },
		{ good.addr, STR("pipe"), good.nexthop, 7 },
		{ good.addr, good.transport, STR("[10.0.0.1]"), 7 },
		{ good.addr, good.transport, good.nexthop, 8 },
		{ good.addr, good.transport, good.nexthop, 0 },
		/* The same bytes, cut elsewhere. */
		{ STR("joe@example.or"), STR("glmtp"), good.nexthop, 7 },
		{ good.addr, STR("lmtpu"), STR("nix:private/lmtp"), 7 },
	};
	uint64_t t = ticket_way(&k, &good);

	(void)state;
	assert_int_not_equal(t, 0);
	assert_true(ticket_way_ok(&k, &good, t));
	assert_false(ticket_way_ok(&k, &good, 0));
	assert_false(ticket_way_ok(&k, &good, t + 1));
	assert_false(ticket_way_ok(&k, &good, ticket_way(&other, &good)));
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_false(ticket_way_ok(&k, &bad[i], t));
	/* Who was born without a key believes nothing. */
	k.have = false;
	assert_false(ticket_way_ok(&k, &good, t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derive),
		cmocka_unit_test(test_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
