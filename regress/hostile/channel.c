/* SPDX-License-Identifier: ISC */
/*
 * Attempts on channels.  What a peer does with odd records is tested where
 * the records are.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

static long
send_control(int fd, int type, const void *p, size_t n)
{
	union {
		struct cmsghdr align;
		char space[256];
	} control;
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n) };
	struct cmsghdr *cm;

	memset(&control, 0, sizeof(control));
	cm = CMSG_FIRSTHDR(&mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(cm), p, n);
	return sendmsg(fd, &mh, MSG_NOSIGNAL);
}

static enum outcome
pass_onward(const struct hand *h)
{
	int fd = h->fd[KIND_MEMFD_READ];

	return outcome_of(
	    send_control(h->fd[KIND_CHANNEL], SCM_RIGHTS, &fd, sizeof(fd)));
}

static enum outcome
forge_credentials(const struct hand *h)
{
	struct ucred cred = { 1, 0, 0 };

	/* Inside a user namespace 0 is who we are: claim somebody else. */
	if (getuid() == 0)
		cred.uid = 1;
	return outcome_of(send_control(h->fd[KIND_CHANNEL], SCM_CREDENTIALS,
	    &cred, sizeof(cred)));
}

static enum outcome
oversized(const struct hand *h)
{
	static char big[64 << 20];

	return outcome_of(write(h->fd[KIND_CHANNEL], big, sizeof(big)));
}

static enum outcome
send_addressed(const struct hand *h)
{
	struct sockaddr to = { .sa_family = AF_UNIX };

	return outcome_of(
	    sendto(h->fd[KIND_CHANNEL], "x", 1, MSG_OOB, &to, sizeof(to)));
}

/* To take the number of a slot for something else. */
static enum outcome
renumber_dup(const struct hand *h)
{
	return outcome_of(dup2(h->fd[KIND_MEMFD_READ], 3));
}

static enum outcome
renumber_close(const struct hand *h)
{
	(void)h;
	return outcome_of(close(3));
}

static enum outcome
renumber_fcntl(const struct hand *h)
{
	return outcome_of(fcntl(h->fd[KIND_MEMFD_READ], F_DUPFD, 0));
}

static enum outcome
make_pair(const struct hand *h)
{
	int sv[2];

	(void)h;
	return outcome_of(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
}

static enum outcome
make_pipe(const struct hand *h)
{
	int sv[2];

	(void)h;
	return outcome_of(pipe(sv));
}

static enum outcome
splice_through(const struct hand *h)
{
	int sv[2];
	loff_t off = 0;

	if (pipe(sv) == -1)
		return REFUSED;
	return outcome_of(
	    splice(h->fd[KIND_MEMFD_READ], &off, sv[1], NULL, 16, 0));
}

/* Does the kernel tell another name of the sender? */
static enum outcome
peer_name(const struct hand *h)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return outcome_of(getsockopt(h->fd[KIND_CHANNEL], SOL_SOCKET,
	    SO_PEERCRED, &cred, &len));
}

static enum outcome
peer_pidfd(const struct hand *h)
{
	int fd = -1;
	socklen_t len = sizeof(fd);

	/* SO_PEERPIDFD: a handle on the broker. */
	return outcome_of(
	    getsockopt(h->fd[KIND_CHANNEL], SOL_SOCKET, 77, &fd, &len));
}

/* clang-format off */
const struct attempt attempts_channel[] = {
	{ "pass a descriptor on", pass_onward, CARRIED, WORKS, "sendfd" },
	{ "forge credentials", forge_credentials, STOPPED, FAILS, NULL },
	{ "an oversized packet", oversized, STOPPED, FAILS, NULL },
	{ "sendto with an address", send_addressed, STOPPED, FAILS, NULL },
	{ "renumber with dup2", renumber_dup, CARRIED, WORKS, NULL },
	{ "renumber with close", renumber_close, CARRIED, WORKS, NULL },
	{ "renumber with F_DUPFD", renumber_fcntl, CARRIED, WORKS, NULL },
	{ "a socket pair of its own", make_pair, CARRIED, WORKS, NULL },
	{ "a pipe of its own", make_pipe, CARRIED, WORKS, NULL },
	{ "splice", splice_through, CARRIED, WORKS, NULL },
	{ "SO_PEERCRED", peer_name, CARRIED, WORKS, "peer" },
	{ "SO_PEERPIDFD", peer_pidfd, EITHER, MAYBE, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
