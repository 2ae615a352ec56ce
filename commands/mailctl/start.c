/* SPDX-License-Identifier: ISC */
/*
 * Start: a launcher in a session of its own, and the word that all is ready.
 */
#include "mailctl.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#define START_MS 60000 /* for every component to be ready */

/*
 * The launcher: standard input and output are /dev/null, what it has to say
 * until it is ready goes to say_fd, and so does standard error: a library's
 * last words are not lost.
 */
void
run_launcher(const struct instance *in, int say_fd, bool offline)
{
	char *path = program_path("launcher");
	char fd_text[16];
	int null;

	setsid();
	null = open("/dev/null", O_RDWR);
	if (null == -1 || dup2(null, 0) == -1 || dup2(null, 1) == -1 ||
	    dup2(say_fd, 2) == -1 || chdir("/") == -1)
		_exit(71);
	/* A number above the slots, which survives execve(2). */
	say_fd = fcntl(say_fd, F_DUPFD, 10);
	if (say_fd == -1)
		_exit(71);
	closefrom(say_fd + 1);
	for (int fd = 3; fd < say_fd; fd++)
		close(fd);
	snprintf(fd_text, sizeof(fd_text), "%d", say_fd);
	execl(path, path, "-c", in->dir, "-r", fd_text,
	    offline ? "-o" : (char *)NULL, (char *)NULL);
	dprintf(2, "%s: %s\n", path, strerror(errno));
	_exit(71);
}

/* Stay where we are: for a supervisor, who sees the launcher in our place. */
static void NORETURN
become_launcher(const struct instance *in)
{
	char *path = program_path("launcher");
	int null = open("/dev/null", O_RDWR);

	if (null != -1)
		dup2(null, 0);
	closefrom(3);
	execl(path, path, "-c", in->dir, "-f", (char *)NULL);
	die("%s: %s", path, strerror(errno));
}

/* Pass on what the launcher says; true when the last of it was `ready`. */
bool
launcher_ready(int fd, pid_t pid)
{
	int64_t deadline = clock_ms() + START_MS;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct str rest, line;
	struct buf b;
	bool ready = false;

	buf_init(&b, 1 << 20);
	for (;;) {
		int64_t left = deadline - clock_ms();
		char *p = buf_reserve(&b, 4096);
		ssize_t n;

		if (left <= 0 || p == NULL) {
			say("error: it is not ready after %d seconds",
			    START_MS / 1000);
			kill(pid, SIGTERM);
			break;
		}
		if (poll(&pfd, 1, (int)left) <= 0)
			continue;
		n = read(fd, p, 4096);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_grow(&b, (size_t)n);
		ready = str_eq(buf_get(&b), STR("ready\n")) ||
		    str_ends(buf_get(&b), STR("\nready\n"));
		if (ready)
			break;
	}
	rest = buf_get(&b);
	while (str_token(&rest, "\n", &line))
		if (!str_eq(line, STR("ready")))
			say(STR_FMT, STR_ARG(line));
	buf_clear(&b);
	return ready;
}

static int
start_in_background(const struct instance *in)
{
	int p[2], status;
	pid_t pid;
	bool ready;

	if (pipe2(p, O_CLOEXEC) == -1)
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == -1)
		die("fork: %s", strerror(errno));
	if (pid == 0)
		run_launcher(in, p[1], false);
	close(p[1]);
	ready = launcher_ready(p[0], pid);
	close(p[0]);
	if (ready)
		return 0;
	/* It has ended, or is about to. */
	for (int i = 0; i < 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		usleep(50000);
	}
	say("fatal: the mail system has not been started");
	return EXIT_BAD;
}

int
cmd_start(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	bool foreground = false;
	struct instance in;
	int c, r;

	while ((c = getopt_long(argc, argv, "+f", longs, NULL)) != -1) {
		if (c != 'f')
			die_usage("usage: mailctl start [--foreground]");
		foreground = true;
	}
	if (optind != argc)
		die_usage("usage: mailctl start [--foreground]");
	instance_open(&in);
	if (instance_report(&in, true) > 0 || in.conf == NULL)
		die("the mail system has not been started: see the errors "
		    "above");
	if (instance_pid(&in) != 0)
		die("the %s mail system is already running",
		    opt.postfix ? "Postfix" : "Postern");
	if (foreground)
		become_launcher(&in);
	if (opt.postfix)
		say("starting the Postfix mail system");
	r = start_in_background(&in);
	instance_clear(&in);
	return r;
}
