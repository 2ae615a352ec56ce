/* SPDX-License-Identifier: ISC */
/*
 * The evaluator against programs worked out by hand; then every compiled
 * policy's filter, run in it, against the policy.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/fd.h"
#include "sandbox/bpf_eval.h"
#include "sandbox/bpf_tidy.h"
#include "sandbox/points.h"
#include "sandbox/policy.h"
#include "sandbox/promise.h"
#include "sandbox/sandbox.h"

#define LD(off) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define RET(v) BPF_STMT(BPF_RET | BPF_K, v)
#define JEQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)

/* clang-format off */
static const struct program {
	const char *what;
	struct sock_filter insns[8];
	size_t n;
	int rc;
	uint32_t want;
} programs[] = {
	{ "a constant", { RET(7) }, 1, 0, 7 },
	{ "the call's number", { LD(0), BPF_STMT(BPF_RET | BPF_A, 0) }, 2,
	    0, 42 },
	{ "a jump taken", { LD(0), JEQ(42, 1, 0), RET(1), RET(2) }, 4, 0, 2 },
	{ "a jump not taken", { LD(0), JEQ(41, 1, 0), RET(1), RET(2) }, 4,
	    0, 1 },
	{ "low half of a1", { LD(24), BPF_STMT(BPF_RET | BPF_A, 0) }, 2,
	    0, 0x55667788 },
	{ "high half of a1", { LD(28), BPF_STMT(BPF_RET | BPF_A, 0) }, 2,
	    0, 0x11223344 },
	{ "masking", { LD(24), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
	    BPF_STMT(BPF_RET | BPF_A, 0) }, 3, 0, 0x88 },
	{ "shift by more than there is", { LD(24),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 40),
	    BPF_STMT(BPF_RET | BPF_A, 0) }, 3, 0, 0 },
	{ "scratch memory", { LD(0), BPF_STMT(BPF_ST, 3),
	    BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_LDX | BPF_MEM, 3),
	    BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
	    BPF_STMT(BPF_RET | BPF_A, 0) }, 6, 0, 43 },
	{ "greater, set", { LD(0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 42,
	    0, 1), RET(1), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 8, 0, 1),
	    RET(2), RET(3) }, 6, 0, 2 },
	{ "no return", { LD(0) }, 1, -1, 0 },
	{ "empty", { RET(0) }, 0, -1, 0 },
	{ "a jump beyond the end", { LD(0), JEQ(42, 9, 0), RET(1) }, 3,
	    -1, 0 },
	{ "an unaligned load", { LD(2), RET(1) }, 2, -1, 0 },
	{ "a load beyond the data", { LD(64), RET(1) }, 2, -1, 0 },
	{ "division by zero", { LD(0), BPF_STMT(BPF_ALU | BPF_DIV | BPF_K,
	    0), RET(1) }, 3, -1, 0 },
	{ "memory out of range", { BPF_STMT(BPF_LD | BPF_MEM, 16), RET(1) },
	    2, -1, 0 },
	{ "packet load", { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(1) },
	    2, -1, 0 },
};
/* clang-format on */

static void
test_eval(void **state)
{
	struct seccomp_data data = { .nr = 42,
		.args = { 0, 0x1122334455667788 } };
	uint32_t got;

	(void)state;
	for (size_t i = 0; i < NELEM(programs); i++) {
		const struct program *p = &programs[i];
		int rc = bpf_eval(p->insns, p->n, &data, &got);

		if (rc != p->rc || (rc == 0 && got != p->want))
			fail_msg("%s: %d, %#x", p->what, rc, got);
	}
}

/* --- tidying -------------------------------------------------------------- */

#define AND(k) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, k)
#define YES RET(1)
#define NO RET(0)

