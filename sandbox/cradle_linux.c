/* SPDX-License-Identifier: ISC */
/*
 * The launcher's side: from its own start to the moment before execve().
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>
#include <linux/close_range.h>

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/linux.h"
#include "sandbox/sandbox.h"

/* Where descriptors wait while the slots are being filled. */
#define ABOVE_SLOTS 64

static int
file_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;

	if (fd == -1)
		return -1;
	rc = fd_write_all(fd, text, strlen(text));
	fd_close(&fd);
	return rc;
}

/* Become root of a user namespace that has one user and one group. */
static int
userns_enter(void)
{
	unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER) == -1)
		return -1;
	if (file_put("/proc/self/setgroups", "deny") == -1)
		return -1;
	snprintf(map, sizeof(map), "0 %u 1\n", gid);
	if (file_put("/proc/self/gid_map", map) == -1)
		return -1;
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	return file_put("/proc/self/uid_map", map);
}

/*
 * An empty network namespace, made by a child that then goes away.  This
 * process stays where it is; in a user namespace it could not come back.
 */
static int
empty_net(void)
{
	int ready[2], fd = -1, status;
	char path[64], byte = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		byte = unshare(CLONE_NEWNET) == 0 ? 1 : 0;
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		pause(); /* until killed, so that the namespace lives */
		_exit(0);
	}
	fd_close(&ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) == 1 && byte == 1) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} else {
		errno = EPERM;
	}
	fd_close(&ready[0]);
	if (pid > 0) {
		int saved = errno;

		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
		errno = saved;
	}
	return fd;
}

/*
 * A root process gets at execve() what is bounded and what it may inherit.
 * With an empty bounding set only the latter is left, and that is what
 * sandbox_enter() needs and then gives away.
 */
static int
caps_plan(void)
{
	static const unsigned needed[] = { CAP_SYS_ADMIN, CAP_SETUID,
		CAP_SETGID, CAP_SETPCAP };

	if (capng_get_caps_process() == -1)
		return -1;
	for (size_t i = 0; i < NELEM(needed); i++) {
		if (capng_update(CAPNG_ADD, CAPNG_INHERITABLE, needed[i]) == -1)
			return -1;
	}
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return -1;
	capng_clear(CAPNG_SELECT_BOUNDS);
	if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		return -1;
	/* Its word is not enough: read it back. */
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return -1;
	}
	return 0;
}

/* As many descriptors as the system lets us hand on. */
static void
raise_nofile(void)
{
	struct rlimit rl = { 1 << 20, 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &rl) == 0 ||
	    getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/* keys locks all of its memory; every other component may lock none. */
static void
raise_memlock(void)
{
	struct rlimit now, want = { 64 << 20, 64 << 20 };

	if (getrlimit(RLIMIT_MEMLOCK, &now) == 0 &&
	    now.rlim_max < want.rlim_max)
		setrlimit(RLIMIT_MEMLOCK, &want);
}

int
cradle_init(struct cradle *c, enum sandbox_level level, uint32_t waived,
    char *err, size_t err_size)
{
	*c = (struct cradle){ .level = level,
		.waived = waived,
		.net_fd = -1,
		.null_fd = -1 };
	raise_nofile();
	raise_memlock();
	c->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (c->null_fd == -1)
		return wall_fail(err, err_size, "root", "/dev/null");
	if (level == LEVEL_USERNS && userns_enter() == -1)
		return wall_fail(err, err_size, "namespaces", "user namespace");
	if ((waived & WALL_NET) == 0) {
		c->net_fd = empty_net();
		if (c->net_fd == -1)
			return wall_fail(err, err_size, "net",
			    "empty network namespace");
	}
	if ((waived & WALL_BOUNDS) == 0 && level != LEVEL_BARE &&
	    caps_plan() == -1)
		return wall_fail(err, err_size, "bounds",
		    "emptying the bounding set");
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
	unsigned long flags = SIGCHLD;
	int fd = -1;
	long pid;

	if ((c->waived & WALL_PID) == 0)
		flags |= CLONE_NEWPID;
	if (pidfd != NULL)
		flags |= CLONE_PIDFD;
	fflush(NULL);
	/* No new stack: like fork.  The arguments' order is x86's and arm's. */
	pid = syscall(SYS_clone, flags, NULL, &fd, NULL, NULL);
	if (pid > 0 && pidfd != NULL)
		*pidfd = fd;
	return (pid_t)pid;
}

/* Default actions, nothing blocked: whatever the launcher had. */
static void
signals_reset(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What a sanitizer has to say must be heard; audit calls it weaker. */
static bool
slot_kept(int slot)
{
#ifdef SANITIZED
	return slot == STDERR_FILENO;
#else
	(void)slot;
	return false;
#endif
}

/*
 * Put descriptors on their numbers.  First all of them out of the way, so
 * that none is overwritten before it has moved; then down; then the rest
 * goes.
 */
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
		if (moved[i] == -1)
			return -1;
	}
	for (int slot = 0; slot <= SLOT_FILTER; slot++) {
		if (slot_kept(slot))
			continue;
		if (dup2(null, slot) == -1)
			return -1;
	}
	if (close_range(SLOT_DIR, ABOVE_SLOTS - 1, 0) == -1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (fds[i].slot < 0 || fds[i].slot >= SLOT_N) {
			errno = EINVAL;
			return -1;
		}
		if (dup2(moved[i], fds[i].slot) == -1)
			return -1;
	}
	return close_range(SLOT_N, ~0U, 0);
}

