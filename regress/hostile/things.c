/* SPDX-License-Identifier: ISC */
/*
 * Descriptors of every kind.
 */
#include "things.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "edge/edges.h"

#define KEPT 64 /* other ends that stay open for a while */

static struct {
	char dir[64];
	uid_t uid;
	int log_fd;
	int udp_fd; /* where resolvers would be */
	int kept[KEPT];
	unsigned turn;
} th = { .log_fd = -1, .udp_fd = -1 };

static const char *const dirs[] = { "mine", "mine/user", "spool",
	"spool/maildrop", "spool/incoming", "spool/active", "spool/deferred",
	"spool/hold", "spool/corrupt", "spool/journal" };

const char *
things_dir(void)
{
	return th.dir;
}

int
things_log_fd(void)
{
	return th.log_fd;
}

static int
open_in(const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", th.dir, name);
	return open(path, flags | O_CLOEXEC, 0666);
}

static int
remove_it(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	(void)st;
	(void)what;
	(void)ftw;
	return remove(path) == 0 ? 0 : 0;
}

void
things_fresh(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/spool", th.dir);
	nftw(path, remove_it, 16, FTW_DEPTH | FTW_PHYS);
	snprintf(path, sizeof(path), "%s/mine", th.dir);
	nftw(path, remove_it, 16, FTW_DEPTH | FTW_PHYS);
	for (size_t i = 0; i < NELEM(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", th.dir, dirs[i]);
		mkdir(path, 0700);
		if (th.uid != 0 && chown(path, th.uid, th.uid) == -1)
			perror(path);
	}
	fd_close(&th.log_fd);
	th.log_fd = open_in("log", O_RDWR | O_CREAT | O_TRUNC);
}

int
things_open(uid_t uid)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };

	th.uid = uid;
	for (size_t i = 0; i < KEPT; i++)
		th.kept[i] = -1;
	strlcpy(th.dir, "/tmp/hostile.XXXXXX", sizeof(th.dir));
	if (mkdtemp(th.dir) == NULL)
		return -1;
	chmod(th.dir, 0755);
	th.udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return bind(th.udp_fd, (struct sockaddr *)&in, sizeof(in));
}

void
things_let_go(void)
{
	for (size_t i = 0; i < KEPT; i++)
		fd_close(&th.kept[i]);
}

void
things_close(void)
{
	fd_close(&th.log_fd);
	fd_close(&th.udp_fd);
	things_let_go();
	nftw(th.dir, remove_it, 16, FTW_DEPTH | FTW_PHYS);
}

static int
keep(int sv[2])
{
	int *k = &th.kept[th.turn++ % KEPT];

	fd_close(k);
	*k = sv[1];
	return sv[0];
}

/* A pair of streams; words wait at the end that is given away. */
static int
talker(const char *words)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		sv) == -1)
		return -1;
	if (write(sv[1], words, strlen(words)) == -1)
		perror("write");
	return keep(sv);
}

static int
client(void)
{
	return talker(
	    "EHLO evil.example\r\nMAIL FROM:<a@evil.example>\r\n"
	    "RCPT TO:<user@test.example>\r\nRCPT TO:<x@elsewhere.example>\r\n"
	    "VRFY user@test.example\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"
	    "MAIL FROM:<>\r\nRCPT TO:<user@test.example>\r\nRSET\r\n");
}

int
thing_server(void)
{
	return talker(
	    "220 evil.example ESMTP\r\n250-evil.example\r\n"
	    "250-SIZE -1\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n"
	    "250 ok\r\n999 \xff\r\n-\r\n");
}

static int
memory(const char *words, off_t size, bool seal)
{
	int fd = memfd_new("thing");

	if (fd == -1 || fd_write_all(fd, words, strlen(words)) == -1 ||
	    (size > 0 && ftruncate(fd, size) == -1) ||
	    (seal && memfd_seal(fd) == -1))
		fd_close(&fd);
	return fd;
}

static int
pipe_end(int which)
{
	int p[2], sv[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	sv[0] = p[which];
	sv[1] = p[!which];
	return keep(sv);
}

static int
pair_end(int type)
{
	int sv[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) ==
	    -1)
		return -1;
	return keep(sv);
}

static int
right(const struct edge *e)
{
	static const char letter[] = "From: a@evil.example\nTo: x\n"
				     "Subject: x\n\nx\n";

	if (e == &edge_gate)
		return client();
	if (e == &edge_spool)
		return memory("", 0, false);
	return memory(letter, 0, e != &edge_intake);
}

int
thing_make(enum thing kind, const struct edge *e)
{
	switch (kind) {
	case THING_RIGHT:
		return right(e);
	case THING_UNSEALED:
		return memory("From: x\n\nx\n", 0, false);
	case THING_PIPE_READ:
		return pipe_end(0);
	case THING_PIPE_WRITE:
		return pipe_end(1);
	case THING_SOCKET:
		return pair_end(SOCK_STREAM);
	case THING_CHANNEL:
		return pair_end(SOCK_SEQPACKET);
	case THING_DIR:
		return thing_dir("mine");
	case THING_PATH:
		return open_in("log", O_PATH);
	case THING_READ_WRITE:
		return open_in("log", O_RDWR);
	case THING_NULL:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case THING_ZERO:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case THING_EVENT:
		return eventfd(0, EFD_CLOEXEC);
	case THING_HUGE:
		return memory("From: x\n\nx\n", (off_t)1 << 40, true);
	case THING_N:
		break;
	}
	return -1;
}

int
thing_listener(int family)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (family == AF_UNIX) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", th.dir);
		unlink(un.sun_path);
		r = bind(fd, (struct sockaddr *)&un, sizeof(un));
		chmod(un.sun_path, 0666);
	} else {
		r = bind(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (r == -1 || listen(fd, 64) == -1)
		fd_close(&fd);
	return fd;
}

int
thing_udp(void)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (getsockname(th.udp_fd, (struct sockaddr *)&in, &len) == -1 ||
	    connect(fd, (struct sockaddr *)&in, len) == -1)
		fd_close(&fd);
	return fd;
}

int
thing_log(void)
{
	return open_in("log", O_WRONLY | O_APPEND | O_CREAT);
}

int
thing_dir(const char *name)
{
	return open_in(name, O_RDONLY | O_DIRECTORY);
}

void
thing_call(const void *p, size_t n)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int sv[2] = { -1,
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0) };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", th.dir);
	if (connect(sv[1], (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    write(sv[1], p, n) == -1)
		fd_close(&sv[1]);
	else
		keep(sv);
}
