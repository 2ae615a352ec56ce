/* SPDX-License-Identifier: ISC */
/*
 * Which walls can be had here?  Asked by building them in a child.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/linux.h"
#include "sandbox/sandbox.h"

struct probe {
	uint32_t missing;
	int32_t userns;	    /* 1: a user namespace was needed, and made */
	int32_t errnos[32]; /* why, by bit of the wall */
};

static void
probe_miss(struct probe *pr, uint32_t wall)
{
	int bit = __builtin_ctz(wall);

	pr->missing |= wall;
	pr->errnos[bit] = errno;
}

static void
probe_namespaces(struct probe *pr)
{
	static const struct {
		uint32_t wall;
		int flag;
	} parts[] = { { WALL_NET, CLONE_NEWNET }, { WALL_PID, CLONE_NEWPID },
		{ WALL_MOUNT, CLONE_NEWNS }, { WALL_IPC, CLONE_NEWIPC },
		{ WALL_UTS, CLONE_NEWUTS }, { WALL_CGROUP, CLONE_NEWCGROUP } };
	const char *step;

	for (size_t i = 0; i < NELEM(parts); i++) {
		if (unshare(parts[i].flag) == -1)
			probe_miss(pr, parts[i].wall);
	}
	if ((pr->missing & WALL_MOUNT) != 0 || root_empty(&step) == -1)
		probe_miss(pr, WALL_ROOT);
}

static void
probe_privilege(struct probe *pr)
{
	if (prctl(PR_CAPBSET_DROP, 0, 0, 0, 0) == -1)
		probe_miss(pr, WALL_BOUNDS);
	if (prctl(PR_SET_SECUREBITS, SECUREBITS_SEALED, 0, 0, 0) == -1)
		probe_miss(pr, WALL_SECUREBITS);
	/* In a user namespace of one id there is no other to change to. */
	errno = EPERM;
	if (pr->userns || setgroups(0, NULL) == -1 ||
	    setresgid(65534, 65534, 65534) == -1 ||
	    setresuid(65534, 65534, 65534) == -1)
		probe_miss(pr, WALL_UID);
}

static void
probe_process(struct probe *pr)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		probe_miss(pr, WALL_NNP);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		probe_miss(pr, WALL_DUMP);
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == -1)
		probe_miss(pr, WALL_MDWE);
	errno = ENOSYS;
	if (landlock_abi() < 1)
		probe_miss(pr, WALL_LANDLOCK);
	if (filter_load(&allow, 1) == -1)
		probe_miss(pr, WALL_SECCOMP);
}

static bool
can_unshare(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) == 0 ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) == -1) {
		if (errno != EINTR)
			return false;
	}
	return pid > 0 && status == 0;
}

static NORETURN void
probe_child(int fd)
{
	struct probe pr = { 0 };

	/* Root that may not make namespaces keeps its user ids: level 2. */
	if (geteuid() != 0 && !can_unshare() && unshare(CLONE_NEWUSER) == 0)
		pr.userns = 1;
	probe_namespaces(&pr);
	probe_privilege(&pr);
	probe_process(&pr);
	_exit(fd_write_all(fd, &pr, sizeof(pr)) == 0 ? 0 : 1);
}

int
sandbox_level_probe(enum sandbox_level *level, uint32_t *missing,
    struct buf *why)
{
	struct probe pr;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		probe_child(fds[1]);
	fd_close(&fds[1]);
	n = pid == -1 ? -1 : read(fds[0], &pr, sizeof(pr));
	fd_close(&fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(pr)) {
		errno = ECHILD;
		return -1;
	}
	*missing = pr.missing;
	*level = pr.userns		 ? LEVEL_USERNS :
	    (pr.missing & WALL_UID) == 0 ? LEVEL_ROOT :
					   LEVEL_BARE;
	for (int bit = 0; bit < 32; bit++) {
		if ((pr.missing & 1u << bit) != 0 && wall_name(1u << bit))
			buf_printf(why, "wall %s cannot be had: %s\n",
			    wall_name(1u << bit), strerror(pr.errnos[bit]));
	}
	return 0;
}