int
cradle_child(const struct cradle *c, const struct policy *policy,
    const struct cradle_fd *fds, size_t n)
{
	uint32_t walls = policy->walls & ~c->waived;

	if ((walls & WALL_NET) != 0 && setns(c->net_fd, CLONE_NEWNET) == -1)
		return -1;
	signals_reset();
	umask(077);
	if (setsid() == -1 && errno != EPERM)
		return -1;
	if (chdir("/") == -1)
		return -1;
	return slots_fill(c, fds, n);
}

/* --- other people's programs ---------------------------------------------- */

static int
person_become(const struct cradle *c, uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (c->level == LEVEL_ROOT &&
	    (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
		setresuid(uid, uid, uid) == -1))
		return -1;
	/* In a user namespace this is all the privilege there was. */
	if (syscall(SYS_capset, &head, none) == -1)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int
person_prepare(const struct cradle *c, const struct sandbox_place *place,
    const char *dir, const struct cradle_fd *fds, size_t n)
{
	struct rlimit files = { 1024, 4096 }, core = { 0, 0 };

	signals_reset();
	umask(077);
	if (setsid() == -1 && errno != EPERM)
		return -1;
	if (slots_fill(c, fds, n) == -1 || chdir(dir) == -1)
		return -1;
	if (setrlimit(RLIMIT_CORE, &core) == -1 ||
	    setrlimit(RLIMIT_NOFILE, &files) == -1)
		return -1;
	return person_become(c, place->uid, place->gid);
}

pid_t
cradle_run(const struct cradle *c, const struct sandbox_place *place,
    const char *dir, char *path, char *const *env, int channel, int order,
    int input)
{
	char *argv[] = { path, NULL };
	/* By descriptor: its user need not be able to go where it is. */
	int exe = open(path, O_RDONLY | O_CLOEXEC);
	struct cradle_fd fds[] = { { SLOT_BROKER, channel },
		{ SLOT_CONFIG, order }, { SLOT_INPUT, input },
		{ SLOT_DIR, exe } };
	pid_t pid = exe == -1 ? -1 : fork();

	if (pid == 0) {
		if (person_prepare(c, place, dir, fds, NELEM(fds)) == 0 &&
		    fcntl(SLOT_DIR, F_SETFD, FD_CLOEXEC) != -1)
			fexecve(SLOT_DIR, argv, env);
		_exit(70);
	}
	fd_close(&exe);
	return pid;
}
