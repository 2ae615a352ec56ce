/* SPDX-License-Identifier: ISC */
/*
 * What each policy asks of OpenBSD and FreeBSD, checked where there is
 * neither: the words given to pledge, and the rights left on descriptors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "sandbox/capsicum_plan.h"
#include "sandbox/policy.h"
#include "sandbox/promise.h"

/* clang-format off */
static const struct {
	const char *component;
	const char *pledge;
} pledges[] = {
	{ "broker", "stdio recvfd sendfd unix inet" },
	{ "logd", "stdio recvfd" },
	{ "gate", "stdio recvfd sendfd inet" },
	{ "smtpd", "stdio recvfd sendfd" },
	{ "dns", "stdio recvfd" },
	{ "lookup", "stdio recvfd" },
	{ "rewrite", "stdio recvfd" },
	{ "cleanup", "stdio recvfd sendfd" },
	{ "qmgr", "stdio recvfd sendfd rpath wpath cpath" },
	{ "smtp", "stdio recvfd" },
	{ "local", "stdio recvfd sendfd" },
	{ "virtual", "stdio recvfd sendfd" },
	{ "mailbox", "stdio recvfd rpath wpath cpath flock" },
	{ "bounce", "stdio recvfd sendfd" },
	{ "pickup", "stdio recvfd sendfd unix inet" },
	{ "control", "stdio recvfd sendfd unix inet" },
	{ "pipe", "stdio recvfd" },
	{ "command", "" },
	{ "keys", "stdio recvfd" },
	{ "launcher", "" },
};

static const struct {
	enum policy_kind kind;
	uint32_t rights;
	const char *names;
	const char *why;
} caps[] = {
	{ KIND_FILE_APPEND, RIGHT_APPEND, "write",
	    "no seek, no truncation, no fcntl: O_APPEND stays" },
	{ KIND_FILE_READ, RIGHT_READ, "read,seek,fstat", "read only" },
	{ KIND_CHANNEL, RIGHT_READ | RIGHT_WRITE | RIGHT_SENDFD,
	    "read,write,event,fstat", "no connect" },
	{ KIND_CHANNEL, RIGHT_WRITE, "write,event,fstat", "cannot receive" },
	{ KIND_TCP_LISTEN, RIGHT_ACCEPT, "read,write,event,shutdown,accept,"
	    "getsockopt,setsockopt,getpeername,getsockname",
	    "what is accepted inherits; no bind, no connect" },
	{ KIND_UDP_CONN, RIGHT_READ | RIGHT_WRITE,
	    "read,write,event,getsockopt", "no connect" },
	{ KIND_MEMFD_READ, RIGHT_READ, "read,seek,fstat,fcntl", "sealed" },
	{ KIND_DIR, RIGHT_READ, "read,seek,fstat,lookup,fstatfs",
	    "nothing is made there" },
	{ KIND_NULL, 0, "", "nothing" },
};
/* clang-format on */

static void
test_pledge(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	for (size_t i = 0; i < NELEM(pledges); i++) {
		const struct policy *p =
		    policy_find(str_of(pledges[i].component));

		assert_non_null(p);
		buf_reset(&b);
		promise_pledge(p, &b);
		if (strcmp(buf_cstr(&b), pledges[i].pledge) != 0)
			fail_msg("%s: %s", p->name, buf_cstr(&b));
	}
	/* A new component must come here too. */
	assert_int_equal(policy_count(), NELEM(pledges));
	buf_clear(&b);
}

static void
test_capsicum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 512);
	for (size_t i = 0; i < NELEM(caps); i++) {
		buf_reset(&b);
		capsicum_names(capsicum_rights(caps[i].kind, caps[i].rights),
		    &b);
		if (strcmp(buf_cstr(&b), caps[i].names) != 0)
			fail_msg("%s: %s", caps[i].why, buf_cstr(&b));
	}
	buf_clear(&b);
}

/* Over all policies: nobody may both fill and truncate what it appends to. */
static void
test_append(void **state)
{
	(void)state;
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);

		for (size_t j = 0; j < p->ngrants; j++) {
			const struct policy_grant *g = &p->grants[j];
			uint32_t r = capsicum_rights(g->kind, g->rights);

			if (g->kind == KIND_FILE_APPEND)
				assert_int_equal(r &
					(CR_SEEK | CR_FTRUNCATE | CR_FCNTL |
					    CR_READ),
				    0);
			if (g->kind != KIND_DIR)
				assert_int_equal(r &
					(CR_LOOKUP | CR_CREATE | CR_UNLINKAT),
				    0);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pledge),
		cmocka_unit_test(test_capsicum),
		cmocka_unit_test(test_append),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
