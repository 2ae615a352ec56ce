/* SPDX-License-Identifier: ISC */
/*
 * Notes: what is written in one process is read in another after its death,
 * cut to its size, and never as anything but harmless signs.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/note.h"

static const char *
read_back(int fd)
{
	static struct buf out;

	if (out.max == 0)
		buf_init(&out, 1024);
	buf_reset(&out);
	note_read(fd, &out);
	return buf_cstr(&out);
}

static void
test_death(void **state)
{
	int fd = note_make(), copy, status;
	pid_t pid;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_string_equal(read_back(fd), "");
	pid = fork();
	if (pid == 0) {
		copy = dup(fd);
		note_open(copy);
		if (fcntl(copy, F_GETFD) != -1)
			_exit(1); /* it must be closed */
		note_record("deliver", "DELIVER_JOB", STR("4F2A"));
		note_about(STR("192.0.2.1"), STR("4F2B"));
		note_record("queue", "QUEUE_LIST", STR(""));
		note_about(STR("[2001:db8::1]"), STR("4F2C"));
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_string_equal(read_back(fd), "[2001:db8::1] 4F2C");
	close(fd);
}

static void
test_words(void **state)
{
	char longer[300];
	int fd = note_make();

	(void)state;
	note_about(STR("nowhere"), STR("")); /* harmless */
	note_open(-1);
	note_open(dup(fd));
	note_record("deliver", "DELIVER_JOB", STR("4F2A"));
	assert_string_equal(read_back(fd),
	    "record DELIVER_JOB of deliver 4F2A");
	memset(longer, 'x', sizeof(longer));
	note_about(str_make(longer, sizeof(longer)), STR("y"));
	assert_int_equal(strlen(read_back(fd)), 95 + 2);
	note_about(STR("a\"b\\c\nd\x1b[m<>%s\xff"), STR(""));
	assert_string_equal(read_back(fd), "a?b?c?d?[m???s?");
	/* All bytes, no end: as a hostile writer would leave it. */
	memset(longer, '"', sizeof(longer));
	assert_int_equal(pwrite(fd, longer, NOTE_SIZE, 0), NOTE_SIZE);
	assert_null(strchr(read_back(fd), '"'));
	assert_true(strlen(read_back(fd)) >= NOTE_SIZE);
	close(fd);
	assert_string_equal(read_back(fd), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
