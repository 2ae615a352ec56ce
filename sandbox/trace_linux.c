/* SPDX-License-Identifier: ISC */
/*
 * The listener of a filter: made, passed on, served.
 */
#include "sandbox/trace.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/linux.h"
#include "sandbox/sandbox.h"

/* Older headers. */
#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

/* In the process; from the first line on the filter is in force. */
static int
send_listener(int listener)
{
	union control control = { .space = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &listener, sizeof(int));
	return sendmsg(SLOT_TRACE, &mh, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int
trace_load(const struct sock_filter *insns, size_t n)
{
	struct sock_fprog prog = { .len = (unsigned short)n,
		.filter = (struct sock_filter *)(uintptr_t)insns };
	long fd;

	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG,
	    &prog);
	if (fd == -1 || send_listener((int)fd) == -1)
		return -1;
	return close((int)fd);
}

int
trace_connect(const char *queue_dir, struct buf *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int dir = open(queue_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	uid_t uid;
	gid_t gid;

	/* A socket's name is short; that of the directory need not be. */
	snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/%s", dir,
	    TRACE_SOCKET);
	if (dir == -1 || fd == -1 ||
	    connect(fd, (struct sockaddr *)&un, sizeof(un)) == -1) {
		buf_printf(err, "nobody listens for a trace: %s",
		    strerror(errno));
		fd_close(&fd);
	} else if (getpeereid(fd, &uid, &gid) == -1 ||
	    (uid != 0 && uid != geteuid())) {
		/* In a user namespace its owner is 0, as we are. */
		buf_puts(err, "who listens for the trace is not root");
		fd_close(&fd);
	}
	fd_close(&dir);
	return fd;
}

int
trace_take(int socket_fd)
{
	union control control = { .space = { 0 } };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm;
	int fd = -1;

	if (recvmsg(socket_fd, &mh, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	cm = CMSG_FIRSTHDR(&mh);
	errno = EPROTO;
	if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
	    cm->cmsg_type == SCM_RIGHTS &&
	    cm->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(cm), sizeof(int));
	return fd;
}

int
trace_next(int fd, struct trace_call *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct {
		struct seccomp_notif n;
		char more[512]; /* of a newer kernel */
	} got;

	if (poll(&p, 1, 0) == 1 && (p.revents & POLLIN) == 0)
		return -1;
	if (p.revents == 0)
		return 0;
	memset(&got, 0, sizeof(got));
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &got.n) == -1)
		return 0; /* it was interrupted, or has died meanwhile */
	out->id = got.n.id;
	out->pid = (pid_t)got.n.pid;
	out->nr = got.n.data.nr;
	out->ip = got.n.data.instruction_pointer;
	for (int i = 0; i < CALL_ARGS; i++)
		out->args[i] = got.n.data.args[i];
	return 1;
}

void
trace_go(int fd, const struct trace_call *c)
{
	struct {
		struct seccomp_notif_resp r;
		char more[512];
	} say;

	memset(&say, 0, sizeof(say));
	say.r.id = c->id;
	say.r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	/* It may have died: then nobody waits. */
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &say.r) == -1)
		return;
}

int
trace_held(pid_t pid)
{
	char path[300], link[64];
	struct dirent *de;
	int held = 0;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (d == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid,
		    de->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n > 0 &&
		    str_eq(str_make(link, (size_t)n),
			STR("anon_inode:seccomp notify")))
			held = 1;
	}
	closedir(d);
	return held;
}
