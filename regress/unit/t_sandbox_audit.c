/* SPDX-License-Identifier: ISC */
/*
 * The auditor: finds nothing where a component is as its policy says, and
 * finds each thing that is not.  Needs root; without, what can be measured.
 */
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "sandbox/audit.h"
#include "sealed_child.h"

/* The rows that are not equal, for messages. */
static const char *
differences(const struct audit *a)
{
	static struct buf text;

	buf_clear(&text);
	buf_init(&text, 1 << 16);
	audit_text(a, true, &text);
	return buf_cstr(&text);
}

static const struct audit_row *
row(const struct audit *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->rows[i].wall, name) == 0)
			return &a->rows[i];
	}
	fail_msg("no row %s", name);
	return NULL;
}

static int
audit(pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, struct str text, struct audit *out)
{
	struct audit_of of = { .pid = pid,
		.policy = policy,
		.place = place,
		.text = text };

	return sandbox_audit(&of, out);
}

static void
need_root(void)
{
	if (level != LEVEL_ROOT)
		skip();
#ifdef SANITIZED
	skip(); /* such a build is weaker by its own word */
#endif
}

static void
test_clean(void **state)
{
	struct audit a;
	char said[512];
	int channel, rc;
	pid_t pid;

	(void)state;
	need_root();
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		struct job job;

		if ((p->walls & WALL_SECCOMP) == 0)
			continue;
		job = job_for(p->name);
		pid = start(&job, &channel, said, sizeof(said));
		assert_string_equal(said, "");
		rc = audit(pid, p, &job.place,
		    str_make(p->text, p->text_len), &a);
		if (rc != 0)
			fail_msg("%s: %d\n%s", p->name, rc, differences(&a));
		assert_true(a.equal > 30);
		assert_int_equal(a.vouched, 3);
		assert_true(a.points > 5000 && a.calls_allowed > 20);
		assert_non_null(
		    strstr(row(&a, "filter")->measured, "identical"));
		audit_clear(&a);
		assert_int_equal(finish(pid, channel), 0);
		job_end(&job);
	}
}

/* Another component's policy: much is wrong, and said to be. */
static void
test_other_policy(void **state)
{
	struct job job = job_for("qmgr");
	const struct policy *p = policy_find(STR("rewrite"));
	struct audit a;
	char said[512];
	int channel;
	pid_t pid;

	(void)state;
	need_root();
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	job.place.uid++;
	assert_int_equal(audit(pid, p, &job.place, STR("component x"),
			     &a),
	    1);
	assert_int_equal(row(&a, "policy text")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "uid")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "system calls")->verdict, AUDIT_WEAKER);
	assert_non_null(strstr(row(&a, "system calls")->measured, "openat2"));
	assert_int_equal(row(&a, "limit as")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "descriptors dir")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "no_new_privs")->verdict, AUDIT_EQUAL);
	audit_clear(&a);
	assert_int_equal(finish(pid, channel), 0);
	job_end(&job);
}

/* --- descriptors a component should not hold ------------------------------ */

static int extra[3];

/* They come as grants do, so that close_range() does not see them. */
static void
take_extra(void)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(extra))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	if (recvmsg(SLOT_BROKER, &mh, MSG_CMSG_CLOEXEC) != 1)
		_exit(1);
}

static void
send_extra(int channel)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(extra))];
	} control;
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	memset(&control, 0, sizeof(control));
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(extra));
	memcpy(CMSG_DATA(cm), extra, sizeof(extra));
	assert_int_equal(sendmsg(channel, &mh, 0), 1);
}

