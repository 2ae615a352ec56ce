/* SPDX-License-Identifier: ISC */
/*
 * Overlays: what they may take from a policy, what is refused and why, and
 * that what comes of them is nowhere looser, down to the single system call.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/mem.h"
#include "sandbox/overlay.h"
#include "sandbox/promise.h"

static const char base_text[] =
    "component x\nversion 3\nuser postern-x\nwall all except net # a reason\n"
    "slot 3 broker channel read,write # orders\n"
    "own loop event read,write max=2 # its loop\n"
    "grant dns channel read,write max=1 # names\n"
    "grant client stream read,write max=9 # sessions\n"
    "promise stdio mem # needed\n"
    "promise stream # sessions\n"
    "call fcntl a1 == F_GETFL # flags\n"
    "request connect rate=5/s burst=7 # out\n"
    "request mailbox rate=60/m burst=7 open=9 # in\n"
    "never qmgr:spool # no business of its\n"
    "limit nofile 1k\nlimit core 0\n";

static struct policy *base;

static struct policy *
tighten(const char *text, char *err, size_t size)
{
	struct policy *p;

	if (overlay_parse("policy.d/x.policy", str_of(text), base, &p, err,
		size) == -1)
		return NULL;
	return p;
}

/* clang-format off */
static const struct bad {
	const char *text;
	const char *says;
} bads[] = {
	{ "", "no 'component x' line" },
	{ "# nothing\n", "no 'component x' line" },
	{ "limit nofile 9\n", ":1: the first statement must be 'component x'" },
	{ "component y\n", ":1: component y belongs in y.policy" },
	{ "component x\ncomponent x\n", ":2: a second component line" },
	{ "component x\nlimit nofile 9 9\n", ":2: '9' is too much" },
	{ "component x\nlimt nofile 9\n", ":2: unknown statement 'limt': did you mean 'limit'?" },
	/* What gives. */
	{ "component x\npromise dir # more\n", ":2: an overlay only takes away, and 'promise' gives" },
	{ "component x\ncall openat # more\n", "'call' gives" },
	{ "component x\ngrant spool dir read max=1 # more\n", "'grant' gives" },
	{ "component x\nslot 6 spool dir read # more\n", "'slot' gives" },
	{ "component x\nown loop event read max=9 # more\n", "'own' gives" },
	{ "component x\ncapability setuid # more\n", "'capability' gives" },
	{ "component x\nuser root\n", "'user' gives" },
	{ "component x\nversion 4\n", "'version' gives" },
	{ "component x\nwall all except uid # less\n", ":2: an overlay leaves no wall out" },
	/* More than the policy has. */
	{ "component x\nlimit nofile 1025\n", ":2: 1025 is more than the 1024 of line 15 of the policy" },
	{ "component x\nlimit nofile 9\nlimit nofile 10\n", ":3: 10 is more than the 9" },
	{ "component x\nlimit core 1\n", "1 is more than the 0" },
	{ "component x\nrequest mailbox rate=2/s\n", ":2: rate=2 in 1 s is more than the policy's 60 in 60 s" },
	{ "component x\nrequest mailbox rate=3601/h\n", "is more than" },
	{ "component x\nrequest mailbox burst=8\n", "burst=8 is more than the policy's 7" },
	{ "component x\nrequest mailbox open=10\n", "open=10 is more than the policy's 9" },
	{ "component x\nrequest mailbox open=3\nrequest mailbox open=4\n", ":3: open=4 is more" },
	{ "component x\nrequest reopen rate=1/s\n", "unknown request 'reopen'" },
	{ "component x\nrequest mailbox open=0\n", "say deny request mailbox" },
	{ "component x\nrequest connect open=3\n", "what connect gives is not counted" },
	{ "component x\nrequest mailbox rate=1/d\n", "N/s, N/m or N/h" },
	{ "component x\ndeny request mailbox\nrequest mailbox open=1\n", ":3: it is denied above" },
	/* What is not there. */
	{ "component x\ndeny\n", "the line ends" },
	{ "component x\ndeny call\n", "the line ends" },
	{ "component x\ndeny wall net\n", "unknown thing to deny 'wall'" },
	{ "component x\ndeny promise strem\n", "did you mean 'stream'?" },
	{ "component x\ndeny promise lease\n", "has no promise 'lease' that could be taken away" },
	{ "component x\ndeny call openat2\n", "has no call 'openat2' that could be taken away" },
	{ "component x\ndeny call writ\n", "did you mean 'write'?" },
	{ "component x\ndeny call write\ndeny call write\n", ":3: this has a line above" },
	{ "component x\ndeny grant client\n", "has no grant 'client' that could be taken away" },
	{ "component x\ndeny grant broker\n", "has no grant 'broker'" },
	{ "component x\ndeny request conect\n", "did you mean 'connect'?" },
	{ "component x\nwall nett\n", "did you mean 'net'?" },
	{ "component x\nwall\n", "which wall?" },
	{ "component x\nlimit nofil 3\n", "did you mean 'nofile'?" },
	{ "component x\nnever qmgr # x\n", "COMPONENT:OBJECT" },
};
/* clang-format on */

