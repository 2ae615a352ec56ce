/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_CONN_H
#define SMTPD_CONN_H

#include <sys/queue.h>

#include "chan/chan.h"
#include "loop/loop.h"
#include "session.h"

/*
 * The descriptor side of sessions: bytes in, replies out once a turn of the
 * loop, deadlines, and the end, of which gate is told.
 */
struct conn {
	TAILQ_ENTRY(conn) link;
	LIST_ENTRY(conn) by_id;
	struct conns *owner;
	struct session *s;
	struct watch watch;
	struct tls *tls; /* NULL: in the clear */
	struct turn turn;
	struct chan *gate; /* who gave it to us; NULL when that is gone */
	uint64_t id;	   /* gate's number */
	unsigned drained;
	int fd;
};

#define CONN_BUCKETS 256

struct conns {
	struct loop *loop;
	struct worker *w;
	TAILQ_HEAD(, conn) all;
	LIST_HEAD(, conn) bucket[CONN_BUCKETS]; /* those that gate counts */
	unsigned counted;
	unsigned had; /* in all its life */
	struct timer tick;
	void (*idle)(void *arg); /* the last session of a stopping worker */
	void *idle_arg;
};

void conns_init(struct conns *cs, struct loop *l, struct worker *w);

/* A connection from gate; fd is taken over. */
void
conn_new(struct conns *cs, struct chan *gate, uint64_t id, struct service *sv,
    const struct netaddr *client, const struct netaddr *server, int fd);

/* Has this gate a session of this number under way? */
bool conns_has(const struct conns *cs, const struct chan *gate, uint64_t id);

/* This gate is gone: nobody counts our sessions for it any more. */
void conns_gate_gone(struct conns *cs, const struct chan *gate);

/* Anything left? */
static inline bool
conns_any(const struct conns *cs)
{
	return !TAILQ_EMPTY(&cs->all);
}

#endif
