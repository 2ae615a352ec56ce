/* SPDX-License-Identifier: ISC */
/*
 * A warm image (sandbox/warm.h), held against what it is to be: a process that
 * can make others and has nothing in its hands.
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/attest.h"
#include "sandbox/audit_row.h"
#include "sandbox/linux.h"
#include "sandbox/policy_names.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* What a component has before it seals itself: cradle_linux.c. */
#define CAPS_BEFORE                                                 \
	(UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SETUID | \
	    UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETPCAP)

static void
image_parent(struct auditing *au, pid_t pid)
{
	pid_t parent = audit_parent(pid);

	audit_row(au, 0, "parent", parent == au->of->launcher, "the launcher",
	    "%d", (int)parent);
}

static void
image_caps(struct auditing *au, const struct evidence *ev)
{
	char want[32];
	uint64_t held = ev->cap_inh | ev->cap_prm | ev->cap_eff;

	snprintf(want, sizeof(want), "%#llx", (unsigned long long)CAPS_BEFORE);
	/* Root of a user namespace is root there only. */
	if (au->place->level == LEVEL_ROOT)
		audit_row(au, WALL_CAPS, "capabilities",
		    (held & ~CAPS_BEFORE) == 0, want, "%#llx",
		    (unsigned long long)held);
	audit_row(au, WALL_CAPS, "capabilities ambient", ev->cap_amb == 0, "0",
	    "%#llx", (unsigned long long)ev->cap_amb);
	audit_row(au, WALL_BOUNDS, "capabilities bounding", ev->cap_bnd == 0,
	    "0", "%#llx", (unsigned long long)ev->cap_bnd);
	audit_row(au, 0, "threads", ev->threads == 1, "1", "%d", ev->threads);
}

static void
image_namespaces(struct auditing *au, const struct evidence *ev)
{
	static const uint32_t walls[] = { WALL_NET, WALL_MOUNT, WALL_IPC,
		WALL_UTS, WALL_CGROUP };

	for (size_t i = 0; i < NELEM(walls); i++) {
		if ((ev->unproven & walls[i]) != 0)
			audit_unmeasurable(au, walls[i], wall_name(walls[i]),
			    "its copies' namespace", EACCES);
		else
			audit_row(au, walls[i], wall_name(walls[i]),
			    (ev->own_ns & walls[i]) != 0,
			    "its copies' namespace", "%s",
			    (ev->own_ns & walls[i]) != 0 ? "not the system's" :
							   "the system's");
	}
	if (ev->root_empty == -1)
		audit_unmeasurable(au, WALL_ROOT, "root directory",
		    "empty, read only", EACCES);
	else
		audit_row(au, WALL_ROOT, "root directory", ev->root_empty == 1,
		    "empty, read only", "%s",
		    ev->root_empty == 1 ? "empty, read only" : "with files");
}

/* Who has the other end of its only channel? */
static void
image_orders(struct auditing *au, uint64_t inode)
{
	const struct audit_who *who;
	pid_t other = 0;

	if (au->of->peers == NULL)
		return;
	switch (audit_peer(au->of->peers, inode, &who, &other)) {
	case PEER_COMPONENT:
		audit_row(au, 0, "orders", who->pid == au->of->launcher,
		    "of the launcher", "of %s %d", who->component,
		    (int)who->pid);
		break;
	case PEER_STRANGER:
		audit_row(au, 0, "orders", false, "of the launcher",
		    "of process %d, which is none of ours", (int)other);
		break;
	case PEER_GONE:
	case PEER_FLYING:
	case PEER_UNKNOWN:
		break;
	}
}

/* One of them; false when it is none that an image may have. */
static bool
image_has(struct auditing *au, int pidfd, int fd, const char *link,
    unsigned *moving)
{
	static const enum policy_kind slots[] = { KIND_NULL, KIND_NULL,
		KIND_NULL, KIND_CHANNEL, KIND_MEMFD_READ, KIND_MEMFD_READ };
	enum policy_kind kind = KIND_NULL;
	struct buf text;
	struct stat st;
	bool known;
	int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	if (copy == -1)
		return errno == EBADF; /* closed meanwhile */
	buf_init(&text, 512);
	known = descriptor_kind(copy, str_of(link), &kind, &text) == 0;
	if (fd == SLOT_BROKER && fstat(copy, &st) == 0)
		image_orders(au, st.st_ino);
	close(copy);
	buf_clear(&text);
	if (!known)
		return false;
	if (fd < (int)NELEM(slots))
		return kind == slots[fd];
	/* A copy's, which is being made. */
	return (kind == KIND_CHANNEL || kind == KIND_MEMFD) && ++*moving <= 2;
}

static void
image_descriptors(struct auditing *au, pid_t pid)
{
	char path[320], link[512], bad[256] = "";
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	unsigned moving = 0;
	struct dirent *de;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = pidfd == -1 ? NULL : opendir(path);
	if (d == NULL) {
		audit_unmeasurable(au, 0, "descriptors", "its slots", errno);
		fd_close(&pidfd);
		return;
	}
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid,
		    de->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n == -1)
			continue;
		link[n] = '\0';
		if (!image_has(au, pidfd, atoi(de->d_name), link, &moving))
			snprintf(bad, sizeof(bad), "%.10s (%.200s)", de->d_name,
			    link);
	}
	audit_row(au, 0, "descriptors", bad[0] == '\0',
	    "null, orders, configuration, filter; those of a copy being made",
	    "%s", bad[0] == '\0' ? "these" : bad);
	fd_close(&pidfd);
	closedir(d);
}

void
audit_image(struct auditing *au, pid_t pid, const struct evidence *ev)
{
	image_parent(au, pid);
	audit_surroundings(au, pid);
	image_caps(au, ev);
	image_namespaces(au, ev);
	image_descriptors(au, pid);
}