/* a1 is the only argument that they look at. */
/* clang-format off */
static const struct untidy {
	const char *what;
	size_t left;	/* instructions afterwards */
	size_t n;
	struct sock_filter insns[70];
} untidy[] = {
	{ "half an argument that does not matter", 4, 7,
	    { LD(28), AND(0), JEQ(0, 0, 3), LD(24), JEQ(5, 0, 1), YES, NO } },
	{ "the same, never equal", 1, 7,
	    { LD(28), AND(0), JEQ(1, 0, 3), LD(24), JEQ(5, 0, 1), YES, NO } },
	{ "half an argument that does matter", 7, 7,
	    { LD(28), AND(1), JEQ(0, 0, 3), LD(24), JEQ(5, 0, 1), YES, NO } },
	{ "what is masked is looked at again", 6, 6,
	    { LD(24), AND(0), JEQ(0, 0, 2), JEQ(5, 0, 1), YES, NO } },
	{ "its test is jumped to", 7, 7,
	    { LD(24), JEQ(7, 2, 0), LD(28), AND(0), JEQ(0, 0, 1), YES, NO } },
	{ "at least 0xfffffffc", 4, 9,
	    { LD(24), AND(~1u), JEQ(0xfffffffe, 4, 0), LD(24), JEQ(0xfffffffd,
	      2, 0), JEQ(0xfffffffc, 1, 0), NO, YES, NO } },
	{ "at least, but for one", 8, 8,
	    { LD(24), AND(~1u), JEQ(0xfffffffe, 4, 0), LD(24), JEQ(0xfffffffd,
	      2, 0), JEQ(0xfffffff8, 1, 0), NO, YES } },
	{ "one of them leads elsewhere", 9, 9,
	    { LD(24), AND(~1u), JEQ(0xfffffffe, 4, 0), LD(24), JEQ(0xfffffffd,
	      3, 0), JEQ(0xfffffffc, 1, 0), NO, YES, RET(2) } },
	{ "one of them looks elsewhere", 8, 8,
	    { LD(24), AND(~1u), JEQ(0xfffffffe, 4, 0), LD(28), JEQ(0xfffffffd,
	      2, 0), JEQ(0xfffffffc, 1, 0), NO, YES } },
	{ "an instruction of others", 6, 6,
	    { LD(28), AND(0), JEQ(0, 0, 1), YES, BPF_STMT(BPF_MISC | BPF_TAX,
	      0), NO } },
};
/* clang-format on */

static void
test_tidy(void **state)
{
	static const uint32_t words[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8,
		0x7fffffff, 0x80000000, 0xfffffff7, 0xfffffff8, 0xfffffffb,
		0xfffffffc, 0xfffffffd, 0xfffffffe, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < NELEM(untidy); i++) {
		const struct untidy *u = &untidy[i];
		struct sock_filter f[NELEM(u->insns)];
		size_t n;

		memcpy(f, u->insns, sizeof(f));
		n = bpf_tidy(f, u->n);
		if (n != u->left)
			fail_msg("%s: %zu are left", u->what, n);
		for (size_t j = 0; j < NELEM(words) * NELEM(words); j++) {
			struct seccomp_data data = {
				.args = { 0,
				    (uint64_t)words[j / NELEM(words)] << 32 |
					words[j % NELEM(words)] }
			};
			uint32_t before = 3, after = 3;

			if (bpf_eval(u->insns, u->n, &data, &before) !=
				bpf_eval(f, n, &data, &after) ||
			    before != after)
				fail_msg("%s: %#llx: %u, %u", u->what,
				    (unsigned long long)data.args[1], before,
				    after);
		}
	}
}

static void
filter_of(const struct policy *p, struct sock_filter **insns, size_t *n)
{
	char err[512], *bytes;
	size_t len;
	int fd = sandbox_filter(p, err, sizeof(err));

	if (fd == -1)
		fail_msg("%s", err);
	assert_int_equal(memfd_sealed(fd), 1);
	assert_int_equal(fd_slurp(fd, 4096 * sizeof(**insns), &bytes, &len), 0);
	close(fd);
	assert_int_equal(len % sizeof(**insns), 0);
	*insns = (struct sock_filter *)(void *)bytes;
	*n = len / sizeof(**insns);
}

/* Every policy, every call, every condition. */
static void
test_policies(void **state)
{
	struct sock_filter *insns;
	struct plan plan;
	struct points pts;
	char err[512];
	size_t n, seen = 0;

	(void)state;
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);

		if ((p->walls & WALL_SECCOMP) == 0)
			continue;
		filter_of(p, &insns, &n);
		assert_int_equal(plan_make(p, &plan, err, sizeof(err)), 0);
		if (points_compare(&plan, insns, n, &pts) != 0)
			fail_msg("%s: %u of %u wrong:\n%s", p->name, pts.wrong,
			    pts.total, buf_cstr(&pts.differences));
		assert_true(pts.total > 5000);
		seen++;
		/* Its length is what every process pays for. */
		assert_true(n < 200);
		points_clear(&pts);
		plan_clear(&plan);
		free(insns);
	}
	assert_true(seen >= 15);
}

