/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_PEERS_H
#define SMTPD_PEERS_H

#include "chan/chan.h"
#include "conn.h"
#include "edge/gate.h"
#include "worker.h"

/*
 * The ports of worker.h, made of channels.  Peers come and go; a question to
 * one that is not there is not asked.
 */
#define PEERS_MAX 8 /* of one component */

struct peer_set {
	struct chan *ch[PEERS_MAX];
	size_t n, turn;
};

/* A client that is waiting until this process has all it needs. */
struct held {
	struct chan *gate; /* or NULL: nobody */
	uint64_t id;
	struct gate_client rec;
	int fd;
};

struct peers {
	struct loop *loop;
	struct worker w;
	struct conns conns;
	struct peer_set rewrite, lookup, dns, cleanup;
	struct chan *qmgr;
	bool seen; /* all that are needed have been up */
	bool ready; /* and keys has answered */
	bool once; /* one session, and no more */
	struct held held;
};

void peers_init(struct peers *p, struct loop *l);

/* It has all it needs. */
void peers_ready(struct peers *p);
/* One session is all there will be; idle is called when it is over. */
void peers_once(struct peers *p, void (*idle)(void *arg));

void peer_add(struct peer_set *ps, struct chan *ch);
void peer_remove(struct peer_set *ps, const struct chan *ch);

/* What comes in by itself; chan_on tables for boot. */
extern const struct chan_on peers_gate_on[];
extern const struct chan_on peers_qmgr_on[];
extern const struct chan_on peers_cleanup_on[];
extern const struct chan_on peers_asked_on[]; /* they only answer */

void peers_qmgr_up(struct peers *p, struct chan *ch);
void peers_qmgr_down(struct peers *p);
void peers_cleanup_down(struct peers *p, const struct chan *ch);

#endif
