/* SPDX-License-Identifier: ISC */
/*
 * What the kernel says of a process.
 */
#include "sandbox/attest.h"

#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include <linux/filter.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/linux.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

#define STATUS_MAX 8192

/* Four numbers of the Uid and Gid lines. */
static void
read_ids(const char *s, unsigned ids[4])
{
	char *end;

	for (int i = 0; i < 4; i++) {
		ids[i] = (unsigned)strtoul(s, &end, 10);
		s = end;
	}
}

static void
status_line(struct evidence *ev, struct str key, const char *val)
{
#define FIELD(key, name)                                                  \
	{                                                                 \
		{ key, sizeof(key) - 1 }, offsetof(struct evidence, name) \
	}
	static const struct {
		struct str key;
		size_t off;
	} sets[] = { FIELD("CapInh", cap_inh), FIELD("CapPrm", cap_prm),
		FIELD("CapEff", cap_eff), FIELD("CapBnd", cap_bnd),
		FIELD("CapAmb", cap_amb) },
	  numbers[] = { FIELD("NoNewPrivs", no_new_privs),
		  FIELD("Seccomp", seccomp),
		  FIELD("Seccomp_filters", seccomp_filters),
		  FIELD("Threads", threads) };
#undef FIELD
	struct str rest, w, last = STR_NONE;
	unsigned n = 0;

	/* Most lines are of no interest, and there are many. */
	if (key.n == 0 || strchr("CGNSTU", key.p[0]) == NULL)
		return;
	for (size_t i = 0; i < NELEM(sets); i++) {
		if (str_eq(key, sets[i].key))
			*(uint64_t *)(void *)((char *)ev + sets[i].off) =
			    strtoull(val, NULL, 16);
	}
	for (size_t i = 0; i < NELEM(numbers); i++) {
		if (str_eq(key, numbers[i].key))
			*(int *)(void *)((char *)ev + numbers[i].off) =
			    atoi(val);
	}
	if (str_eq(key, STR("Uid"))) {
		read_ids(val, ev->uid);
	} else if (str_eq(key, STR("Gid"))) {
		read_ids(val, ev->gid);
	} else if (str_eq(key, STR("Groups"))) {
		rest = str_of(val);
		for (ev->ngroups = 0; str_token(&rest, " \t", &w);)
			ev->ngroups++;
	} else if (str_eq(key, STR("NStgid"))) {
		/* Its number in our namespace, and in each one further in. */
		for (rest = str_of(val); str_token(&rest, " \t", &w); n++)
			last = w;
		ev->first_of_pids = n > 1 && str_eq(last, STR("1"));
	}
}

/* /proc/.../status; fields it does not have stay as they are. */
static int
status_read(const char *path, struct evidence *ev)
{
	char *text, *line, *next, *colon;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[STATUS_MAX];
	size_t n = 0;
	ssize_t got;

	if (fd == -1)
		return -1;
	while (n < sizeof(buf) - 1 &&
	    (got = read(fd, buf + n, sizeof(buf) - 1 - n)) > 0)
		n += (size_t)got;
	fd_close(&fd);
	if (n == 0) {
		errno = ESRCH; /* it ended between open and read */
		return -1;
	}
	buf[n] = '\0';
	text = buf;
	for (line = text; *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next == NULL)
			break;
		*next++ = '\0';
		colon = strchr(line, ':');
		if (colon != NULL)
			status_line(ev, str_make(line, (size_t)(colon - line)),
			    colon + 1);
	}
	return 0;
}

static void
namespaces_read(pid_t pid, pid_t from, const struct cradle *cradle,
    struct evidence *ev)
{
	static const struct {
		const char *name;
		uint32_t wall;
	} kinds[] = { { "net", WALL_NET }, { "pid", WALL_PID },
		{ "mnt", WALL_MOUNT }, { "ipc", WALL_IPC }, { "uts", WALL_UTS },
		{ "cgroup", WALL_CGROUP } };
	struct stat his, mine, empty;
	char path[64];

	for (size_t i = 0; i < NELEM(kinds); i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid,
		    kinds[i].name);
		if (stat(path, &his) == -1) {
			ev->unproven |= kinds[i].wall;
			continue;
		}
		ev->ns[i] = his.st_ino;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)from,
		    kinds[i].name);
		if (stat(path, &mine) == -1)
			ev->unproven |= kinds[i].wall;
		else if (his.st_ino != mine.st_ino)
			ev->own_ns |= kinds[i].wall;
		if (kinds[i].wall == WALL_NET && cradle != NULL &&
		    cradle->net_fd != -1 && fstat(cradle->net_fd, &empty) == 0)
			ev->net_shared = his.st_ino == empty.st_ino;
	}
}

