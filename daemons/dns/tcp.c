/* SPDX-License-Identifier: ISC */
/*
 * One question over TCP (RFC 7766), for an answer that is too long for a
 * datagram.  A connection a question: this is rare.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

#include "dns.h"

static void on_tcp(int what, void *arg);

void
tcp_ask(struct query *q)
{
	struct resolver *rs = q->rs;

	query_unlink(q);
	TAILQ_INSERT_TAIL(&rs->idle, q, link);
	q->where = QUERY_TCP_SOCKET;
	rs->ntcp++;
	rs->want(q->server->index, true, q, rs->want_arg);
}

/* The connection ends, as the query does or its try. */
void
tcp_end(struct query *q)
{
	q->rs->ntcp--;
	watch_clear(&q->watch);
	fd_close(&q->fd);
	buf_clear(&q->io);
	q->sent = false;
}

void
tcp_come(struct query *q, int fd)
{
	struct str s;

	if (q->fn == NULL) { /* it ended while it waited */
		fd_close(&fd);
		free(q->name);
		free(q);
		return;
	}
	q->where = QUERY_TCP;
	q->fd = fd;
	q->id = (uint16_t)random_u32();
	buf_add(&q->io, "\0\0", 2);
	if (fd == -1 ||
	    message_ask(&q->io, q->id, q->name, q->type, q->edns) == -1) {
		query_try(q);
		return;
	}
	s = buf_get(&q->io);
	q->io.base[q->io.off] = (char)((s.n - 2) >> 8);
	q->io.base[q->io.off + 1] = (char)((s.n - 2) & 0xff);
	watch_init(&q->watch, q->rs->loop, fd, on_tcp, q);
	watch_set(&q->watch, LOOP_WRITE);
}

static void
send_more(struct query *q)
{
	struct str s = buf_get(&q->io);
	ssize_t n = write(q->fd, s.p, s.n);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		query_try(q);
		return;
	}
	buf_consume(&q->io, (size_t)n);
	if (q->io.len > 0)
		return;
	q->sent = true;
	watch_set(&q->watch, LOOP_READ);
}

static void
read_more(struct query *q)
{
	struct str s = buf_get(&q->io);
	size_t want = s.n < 2 ?
	    2 - s.n :
	    2 + ((size_t)(uint8_t)s.p[0] << 8 | (uint8_t)s.p[1]) - s.n;
	void *to = buf_reserve(&q->io, want);
	ssize_t n = to == NULL ? -1 : read(q->fd, to, want);

	if (n == -1 && to != NULL && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		query_try(q);
		return;
	}
	buf_grow(&q->io, (size_t)n);
	s = buf_get(&q->io);
	if (s.n >= 2 &&
	    s.n == 2 + ((size_t)(uint8_t)s.p[0] << 8 | (uint8_t)s.p[1]))
		query_got(q, str_sub(s, 2, s.n), true);
}

static void
on_tcp(int what, void *arg)
{
	struct query *q = arg;

	(void)what;
	if (q->sent)
		read_more(q);
	else
		send_more(q);
}
