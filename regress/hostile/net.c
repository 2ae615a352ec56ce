/* SPDX-License-Identifier: ISC */
/*
 * Attempts on the network: with sockets of one's own, and with those passed.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static enum outcome
connect_own(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->tcp_port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1)
		return REFUSED;
	return outcome_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

/* A connection that was handed over, turned to somebody else. */
static enum outcome
reconnect(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->tcp_port);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = h->fd[KIND_STREAM];

	if (fd == -1)
		return ABSENT;
	if (connect(fd, &none, sizeof(none)) == -1)
		return REFUSED;
	return outcome_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static enum outcome
fast_open(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->tcp_port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1)
		return REFUSED;
	return outcome_of(sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
	    (struct sockaddr *)&to, sizeof(to)));
}

static enum outcome
udp_own(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->udp_port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd == -1)
		return REFUSED;
	return outcome_of(
	    sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
}

static enum outcome
udp_sendto(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->udp_port);

	if (h->fd[KIND_UDP_CONN] == -1)
		return ABSENT;
	return outcome_of(sendto(h->fd[KIND_UDP_CONN], "x", 1, 0,
	    (struct sockaddr *)&to, sizeof(to)));
}

static enum outcome
udp_sendmsg(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->udp_port);
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr mh = { .msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &iov,
		.msg_iovlen = 1 };

	if (h->fd[KIND_UDP_CONN] == -1)
		return ABSENT;
	return outcome_of(sendmsg(h->fd[KIND_UDP_CONN], &mh, MSG_NOSIGNAL));
}

static enum outcome
udp_reconnect(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->udp_port);

	if (h->fd[KIND_UDP_CONN] == -1)
		return ABSENT;
	return outcome_of(
	    connect(h->fd[KIND_UDP_CONN], (struct sockaddr *)&to, sizeof(to)));
}

static enum outcome
bind_listen(const struct hand *h)
{
	struct sockaddr_in to = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)h;
	if (fd == -1 || bind(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		return REFUSED;
	return outcome_of(listen(fd, 5));
}

/* A listening socket: no longer listening, and connected elsewhere. */
static enum outcome
turn_listener(const struct hand *h)
{
	struct sockaddr_in to = loopback(h->tcp_port);
	int fd = h->fd[KIND_TCP_LISTEN];

	if (fd == -1)
		return ABSENT;
	if (shutdown(fd, SHUT_RDWR) == -1)
		return REFUSED;
	return outcome_of(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static enum outcome
stop_listener(const struct hand *h)
{
	int fd = h->fd[KIND_TCP_LISTEN];

	if (fd == -1)
		fd = h->fd[KIND_UNIX_LISTEN];
	if (fd == -1)
		return ABSENT;
	return outcome_of(shutdown(fd, SHUT_RD));
}

static enum outcome
raw_socket(const struct hand *h)
{
	(void)h;
	return outcome_of(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static enum outcome
packet_socket(const struct hand *h)
{
	(void)h;
	return outcome_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static enum outcome
netlink_socket(const struct hand *h)
{
	(void)h;
	return outcome_of(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static enum outcome
vsock_socket(const struct hand *h)
{
	(void)h;
	return outcome_of(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static enum outcome
alg_socket(const struct hand *h)
{
	(void)h;
	return outcome_of(socket(AF_ALG, SOCK_SEQPACKET, 0));
}

static enum outcome
abstract_socket(const struct hand *h)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = strlen(h->abstract);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd == -1)
		return REFUSED;
	memcpy(un.sun_path + 1, h->abstract, n);
	return outcome_of(connect(fd, (struct sockaddr *)&un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)));
}

static enum outcome
named_socket(const struct hand *h)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX,
		.sun_path = "/tmp/hostile.socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)h;
	if (fd == -1)
		return REFUSED;
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) == -1)
		return REFUSED;
	unlink(un.sun_path);
	return WORKED;
}

static enum outcome
attach_filter(const struct hand *h)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_fprog prog = { 1, &all };

	return outcome_of(setsockopt(hand_socket(h), SOL_SOCKET,
	    SO_ATTACH_FILTER, &prog, sizeof(prog)));
}

static enum outcome
reuse_port(const struct hand *h)
{
	int one = 1, fd = h->fd[KIND_TCP_LISTEN];

	if (fd == -1)
		fd = h->fd[KIND_UDP_CONN];
	if (fd == -1)
		return ABSENT;
	return outcome_of(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
}

static enum outcome
passcred(const struct hand *h)
{
	int one = 1;

	return outcome_of(setsockopt(h->fd[KIND_CHANNEL], SOL_SOCKET,
	    SO_PASSCRED, &one, sizeof(one)));
}

/* clang-format off */
const struct attempt attempts_net[] = {
	{ "connect to loopback", connect_own, STOPPED, WORKS, "connect" },
	{ "connect a passed connection elsewhere", reconnect, STOPPED, WORKS,
	    "connect" },
	{ "TCP fast open", fast_open, STOPPED, MAYBE, "connect" },
	{ "send a datagram", udp_own, STOPPED, WORKS, "connect" },
	{ "sendto elsewhere on a passed UDP socket", udp_sendto, CARRIED,
	    WORKS, NULL },
	{ "sendmsg elsewhere on a passed UDP socket", udp_sendmsg, CARRIED,
	    WORKS, NULL },
	{ "connect a passed UDP socket elsewhere", udp_reconnect, CARRIED,
	    WORKS, "connect" },
	{ "bind and listen", bind_listen, STOPPED, WORKS, "connect" },
	{ "turn a listening socket round", turn_listener, STOPPED, WORKS,
	    "connect" },
	{ "stop a listening socket", stop_listener, CARRIED, WORKS, NULL },
	{ "raw socket", raw_socket, STOPPED, FAILS, NULL },
	{ "packet socket", packet_socket, STOPPED, FAILS, NULL },
	{ "netlink socket", netlink_socket, CARRIED, WORKS, NULL },
	{ "vsock socket", vsock_socket, CARRIED, MAYBE, NULL },
	{ "kernel crypto socket", alg_socket, CARRIED, MAYBE, NULL },
	{ "connect to an abstract socket", abstract_socket, STOPPED, WORKS,
	    NULL },
	{ "bind a named socket", named_socket, STOPPED, WORKS, NULL },
	{ "SO_ATTACH_FILTER", attach_filter, CARRIED, WORKS, NULL },
	{ "SO_REUSEPORT", reuse_port, CARRIED, WORKS, NULL },
	{ "SO_PASSCRED", passcred, CARRIED, WORKS, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
