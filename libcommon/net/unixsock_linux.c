/* SPDX-License-Identifier: ISC */
/*
 * A directory whose name is too long for a socket's is reached through a
 * descriptor's name in /proc.
 */
#include "net/unixsock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"

static int
with(const char *dir, const char *name, int type,
    int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), dir_fd = -1;
	int e = 0, n;

	if (fd == -1)
		return -1;
	n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", dir, name);
	if (n >= (int)sizeof(un.sun_path)) {
		dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		n = snprintf(un.sun_path, sizeof(un.sun_path),
		    "/proc/self/fd/%d/%s", dir_fd, name);
	}
	if (n >= (int)sizeof(un.sun_path))
		e = ENAMETOOLONG;
	else if (call(fd, (struct sockaddr *)&un, sizeof(un)) == -1)
		e = errno;
	fd_close(&dir_fd);
	if (e != 0) {
		fd_close(&fd);
		errno = e;
	}
	return fd;
}

int
unixsock_connect(const char *dir, const char *name, int type)
{
	return with(dir, name, type, connect);
}

static int
bind_anew(int fd, const struct sockaddr *sa, socklen_t len)
{
	unlink(((const struct sockaddr_un *)sa)->sun_path);
	return bind(fd, sa, len);
}

int
unixsock_bind(const char *dir, const char *name, int type)
{
	return with(dir, name, type, bind_anew);
}
