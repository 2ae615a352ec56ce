/* SPDX-License-Identifier: ISC */
/*
 * FreeBSD has connectat(2) and bindat(2) for a directory whose name is too
 * long for a socket's.  Elsewhere the name must be short enough.
 */
#include "net/unixsock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#ifdef __FreeBSD__
static int
on(const char *dir, const char *name, struct sockaddr_un *un)
{
	if (strlcpy(un->sun_path, name, sizeof(un->sun_path)) >=
	    sizeof(un->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(dir, O_SEARCH | O_DIRECTORY | O_CLOEXEC);
}

static int
connect_on(int dir, int fd, const struct sockaddr_un *un)
{
	return connectat(dir, fd, (const struct sockaddr *)un, sizeof(*un));
}

static int
bind_on(int dir, int fd, const struct sockaddr_un *un)
{
	unlinkat(dir, un->sun_path, 0);
	return bindat(dir, fd, (const struct sockaddr *)un, sizeof(*un));
}
#else
static int
on(const char *dir, const char *name, struct sockaddr_un *un)
{
	int n =
	    snprintf(un->sun_path, sizeof(un->sun_path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(un->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return AT_FDCWD;
}

static int
connect_on(int dir, int fd, const struct sockaddr_un *un)
{
	(void)dir;
	return connect(fd, (const struct sockaddr *)un, sizeof(*un));
}

static int
bind_on(int dir, int fd, const struct sockaddr_un *un)
{
	(void)dir;
	unlink(un->sun_path);
	return bind(fd, (const struct sockaddr *)un, sizeof(*un));
}
#endif

static int
with(const char *dir, const char *name, int type,
    int (*call)(int, int, const struct sockaddr_un *))
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), at, e = 0;

	if (fd == -1)
		return -1;
	at = on(dir, name, &un);
	if (at == -1 || call(at, fd, &un) == -1)
		e = errno;
	if (at >= 0)
		close(at);
	if (e != 0) {
		fd_close(&fd);
		errno = e;
	}
	return fd;
}

int
unixsock_connect(const char *dir, const char *name, int type)
{
	return with(dir, name, type, connect_on);
}

int
unixsock_bind(const char *dir, const char *name, int type)
{
	return with(dir, name, type, bind_on);
}
