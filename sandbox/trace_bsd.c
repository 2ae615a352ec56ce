/* SPDX-License-Identifier: ISC */
/*
 * Neither pledge nor Capsicum asks anybody.
 */
#include "sandbox/trace.h"

#include <errno.h>

int
trace_connect(const char *queue_dir, struct buf *err)
{
	(void)queue_dir;
	buf_puts(err, "this system has no learning mode");
	return -1;
}

int
trace_take(int socket_fd)
{
	(void)socket_fd;
	errno = ENOSYS;
	return -1;
}

int
trace_next(int fd, struct trace_call *out)
{
	(void)fd;
	(void)out;
	return -1;
}

void
trace_go(int fd, const struct trace_call *c)
{
	(void)fd;
	(void)c;
}

int
trace_held(pid_t pid)
{
	(void)pid;
	return 0;
}

void
trace_text(const struct trace_call *c, struct buf *out)
{
	(void)c;
	(void)out;
}

void
trace_caller(const struct trace_call *c, struct buf *out)
{
	(void)c;
	(void)out;
}

void
trace_line(const struct trace_call *c, struct buf *out)
{
	(void)c;
	(void)out;
}

bool
trace_same(const struct trace_call *a, const struct trace_call *b)
{
	return a->nr == b->nr;
}