/* The comparison notices: one policy's filter under another's plan. */
static void
test_notices(void **state)
{
	struct sock_filter *insns;
	struct plan plan;
	struct points pts;
	char err[512];
	size_t n;

	(void)state;
	filter_of(policy_find(STR("qmgr")), &insns, &n);
	assert_int_equal(plan_make(policy_find(STR("smtpd")), &plan, err,
			     sizeof(err)),
	    0);
	assert_int_equal(points_compare(&plan, insns, n, &pts), -1);
	assert_true(pts.looser > 0);
	assert_non_null(strstr(buf_cstr(&pts.differences), "openat2"));
	points_clear(&pts);
	plan_clear(&plan);
	free(insns);
}

/* What nobody but the launcher may ever do. */
static void
test_forbidden(void **state)
{
	static const char *const calls[] = { "open", "openat", "execve",
		"execveat", "fork", "vfork", "clone", "clone3", "ptrace",
		"mount", "umount2", "chroot", "pivot_root", "setuid",
		"setresuid", "setgroups", "capset", "unshare", "setns", "bpf",
		"io_uring_setup", "io_uring_enter", "perf_event_open",
		"userfaultfd", "keyctl", "add_key", "process_vm_readv",
		"process_vm_writev", "kcmp", "pidfd_open", "pidfd_getfd",
		"pidfd_send_signal", "kill", "tkill", "open_by_handle_at",
		"name_to_handle_at", "listen", "dup", "dup2", "dup3",
		"close_range", "ioctl", "prctl", "seccomp", "setrlimit",
		"prlimit64", "fchmod", "fchmodat", "fchown", "fchownat",
		"fchdir", "chdir", "symlinkat", "newfstatat", "statx",
		"personality", "modify_ldt", "arch_prctl", "shmget", "msgget",
		"semget", "inotify_init1", "fanotify_init", "quotactl",
		"swapon", "reboot", "init_module", "finit_module", "kexec_load",
		"memfd_secret", "splice", "tee", "vmsplice", "sendfile",
		"copy_file_range", "pwritev2", "preadv2", "readahead",
		"landlock_restrict_self", "move_mount", "fsopen", "open_tree",
		"mknodat" };
	const uint64_t zeros[CALL_ARGS] = { 0 };
	struct plan plan;
	char err[512];

	(void)state;
#ifdef SANITIZED
	skip(); /* such a build is allowed more */
#endif
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);

		if ((p->walls & WALL_SECCOMP) == 0)
			continue;
		assert_int_equal(plan_make(p, &plan, err, sizeof(err)), 0);
		for (size_t j = 0; j < NELEM(calls); j++) {
			int nr = syscall_number(calls[j]);

			if (nr >= 0 && plan_verdict(&plan, nr, zeros) == 0)
				fail_msg("%s may %s", p->name, calls[j]);
		}
		plan_clear(&plan);
	}
}

/*
 * Nobody makes a thread or process once it is sealed.  Where there are threads,
 * libc is told to take clone, whose arguments a filter could see; it kills.
 */
static void
test_clone3(void **state)
{
	const uint64_t zeros[CALL_ARGS] = { 0 };
	int clone3 = syscall_number("clone3"), clone = syscall_number("clone");
	unsigned threaded = 0;
	struct plan plan;
	char err[512];

	(void)state;
#ifdef SANITIZED
	skip(); /* such a build is told so everywhere */
#endif
	assert_true(clone3 > 0 && clone > 0);
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		bool threads = policy_promises(p, "threads");

		if ((p->walls & WALL_SECCOMP) == 0)
			continue;
		assert_int_equal(plan_make(p, &plan, err, sizeof(err)), 0);
		if (plan_verdict(&plan, clone3, zeros) !=
		    (threads ? ENOSYS : -1))
			fail_msg("clone3 in %s", p->name);
		assert_int_equal(plan_verdict(&plan, clone, zeros), -1);
		threaded += threads;
		plan_clear(&plan);
	}
	assert_int_equal(threaded, 2); /* mailbox, qmgr */
}

/* The same, asked of the kernel. */
static void
test_clone3_filtered(void **state)
{
	struct sock_filter *insns;
	struct sock_fprog prog;
	int status;
	pid_t pid;
	size_t n;

	(void)state;
#ifdef SANITIZED
	skip();
#endif
	filter_of(policy_find(STR("mailbox")), &insns, &n);
	prog = (struct sock_fprog){ (unsigned short)n, insns };
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) ==
			-1)
			_exit(1);
		if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
			_exit(2);
		syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
		_exit(3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	free(insns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eval),
		cmocka_unit_test(test_tidy),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_notices),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_clone3),
		cmocka_unit_test(test_clone3_filtered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
