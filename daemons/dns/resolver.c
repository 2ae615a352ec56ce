/* SPDX-License-Identifier: ISC */
/*
 * Questions on their way to the resolvers of the configuration: in their
 * order, those that lately did not answer last, several times round, over TCP
 * when the answer does not fit.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

#include "dns.h"

#define ROUNDS 3
#define TOTAL_MS 20000
#define TCP_MS 5000
#define SICK_MS 30000
#define TICK_MS 250
#define AGAIN_MS 1000

/* How long one server has, in each round. */
static const int64_t round_ms[ROUNDS] = { 1500, 3000, 5000 };

static void on_tick(void *arg);
static void on_again(void *arg);

/* --- servers -------------------------------------------------------------- */

static struct server *
server_new(struct resolver *rs, uint16_t index)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->rs = rs;
	s->index = index;
	TAILQ_INIT(&s->socks);
	return s;
}

void
server_sick(struct server *s)
{
	s->sick_until = loop_now(s->rs->loop) + SICK_MS;
}

/* Is there a server with the next number? */
static void
count_next(struct resolver *rs)
{
	struct server *s;

	if (rs->counting != NULL || rs->counted)
		return;
	s = server_new(rs, (uint16_t)rs->nservers);
	rs->counting = s;
	s->asked = 1;
	rs->want(s->index, false, s, rs->want_arg);
}

/* Queries that came before any server was known. */
static void
wake_waiting(struct resolver *rs)
{
	struct query *q, *next;

	TAILQ_FOREACH_SAFE(q, &rs->idle, link, next)
		if (q->where == QUERY_WAITS && q->server == NULL)
			query_try(q);
}

static void
all_counted(struct resolver *rs)
{
	rs->counted = true;
	wake_waiting(rs);
}

static void
counted_one(struct resolver *rs, struct server *s, int fd, bool unknown)
{
	rs->counting = NULL;
	if (fd == -1) {
		server_free(&s);
		if (unknown)
			all_counted(rs);
		else
			timer_set(&rs->again, AGAIN_MS);
		return;
	}
	rs->server[rs->nservers++] = s;
	sock_add(s, fd);
	if (rs->nservers == SERVERS_MAX)
		all_counted(rs);
	else
		count_next(rs);
}

void
resolver_udp(void *to, int fd, bool unknown)
{
	struct server *s = to;
	struct resolver *rs = s->rs;

	s->asked--;
	if (s->gone) {
		fd_close(&fd);
		if (s->asked == 0)
			server_free(&s);
	} else if (rs->counting == s) {
		counted_one(rs, s, fd, unknown);
	} else if (fd != -1) {
		sock_add(s, fd);
	} else {
		s->refused = loop_now(rs->loop);
	}
}

static void
on_again(void *arg)
{
	count_next(arg);
}

static void
drop_servers(struct resolver *rs)
{
	struct server *s;
	struct usock *u;
	struct query *q;

	if (rs->counting != NULL)
		rs->counting->gone = true; /* freed when the broker answers */
	rs->counting = NULL;
	for (size_t i = 0; i < rs->nservers; i++) {
		s = rs->server[i];
		TAILQ_FOREACH(u, &s->socks, link) {
			while ((q = TAILQ_FIRST(&u->queries)) != NULL) {
				TAILQ_REMOVE(&u->queries, q, link);
				q->sock = NULL;
				q->where = QUERY_WAITS;
				TAILQ_INSERT_TAIL(&rs->idle, q, link);
			}
		}
		s->gone = true;
		if (s->asked == 0)
			server_free(&s);
		else
			while ((u = TAILQ_FIRST(&s->socks)) != NULL) {
				u->retired = true;
				sock_release(u);
			}
	}
	rs->nservers = 0;
	TAILQ_FOREACH(q, &rs->idle, link)
		q->server = NULL;
}

void
resolver_restart(struct resolver *rs)
{
	drop_servers(rs);
	rs->counted = false;
	count_next(rs);
}

void
resolver_init(struct resolver *rs, struct loop *l, resolver_want_fn *want,
    void *arg)
{
	*rs = (struct resolver){ .loop = l, .want = want, .want_arg = arg };
	TAILQ_INIT(&rs->idle);
	timer_init(&rs->tick, l, on_tick, rs);
	timer_init(&rs->again, l, on_again, rs);
}

void
resolver_clear(struct resolver *rs)
{
	struct query *q;

	drop_servers(rs);
	while ((q = TAILQ_FIRST(&rs->idle)) != NULL) {
		q->fn = NULL;
		query_done(q, answer_new(ANSWER_FAILED, 0));
	}
	timer_clear(&rs->tick);
	timer_clear(&rs->again);
}

/* --- queries -------------------------------------------------------------- */

void
query_unlink(struct query *q)
{
	struct usock *u = q->sock;

	if (u != NULL) {
		TAILQ_REMOVE(&u->queries, q, link);
		q->sock = NULL;
		sock_release(u);
	} else {
		TAILQ_REMOVE(&q->rs->idle, q, link);
	}
}

void
query_done(struct query *q, struct answer *a)
{
	query_fn *fn = q->fn;

	q->fn = NULL;
	query_unlink(q);
	if (q->where == QUERY_TCP || q->where == QUERY_TCP_SOCKET)
		tcp_end(q);
	q->rs->nqueries--;
	if (fn != NULL)
		fn(a, q->arg);
	answer_unref(&a);
	/* The broker still owes it a socket: see tcp_come(). */
	if (q->where == QUERY_TCP_SOCKET)
		return;
	free(q->name);
	free(q);
}