/* 1 when its root directory is empty and read-only, 0 if not, -1 unknown. */
static int
root_read(pid_t pid)
{
	char path[64];
	struct statvfs vfs;
	struct dirent *de;
	DIR *d;
	int empty = 1;

	snprintf(path, sizeof(path), "/proc/%d/root/.", (int)pid);
	d = opendir(path);
	if (d == NULL)
		return -1;
	if (fstatvfs(dirfd(d), &vfs) == -1 || (vfs.f_flag & ST_RDONLY) == 0)
		empty = 0;
	while (empty == 1 && (de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			empty = 0;
	}
	closedir(d);
	return empty;
}

/* How many it has open: what the kernel gives as the size of the directory. */
static long
descriptors_read(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return stat(path, &st) == 0 && st.st_size > 0 ? (long)st.st_size : -1;
}

/*
 * Stop it for as long as it takes to copy the program, which is here until the
 * next one is.  How many instructions, or -1 with errno.
 */
static struct sock_filter fetched[BPF_MAXINSNS];

static long
filter_fetch(pid_t pid, unsigned i)
{
	int status, saved;
	long n = -1;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1)
		return -1;
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0 &&
	    waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *)(uintptr_t)i,
		    fetched);
	saved = errno;
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	errno = saved;
	return n > 0 ? n : -1;
}

int
sandbox_fetch_filter(pid_t pid, unsigned i, struct sock_filter **out,
    size_t *out_len)
{
	long n = filter_fetch(pid, i);

	*out = NULL;
	if (n == -1)
		return -1;
	*out_len = (size_t)n;
	*out = xcalloc(*out_len, sizeof(**out));
	memcpy(*out, fetched, *out_len * sizeof(**out));
	return 0;
}

/* Is the filter of the process, byte for byte, the one in the memory file? */
static int
filter_compare(pid_t pid, int filter_fd)
{
	static struct sock_filter ours[BPF_MAXINSNS];
	ssize_t size = filter_fd == -1 || memfd_sealed(filter_fd) != 1 ?
	    -1 :
	    fd_pread_all(filter_fd, ours, sizeof(ours), 0);
	long n = size <= 0 ? -1 : filter_fetch(pid, 0);

	if (n == -1)
		return -1;
	return (size_t)n * sizeof(*ours) == (size_t)size &&
	    memcmp(fetched, ours, (size_t)size) == 0;
}

uint64_t
caps_kept(const struct policy *p)
{
	uint64_t set = 0;

	for (size_t i = 0; i < p->ncaps; i++)
		set |= UINT64_C(1) << p->caps[i].cap;
	return set;
}

static bool
ids_stand(const struct evidence *ev, const struct sandbox_place *place)
{
	for (int i = 0; i < 4; i++) {
		if (ev->uid[i] != place->uid || ev->gid[i] != place->gid)
			return false;
	}
	return ev->ngroups == 0 && place->uid != 0;
}

/*
 * Which walls does the evidence prove?  Securebits, MDWE, Landlock and limits
 * do not show in what is read here: sandbox_enter() has read them back itself
 * before it loaded the filter, and audit has more to say.
 */
static void
evidence_judge(struct evidence *ev, const struct policy *p,
    const struct sandbox_place *place)
{
	uint64_t kept = caps_kept(p);

	ev->stand = ev->own_ns & ~(uint32_t)WALL_NET;
	if ((ev->own_ns & WALL_NET) != 0 && ev->net_shared == 1)
		ev->stand |= WALL_NET;
	if (ids_stand(ev, place))
		ev->stand |= WALL_UID;
	if (ev->cap_inh == 0 && ev->cap_amb == 0 && ev->cap_prm == kept &&
	    ev->cap_eff == kept)
		ev->stand |= WALL_CAPS;
	if (ev->cap_bnd == 0)
		ev->stand |= WALL_BOUNDS;
	if (ev->no_new_privs == 1)
		ev->stand |= WALL_NNP;
	if (ev->seccomp == 2 && ev->filter_equal != 0 &&
	    (ev->seccomp_filters == 1 || ev->seccomp_filters == -1))
		ev->stand |= WALL_SECCOMP;
	if (ev->root_empty == 1)
		ev->stand |= WALL_ROOT;
	else if (ev->root_empty == -1)
		ev->unproven |= WALL_ROOT;
	ev->unproven |= WALL_SECUREBITS | WALL_DUMP | WALL_MDWE |
	    WALL_LANDLOCK | WALL_RLIMITS;
}

