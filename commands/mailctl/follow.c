/* SPDX-License-Identifier: ISC */
/*
 * log: the last lines of the log file, and those that come.
 */
#include "mailctl.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define LOOK_MS 200
#define TAIL 10	   /* lines */
#define BACK 65536 /* bytes in which those are looked for */

/* Where the last lines begin. */
static off_t
tail_of(int fd, off_t size)
{
	off_t from = size > BACK ? size - BACK : 0;
	static char text[BACK];
	ssize_t n = fd_pread_all(fd, text, (size_t)(size - from), from);
	unsigned lines = 0;

	if (n <= 0)
		return size;
	for (ssize_t i = n - 1; i > 0; i--)
		if (text[i - 1] == '\n' && ++lines == TAIL)
			return from + i;
	return from;
}

static off_t
copy_from(int fd, off_t at)
{
	char text[16384];
	ssize_t n;

	while ((n = pread(fd, text, sizeof(text), at)) > 0) {
		if (fwrite(text, 1, (size_t)n, stdout) != (size_t)n)
			exit(EXIT_BAD);
		at += n;
	}
	fflush(stdout);
	return at;
}

/* Has another file taken its name, or was it cut? */
static bool
replaced(int fd, const char *path, off_t at)
{
	struct stat now, was;

	return fstat(fd, &was) == 0 && stat(path, &now) == 0 &&
	    (now.st_ino != was.st_ino || now.st_dev != was.st_dev ||
		now.st_size < at);
}

static int
follow(const char *path, bool wait)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at;

	if (fd == -1 || fstat(fd, &st) == -1)
		die("%s: %s", path, strerror(errno));
	at = copy_from(fd, tail_of(fd, st.st_size));
	while (wait) {
		int next;

		usleep(LOOK_MS * 1000);
		at = copy_from(fd, at);
		if (!replaced(fd, path, at))
			continue;
		next = open(path, O_RDONLY | O_CLOEXEC);
		if (next == -1)
			continue;
		close(fd);
		fd = next;
		at = copy_from(fd, 0);
	}
	close(fd);
	return 0;
}

static int
log_cmd(int argc, bool wait)
{
	struct instance in;
	const char *path;
	int r;

	if (argc != 1)
		die_usage("log takes no argument");
	instance_open(&in);
	if (in.conf == NULL) {
		instance_report(&in, false);
		die("the configuration cannot be used");
	}
	path = conf_cstr(in.conf, P_MAILLOG_FILE);
	if (path[0] == '\0')
		die("maillog_file is not set: the log is the system's (try "
		    "journalctl -f -t postern, or /var/log/mail.log)");
	if (strncmp(path, "/dev/", 5) == 0)
		die("maillog_file is %s: the log is where the mail system was "
		    "started",
		    path);
	r = follow(path, wait);
	instance_clear(&in);
	return r;
}

int
cmd_log_follow(int argc, char *argv[])
{
	(void)argv;
	return log_cmd(argc, true);
}

int
cmd_log_tail(int argc, char *argv[])
{
	(void)argv;
	return log_cmd(argc, false);
}
