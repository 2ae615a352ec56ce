/* SPDX-License-Identifier: ISC */
#ifndef INTAKE_PEERS_H
#define INTAKE_PEERS_H

/*
 * Peers of the components that bring in messages, for their unit tests: a
 * configuration from text, channels over socket pairs, a rewrite that knows a
 * few rules by heart, and what a queue manager makes of an envelope.
 */
#include <sys/socket.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "chan/chan.h"
#include "conf/build.h"
#include "conf/conf.h"
#include "edge/edges.h"
#include "mail/address.h"
#include "queue/content.h"
#include "queue/envelope.h"

static UNUSED struct conf *
peers_conf(const char *main_cf)
{
	struct build b;
	struct buf out;
	struct conf *c;

	build_parse(&b, "/etc/x", str_of(main_cf),
	    STR("smtp inet n - - - - smtpd\n"));
	buf_init(&out, BUILD_MAX);
	if (build_snapshot(&b, NULL, 1, &out) == -1)
		abort();
	c = conf_from(buf_get(&out).p, buf_get(&out).n);
	if (c == NULL)
		abort();
	buf_clear(&out);
	build_clear(&b);
	return c;
}

static UNUSED void
peers_gone(struct chan *ch, const char *why, void *arg)
{
	(void)ch;
	(void)why;
	(void)arg;
}

static UNUSED void
peers_pair(struct loop *l, const struct edge *e, struct chan **a,
    const struct chan_on *on_a, void *arg_a, struct chan **b,
    const struct chan_on *on_b, void *arg_b)
{
	int sv[2];

	if (socketpair(AF_UNIX,
		SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) == -1)
		abort();
	*a = chan_new(l, sv[0], e, SIDE_A, on_a, peers_gone, arg_a);
	*b = chan_new(l, sv[1], e, SIDE_B, on_b, peers_gone, arg_b);
}

/* rewrite: user is user@origin.test, user@x is user@x.test, bad! is none. */
static UNUSED void
peers_resolve(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct resolve_ask *q = rec;
	struct resolve_answer a = { .status = RESOLVE_OK,
		.transport = STR("smtp"), .nexthop = STR("hop.test"),
		.ticket = 7 };
	struct buf b;

	(void)fds;
	(void)arg;
	buf_init(&b, ADDR_MAX);
	buf_str(&b, q->addr);
	if (str_eq(q->addr, STR("bad!")))
		a.status = RESOLVE_BAD;
	else if (str_eq(q->addr, STR("later")))
		a.status = RESOLVE_LATER;
	else if (addr_domain(q->addr).n == 0)
		buf_puts(&b, "@origin.test");
	else if (str_chr(addr_domain(q->addr), '.') == -1)
		buf_puts(&b, ".test");
	a.addr = buf_get(&b);
	chan_answer(ch, RESOLVE_ANSWER, id, &a, NULL);
	buf_clear(&b);
}

/* The content of a memory file with the edits of an envelope. */
static UNUSED char *
peers_edited(int fd, struct str form)
{
	struct env_edit *edits;
	struct content c;
	struct str piece;
	struct buf out;
	size_t n;

	buf_init(&out, 1 << 24);
	if (env_edits(form, &edits, &n) == -1 ||
	    content_init(&c, fd, 0, (uint64_t)lseek(fd, 0, SEEK_END), edits,
		n) == -1)
		abort();
	while (content_next(&c, &piece) == 1)
		buf_str(&out, piece);
	content_clear(&c);
	free(edits);
	(void)buf_cstr(&out);
	return buf_take(&out);
}

/* "addr(orig)>transport:nexthop ..." of an envelope. */
static UNUSED void
peers_rcpts(struct str form, struct buf *out)
{
	struct env_reader r;
	struct envelope e;
	struct env_rcpt rcpt;
	int k;

	env_open(&r, form);
	if (env_read_head(&r, &e) == -1)
		abort();
	while ((k = env_read_rcpt(&r, &rcpt)) == 1)
		buf_printf(out, "%s" STR_FMT "(" STR_FMT ")>" STR_FMT,
		    out->len > 0 ? " " : "", STR_ARG(rcpt.addr),
		    STR_ARG(rcpt.orig), STR_ARG(rcpt.transport));
	if (k == -1)
		abort();
}

static UNUSED int
peers_memfd(const void *p, size_t n)
{
	int fd = memfd_new("slot");

	if (fd == -1 || fd_write_all(fd, p, n) == -1)
		abort();
	return fd;
}

#endif