static void
test_descriptors(void **state)
{
	struct job job = job_for("rewrite");
	struct audit a;
	char said[512];
	int channel, sv[2], status;
	pid_t pid;

	(void)state;
	need_root();
	extra[0] = socket(AF_INET, SOCK_DGRAM, 0); /* to anybody */
	extra[1] = open("/tmp", O_PATH);
	extra[2] = open(dir, O_RDONLY | O_DIRECTORY);
	/* The packet must be there before it is waited for. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	send_extra(sv[0]);
	job.sealed = take_extra;
	pid = sandbox_clone(&cradle, NULL);
	if (pid == 0)
		run_sealed(&job, sv[1]);
	close(sv[1]);
	channel = sv[0];
	assert_int_equal(read(channel, said, sizeof(said)), 1);
	status = audit(pid, job.policy, &job.place, STR_NONE, &a);
	assert_int_equal(status, 1);
	if (a.weaker != 3)
		fail_msg("%s", differences(&a));
	assert_int_equal(row(&a, "descriptors dir")->verdict, AUDIT_WEAKER);
	assert_non_null(strstr(differences(&a), "IPv4 datagram socket"));
	assert_non_null(strstr(differences(&a), "directory"));
	audit_clear(&a);
	assert_int_equal(finish(pid, channel), 0);
	for (size_t i = 0; i < NELEM(extra); i++)
		close(extra[i]);
	job_end(&job);
}

/* What is waived is said to be missing, for ever, and does not fail. */
static void
test_waived(void **state)
{
	struct job job = job_for("dns");
	struct audit a;
	char said[512];
	int channel;
	pid_t pid;

	(void)state;
	need_root();
	job.place.waived = WALL_LANDLOCK | WALL_SECCOMP | WALL_IPC;
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	if (audit(pid, job.policy, &job.place, STR_NONE, &a) != 0)
		fail_msg("%s", differences(&a));
	assert_true(row(&a, "seccomp")->waived);
	assert_int_equal(row(&a, "seccomp")->verdict, AUDIT_WEAKER);
	assert_true(row(&a, "ipc")->waived);
	assert_true(row(&a, "landlock")->waived);
	assert_int_equal(a.waived, 3);
	audit_clear(&a);
	/* The same process, if nothing had been waived. */
	job.place.waived = 0;
	assert_int_equal(audit(pid, job.policy, &job.place, STR_NONE,
			     &a),
	    1);
	assert_int_equal(row(&a, "ipc")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "seccomp")->verdict, AUDIT_WEAKER);
	audit_clear(&a);
	assert_int_equal(finish(pid, channel), 0);
	job_end(&job);
}

static void
test_gone(void **state)
{
	struct job job = job_for("dns");
	struct audit a;

	(void)state;
	assert_true(audit(0x3fffffff, job.policy, &job.place, STR_NONE,
			&a) != 0);
	assert_int_equal(row(&a, "process")->verdict, AUDIT_UNMEASURABLE);
	audit_clear(&a);
	job_end(&job);
}

/* This very process holds nothing of what logd's policy says. */
static void
test_unsealed(void **state)
{
	struct job job = job_for("logd");
	struct audit a;

	(void)state;
	assert_int_equal(audit(getpid(), job.policy, &job.place,
			     STR_NONE, &a),
	    1);
	assert_int_equal(row(&a, "seccomp")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "no_new_privs")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "root directory")->verdict, AUDIT_WEAKER);
	assert_int_equal(row(&a, "uts")->verdict, AUDIT_WEAKER);
	audit_clear(&a);
	job_end(&job);
}

static void
test_calls(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 16);
	audit_calls(policy_find(STR("smtpd")), &out);
	assert_non_null(strstr(buf_cstr(&out), "stdio      read\n"));
	assert_non_null(strstr(buf_cstr(&out), "sendfd     sendmsg a2 & "));
	assert_null(strstr(buf_cstr(&out), "openat2"));
	buf_reset(&out);
	audit_calls(policy_find(STR("launcher")), &out);
	assert_string_equal(buf_cstr(&out), "every call: behind no filter\n");
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_other_policy),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_waived),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_unsealed),
		cmocka_unit_test(test_calls),
	};

	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
