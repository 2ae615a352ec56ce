/* SPDX-License-Identifier: ISC */
/*
 * The policy language: what is understood, what is refused with which advice,
 * and that the compiled table is what the parser says of its own text.
 */
#include <sys/resource.h>

#include <linux/capability.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/mem.h"
#include "sandbox/policy.h"
#include "sandbox/policy_text.h"
#include "sandbox/promise.h"
#include "sandbox/sha256.h"

#define HEAD "component x\nversion 3\nuser postern-x\nwall all\n"
#define TAIL "promise stdio # why\nlimit nofile 9\n"

static void
test_whole(void **state)
{
	static const char text[] =
	    "# a file\n\ncomponent x\nversion 3\n"
	    "user *\n"
	    "start demand warm=2 # when there is work\n"
	    "wall all except net uid # not here\n"
	    "slot 6 spool dir read,create optional # its own\n"
	    "# two lines\n# of reason\n"
	    "grant peer channel read,write,sendfd pass=memfd,stream max=8\n"
	    "own loop event read max=2 # loop\n"
	    "promise stdio mem # needed\n"
	    "promise dir on spool # only there\n"
	    "call fcntl a1 == F_GETFL|0x10 # flags\n"
	    "call mmap a0 == 0 wide, a3 & ~MAP_STACK == MAP_PRIVATE wide, "
	    "a5 >= 7 # odd\n"
	    "call clone3 fails ENOSYS # libc falls back\n"
	    "request connect rate=5/m burst=7 # out\n"
	    "request command rate=1/s burst=2 open=9 # run\n"
	    "limit nofile 4k\nlimit as 2g\n"
	    "capability setuid # for a start\n"
	    "never qmgr:spool # none of its business\n"
	    "never hostile except a,b => *:dir except through c # far\n"
	    "reads clients messages # strangers\n";
	struct policy *p;
	char err[256];

	(void)state;
	if (policy_parse("t", str_of(text), &p, err, sizeof(err)) == -1)
		fail_msg("%s", err);
	assert_string_equal(p->name, "x");
	assert_int_equal(p->version, 3);
	assert_string_equal(p->user, "*");
	assert_int_equal(p->walls, WALL_ALL & ~(WALL_NET | WALL_UID));
	assert_string_equal(p->walls_src.reason, "not here");
	assert_int_equal(p->nslots, 1);
	assert_int_equal(p->slots[0].fd, 6);
	assert_true(p->slots[0].optional);
	assert_int_equal(p->slots[0].rights, RIGHT_READ | RIGHT_CREATE);
	assert_int_equal(p->ngrants, 2);
	assert_string_equal(p->grants[0].src.reason, "two lines of reason");
	assert_int_equal(p->grants[0].pass,
	    1u << KIND_MEMFD | 1u << KIND_STREAM);
	assert_int_equal(p->grants[0].max, 8);
	assert_int_equal(p->grants[0].src.line, 11);
	assert_true(p->demand);
	assert_int_equal(p->warm, 2);
	assert_string_equal(p->demand_src.reason, "when there is work");
	assert_true(p->grants[1].own);
	assert_null(policy_grant_find(p, STR("loop")));
	assert_int_equal(p->npromises, 3);
	assert_int_equal(p->promises[1].fd, -1);
	assert_int_equal(p->promises[2].fd, 6);
	assert_int_equal(p->ncalls, 3);
	assert_int_equal(p->calls[1].nargs, 3);
	assert_true(p->calls[1].args[1].wide);
	assert_int_equal(p->calls[1].args[2].op, ARG_GE);
	assert_true(p->calls[2].error > 0);
	assert_int_equal(policy_request_find(p, STR("connect"))->per_s, 60);
	assert_int_equal(p->limits[0].value, 4096);
	assert_int_equal(p->limits[1].resource, RLIMIT_AS);
	assert_true(p->limits[1].value == UINT64_C(2) << 30);
	assert_int_equal(p->caps[0].cap, CAP_SETUID);
	assert_int_equal(p->nnevers, 2);
	assert_string_equal(p->nevers[0].who, "x");
	assert_string_equal(p->nevers[0].object, "spool");
	assert_false(p->nevers[0].use);
	assert_string_equal(p->nevers[1].who, "hostile");
	assert_string_equal(p->nevers[1].except, "a,b");
	assert_string_equal(p->nevers[1].component, "*");
	assert_true(p->nevers[1].use);
	assert_string_equal(p->nevers[1].through, "c");
	assert_int_equal(p->nreads, 2);
	assert_string_equal(p->reads[1].word, "messages");
	policy_free(&p);
	assert_null(p);
}