/*
 * The n-th server to be asked: those in good health first, in the order of
 * the configuration, then the others.
 */
static struct server *
nth_server(struct resolver *rs, unsigned n)
{
	int64_t now = loop_now(rs->loop);

	for (int sick = 0; sick <= 1; sick++)
		for (size_t i = 0; i < rs->nservers; i++)
			if ((rs->server[i]->sick_until > now) == sick &&
			    n-- == 0)
				return rs->server[i];
	return NULL;
}

/* Put aside: it waits for servers, or for a socket. */
static void
query_wait(struct query *q)
{
	query_unlink(q);
	q->where = QUERY_WAITS;
	TAILQ_INSERT_TAIL(&q->rs->idle, q, link);
}

void
query_try(struct query *q)
{
	struct resolver *rs = q->rs;
	int64_t now = loop_now(rs->loop);
	unsigned round;
	struct usock *u;

	if (q->where == QUERY_TCP) { /* it failed: all over again */
		tcp_end(q);
		q->where = QUERY_WAITS;
	}
	if (q->where == QUERY_TCP_SOCKET || now >= q->end ||
	    (rs->counted && rs->nservers == 0) ||
	    (rs->nservers > 0 &&
		(q->refusals >= rs->nservers ||
		    q->tries >= ROUNDS * rs->nservers))) {
		query_done(q, answer_new(ANSWER_FAILED, FAILED_TTL));
		return;
	}
	q->server = NULL;
	q->deadline = q->end;
	if (rs->nservers == 0) {
		query_wait(q);
		return;
	}
	round = q->tries / (unsigned)rs->nservers;
	q->server = nth_server(rs, q->tries % (unsigned)rs->nservers);
	q->tries++;
	if (now + round_ms[round] < q->deadline)
		q->deadline = now + round_ms[round];
	u = sock_pick(q->server);
	if (u != NULL)
		sock_send(u, q);
	else
		query_wait(q);
}

void
query_got(struct query *q, struct str packet, bool tcp)
{
	struct answer *a;

	switch (message_read(packet, q->id, q->name, q->type, &a)) {
	case MESSAGE_STRANGER:
		if (tcp)
			query_try(q);
		return; /* forged, or late: the true one may still come */
	case MESSAGE_ANSWER:
		if (q->server != NULL) /* a reload may have dropped it */
			q->server->sick_until = 0;
		query_done(q, a);
		return;
	case MESSAGE_CUT:
		if (!tcp && q->rs->ntcp < TCP_MAX) {
			q->deadline = loop_now(q->rs->loop) + TCP_MS;
			tcp_ask(q);
			return;
		}
		break;
	case MESSAGE_NO_EDNS:
		if (q->edns) {
			q->edns = false;
			if (q->tries > 0)
				q->tries--; /* the same server */
			break;
		}
		q->refusals++;
		break;
	case MESSAGE_REFUSED:
		q->refusals++;
		break;
	}
	query_try(q);
}

static void
collect_late(struct query_list *from, struct query_list *late, int64_t now)
{
	struct query *q, *next;

	TAILQ_FOREACH_SAFE(q, from, link, next) {
		if (q->deadline > now && q->end > now)
			continue;
		TAILQ_REMOVE(from, q, link);
		TAILQ_INSERT_TAIL(late, q, link);
	}
}

static void
on_tick(void *arg)
{
	struct resolver *rs = arg;
	struct query_list late = TAILQ_HEAD_INITIALIZER(late);
	int64_t now = loop_now(rs->loop);
	struct usock *u, *next;
	struct query *q;

	rs->ticking = false;
	collect_late(&rs->idle, &late, now);
	for (size_t i = 0; i < rs->nservers; i++)
		TAILQ_FOREACH_SAFE(u, &rs->server[i]->socks, link, next) {
			collect_late(&u->queries, &late, now);
			if (!TAILQ_EMPTY(&late) || u->retired)
				sock_release(u);
		}
	TAILQ_FOREACH(q, &late, link)
		q->sock = NULL;
	while ((q = TAILQ_FIRST(&late)) != NULL) {
		TAILQ_REMOVE(&late, q, link);
		TAILQ_INSERT_TAIL(&rs->idle, q, link);
		if (q->where == QUERY_UDP && q->server != NULL)
			server_sick(q->server);
		if (q->where == QUERY_UDP)
			q->where = QUERY_WAITS;
		query_try(q);
	}
	if (rs->nqueries > 0 && !rs->ticking) {
		rs->ticking = true;
		timer_set(&rs->tick, TICK_MS);
	}
}

void
resolver_ask(struct resolver *rs, const char *name, uint16_t type, query_fn *fn,
    void *arg)
{
	struct query *q = xcalloc(1, sizeof(*q));
	int64_t now = loop_now(rs->loop);

	q->rs = rs;
	q->fn = fn;
	q->arg = arg;
	q->name = xstrdup(name);
	q->type = type;
	q->fd = -1;
	q->edns = true;
	/* Too many: it ends at the next tick. */
	q->end = rs->nqueries >= QUERIES_MAX ? 0 : now + TOTAL_MS;
	q->deadline = q->end;
	buf_init(&q->io, 65537);
	rs->nqueries++;
	TAILQ_INSERT_TAIL(&rs->idle, q, link);
	if (!rs->ticking) {
		rs->ticking = true;
		timer_set(&rs->tick, TICK_MS);
	}
	if (q->end != 0 && rs->nservers > 0)
		query_try(q);
	else if (!rs->counted)
		count_next(rs);
}

void
resolver_tcp(void *to, int fd)
{
	tcp_come(to, fd);
}
