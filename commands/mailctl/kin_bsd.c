/* SPDX-License-Identifier: ISC */
/*
 * Processes on the BSDs, looked at through sysctl(3).  The systems agree on
 * the idea and on no name.
 */
#include <sys/param.h>
#include <sys/sysctl.h>
#ifdef __FreeBSD__
#include <sys/user.h>
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "kin_parts.h"

#ifdef __FreeBSD__
#define PID(p) ((p)->ki_pid)
#define PARENT(p) ((p)->ki_ppid)
#define START(p)                                    \
	((uint64_t)(p)->ki_start.tv_sec * 1000000 + \
	    (uint64_t)(p)->ki_start.tv_usec)
#define UID(p) ((p)->ki_uid)
#define GID(p) ((p)->ki_rgid)
#define COMMAND(p) ((p)->ki_comm)
#define ZOMBIE(p) ((p)->ki_stat == SZOMB)
#define MIB(what, arg)                         \
	{                                      \
		CTL_KERN, KERN_PROC, what, arg \
	}
#define MIB_LEN 4
#else
#define PID(p) ((p)->p_pid)
#define PARENT(p) ((p)->p_ppid)
#define START(p) ((uint64_t)(p)->p_ustart_sec * 1000000 + (p)->p_ustart_usec)
#define UID(p) ((p)->p_uid)
#define GID(p) ((p)->p_gid)
#define COMMAND(p) ((p)->p_comm)
#define ZOMBIE(p) ((p)->p_stat == SDEAD)
#define MIB(what, arg)                                                       \
	{                                                                    \
		CTL_KERN, KERN_PROC, what, arg, sizeof(struct kinfo_proc), 0 \
	}
#define MIB_LEN 6
#endif

/* What the system lists; the caller frees it.  NULL when it lists nothing. */
static struct kinfo_proc *
list(int what, int arg, size_t *n)
{
	int mib[] = MIB(what, arg);
	struct kinfo_proc *v = NULL;
	size_t size = 0;

	*n = 0;
	/* More may come between the two calls. */
	do {
		if (sysctl(mib, MIB_LEN, NULL, &size, NULL, 0) == -1)
			break;
		size += 16 * sizeof(*v);
		free(v);
		v = xmalloc(size);
#ifndef __FreeBSD__
		mib[5] = (int)(size / sizeof(*v));
#endif
		if (sysctl(mib, MIB_LEN, v, &size, NULL, 0) == 0) {
			*n = size / sizeof(*v);
			return v;
		}
	} while (errno == ENOMEM);
	free(v);
	return NULL;
}

bool
kin_look(pid_t pid, pid_t *parent, uint64_t *start)
{
	size_t n;
	struct kinfo_proc *p = list(KERN_PROC_PID, pid, &n);
	bool there = n == 1 && !ZOMBIE(p);

	if (there) {
		*parent = PARENT(p);
		*start = START(p);
	}
	free(p);
	return there;
}

void
kin_program(pid_t pid, char *out, size_t size)
{
	size_t n;
	struct kinfo_proc *p = list(KERN_PROC_PID, pid, &n);

	out[0] = '\0';
	if (n == 1)
		strlcpy(out, COMMAND(p), size);
	free(p);
}

void
kin_find(struct kin *k, pid_t launcher)
{
	size_t n;
#ifdef KERN_PROC_PROC
	struct kinfo_proc *v = list(KERN_PROC_PROC, 0, &n);
#else
	struct kinfo_proc *v = list(KERN_PROC_ALL, 0, &n);
#endif

	*k = (struct kin){ 0 };
	for (size_t i = 0; i < n; i++)
		if (PID(&v[i]) == launcher && !ZOMBIE(&v[i]))
			kin_add(k, launcher, START(&v[i]));
	for (size_t i = 0; i < n; i++)
		if (PARENT(&v[i]) == launcher && !ZOMBIE(&v[i]))
			kin_add(k, PID(&v[i]), START(&v[i]));
	free(v);
}

int
kin_descriptors(pid_t pid)
{
#ifdef KERN_PROC_NFDS
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_NFDS, pid }, n;
	size_t size = sizeof(n);

	return sysctl(mib, 4, &n, &size, NULL, 0) == 0 ? n : -1;
#else
	(void)pid;
	return -1;
#endif
}

void
kin_ids(pid_t pid, uid_t *uid, gid_t *gid)
{
	size_t n;
	struct kinfo_proc *p = list(KERN_PROC_PID, pid, &n);

	*uid = n == 1 ? UID(p) : (uid_t)-1;
	*gid = n == 1 ? GID(p) : (gid_t)-1;
	free(p);
}
