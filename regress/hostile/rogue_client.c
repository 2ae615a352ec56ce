/* SPDX-License-Identifier: ISC */
/*
 * rogue-client SOCKET UID [SEED] - a local user who means no good: every record
 * of edge control, mutilated and full of nonsense, with descriptors, in halves,
 * in floods and without ever reading, each in a connection of its own.  Says
 * how many it made, and keeps as many open as it can until its input ends.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "edge/control.h"
#include "forge.h"

#define FLOOD 2000
#define HELD 300

static struct sockaddr_un un = { .sun_family = AF_UNIX };

static int
dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd != -1 && connect(fd, (struct sockaddr *)&un, sizeof(un)) == -1) {
		close(fd);
		fd = -1;
	}
	if (fd != -1)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static int
send_raw(int fd, const struct forged *f, size_t len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FORGE_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)f->data, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[FORGE_FDS] = { 0 };
	struct cmsghdr *cm;

	if (f->nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(f->nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(f->nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, f->nfds * sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

/* Some wait for an answer, others have gone before it is there. */
static void
one(struct forged *f, unsigned n)
{
	struct pollfd p = { .fd = dial(), .events = POLLIN };

	if (p.fd == -1)
		return;
	if (n % 3 == 0)
		f->nfds = n % 7 == 0 ? FORGE_FDS : 1;
	send_raw(p.fd, f, n % 5 == 0 ? f->len / 2 : f->len);
	if (n % 4 == 0)
		poll(&p, 1, 5);
	close(p.fd);
}

static void
flood(const struct forged *f)
{
	int fd = dial();

	for (unsigned i = 0; fd != -1 && i < FLOOD; i++)
		if (send_raw(fd, f, f->len) == -1)
			break;
	if (fd != -1)
		close(fd);
}

int
main(int argc, char *argv[])
{
	static struct forged f;
	struct forger fr = { .edge = &edge_control, .from = SIDE_A };
	unsigned n = 0, held = 0;
	uid_t uid;

	if (argc < 3)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	strlcpy(un.sun_path, argv[1], sizeof(un.sun_path));
	uid = (uid_t)strtoul(argv[2], NULL, 10);
	fr.seed = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	if (getuid() == 0 && (setgid(uid) == -1 || setuid(uid) == -1))
		return 71;
	while (forge_next(&fr, &f)) {
		one(&f, ++n);
		if (f.end == FORGE_LIVES && n % 8 == 0)
			flood(&f);
	}
	/* Half a record in each, and nobody who reads. */
	for (unsigned i = 0; i < HELD; i++) {
		int fd = dial();

		held += fd != -1 && write(fd, "\20\0\0", 3) == 3;
	}
	printf("%u attacks, %u connections held\n", n, held);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
