/* SPDX-License-Identifier: ISC */
/*
 * What is this descriptor?
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/fd.h"
#include "sandbox/linux.h"

static int
option(int fd, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, name, &v, &len) == -1 ? -1 : v;
}

static int
socket_local(int type, bool listening, enum policy_kind *out)
{
	switch (type) {
	case SOCK_SEQPACKET:
		*out = KIND_CHANNEL;
		return listening ? -1 : 0;
	case SOCK_STREAM:
		*out = listening ? KIND_UNIX_LISTEN : KIND_STREAM;
		return 0;
	case SOCK_DGRAM:
		*out = KIND_UNIX_DGRAM;
		return 0;
	}
	return -1;
}

static int
socket_kind(int fd, enum policy_kind *out, struct buf *text)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int domain = option(fd, SO_DOMAIN), type = option(fd, SO_TYPE);
	bool listening = option(fd, SO_ACCEPTCONN) == 1;

	buf_printf(text, "%s %s socket%s",
	    domain == AF_UNIX	   ? "local" :
		domain == AF_INET  ? "IPv4" :
		domain == AF_INET6 ? "IPv6" :
				     "other",
	    type == SOCK_SEQPACKET   ? "packet" :
		type == SOCK_STREAM  ? "stream" :
		type == SOCK_DGRAM   ? "datagram" :
				       "raw",
	    listening ? ", listening" : "");
	if (domain == AF_UNIX)
		return socket_local(type, listening, out);
	if (domain != AF_INET && domain != AF_INET6)
		return -1;
	if (type == SOCK_STREAM) {
		*out = listening ? KIND_TCP_LISTEN : KIND_STREAM;
		return 0;
	}
	/* Without a peer it could send to anybody. */
	if (type == SOCK_DGRAM &&
	    getpeername(fd, (struct sockaddr *)&ss, &len) == 0) {
		*out = KIND_UDP_CONN;
		return 0;
	}
	return -1;
}

static int
file_kind(int fd, struct str link, enum policy_kind *out, struct buf *text)
{
	int flags = fcntl(fd, F_GETFL);
	int mode = flags & O_ACCMODE;

	buf_printf(text, "file, %s%s%s",
	    mode == O_RDONLY	 ? "read only" :
		mode == O_WRONLY ? "write only" :
				   "read and write",
	    (flags & O_APPEND) != 0 ? ", append" : "",
	    (flags & O_PATH) != 0 ? ", O_PATH" : "");
	if ((flags & O_PATH) != 0)
		return -1;
	if (str_starts(link, STR("/memfd:"))) {
		*out = memfd_sealed(fd) == 1 ? KIND_MEMFD_READ : KIND_MEMFD;
		buf_puts(text,
		    *out == KIND_MEMFD ? ", memory, not sealed" :
					 ", memory, sealed");
	} else if (mode == O_RDONLY) {
		*out = KIND_FILE_READ;
	} else if (mode == O_WRONLY && (flags & O_APPEND) != 0) {
		*out = KIND_FILE_APPEND;
	} else {
		*out = KIND_FILE;
	}
	return 0;
}

static int
other_kind(struct str link, enum policy_kind *out, struct buf *text)
{
	static const char *const events[] = { "anon_inode:[eventpoll]",
		"anon_inode:[eventfd]", "anon_inode:[timerfd]",
		"anon_inode:[signalfd]", "anon_inode:[pidfd]" };

	buf_str(text, link);
	for (size_t i = 0; i < NELEM(events); i++) {
		if (str_eq(link, str_of(events[i]))) {
			*out = KIND_EVENT;
			return 0;
		}
	}
	return -1;
}

int
descriptor_kind(int fd, struct str link, enum policy_kind *out,
    struct buf *text)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	switch (st.st_mode & S_IFMT) {
	case S_IFSOCK:
		return socket_kind(fd, out, text);
	case S_IFREG:
		if (str_starts(link, STR("net:["))) {
			buf_str(text, link);
			*out = KIND_NAMESPACE;
			return 0;
		}
		if (str_starts(link, STR("pidfd:")) ||
		    str_starts(link, STR("anon_inode:")))
			return other_kind(link, out, text);
		return file_kind(fd, link, out, text);
	case S_IFDIR:
		buf_puts(text, "directory");
		*out = KIND_DIR;
		return (fcntl(fd, F_GETFL) & O_PATH) != 0 ? -1 : 0;
	case S_IFIFO:
		buf_puts(text, "pipe");
		*out = KIND_PIPE;
		return 0;
	case S_IFCHR:
		buf_printf(text, "device %u:%u", major(st.st_rdev),
		    minor(st.st_rdev));
		*out = st.st_rdev == makedev(1, 11) ? KIND_KMSG : KIND_NULL;
		return st.st_rdev == makedev(1, 3) ||
			st.st_rdev == makedev(1, 11) ? 0 : -1;
	}
	return other_kind(link, out, text);
}