static void
test_refused(void **state)
{
	char err[256];

	(void)state;
	for (size_t i = 0; i < NELEM(bads); i++) {
		struct policy *p = tighten(bads[i].text, err, sizeof(err));

		if (p != NULL)
			fail_msg("accepted: %s", bads[i].text);
		if (strstr(err, bads[i].says) == NULL ||
		    strncmp(err, "policy.d/x.policy:", 18) != 0)
			fail_msg("%s\nsaid: %s", bads[i].text, err);
	}
}

static size_t
count_calls(const struct policy *p, const char *name)
{
	struct plan plan;
	char err[256];
	size_t n = 0;

	assert_int_equal(plan_make(p, &plan, err, sizeof(err)), 0);
	for (size_t i = 0; i < plan.n; i++)
		n += name == NULL || strcmp(plan.calls[i].c.name, name) == 0;
	plan_clear(&plan);
	return n;
}

static void
test_accepted(void **state)
{
	static const char text[] = "# what we can do without\ncomponent x\n"
				   "deny promise stream # no sessions here\n"
				   "deny call sysinfo\ndeny call fcntl\n"
				   "deny grant dns\ndeny request connect\n"
				   "request mailbox rate=1/m burst=2 open=3\n"
				   "limit nofile 100\nlimit fsize 4k\n"
				   "wall net\nnever dns:* # not even asked\n";
	struct policy *p;
	char err[256];

	(void)state;
	p = tighten(text, err, sizeof(err));
	if (p == NULL)
		fail_msg("%s", err);
	assert_ptr_equal(p->base, base);
	assert_string_equal(p->overlay, "policy.d/x.policy");
	assert_string_equal(p->overlay_text, text);
	assert_memory_not_equal(p->hash, base->hash, POLICY_HASH);
	assert_int_equal(p->walls, base->walls | WALL_NET);
	assert_false(policy_promises(p, "stream"));
	assert_true(policy_promises(base, "stream"));
	assert_int_equal(count_calls(p, "sendto"), 0);
	assert_int_equal(count_calls(p, "sysinfo"), 0);
	assert_int_equal(count_calls(p, "fcntl"), 0);
	assert_int_equal(count_calls(base, "sysinfo"), 1);
	assert_int_equal(count_calls(p, "read"), 1);
	assert_null(policy_grant_find(p, STR("dns")));
	assert_non_null(policy_grant_find(p, STR("client")));
	assert_int_equal(policy_request_find(p, STR("connect"))->rate, 0);
	assert_int_equal(policy_request_find(p, STR("connect"))->burst, 0);
	assert_int_equal(policy_request_find(p, STR("mailbox"))->per_s, 60);
	assert_int_equal(policy_request_find(p, STR("mailbox"))->open, 3);
	assert_int_equal(policy_request_find(base, STR("mailbox"))->open, 9);
	assert_int_equal(p->nlimits, 3);
	assert_true(p->limits[0].value == 100 && p->limits[2].value == 4096);
	assert_int_equal(p->nnevers, 2);
	assert_int_equal(p->ndenies, 5);
	assert_int_equal(policy_denied(p, DENY_CALL, STR("sysinfo"))->src.line,
	    4);
	assert_string_equal(policy_denied(p, DENY_CALL, STR("sysinfo"))
				->src.file,
	    "policy.d/x.policy");
	assert_null(policy_denied(p, DENY_PROMISE, STR("sysinfo")));
	policy_free(&p);
}

/* What only says again what the policy says is no fault, and no change. */
static void
test_same(void **state)
{
	struct policy *p;
	char err[256];

	(void)state;
	p = tighten("component x\nlimit nofile 1024\nwall uid\n"
		    "request mailbox rate=1/s burst=7 open=9\n",
	    err, sizeof(err));
	if (p == NULL)
		fail_msg("%s", err);
	assert_int_equal(p->walls, base->walls);
	assert_int_equal(count_calls(p, NULL), count_calls(base, NULL));
	assert_int_equal(p->nlimits, base->nlimits);
	policy_free(&p);
}

static void
test_launcher(void **state)
{
	struct policy *p;
	char err[256];

	(void)state;
	assert_int_equal(overlay_parse("f", STR("component launcher\n"),
			     policy_find(STR("launcher")), &p, err,
			     sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "the launcher builds the walls"));
	assert_null(p);
}

/* --- policy.d ------------------------------------------------------------- */

static char dir[] = "/tmp/t_overlay.XXXXXX";