/* clang-format off */
static const struct bad {
	const char *text;
	const char *says;
} bads[] = {
	{ "", "no 'component NAME' line" },
	{ "user x\n", "t:1: the first statement must be" },
	{ "component x\ncomponent y\n", "t:2: a second component line" },
	{ "component ../x\n", "letters, digits" },
	{ "component x\nversion 1\n", "no 'user NAME' line" },
	{ "component x\nuser y\n", "no 'version N' line" },
	{ "component x\nversion x\n", "'x' is not a version number" },
	{ HEAD, "no 'promise' line" },
	{ HEAD "promise stdio # why\n", "no 'limit' line" },
	{ HEAD TAIL "promise stdoi # typing\n", "did you mean 'stdio'?" },
	{ HEAD TAIL "promise stdio\n", "t:7: say why" },
	{ HEAD TAIL "promise # which\n", "which promise?" },
	{ HEAD TAIL "never a # x\n", "never takes COMPONENT:OBJECT" },
	{ HEAD TAIL "never a = b:c # x\n", "expected -> " },
	{ HEAD TAIL "never a -> b # x\n", "never takes COMPONENT:OBJECT" },
	{ HEAD TAIL "never a except -> b:c # x\n", "expected -> " },
	{ HEAD TAIL "never a => b:c but # x\n", "only 'except through" },
	{ HEAD TAIL "never a -> b:c except through d # x\n", "goes with =>" },
	{ HEAD TAIL "never a => b:c\n", "say why" },
	{ HEAD TAIL "reads client # x\n", "did you mean 'clients'?" },
	{ HEAD TAIL "reads # x\n", "whose bytes?" },
	{ HEAD TAIL "promise dir on nothing # x\n", "no slot named 'nothing'" },
	{ HEAD TAIL "grnt x channel read max=1 # x\n", "did you mean 'grant'?" },
	{ HEAD TAIL "grant x chanel read max=1 # x\n",
	    "did you mean 'channel'?" },
	{ HEAD TAIL "grant x channel reed max=1 # x\n", "did you mean 'read'?" },
	{ HEAD TAIL "grant x channel read # x\n", "how many? max=N" },
	{ HEAD TAIL "grant x channel read max=0 # x\n", "1 to 1000000" },
	{ HEAD TAIL "grant x channel recvfd max=1 # x\n", "what travels" },
	{ HEAD TAIL "grant x channel read pass=dir max=1 # x\n",
	    "needs the right recvfd" },
	{ HEAD TAIL "grant x channel read max=1 sometimes # x\n",
	    "'sometimes' is no option" },
	{ HEAD TAIL "slot 16 x null read # x\n", "'16' is not" },
	{ HEAD TAIL "slot 3 x null read # x\nslot 3 y null read # y\n",
	    "slot 3 is taken by x" },
	{ HEAD TAIL "slot 3 x null read max=2 # x\n", "one descriptor" },
	{ HEAD TAIL "limit nofiles 3\n", "did you mean 'nofile'?" },
	{ HEAD TAIL "limit nofile 3\n", "line above" },
	{ HEAD TAIL "limit core x\n", "a limit is a number" },
	{ HEAD TAIL "limit core 0 0\n", "'0' is too much" },
	{ HEAD TAIL "request x rate=1/d burst=1 # x\n", "N/s, N/m or N/h" },
	{ HEAD TAIL "request x rate=1/s burst=1 open=1 # x\n", "open= is for" },
	{ HEAD TAIL "request connect rate=1/s burst=1 open=4096 # x\n",
	    "open= is for" },
	{ HEAD TAIL "request mailbox rate=1/s burst=1 # x\n", "needs open=" },
	{ HEAD TAIL "request command rate=1/s burst=1 open=0 # x\n",
	    "needs open=" },
	{ HEAD TAIL "request x rate=1/s # x\n", "needs rate= and burst=" },
	{ HEAD TAIL "request x rate=1/s burst=x # x\n", "expected rate=" },
	{ HEAD TAIL "request x rate=1/s burst=1 # x\n"
	    "request x rate=1/s burst=1 # x\n", "line above" },
	{ HEAD TAIL "start\n", "say why" },
	{ HEAD TAIL "start now # x\n", "expected 'demand'" },
	{ HEAD TAIL "start demand warm=x # x\n", "expected warm=" },
	{ HEAD TAIL "start demand # x\nstart demand # x\n", "second start" },
	{ HEAD TAIL "never smtpd # x\n", "COMPONENT:OBJECT" },
	{ HEAD TAIL "capability sysadmin # x\n", "did you mean 'sys_admin'?" },
	{ HEAD TAIL "wall rot\n", "did you mean 'root'?" },
	{ HEAD TAIL "wall all except net\n", "say why" },
	{ HEAD TAIL "call mmap a6 == 0 # x\n", "expected a0 to a5" },
	{ HEAD TAIL "call mmap a0 = 0 # x\n", "no operator" },
	{ HEAD TAIL "call mmap a0 == MAP_PRIVAT # x\n",
	    "did you mean 'MAP_PRIVATE'?" },
	{ HEAD TAIL "call mmap a0 == # x\n", "the line ends" },
	{ HEAD TAIL "call mmap a0 == 0x12345678123456789 # x\n", "unknown" },
	{ HEAD TAIL "call mmap a0 == 1, a0 == 2 # x\n", "two conditions" },
	{ HEAD TAIL "call mmap a0 & 1 == 2 # x\n", "never matches" },
	{ HEAD TAIL "call mmap a0 >= 1 wide # x\n", "no wide" },
	{ HEAD TAIL "call mmap fails ENOSIS # x\n", "did you mean 'ENOSYS'?" },
	{ HEAD TAIL "grant r udp-conn read max=1 # x\npromise sendfd # x\n",
	    "may not promise sendfd" },
};
/* clang-format on */

