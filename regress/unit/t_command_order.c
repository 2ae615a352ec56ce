/* SPDX-License-Identifier: ISC */
/*
 * What the launcher lets be run, whoever vouched for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/fd.h"
#include "command/command.h"
#include "conf/build.h"

#define UID_BASE 62000

/* main.cf of these lines is what orders come from. */
static void
use(const char *main_cf)
{
	struct build b;
	int fd;

	memset(&b, 0, sizeof(b));
	build_parse(&b, "/etc/postern", str_of(main_cf), STR_NONE);
	fd = build_memfd(&b, NULL, 1);
	assert_int_not_equal(fd, -1);
	order_config(-1, fd);
	close(fd);
	build_clear(&b);
}

static bool
made(enum command_kind kind, uint32_t uid, const char *user)
{
	struct person_rules rules = { .uid_base = UID_BASE, .root = true };
	struct launch_command q = { .kind = (uint8_t)kind,
		.uid = uid,
		.user = str_of(user),
		.text = STR("echo") };
	struct buf err;
	struct order_terms terms;
	int fd;

	buf_init(&err, 500);
	fd = order_make(&q, &rules, "/etc/postern", &terms, &err);
	if (fd != -1)
		assert_true(terms.uid != 0 && terms.gid != 0 &&
		    terms.limit_ms == 1000000);
	else
		printf("# %s\n", buf_cstr(&err));
	buf_clear(&err);
	if (fd == -1)
		return false;
	close(fd);
	return true;
}

static void
test_kinds(void **state)
{
	(void)state;
	use("mail_owner = root\nallow_mail_to_commands =\n");
	assert_false(made(COMMAND_ALIAS, 1, ""));
	assert_false(made(COMMAND_FORWARD, 0, "daemon"));
	assert_false(made(COMMAND_MAPS, 0, "daemon"));
	assert_false(made(COMMAND_MAILBOX, 0, "daemon"));
	use("mail_owner = root\nallow_mail_to_commands = alias\n");
	assert_true(made(COMMAND_ALIAS, 1, ""));
	assert_false(made(COMMAND_FORWARD, 0, "daemon"));
	use("mail_owner = root\nallow_mail_to_commands = forward\n"
	    "mailbox_command = /bin/cat\n"
	    "mailbox_command_maps = texthash:/nosuch\n");
	assert_false(made(COMMAND_ALIAS, 1, ""));
	assert_true(made(COMMAND_FORWARD, 0, "daemon"));
	assert_true(made(COMMAND_MAPS, 0, "daemon"));
	assert_true(made(COMMAND_MAILBOX, 0, "daemon"));
}

static void
test_persons(void **state)
{
	(void)state;
	use("mail_owner = daemon\nmailbox_command = /bin/cat\n"
	    "default_privs = root\n");
	assert_false(made(COMMAND_MAILBOX, 0, "root"));
	assert_false(made(COMMAND_MAILBOX, 0, "daemon")); /* owns the queue */
	assert_false(made(COMMAND_MAILBOX, 0, "no such user"));
	assert_false(made(COMMAND_ALIAS, 0, "")); /* default_privs is root */
	assert_false(made(COMMAND_ALIAS, UID_BASE + 3, ""));
}

/* The asker has a pipe that keeps nobody waiting, and the rest of it we. */
static void
test_input(void **state)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char data[64], some[4096] = { 'x' };
	struct iovec iov = { data, sizeof(data) };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	int sv[2], in, out;
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	in = order_input(sv[1], getuid(), getgid());
	assert_int_not_equal(in, -1);
	n = recvmsg(sv[0], &mh, MSG_DONTWAIT);
	assert_true(n > 0);
	assert_non_null(CMSG_FIRSTHDR(&mh));
	memcpy(&out, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(int));
	assert_int_equal(write(out, some, sizeof(some)), sizeof(some));
	assert_int_equal(read(in, some, sizeof(some)), sizeof(some));
	assert_int_equal(some[0], 'x');
	while ((n = write(out, some, sizeof(some))) > 0)
		;
	assert_int_equal(n, -1);
	assert_int_equal(errno, EAGAIN);
	close(in);
	close(out);
	close(sv[0]);
	/* With nobody there to tell there is none. */
	assert_int_equal(order_input(sv[1], getuid(), getgid()), -1);
	close(sv[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_persons),
		cmocka_unit_test(test_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
