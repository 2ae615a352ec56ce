/* SPDX-License-Identifier: ISC */
/*
 * The kernel's record of a violation: read as it is written, forgeries
 * included, and once for real where the log may be read.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/audit.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/fd.h"
#include "sandbox/violation.h"
#include "sealed_child.h"

#define RECORD(pid, comm, arch, nr)                                   \
	"5,9,1,-;audit: type=1326 audit(1795268245.975:5797): auid=1" \
	" uid=4711 gid=4711 ses=1 pid=" pid " comm=\"" comm "\""      \
	" exe=\"/x\" sig=31 arch=" arch " syscall=" nr                \
	" compat=0 ip=0x7fe50c6da011 code=0x80000000\n"

/* clang-format off */
static const struct {
	const char *line;
	bool found;
	const char *text;
} lines[] = {
	{ RECORD("648", "smtpd", "c000003e", "257"), true,
	    "openat (no promise has it; a line of its own would be 'call openat')" },
	{ RECORD("648", "smtpd", "c000003e", "437"), true,
	    "openat2 (promise dir would allow it, or not with these arguments)" },
	{ RECORD("648", "smtpd", "c000003e", "3"), true,
	    "close (allowed with other arguments only, by promise stdio: close a0 >= 0x6" },
	{ RECORD("649", "smtpd", "c000003e", "257"), false, "" },
	{ RECORD("6480", "smtpd", "c000003e", "257"), false, "" },
	{ RECORD("649", "x pid=648", "c000003e", "257"), false, "" },
	{ RECORD("649", "x type=1326 pid=648", "c000003e", "257"), false, "" },
	{ RECORD("648", "smtpd", "40000003", "20"), true,
	    "call 20 of another architecture (0x40000003)" },
	{ RECORD("648", "smtpd", "c000003e", "1073741863"), true,
	    "call 39 of another architecture" },
	{ RECORD("648", "smtpd", "c000003e", "1023"), true,
	    "call 1023, which has no name" },
	{ RECORD("648", "smtpd", "zz", "1"), false, "" },
	{ RECORD("648", "smtpd", "c000003e", "-1"), false, "" },
	{ "6,1,1,-;audit: type=1300 pid=648 arch=c000003e syscall=1", false,
	    "" },
	{ "pid=648", false, "" },
	{ "", false, "" },
};
/* clang-format on */

static void
test_lines(void **state)
{
	struct violation v;
	struct buf text;

	(void)state;
#ifndef __x86_64__
	skip();
#endif
	buf_init(&text, 512);
	for (size_t i = 0; i < NELEM(lines); i++) {
		bool found = violation_parse(str_of(lines[i].line), 648, &v);

		if (found != lines[i].found)
			fail_msg("%s", lines[i].line);
		if (!found)
			continue;
		assert_true(v.ip == 0x7fe50c6da011);
		buf_reset(&text);
		violation_text(&v, policy_find(STR("smtpd")), &text);
		if (strstr(buf_cstr(&text), lines[i].text) == NULL)
			fail_msg("%s", buf_cstr(&text));
	}
	buf_clear(&text);
}

static void
call_chdir(void)
{
	if (syscall(SYS_chdir, "/") == -1)
		_exit(1);
}

static void
test_real(void **state)
{
	struct job job = job_for("smtpd");
	struct violation v = { 0 };
	char said[512];
	int fd = violation_open(), channel, status;
	pid_t pid;

	(void)state;
	if (fd == -1 || level != LEVEL_ROOT)
		skip();
	job.sealed = call_chdir;
	pid = start(&job, &channel, said, sizeof(said));
	status = finish(pid, channel);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	if (!violation_find(fd, pid, &v))
		skip(); /* the kernel keeps no such records, or drops some */
	assert_int_equal(v.nr, SYS_chdir);
	assert_true(v.ip != 0);
	assert_false(violation_find(fd, pid, &v));
	close(fd);
	job_end(&job);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_real),
	};

	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
