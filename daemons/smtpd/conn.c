/* SPDX-License-Identifier: ISC */
/*
 * Connections.
 */
#include "conn.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "edge/gate.h"

/* Bytes read at a time; shared, for a session takes all of it at once. */
#define READ_MAX (64 << 10)
static char data[READ_MAX];

/* Reads at the end of a connection that we close. */
#define DRAIN_MAX 4

static void on_tick(void *arg);

void
conns_init(struct conns *cs, struct loop *l, struct worker *w)
{
	*cs = (struct conns){ .loop = l, .w = w };
	TAILQ_INIT(&cs->all);
	for (size_t i = 0; i < CONN_BUCKETS; i++)
		LIST_INIT(&cs->bucket[i]);
	timer_init(&cs->tick, l, on_tick, cs);
}

static void
on_tick(void *arg)
{
	struct conns *cs = arg;

	worker_tick(cs->w);
	if (conns_any(cs))
		timer_set(&cs->tick, worker_tick_ms(cs->w));
}

/*
 * Bytes that nobody read would make the kernel reset the connection, and the
 * client would never see why it was disconnected.
 */
static void
drain(struct conn *c)
{
	while (c->s->state == ST_CLOSING && c->s->verb != VERB_QUIT &&
	    read(c->fd, data, sizeof(data)) == sizeof(data))
		if (++c->drained == DRAIN_MAX)
			break;
}

/* Gate has heard of its end, or is gone. */
static void
uncount(struct conn *c)
{
	if (c->gate == NULL)
		return;
	c->gate = NULL;
	c->owner->counted--;
	LIST_REMOVE(c, by_id);
}

static void
conn_end(struct conn *c)
{
	struct conns *cs = c->owner;
	struct gate_ended rec = { .messages = c->s->messages,
		.errors = c->s->errors };

	tls_free(&c->tls);
	drain(c);
	session_free(&c->s);
	watch_clear(&c->watch);
	turn_cancel(&c->turn);
	fd_close(&c->fd);
	if (c->gate != NULL)
		chan_tell(c->gate, GATE_ENDED, c->id, &rec, NULL);
	uncount(c);
	TAILQ_REMOVE(&cs->all, c, link);
	free(c);
	if (!conns_any(cs)) {
		timer_cancel(&cs->tick);
		if (cs->idle != NULL)
			cs->idle(cs->idle_arg);
	}
}

/* Send what there is to be sent; what is left waits for the socket. */
static void
send_out(struct conn *c)
{
	struct session *s = c->s;
	struct str out = buf_get(&s->out);
	ssize_t n;

	if (out.n == 0 || s->wait == WAIT_SLEEP)
		return;
	n = c->tls != NULL ? tls_write(c->tls, out.p, out.n) :
			     write(c->fd, out.p, out.n);
	if (n > 0)
		buf_consume(&s->out, (size_t)n);
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		session_hangup(s);
	if (s->out.len == 0)
		buf_clear(&s->out);
}

static void
set_watch(struct conn *c)
{
	struct session *s = c->s;
	int what = c->watch.what & LOOP_READ;

	if (s->wait == WAIT_TLS && c->tls != NULL) {
		watch_set(&c->watch, tls_waits(c->tls));
		return;
	}
	/*
	 * A session that waits for a moment is left watched: taking that back
	 * costs two system calls and mostly nothing comes.
	 */
	if (session_listens(s) || s->state == ST_GREET)
		what = LOOP_READ;
	if (s->state >= ST_CLOSING || s->wait == WAIT_TLS)
		what = 0;
	if (s->out.len > 0 && s->wait != WAIT_SLEEP)
		what |= LOOP_WRITE;
	watch_set(&c->watch, what);
}

static void
kick(void *arg)
{
	struct conn *c = arg;

	turn_ask(&c->turn);
}

/* Take what the client has sent. */
static void
take_in(struct conn *c)
{
	struct session *s = c->s;
	ssize_t n = c->tls != NULL ? tls_read(c->tls, data, sizeof(data)) :
				     read(c->fd, data, sizeof(data));

	if (n > 0)
		session_input(s, str_make(data, (size_t)n));
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		session_hangup(s);
}

/*
 * The session waits for TLS: once our last words in the clear are out, the
 * handshake, as far as it goes now.
 */
static void
shake(struct conn *c)
{
	struct session *s = c->s;

	if (c->tls == NULL) {
		(void)secure_ready(&s->sv->tls, s->sv->name);
		if (s->sv->tls.ctx == NULL)
			session_hangup(s); /* a reload took it away */
		if (s->out.len > 0 || s->state >= ST_CLOSING)
			return;
		c->tls = tls_new(s->sv->tls.ctx, c->fd, NULL, kick, c);
	}
	switch (tls_handshake(c->tls)) {
	case 1:
		session_secured(s, c->tls);
		break;
	case -1:
		session_insecure(s, c->tls);
		break;
	}
}

/*
 * The end of the turn: replies leave in one write, input that was left is
 * looked at again as long as that gets anywhere.
 */
static void
on_turn(void *arg)
{
	struct conn *c = arg;
	struct session *s = c->s;
	size_t before;

	do {
		send_out(c);
		before = s->in.len;
		session_resume(s);
	} while (s->in.len < before && session_listens(s));
	send_out(c);
	if (s->wait == WAIT_TLS && s->state < ST_CLOSING)
		shake(c);
	if (c->tls != NULL && session_listens(s) && tls_pending(c->tls))
		take_in(c);
	if (s->state == ST_DEAD || (s->state == ST_CLOSING && s->out.len == 0))
		conn_end(c);
	else
		set_watch(c);
}

static void
on_ready(int what, void *arg)
{
	struct conn *c = arg;
	struct session *s = c->s;

	if (what == LOOP_WRITE || s->wait == WAIT_TLS) {
		kick(c);
		return;
	}
	if (!session_listens(s) && (s->state != ST_GREET || s->in.len > 0)) {
		watch_set(&c->watch, c->watch.what & ~LOOP_READ);
		return;
	}
	take_in(c);
}

void
conn_new(struct conns *cs, struct chan *gate, uint64_t id, struct service *sv,
    const struct netaddr *client, const struct netaddr *server, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->owner = cs;
	c->gate = gate;
	c->id = id;
	c->fd = fd;
	turn_init(&c->turn, cs->loop, on_turn, c);
	watch_init(&c->watch, cs->loop, fd, on_ready, c);
	TAILQ_INSERT_TAIL(&cs->all, c, link);
	LIST_INSERT_HEAD(&cs->bucket[id % CONN_BUCKETS], c, by_id);
	cs->counted++;
	cs->had++;
	c->s = session_new(cs->w, sv, client, server, kick, c);
	if (!cs->tick.armed)
		timer_set(&cs->tick, worker_tick_ms(cs->w));
	kick(c);
}

void
conns_gate_gone(struct conns *cs, const struct chan *gate)
{
	struct conn *c;

	TAILQ_FOREACH(c, &cs->all, link)
		if (c->gate == gate)
			uncount(c);
}

bool
conns_has(const struct conns *cs, const struct chan *gate, uint64_t id)
{
	const struct conn *c;

	LIST_FOREACH(c, &cs->bucket[id % CONN_BUCKETS], by_id)
		if (c->gate == gate && c->id == id)
			return true;
	return false;
}
