/* SPDX-License-Identifier: ISC */
/*
 * postlock: run a command while holding the lock of a mailbox, in the ways
 * that deliveries lock it.
 */
#include "mailctl.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define BY_FCNTL 0x1
#define BY_FLOCK 0x2
#define BY_DOTLOCK 0x4

struct lock {
	unsigned how;
	char *dotlock; /* name of the lock file while it is ours */
	int fd;
	int64_t stale_s;
};

static unsigned
parse_style(const char *style)
{
	struct str s = str_of(style), w;
	unsigned how = 0;

	while (str_token(&s, ", \t", &w)) {
		if (str_eq(w, STR("fcntl")))
			how |= BY_FCNTL;
		else if (str_eq(w, STR("flock")))
			how |= BY_FLOCK;
		else if (str_eq(w, STR("dotlock")))
			how |= BY_DOTLOCK;
		else
			die("unknown lock style: " STR_FMT, STR_ARG(w));
	}
	return how;
}

static bool
is_stale(const char *path, int64_t seconds)
{
	struct stat st;

	return lstat(path, &st) == 0 && time(NULL) - st.st_mtime > seconds;
}

/* 0; -1 with EAGAIN when another has it, or another errno. */
static int
take_dotlock(struct lock *l, const char *path)
{
	char *name = xasprintf("%s.lock", path);
	int fd = -1;

	for (int i = 0; i < 2; i++) {
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd != -1 || errno != EEXIST || !is_stale(name, l->stale_s))
			break;
		unlink(name);
	}
	if (fd == -1) {
		free(name);
		if (errno == EEXIST)
			errno = EAGAIN;
		return -1;
	}
	close(fd);
	l->dotlock = name;
	return 0;
}

static int
take_kernel(const struct lock *l)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if ((l->how & BY_FCNTL) != 0 && fcntl(l->fd, F_OFD_SETLK, &fl) == -1) {
		if (errno == EACCES)
			errno = EAGAIN;
		return -1;
	}
	return (l->how & BY_FLOCK) != 0 &&
		flock(l->fd, LOCK_EX | LOCK_NB) == -1 ?
	    -1 :
	    0;
}

static void
drop(struct lock *l)
{
	if (l->dotlock != NULL)
		unlink(l->dotlock);
	free(l->dotlock);
	l->dotlock = NULL;
	fd_close(&l->fd);
}

static int
take(struct lock *l, const char *path)
{
	/* Made when it is not there, as a delivery makes it. */
	l->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (l->fd == -1)
		return -1;
	if (((l->how & BY_DOTLOCK) == 0 || take_dotlock(l, path) == 0) &&
	    take_kernel(l) == 0)
		return 0;
	drop(l);
	return -1;
}

static int
run(char *argv[])
{
	int status;
	pid_t pid = fork();

	if (pid == -1)
		die("fork %s: %s", argv[0], strerror(errno));
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		execvp(argv[0], argv);
		say("fatal: execvp %s: %s", argv[0], strerror(errno));
		_exit(EXIT_BAD);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return EXIT_BAD;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BAD;
}

int
cmd_postlock(int argc, char *argv[])
{
	struct lock l = { .fd = -1 };
	const char *style = NULL;
	struct instance in;
	int64_t attempts, delay_ms;
	int c, r;

	while ((c = getopt(argc, argv, "+c:l:v")) != -1) {
		if (c == 'c')
			opt.dir = optarg;
		else if (c == 'l')
			style = optarg;
		else if (c != 'v')
			break;
	}
	if (c != -1 || argc - optind < 2)
		die("usage: postlock [-c config_dir] [-l lock_style] [-v] "
		    "folder command...");
	instance_open(&in);
	if (in.conf == NULL) {
		instance_report(&in, false);
		die("the configuration cannot be used");
	}
	l.how = parse_style(style != NULL ?
		style :
		conf_cstr(in.conf, P_MAILBOX_DELIVERY_LOCK));
	l.stale_s = conf_secs(in.conf, P_STALE_LOCK_TIME);
	attempts = conf_int(in.conf, P_DELIVER_LOCK_ATTEMPTS);
	delay_ms = conf_ms(in.conf, P_DELIVER_LOCK_DELAY);
	while ((r = take(&l, argv[optind])) == -1 && errno == EAGAIN &&
	    --attempts > 0)
		usleep((useconds_t)delay_ms * 1000);
	if (r == -1) {
		say("fatal: open file %s: %s", argv[optind],
		    errno == EAGAIN ? "unable to lock for exclusive access" :
				      strerror(errno));
		return EX_TEMPFAIL;
	}
	/* The command gets the signals of the terminal; we clean up. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	r = run(argv + optind + 1);
	drop(&l);
	instance_clear(&in);
	return r;
}
