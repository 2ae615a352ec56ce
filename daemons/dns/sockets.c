/* SPDX-License-Identifier: ISC */
/*
 * UDP sockets to the resolvers.  They come from the broker, connected, and
 * the kernel gives each a source port of its own: a forger has to guess it
 * as well as the id.  Several are in use at a time and each is replaced after
 * a while.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#include "dns.h"

#define TURN_PACKETS 64 /* taken from a socket in a turn */
#define REFUSED_MS 200	/* before the broker is asked again */

static void
want_more(struct server *s)
{
	if (s->refused != 0 && loop_now(s->rs->loop) - s->refused < REFUSED_MS)
		return;
	while (s->nfresh + s->asked < POOL && !s->gone) {
		s->asked++;
		s->rs->want(s->index, false, s, s->rs->want_arg);
	}
}

static void
sock_free(struct usock *u)
{
	TAILQ_REMOVE(&u->server->socks, u, link);
	watch_clear(&u->watch);
	fd_close(&u->fd);
	free(u);
}

static void
retire(struct usock *u)
{
	if (u->retired)
		return;
	u->retired = true;
	u->server->nfresh--;
}

void
sock_release(struct usock *u)
{
	if (u->retired && !u->busy && TAILQ_EMPTY(&u->queries))
		sock_free(u);
}

/* The kernel says that nobody listens there (ICMP), or the like. */
static void
on_error(struct usock *u)
{
	struct query_list moved = TAILQ_HEAD_INITIALIZER(moved);
	struct query *q;

	server_sick(u->server);
	TAILQ_CONCAT(&moved, &u->queries, link);
	TAILQ_FOREACH(q, &moved, link)
		q->sock = NULL;
	while ((q = TAILQ_FIRST(&moved)) != NULL) {
		TAILQ_REMOVE(&moved, q, link);
		TAILQ_INSERT_TAIL(&q->rs->idle, q, link);
		q->where = QUERY_WAITS;
		query_try(q);
	}
}

/*
 * Which query a packet answers is its id's to say, and then the question's:
 * see message_read().  Queries on one socket have different ids.
 */
static void
take(struct usock *u, struct str packet)
{
	struct query *q;
	uint16_t id;

	if (packet.n < 2)
		return;
	id = (uint16_t)((uint8_t)packet.p[0] << 8 | (uint8_t)packet.p[1]);
	TAILQ_FOREACH(q, &u->queries, link) {
		if (q->id == id) {
			query_got(q, packet, false);
			return;
		}
	}
}

static void
on_packet(int what, void *arg)
{
	static char data[65536];
	struct usock *u = arg;
	struct server *s = u->server;

	(void)what;
	u->busy = true;
	for (int i = 0; i < TURN_PACKETS; i++) {
		ssize_t n = read(u->fd, data, sizeof(data));

		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n == -1) {
			on_error(u);
			break;
		}
		take(u, str_make(data, (size_t)n));
	}
	u->busy = false;
	sock_release(u);
	want_more(s);
}

void
sock_add(struct server *s, int fd)
{
	struct resolver *rs = s->rs;
	struct usock *u = xcalloc(1, sizeof(*u));
	struct query *q, *next;

	u->server = s;
	u->fd = fd;
	u->born = loop_now(rs->loop);
	TAILQ_INIT(&u->queries);
	TAILQ_INSERT_TAIL(&s->socks, u, link);
	s->nfresh++;
	watch_init(&u->watch, rs->loop, fd, on_packet, u);
	watch_set(&u->watch, LOOP_READ);
	TAILQ_FOREACH_SAFE(q, &rs->idle, link, next) {
		if (q->where == QUERY_WAITS && q->server == s) {
			if (u->retired)
				break;
			sock_send(u, q);
		}
	}
}

static bool
is_old(const struct usock *u, int64_t now)
{
	return u->uses >= SOCKET_USES ||
	    (u->uses > 0 && now - u->born >= SOCKET_MS);
}

struct usock *
sock_pick(struct server *s)
{
	int64_t now = loop_now(s->rs->loop);
	struct usock *u, *next;
	uint32_t k;

	TAILQ_FOREACH_SAFE(u, &s->socks, link, next) {
		if (u->retired || !is_old(u, now))
			continue;
		/* The last one goes when another has come. */
		if (s->nfresh > 1 || u->uses >= 2 * SOCKET_USES) {
			retire(u);
			sock_release(u);
		}
	}
	want_more(s);
	if (s->nfresh == 0)
		return NULL;
	k = random_below(s->nfresh);
	TAILQ_FOREACH(u, &s->socks, link)
		if (!u->retired && k-- == 0)
			return u;
	return NULL;
}

static uint16_t
fresh_id(const struct usock *u)
{
	const struct query *q;
	uint16_t id;

	do {
		id = (uint16_t)random_u32();
		TAILQ_FOREACH(q, &u->queries, link)
			if (q->id == id)
				break;
	} while (q != NULL);
	return id;
}

void
sock_send(struct usock *u, struct query *q)
{
	struct buf b;
	struct str s;

	query_unlink(q);
	q->id = fresh_id(u);
	q->where = QUERY_UDP;
	q->sock = u;
	u->uses++;
	TAILQ_INSERT_TAIL(&u->queries, q, link);
	buf_init(&b, 2048);
	if (message_ask(&b, q->id, q->name, q->type, q->edns) == -1) {
		buf_clear(&b);
		q->deadline = q->end = 0; /* ends at the next tick */
		return;
	}
	s = buf_get(&b);
	/*
	 * What is not sent (no buffers) is as good as lost: a try later.  What
	 * is refused is so at the next tick.
	 */
	if (write(u->fd, s.p, s.n) == -1 && errno == ECONNREFUSED)
		q->deadline = 0;
	buf_clear(&b);
}

void
server_free(struct server **sp)
{
	struct server *s = *sp;
	struct usock *u;

	*sp = NULL;
	while ((u = TAILQ_FIRST(&s->socks)) != NULL)
		sock_free(u);
	free(s);
}
