/* SPDX-License-Identifier: ISC */
/*
 * sandbox_enter() on Linux: the walls in the order in which each still can be
 * built.  Every step either stands or ends with -1; what the configuration
 * waived is not tried.
 */
#include "sandbox/sandbox.h"

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/linux.h"

int
wall_fail(char *err, size_t size, const char *wall, const char *what)
{
	snprintf(err, size, "wall %s: %s: %s", wall, what, strerror(errno));
	return -1;
}

/*
 * What must happen while files can still be named: libc looks for the time
 * zone at every localtime() unless TZ is set, and for the overcommit policy
 * when an arena of a thread shrinks.
 */
static void
prepare_libc(void)
{
	setenv("TZ", ":/etc/localtime", 0);
	tzset();
	mallopt(M_ARENA_MAX, 1);
	signal(SIGPIPE, SIG_IGN);
}

int
root_empty(const char **step)
{
	static const char *const places[] = { "/proc", "/tmp", "/dev", "/mnt",
		"/var" };
	const char *at = NULL;

	*step = "making mounts private";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return -1;
	*step = "mounting an empty file system";
	for (size_t i = 0; i < NELEM(places) && at == NULL; i++) {
		if (mount("empty", places[i], "tmpfs",
			MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			"size=4k,nr_inodes=2,mode=0555") == 0)
			at = places[i];
	}
	if (at == NULL)
		return -1;
	*step = "pivot_root";
	if (chdir(at) == -1 || syscall(SYS_pivot_root, ".", ".") == -1)
		return -1;
	/* The old root now lies on top of the new one. */
	*step = "leaving the old root";
	if (umount2(".", MNT_DETACH) == -1 || chdir("/") == -1)
		return -1;
	return 0;
}

static int
build_namespaces(uint32_t walls, char *err, size_t err_size)
{
	static const struct {
		uint32_t wall;
		int flag;
	} parts[] = { { WALL_MOUNT, CLONE_NEWNS }, { WALL_IPC, CLONE_NEWIPC },
		{ WALL_UTS, CLONE_NEWUTS }, { WALL_CGROUP, CLONE_NEWCGROUP } };
	const char *step;
	int flags = 0;

	for (size_t i = 0; i < NELEM(parts); i++) {
		if ((walls & parts[i].wall) != 0)
			flags |= parts[i].flag;
	}
	if (flags != 0 && unshare(flags) == -1)
		return wall_fail(err, err_size, "namespaces", "unshare");
	if ((walls & WALL_UTS) != 0 && sethostname("none", 4) == -1)
		return wall_fail(err, err_size, "uts", "sethostname");
	/* Without a mount namespace of its own this would be everybody's. */
	if ((walls & (WALL_ROOT | WALL_MOUNT)) == (WALL_ROOT | WALL_MOUNT) &&
	    root_empty(&step) == -1)
		return wall_fail(err, err_size, "root", step);
	return 0;
}

static bool
limit_applies(int resource)
{
#ifdef SANITIZED
	/* The sanitizer's shadow memory takes terabytes of address space. */
	if (resource == RLIMIT_AS || resource == RLIMIT_DATA)
		return false;
#endif
	return resource != RLIMIT_NPROC;
}

static int
limit_set(const struct policy_limit *l, char *err, size_t err_size)
{
	struct rlimit now, want = { l->value, l->value };

	/* What is tighter already stays. */
	if (getrlimit((__rlimit_resource_t)l->resource, &now) == 0 &&
	    now.rlim_max < want.rlim_max)
		want.rlim_max = want.rlim_cur = now.rlim_max;
	if (setrlimit((__rlimit_resource_t)l->resource, &want) == -1)
		return wall_fail(err, err_size, "rlimits", l->name);
	return 0;
}

static int
build_limits(const struct policy *p, char *err, size_t err_size)
{
	for (size_t i = 0; i < p->nlimits; i++) {
		if (limit_applies(p->limits[i].resource) &&
		    limit_set(&p->limits[i], err, err_size) == -1)
			return -1;
	}
	return 0;
}

