/* SPDX-License-Identifier: ISC */
/*
 * What the BSDs have in common.  The wall called seccomp is pledge on OpenBSD
 * and Capsicum on FreeBSD; what Linux needs namespaces and Landlock for is
 * part of both.
 */
#include "sandbox/bsd.h"

#include <sys/param.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define EMPTY_DIR "/var/empty"
#define ABOVE_SLOTS 64

int
wall_fail(char *err, size_t size, const char *wall, const char *what)
{
	snprintf(err, size, "wall %s: %s: %s", wall, what, strerror(errno));
	return -1;
}

static void
prepare(void)
{
	tzset();
	signal(SIGPIPE, SIG_IGN);
}

static int
limits(const struct policy *p, char *err, size_t err_size)
{
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct policy_limit *l = &p->limits[i];
		struct rlimit now,
		    want = { (rlim_t)l->value, (rlim_t)l->value };

		if (l->resource == -1) /* a limit of another system */
			continue;
		if (getrlimit(l->resource, &now) == 0 &&
		    now.rlim_max < want.rlim_max)
			want.rlim_max = want.rlim_cur = now.rlim_max;
		if (setrlimit(l->resource, &want) == -1)
			return wall_fail(err, err_size, "rlimits", l->name);
	}
	return 0;
}

static int
empty_root(const struct policy *p, char *err, size_t err_size)
{
	/* Who holds directories needs their names within its root. */
	if (policy_promises(p, "dir"))
		return 0;
	if (chroot(EMPTY_DIR) == -1 || chdir("/") == -1)
		return wall_fail(err, err_size, "root", EMPTY_DIR);
	return 0;
}

static int
ids(const struct sandbox_place *place, char *err, size_t err_size)
{
	if (place->uid == 0) {
		errno = EINVAL;
		return wall_fail(err, err_size, "uid",
		    "root is no user of its own");
	}
	if (setgroups(1, &place->gid) == -1)
		return wall_fail(err, err_size, "uid", "setgroups");
	if (setresgid(place->gid, place->gid, place->gid) == -1)
		return wall_fail(err, err_size, "uid", "setresgid");
	if (setresuid(place->uid, place->uid, place->uid) == -1)
		return wall_fail(err, err_size, "uid", "setresuid");
	return 0;
}

int
bsd_walls(const struct policy *p, const struct sandbox_place *place, char *err,
    size_t err_size)
{
	uint32_t walls = p->walls & ~place->waived;

	prepare();
	if ((walls & WALL_RLIMITS) != 0 && limits(p, err, err_size) == -1)
		return -1;
	if ((walls & WALL_ROOT) != 0 && empty_root(p, err, err_size) == -1)
		return -1;
	if ((walls & WALL_UID) != 0 && ids(place, err, err_size) == -1)
		return -1;
	return 0;
}

int
bsd_threads(const struct sandbox_place *place, char *err, size_t err_size)
{
	if (place->threads == NULL || place->threads(place->threads_arg) == 0)
		return 0;
	snprintf(err, err_size, "helper threads: %s", strerror(errno));
	return -1;
}

/* --- the launcher's side -------------------------------------------------- */

int
sandbox_level_probe(enum sandbox_level *level, uint32_t *missing,
    struct buf *why)
{
	*level = geteuid() == 0 ? LEVEL_ROOT : LEVEL_BARE;
	*missing = bsd_lacks();
	if ((*missing & WALL_SECCOMP) != 0)
		buf_puts(why,
		    "wall seccomp cannot be had: this system confines no "
		    "system calls\n");
	if (*level == LEVEL_BARE) {
		*missing |= WALL_UID | WALL_ROOT;
		buf_puts(why,
		    "wall uid cannot be had: not root\n"
		    "wall root cannot be had: not root\n");
	}
	return 0;
}

int
cradle_init(struct cradle *c, enum sandbox_level level, uint32_t waived,
    char *err, size_t err_size)
{
	*c = (struct cradle){ .level = level,
		.waived = waived,
		.net_fd = -1,
		.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC) };
	if (c->null_fd == -1)
		return wall_fail(err, err_size, "root", "/dev/null");
	return 0;
}

void
cradle_clear(struct cradle *c)
{
	fd_close(&c->net_fd);
	fd_close(&c->null_fd);
}

pid_t
sandbox_clone(const struct cradle *c, int *pidfd)
{
	(void)c;
	if (pidfd != NULL)
		*pidfd = -1; /* kqueue has EVFILT_PROC for this */
	fflush(NULL);
	return fork();
}

static int
slots_fill(const struct cradle *c, const struct cradle_fd *fds, size_t n)
{
	int moved[SLOT_N], null;

	if (n > SLOT_N) {
		errno = E2BIG;
		return -1;
	}
	null = fcntl(c->null_fd, F_DUPFD_CLOEXEC, ABOVE_SLOTS);
	if (null == -1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		moved[i] = fcntl(fds[i].fd, F_DUPFD_CLOEXEC, ABOVE_SLOTS);
		if (moved[i] == -1 || fds[i].slot < 0 || fds[i].slot >= SLOT_N)
			return -1;
	}
	for (int slot = 0; slot <= SLOT_FILTER; slot++) {
		if (dup2(null, slot) == -1)
			return -1;
	}
	for (int fd = SLOT_DIR; fd < ABOVE_SLOTS; fd++)
		close(fd);
	for (size_t i = 0; i < n; i++) {
		if (dup2(moved[i], fds[i].slot) == -1)
			return -1;
	}
	closefrom(SLOT_N);
	return 0;
}

int
cradle_child(const struct cradle *c, const struct policy *policy,
    const struct cradle_fd *fds, size_t n)
{
	sigset_t none;

	(void)policy;
	for (int sig = 1; sig < NSIG; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);
	if ((setsid() == -1 && errno != EPERM) || chdir("/") == -1)
		return -1;
	return slots_fill(c, fds, n);
}

/* Nothing here keeps set-user-id programs from what they are. */
pid_t
cradle_run(const struct cradle *c, const struct sandbox_place *place,
    const char *dir, char *path, char *const *env, int channel, int order,
    int input)
{
	char *argv[] = { path, NULL };
	struct cradle_fd fds[] = { { SLOT_BROKER, channel },
		{ SLOT_CONFIG, order }, { SLOT_INPUT, input } };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (cradle_child(c, NULL, fds, NELEM(fds)) == 0 && chdir(dir) == 0 &&
	    (c->level != LEVEL_ROOT ||
		(setgroups(1, &place->gid) == 0 &&
		    setresgid(place->gid, place->gid, place->gid) == 0 &&
		    setresuid(place->uid, place->uid, place->uid) == 0)))
		execve(path, argv, env);
	_exit(70);
}

void
sandbox_aloof(void)
{
}

void
sandbox_leash(pid_t parent)
{
	(void)parent;
}

int
sandbox_filter_trace(const struct policy *policy, char *err, size_t err_size)
{
	return sandbox_filter(policy, err, err_size);
}

int
sandbox_filter(const struct policy *policy, char *err, size_t err_size)
{
	(void)policy;
	snprintf(err, err_size, "filters are compiled on Linux only");
	errno = ENOSYS;
	return -1;
}

int
sealed_fstat(int fd, struct stat *st)
{
	return fstat(fd, st);
}