static void
test_refused(void **state)
{
	struct policy *p;
	char err[256];

	(void)state;
	for (size_t i = 0; i < NELEM(bads); i++) {
		if (policy_parse("t", str_of(bads[i].text), &p, err,
			sizeof(err)) != -1)
			fail_msg("accepted: %s", bads[i].text);
		assert_null(p);
		if (strstr(err, bads[i].says) == NULL)
			fail_msg("%s\nsaid: %s", bads[i].text, err);
	}
}

/* A reason counts for the next statement only. */
static void
test_reasons(void **state)
{
	struct policy *p;
	char err[256];

	(void)state;
	assert_int_equal(policy_parse("t",
			     STR(HEAD "# for one\npromise stdio\n"
				      "promise mem\nlimit core 0\n"),
			     &p, err, sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "t:7: say why"));
	assert_int_equal(policy_parse("t",
			     STR(HEAD "# far above\n\n"
				      "promise stdio\nlimit core 0\n"),
			     &p, err, sizeof(err)),
	    -1);
}

static void
compare_src(const struct policy_src *a, const struct policy_src *b)
{
	assert_int_equal(a->line, b->line);
	assert_string_equal(a->text, b->text);
	assert_string_equal(a->reason, b->reason);
}

static void
compare_policies(const struct policy *a, const struct policy *b)
{
	assert_string_equal(a->user, b->user);
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->walls, b->walls);
	assert_memory_equal(a->hash, b->hash, POLICY_HASH);
	assert_int_equal(a->nslots, b->nslots);
	assert_int_equal(a->ngrants, b->ngrants);
	assert_int_equal(a->npromises, b->npromises);
	assert_int_equal(a->ncalls, b->ncalls);
	assert_int_equal(a->nlimits, b->nlimits);
	assert_int_equal(a->nnevers, b->nnevers);
	for (size_t i = 0; i < a->ngrants; i++) {
		assert_string_equal(a->grants[i].name, b->grants[i].name);
		assert_int_equal(a->grants[i].kind, b->grants[i].kind);
		assert_int_equal(a->grants[i].rights, b->grants[i].rights);
		assert_int_equal(a->grants[i].pass, b->grants[i].pass);
		assert_int_equal(a->grants[i].max, b->grants[i].max);
		compare_src(&a->grants[i].src, &b->grants[i].src);
	}
	for (size_t i = 0; i < a->ncalls; i++)
		assert_memory_equal(a->calls[i].args, b->calls[i].args,
		    sizeof(a->calls[i].args));
	for (size_t i = 0; i < a->nlimits; i++)
		assert_true(a->limits[i].value == b->limits[i].value);
	for (size_t i = 0; i < a->nrequests; i++)
		assert_int_equal(a->requests[i].rate, b->requests[i].rate);
}

