/* SPDX-License-Identifier: ISC */
/*
 * Descriptors that the kernel refuses, on Linux (6.16 and later).
 */
#include <sys/socket.h>

#include "chan/chan.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

void
chan_refuse_fds(int fd)
{
	int off = 0;

	/* An older kernel knows no such thing, and chan.c has to do it. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

int
chan_refuses_fds(int fd)
{
	int on = 1;
	socklen_t len = sizeof(on);

	if (getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &len) == -1)
		return -1;
	return on == 0;
}
