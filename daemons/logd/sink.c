/* SPDX-License-Identifier: ISC */
/*
 * Where log lines go.
 */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"

#include "logd.h"

#define PENDING_MAX (1 << 20) /* a log that is stuck costs this much memory */
#define WRITE_AT 32768

void
sink_init(struct sink *s)
{
	*s = (struct sink){ .fd = -1 };
	buf_init(&s->pending, PENDING_MAX);
}

void
sink_fd(struct sink *s, int fd, bool datagrams)
{
	sink_flush(s);
	fd_close(&s->fd);
	s->fd = fd;
	s->datagrams = datagrams;
}

void
sink_line(struct sink *s, struct str line)
{
	if (s->datagrams) {
		/* The system's logger may be slow: then lines are lost. */
		s->stuck = s->fd == -1 || write(s->fd, line.p, line.n) == -1;
		if (s->stuck)
			s->lost++;
		return;
	}
	if (buf_str(&s->pending, line) == -1) {
		s->pending.full = false;
		s->lost++;
	}
	if (s->pending.len >= WRITE_AT)
		sink_flush(s);
}

void
sink_flush(struct sink *s)
{
	struct str p = buf_get(&s->pending);
	ssize_t n;

	if (p.n == 0 || s->fd == -1)
		return;
	n = write(s->fd, p.p, p.n);
	if (n > 0)
		buf_consume(&s->pending, (size_t)n);
	s->stuck = s->pending.len > 0;
	/* A full disk: what waits is kept, up to PENDING_MAX. */
}
