/* SPDX-License-Identifier: ISC */
/*
 * rogue-asker COMMAND FILE - who asks for a command lies: the real program
 * `command` with every record of edge run, mutilated and full of nonsense.  It
 * ends each time, within the time that is given, and runs what the launcher
 * ordered once at most.  Prints TAP.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "edge/run.h"
#include "forge.h"
#include "sandbox/sandbox.h"

#define UID 64321

static const char *file;

static int
order(void)
{
	char *text = xasprintf("/bin/sh%c-c%cecho >>%s%c", 0, 0, file, 0);
	struct order_run o = { .kind = COMMAND_MASTER,
		.limit_ms = 2000,
		.argv = str_make(text, strlen(file) + 20),
		.env = STR("PATH=/bin:/usr/bin\0"),
		.user = STR("nobody"),
		.home = STR("/") };
	struct buf b;
	int fd;

	buf_init(&b, REC_MAX);
	if (rec_encode(&b, edge_type(&edge_order, ORDER_RUN), 0, &o) == -1)
		abort();
	fd = memfd_from("order", buf_get(&b).p, b.len);
	buf_clear(&b);
	free(text);
	return fd;
}

static pid_t
begin(const char *path, int *out)
{
	int sv[2], in[2], cf = order();
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv) == -1 ||
	    pipe2(in, O_CLOEXEC) == -1)
		abort();
	pid = fork();
	if (pid == 0) {
		int a = fcntl(sv[1], F_DUPFD, 20), b = fcntl(cf, F_DUPFD, 20);
		int c = fcntl(in[0], F_DUPFD, 20);

		if (dup2(a, SLOT_BROKER) == -1 || dup2(b, SLOT_CONFIG) == -1 ||
		    dup2(c, SLOT_INPUT) == -1 ||
		    (getuid() == 0 && (setgid(UID) == -1 || setuid(UID) == -1)))
			_exit(70);
		close(SLOT_FILTER);
		close(SLOT_DIR);
		closefrom(SLOT_INPUT + 1);
		execl(path, path, (char *)NULL);
		_exit(70);
	}
	close(sv[1]);
	close(cf);
	close(in[0]);
	close(in[1]);
	*out = sv[0];
	return pid;
}

static int
send_raw(int fd, const struct forged *f)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FORGE_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)f->data, f->len };
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

/* Does it end?  What it sends is thrown away; then we hang up. */
static bool
ends(pid_t pid, int fd, int *status)
{
	static char drain[FORGE_BYTES];

	for (int i = 0; i < 400; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		if (fd != -1 && poll(&p, 1, 10) > 0 &&
		    read(fd, drain, sizeof(drain)) <= 0)
			fd = -1;
		if (i == 20 && fd != -1)
			shutdown(fd, SHUT_WR);
		if (fd == -1)
			usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	return false;
}

int
main(int argc, char *argv[])
{
	static struct forged f;
	struct forger fr = { .edge = &edge_run, .from = SIDE_A, .seed = 3 };
	unsigned n = 0, hung = 0, crashed = 0, twice = 0, ran = 0;

	if (argc != 3)
		return 64;
	file = argv[2];
	while (forge_next(&fr, &f)) {
		/* Once, and once more on the same channel: the end of both. */
		for (int copies = 1; copies <= 2; copies++) {
			struct stat st;
			int fd, status = 0;
			pid_t pid;

			if (truncate(file, 0) == -1)
				return 66;
			pid = begin(argv[1], &fd);
			for (int i = 0; i < copies; i++)
				send_raw(fd, &f);
			hung += !ends(pid, fd, &status);
			crashed +=
			    WIFSIGNALED(status) || WEXITSTATUS(status) == 70;
			close(fd);
			if (stat(file, &st) == 0) {
				twice += st.st_size > 1;
				ran += st.st_size == 1;
			}
			if (WIFSIGNALED(status))
				printf("# %s: signal %d\n", f.name,
				    WTERMSIG(status));
			n++;
		}
	}
	printf("1..4\n");
	printf("%sok 1 - %u attacks, it ran %u times\n",
	    n >= 40 && ran > 0 ? "" : "not ", n, ran);
	printf("%sok 2 - it ends each time\n", hung == 0 ? "" : "not ");
	printf("%sok 3 - by itself\n", crashed == 0 ? "" : "not ");
	printf("%sok 4 - nothing is run twice\n", twice == 0 ? "" : "not ");
	return hung + crashed + twice > 0 || ran == 0;
}
