/* SPDX-License-Identifier: ISC */
#ifndef NET_UNIXSOCK_H
#define NET_UNIXSOCK_H

/*
 * Unix sockets beneath a directory.  The name of a socket is short (some
 * hundred characters); the directory it is in need not be, and these find
 * the way where the system has one.  The sockets have FD_CLOEXEC; -1 with
 * errno.
 */

/*
 * Connect a socket of this type to dir/name; with SOCK_NONBLOCK a server that
 * is too busy for it is EAGAIN.
 */
int unixsock_connect(const char *dir, const char *name, int type);

/*
 * Bind a socket of this type (SOCK_STREAM, SOCK_SEQPACKET) to dir/name, in the
 * place of what has the name now; not yet listening.
 */
int unixsock_bind(const char *dir, const char *name, int type);

#endif