static void
put(const char *name, const char *text, mode_t mode)
{
	char *path = xasprintf("%s/policy.d/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	free(path);
}

static void
take(const char *name)
{
	char *path = xasprintf("%s/policy.d/%s", dir, name);

	unlink(path);
	free(path);
}

static void
refused(const char *says)
{
	struct overlays o;
	struct buf err;

	buf_init(&err, 4096);
	assert_int_equal(overlays_read(dir, getuid(), &o, &err), -1);
	if (strstr(buf_cstr(&err), says) == NULL)
		fail_msg("said: %s", buf_cstr(&err));
	assert_int_equal(o.n, 0);
	buf_clear(&err);
}

static void
test_folder(void **state)
{
	char *path = xasprintf("%s/policy.d", dir);
	struct overlays o;
	struct buf err;

	(void)state;
	buf_init(&err, 4096);
	/* It need not be there. */
	assert_int_equal(overlays_read(dir, getuid(), &o, &err), 0);
	assert_int_equal(o.n, 0);
	assert_true(overlays_in_force(&o));
	assert_int_equal(mkdir(path, 0755), 0);
	put("dns.policy", "component dns\n", 0620);
	refused("policy.d/dns.policy: others than its owner may write there");
	put("dns.policy", "component dns\n", 0644);
	put("smtpdd.policy", "component smtpdd\n", 0644);
	refused("no component 'smtpdd': did you mean 'smtpd'?");
	take("smtpdd.policy");
	put("dns.policy~", "component dns\n", 0644);
	refused("dns.policy~: no overlay is called that");
	take("dns.policy~");
	put(".dns.policy.swp", "rubbish", 0644);
	put("dns.policy", "component dns\nlimit nofile 1m\n", 0644);
	refused("policy.d/dns.policy:2: 1048576 is more than");
	chmod(path, 0777);
	refused("policy.d: others than its owner");
	chmod(path, 0755);
	put("dns.policy", "component dns\nlimit nofile 100\n", 0644);
	if (getuid() == 0) {
		char *file = xasprintf("%s/dns.policy", path);

		assert_int_equal(chown(file, 65534, 65534), 0);
		refused("belongs to user id 65534");
		assert_int_equal(chown(file, 0, 0), 0);
		free(file);
	}
	if (overlays_read(dir, getuid(), &o, &err) == -1)
		fail_msg("%s", buf_cstr(&err));
	assert_int_equal(o.n, 1);
	assert_false(overlays_in_force(&o));
	assert_null(policy_find(STR("dns"))->base);
	assert_int_equal(overlays_use(&o, &err), 0);
	assert_string_equal(policy_find(STR("dns"))->overlay,
	    "policy.d/dns.policy");
	assert_int_equal(overlays_read(dir, getuid(), &o, &err), 0);
	assert_true(overlays_in_force(&o));
	overlays_clear(&o);
	take("dns.policy");
	take(".dns.policy.swp");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
	buf_clear(&err);
	free(path);
}

/* A never line that does not hold is a fault with the way of the leak. */
static void
test_never(void **state)
{
	static const char text[] = "component smtpd\nnever *:stream # ha\n";
	const struct policy *was = policy_find(STR("smtpd"));
	struct overlays o = { xcalloc(1, sizeof(*o.v)), 1 };
	struct buf report;
	char err[256];

	(void)state;
	buf_init(&report, 4096);
	assert_int_equal(overlay_parse("policy.d/smtpd.policy", str_of(text),
			     was, &o.v[0], err, sizeof(err)),
	    0);
	assert_int_equal(overlays_use(&o, &report), -1);
	if (strstr(buf_cstr(&report),
		"policy.d/smtpd.policy:2: never *:stream: ") == NULL)
		fail_msg("said: %s", buf_cstr(&report));
	buf_clear(&report);
}

/* Told twice is told once; another text replaces the first. */
static void
test_take(void **state)
{
	static const struct policy *p; /* for ever, as policy_replace() says */
	char err[256];

	(void)state;
	assert_int_equal(overlay_take(STR("bounce"),
			     STR("component bounce\nlimit nofile 50\n"), err,
			     sizeof(err)),
	    0);
	p = policy_find(STR("bounce"));
	assert_non_null(p->base);
	assert_null(p->base->base);
	assert_int_equal(overlay_take(STR("bounce"),
			     STR("component bounce\nlimit nofile 50\n"), err,
			     sizeof(err)),
	    0);
	assert_ptr_equal(policy_find(STR("bounce")), p);
	assert_int_equal(overlay_take(STR("bounce"),
			     STR("component bounce\nlimit nofile 90\n"), err,
			     sizeof(err)),
	    0);
	assert_ptr_not_equal(policy_find(STR("bounce")), p);
	assert_ptr_equal(policy_find(STR("bounce"))->base, p->base);
	assert_int_equal(overlay_take(STR("none"), STR("component none\n"), err,
			     sizeof(err)),
	    -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_launcher),
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_never),
	};
	char err[256];
	int r;

	if (policy_parse("t", str_of(base_text), &base, err, sizeof(err)) ==
		-1 ||
	    mkdtemp(dir) == NULL) {
		print_error("%s\n", err);
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	policy_free(&base);
	return r;
}
