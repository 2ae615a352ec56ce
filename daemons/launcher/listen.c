/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets.  They stay open over a reload and over the death of the
 * broker or the gate: a client then waits, and is not refused.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "net/netaddr.h"
#include "net/unixsock.h"

#include "launcher.h"

static struct listener *
find(struct launcher *l, const char *key)
{
	struct listener *s;

	LIST_FOREACH(s, &l->listeners, link)
		if (strcmp(s->key, key) == 0)
			return s;
	return NULL;
}

/* Keep fd under this key; the key moves. */
static int
keep(struct launcher *l, char *key, int fd)
{
	struct listener *s = xcalloc(1, sizeof(*s));

	s->key = key;
	s->fd = fd;
	s->generation = l->generation;
	LIST_INSERT_HEAD(&l->listeners, s, link);
	return fd;
}

static int
bind_inet(const struct netaddr *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(a->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(a->port) };
	struct sockaddr *sa = a->family == 4 ? (struct sockaddr *)&in :
	    (struct sockaddr *)&in6;
	socklen_t len = a->family == 4 ? sizeof(in) : sizeof(in6);
	int one = 1, fd;

	memcpy(&in.sin_addr, a->ip, 4);
	memcpy(&in6.sin6_addr, a->ip, 16);
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Inherited by what is accepted: a reply never waits for an ACK. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (a->family == 6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* A short queue makes bursts of clients wait for seconds. */
	if (bind(fd, sa, len) == -1 || listen(fd, SOMAXCONN) == -1)
		fd_close(&fd);
	return fd;
}

int
listen_inet(struct launcher *l, const struct netaddr *a, struct buf *err)
{
	char text[NETADDR_TEXT + 16], ip[NETADDR_TEXT];
	char *key;
	struct listener *s;
	int fd;

	snprintf(text, sizeof(text), a->family == 4 ? "%s:%u" : "[%s]:%u",
	    netaddr_text(a, ip), a->port);
	key = xasprintf("inet:%s", text);
	s = find(l, key);
	if (s != NULL) {
		free(key);
		s->generation = l->generation;
		return s->fd;
	}
	fd = bind_inet(a);
	if (fd == -1) {
		buf_printf(err, "cannot listen on %s: %s%s", text,
		    strerror(errno), errno == EADDRINUSE ?
		    " (another mail server? see inet_interfaces and "
		    "master.cf)" : errno == EACCES ?
		    " (ports below 1024 need root)" : errno == EADDRNOTAVAIL ?
		    " (no interface has this address)" : "");
		free(key);
		return -1;
	}
	return keep(l, key, fd);
}

int
listen_unix(struct launcher *l, const char *path, mode_t mode,
    struct buf *err)
{
	char *key = xasprintf("unix:%s", path), *full;
	struct listener *s = find(l, key);
	int fd;

	if (s != NULL) {
		free(key);
		s->generation = l->generation;
		return s->fd;
	}
	full = xasprintf("%s/%s", l->queue_dir, path);
	fd = unixsock_bind(l->queue_dir, path, SOCK_STREAM);
	/* Who may do what is decided by the kernel's word on the client. */
	if (fd == -1 || fd_nonblock(fd, 1) == -1 || chmod(full, mode) == -1 ||
	    listen(fd, SOMAXCONN) == -1) {
		buf_printf(err, "cannot listen on %s: %s", full,
		    strerror(errno));
		fd_close(&fd);
		free(key);
		free(full);
		return -1;
	}
	free(full);
	return keep(l, key, fd);
}

void
listen_sweep(struct launcher *l)
{
	struct listener *s, *next;

	for (s = LIST_FIRST(&l->listeners); s != NULL; s = next) {
		next = LIST_NEXT(s, link);
		if (s->generation == l->generation)
			continue;
		LIST_REMOVE(s, link);
		fd_close(&s->fd);
		free(s->key);
		free(s);
	}
}