/* Threads have credentials and filters of their own: all must be the same. */
int
threads_same(pid_t pid, const struct evidence *ev)
{
	char path[128];
	struct evidence t;
	struct dirent *de;
	int same = 1;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (d == NULL)
		return -1;
	while (same == 1 && (de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		t = *ev;
		t.no_new_privs = t.seccomp = -1;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/status",
		    (int)pid, de->d_name);
		if (status_read(path, &t) == -1) {
			/* A thread may end while we look. */
			if (errno != ENOENT && errno != ESRCH)
				same = -1;
			continue;
		}
		t.threads = ev->threads;
		same = memcmp(&t, ev, sizeof(t)) == 0;
	}
	closedir(d);
	return same;
}

static void
evidence_clear(struct evidence *ev)
{
	memset(ev, 0, sizeof(*ev));
	ev->seccomp_filters = ev->filter_equal = ev->root_empty = -1;
	ev->no_new_privs = ev->seccomp = -1;
}

int
evidence_read(pid_t pid, pid_t from, const struct cradle *cradle,
    struct evidence *out)
{
	char path[64];

	evidence_clear(out);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (status_read(path, out) == -1)
		return -1;
	/* Comparing threads looks at what status has shown, so: first. */
	if (out->threads > 1 && threads_same(pid, out) != 1) {
		errno = EPROTO;
		return -1;
	}
	namespaces_read(pid, from, cradle, out);
	out->root_empty = root_read(pid);
	out->descriptors = descriptors_read(pid);
	return 0;
}

/*
 * A copy is made by clone(2) of an image with one thread and then seals itself,
 * as all do, with the walls that are its own: ids, capabilities, no_new_privs,
 * the filter; and a process id namespace, which clone(2) made with it.  These
 * are read here, and that it has no descriptor more than the first one had.
 *
 * The other namespaces and the root directory are those of the image: the
 * kernel hands them on as they are, which is why what the first copy showed of
 * them is the image's.  To have others takes unshare, setns, chroot, pivot_root
 * or mount.  The image has done with these before it makes any copy, a copy
 * calls none of them in sandbox_enter(), has read no stranger's byte before,
 * and the filter, which is read here, refuses them behind.
 */
static int
evidence_read_copy(pid_t pid, const struct evidence *first,
    struct evidence *out)
{
	char path[64];

	evidence_clear(out);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (status_read(path, out) == -1)
		return -1;
	out->own_ns = (first->own_ns & ~(uint32_t)WALL_PID) |
	    (out->first_of_pids == 1 ? WALL_PID : 0);
	out->net_shared = first->net_shared;
	out->root_empty = first->root_empty;
	out->unproven = first->unproven;
	out->descriptors = descriptors_read(pid);
	if (out->threads != first->threads ||
	    out->descriptors != first->descriptors) {
		errno = EPROTO;
		return -1;
	}
	return 0;
}

static int
judge(pid_t pid, const struct policy *policy, const struct sandbox_place *place,
    int filter_fd, struct evidence *ev, char *err, size_t err_size)
{
	uint32_t walls = policy->walls & ~place->waived, weak;
	struct buf names;

	if ((walls & WALL_SECCOMP) != 0)
		ev->filter_equal = filter_compare(pid, filter_fd);
	evidence_judge(ev, policy, place);
	weak = walls & ~ev->stand & ~ev->unproven;
	if (weak == 0)
		return 0;
	buf_init(&names, 256);
	walls_names(weak, &names);
	snprintf(err, err_size, "attesting %s: not standing: %s", policy->name,
	    buf_cstr(&names));
	buf_clear(&names);
	return -1;
}

int
sandbox_attest_copy(pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, const struct evidence *first,
    int filter_fd, struct evidence *out, char *err, size_t err_size)
{
	if (evidence_read_copy(pid, first, out) == 0)
		return judge(pid, policy, place, filter_fd, out, err, err_size);
	snprintf(err, err_size, "attesting %s: %s", policy->name,
	    errno == EPROTO ? "it has other threads or descriptors than the "
			      "first copy of its image" :
			      strerror(errno));
	return -1;
}

int
sandbox_attest(pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, const struct cradle *cradle,
    int filter_fd, struct evidence *out, char *err, size_t err_size)
{
	if (evidence_read(pid, getpid(), cradle, out) == 0)
		return judge(pid, policy, place, filter_fd, out, err, err_size);
	snprintf(err, err_size, "attesting %s: %s", policy->name,
	    errno == EPROTO ? "not all of its threads are behind the same "
			      "walls" :
			      strerror(errno));
	return -1;
}