/* Dropping what is left needs CAP_SETPCAP, which is gone with the user id. */
static int
build_bounds(char *err, size_t err_size)
{
	int set;

	for (unsigned long cap = 0; cap < 64; cap++) {
		set = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (set == -1) /* beyond this kernel's last one */
			break;
		if (set == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
			return wall_fail(err, err_size, "bounds",
			    "dropping capabilities");
	}
	return 0;
}

static int
build_ids(const struct sandbox_place *place, char *err, size_t err_size)
{
	if (place->uid == 0)
		return wall_fail(err, err_size, "uid",
		    (errno = EINVAL, "root is no user of its own"));
	if (setgroups(0, NULL) == -1)
		return wall_fail(err, err_size, "uid", "setgroups");
	if (setresgid(place->gid, place->gid, place->gid) == -1)
		return wall_fail(err, err_size, "uid", "setresgid");
	if (setresuid(place->uid, place->uid, place->uid) == -1)
		return wall_fail(err, err_size, "uid", "setresuid");
	return 0;
}

/* All sets empty, but for what the broker's own policies keep. */
static int
build_caps(const struct policy *p, char *err, size_t err_size)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { { 0 } };

	for (size_t i = 0; i < p->ncaps; i++) {
		unsigned cap = (unsigned)p->caps[i].cap;

		data[cap / 32].effective |= 1u << cap % 32;
		data[cap / 32].permitted |= 1u << cap % 32;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		return wall_fail(err, err_size, "caps", "ambient set");
	if (syscall(SYS_capset, &head, data) == -1)
		return wall_fail(err, err_size, "caps", "capset");
	return 0;
}

static int
build_process(const struct policy *p, uint32_t walls, char *err,
    size_t err_size)
{
	if ((walls & WALL_NNP) != 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return wall_fail(err, err_size, "nnp", "prctl");
	/* After the user id changed: that resets it. */
	if ((walls & WALL_DUMP) != 0 &&
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return wall_fail(err, err_size, "dump", "prctl");
	if ((walls & WALL_MDWE) != 0 &&
	    prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == -1)
		return wall_fail(err, err_size, "mdwe", "prctl");
	if ((walls & WALL_LANDLOCK) != 0 && landlock_enter(p) == -1)
		return wall_fail(err, err_size, "landlock", "restricting");
	return 0;
}

/* Did the wall come to stand?  Asked of the kernel, not of return values. */
static int
landlock_check(const struct policy *p)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < p->nslots && fd == -1; i++) {
		if (p->slots[i].kind == KIND_DIR)
			fd = openat(p->slots[i].fd, "..",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd == -1)
		return 0;
	fd_close(&fd);
	errno = EINVAL;
	return -1;
}

/*
 * Some walls cannot be seen from outside.  They are read back here, while
 * that is still possible; the filter is loaded behind this.
 */
static int
check_unseen(const struct policy *p, uint32_t walls, char *err, size_t err_size)
{
	errno = EINVAL;
	if ((walls & WALL_SECUREBITS) != 0 &&
	    prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != SECUREBITS_SEALED)
		return wall_fail(err, err_size, "securebits", "read back");
	if ((walls & WALL_DUMP) != 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return wall_fail(err, err_size, "dump", "read back");
	if ((walls & WALL_MDWE) != 0 &&
	    prctl(PR_GET_MDWE, 0, 0, 0, 0) != PR_MDWE_REFUSE_EXEC_GAIN)
		return wall_fail(err, err_size, "mdwe", "read back");
	if ((walls & WALL_LANDLOCK) != 0 && landlock_check(p) == -1)
		return wall_fail(err, err_size, "landlock", "tried");
	return 0;
}

int
filter_read(int fd, struct sock_filter **out, size_t *n)
{
	char *p;
	size_t len;

	if (memfd_sealed(fd) != 1) {
		errno = EPERM;
		return -1;
	}
	if (fd_slurp(fd, BPF_MAXINSNS * sizeof(**out), &p, &len) == -1)
		return -1;
	if (len == 0 || len % sizeof(**out) != 0) {
		free(p);
		errno = EINVAL;
		return -1;
	}
	*out = (struct sock_filter *)(void *)p;
	*n = len / sizeof(**out);
	return 0;
}

int
filter_load(const struct sock_filter *insns, size_t n)
{
	struct sock_fprog prog = { .len = (unsigned short)n,
		.filter = (struct sock_filter *)(uintptr_t)insns };
	long rc;

	rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG, &prog);
	if (rc > 0) { /* a thread with a filter of its own */
		errno = EBUSY;
		rc = -1;
	}
	return (int)rc;
}

/*
 * Threads, then the limit on their number, then the filter: nothing can be
 * made behind it.  The filter's number stays taken, by /dev/null, because 0
 * to 5 can never be closed again and must not be given to anything else.
 */
static int
build_filter(const struct policy *p, const struct sandbox_place *place,
    uint32_t walls, char *err, size_t err_size)
{
	struct sock_filter *insns = NULL;
	size_t n = 0;
	int rc = 0;

	if (place->filter_fd != -1) {
		if ((walls & WALL_SECCOMP) != 0 &&
		    filter_read(place->filter_fd, &insns, &n) == -1)
			return wall_fail(err, err_size, "seccomp",
			    "reading the filter");
		if (dup3(SLOT_NULL, place->filter_fd, O_CLOEXEC) == -1)
			rc = wall_fail(err, err_size, "seccomp",
			    "closing the filter");
	} else if ((walls & WALL_SECCOMP) != 0) {
		errno = ENOENT;
		return wall_fail(err, err_size, "seccomp", "no filter given");
	}
	if (rc == 0 && place->threads != NULL &&
	    place->threads(place->threads_arg) != 0) {
		snprintf(err, err_size, "helper threads: %s", strerror(errno));
		rc = -1;
	}
	for (size_t i = 0; i < p->nlimits && rc == 0; i++) {
		if ((walls & WALL_RLIMITS) != 0 &&
		    p->limits[i].resource == RLIMIT_NPROC)
			rc = limit_set(&p->limits[i], err, err_size);
	}
	if (rc == 0 && (walls & WALL_SECCOMP) != 0 &&
	    (place->trace ? trace_load(insns, n) : filter_load(insns, n)) == -1)
		rc = wall_fail(err, err_size, "seccomp", "loading the filter");
	free(insns);
	if (rc == 0)
		sealed_libc_on();
	return rc;
}

int
walls_begin(const struct policy *policy, uint32_t walls, char *err,
    size_t err_size)
{
	prepare_libc();
	if (build_namespaces(walls, err, err_size) == -1)
		return -1;
	if ((walls & WALL_RLIMITS) != 0 &&
	    build_limits(policy, err, err_size) == -1)
		return -1;
	if ((walls & WALL_BOUNDS) != 0 && build_bounds(err, err_size) == -1)
		return -1;
	if ((walls & WALL_SECUREBITS) != 0 &&
	    prctl(PR_SET_SECUREBITS, SECUREBITS_SEALED, 0, 0, 0) == -1)
		return wall_fail(err, err_size, "securebits", "prctl");
	return 0;
}

int
sandbox_enter(const struct policy *policy, const struct sandbox_place *place,
    char *err, size_t err_size)
{
	uint32_t walls = policy->walls & ~place->waived;

	if (!place->inside && walls_begin(policy, walls, err, err_size) == -1)
		return -1;
	if ((walls & WALL_UID) != 0 && build_ids(place, err, err_size) == -1)
		return -1;
	if ((walls & WALL_CAPS) != 0 && build_caps(policy, err, err_size) == -1)
		return -1;
	if (build_process(policy, walls, err, err_size) == -1 ||
	    check_unseen(policy, walls, err, err_size) == -1)
		return -1;
	return build_filter(policy, place, walls, err, err_size);
}