static void
test_table(void **state)
{
	(void)state;
	assert_true(policy_count() >= 17);
	assert_null(policy_at(policy_count()));
	assert_null(policy_find(STR("nobody")));
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *c = policy_at(i);
		struct policy *p;
		char err[256];

		assert_ptr_equal(policy_find(str_of(c->name)), c);
		if (policy_parse(c->name, str_make(c->text, c->text_len), &p,
			err, sizeof(err)) == -1)
			fail_msg("%s", err);
		compare_policies(c, p);
		policy_free(&p);
	}
}

/* A condition survives being written out and read again. */
static void
test_format(void **state)
{
	static const char *const calls[] = { "read", "close a0 >= 0x6",
		"mmap a0 == 0x0 wide, a2 within 0x3 wide",
		"sendmsg a2 & 0xffffffbf == 0x4000", "openat fails EACCES" };
	struct policy_call c;
	struct parser ps;
	struct str name;
	struct buf out;
	char err[256];

	(void)state;
	buf_init(&out, 500);
	for (size_t i = 0; i < NELEM(calls); i++) {
		parse_init(&ps, "t", str_of(calls[i]), err, sizeof(err));
		assert_true(parse_line(&ps));
		assert_int_equal(call_parse(&ps, &c, &name), 0);
		c.name = str_dup(name);
		buf_reset(&out);
		call_format(&c, &out);
		assert_string_equal(buf_cstr(&out), calls[i]);
		free((void *)(uintptr_t)c.name);
		parse_clear(&ps);
	}
	buf_clear(&out);
}

/* FIPS 180-4 examples. */
static void
test_sha256(void **state)
{
	static const struct {
		const char *text;
		size_t repeat;
		uint8_t first[4];
	} v[] = { { "abc", 1, { 0xba, 0x78, 0x16, 0xbf } },
		{ "", 1, { 0xe3, 0xb0, 0xc4, 0x42 } },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		    { 0x24, 0x8d, 0x6a, 0x61 } },
		{ "a", 1000000, { 0xcd, 0xc7, 0x6e, 0x5c } } };
	uint8_t out[SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < NELEM(v); i++) {
		size_t n = strlen(v[i].text);
		char *s = xmalloc(n * v[i].repeat + 1);

		for (size_t j = 0; j < v[i].repeat; j++)
			memcpy(s + j * n, v[i].text, n);
		sha256(s, n * v[i].repeat, out);
		assert_memory_equal(out, v[i].first, 4);
		free(s);
	}
}

static void
test_names(void **state)
{
	struct buf b;
	uint32_t w;

	(void)state;
	buf_init(&b, 500);
	assert_int_equal(wall_parse(STR("namespaces"), &w), 0);
	walls_names(w, &b);
	assert_string_equal(buf_cstr(&b), "net pid mount ipc uts cgroup");
	assert_int_equal(wall_parse(STR("walls"), &w), -1);
	buf_reset(&b);
	rights_names(RIGHT_READ | RIGHT_PEER, &b);
	assert_string_equal(buf_cstr(&b), "read,peer");
	buf_reset(&b);
	promise_pledge(policy_find(STR("gate")), &b);
	assert_string_equal(buf_cstr(&b), "stdio recvfd sendfd inet");
	assert_string_equal(promise_with_call("openat2"), "dir");
	assert_null(promise_with_call("execve"));
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
