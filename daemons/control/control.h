/* SPDX-License-Identifier: ISC */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/allowance.h"
#include "base/buf.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/control.h"
#include "loop/loop.h"

/*
 * control: questions of local users, passed on to the queue manager and the
 * broker when the kernel's word on who asks allows it.
 *
 *	main.c		wiring
 *	listen.c	the socket where they come in
 *	client.c	a connection: records in, records out
 *	orders.c	what may be asked, and by whom it is answered
 *	trace.c		learning mode and its time
 *	who.c		who may ask it
 */
#define CLIENTS_MAX 200
#define USERS_RATE 5 /* a second: of the policy's requests for admin */
#define USERS_BURST 10
#define CLIENTS_KEPT 40 /* of these, for who may do everything */
#define CLIENTS_EACH 20 /* of one user who is not the owner */

/* An answer that a client does not read is not fetched any further. */
#define OUT_PAUSE (64U << 10)
#define OUT_MAX (8U << 20)
#define LIST_CREDIT 64

struct control;

struct client {
	TAILQ_ENTRY(client) link;
	struct control *c;
	int fd;
	uid_t uid;
	struct watch watch;
	struct timer idle;
	struct buf in, out;
	/* The one question under way. */
	struct chan *asked; /* of whom; NULL: none */
	uint64_t ask;	    /* its id there */
	uint64_t id;	    /* and here */
	bool listing;
	bool broken;   /* it does not read: ended by the next look at it */
	uint32_t owed; /* credit not given back yet */
};

/* A user of the system, as it was when we started. */
struct user {
	uid_t uid;
	char *name;
};

/* Learning mode: on for as long as its client is there, and its time. */
struct tracing {
	struct client *of; /* NULL: it is off */
	char name[32];	   /* of the component */
	int64_t until_ms;
	struct timer timer;
};

struct control {
	struct tracing trace;
	struct loop *loop;
	const struct conf *conf;
	struct chan *qmgr; /* NULL while it is down */
	struct chan *broker;
	TAILQ_HEAD(, client) clients;
	size_t nclients;
	struct allowance users_ask; /* the broker, all together */
	int listen_fd;
	struct watch listen_watch;
	uid_t owner; /* may everything, as root may */
	struct user *users;
	size_t nusers;
};

/* --- who.c ---------------------------------------------------------------- */

enum right {
	MAY_LIST,  /* authorized_mailq_users */
	MAY_FLUSH, /* authorized_flush_users */
	MAY_ALL,   /* root, and whoever runs this instance */
};

/* Read the system's users, before we are sealed. */
void who_read(struct control *c);
bool who_may(const struct control *c, uid_t uid, enum right right);

/* --- client.c ------------------------------------------------------------- */

/* Take over fd, a connection of that user. */
void client_new(struct control *c, int fd, uid_t uid);
void client_free(struct client **clp);
/* Part of an answer; the whole of it with CONTROL_DONE or another answer. */
void client_send(struct client *cl, unsigned type, const void *rec);
/* The answer CONTROL_FILE; *fd moves. */
void client_send_fd(struct client *cl, const void *rec, int *fd);
void client_done(struct client *cl, int error, uint32_t count, struct str text);
/* Whose question is this? */
struct client *
client_find(struct control *c, const struct chan *asked, uint64_t ask);

/* --- orders.c ------------------------------------------------------------- */

/* A question of a client. */
void orders_take(struct client *cl, const struct control_rec *r);
/* Its answer leaves: there is room for more of it. */
void orders_room(struct client *cl);
/* It has gone: nobody waits for the answer any longer. */
void orders_forget(struct client *cl);

extern const struct chan_on orders_qmgr_on[];
/* A piece of a text from the broker: part of the answer to question id. */
void orders_text(uint64_t id, struct str text, void *arg);

/* --- listen.c ------------------------------------------------------------- */
void control_init(struct control *c, struct loop *loop);
void control_listen(struct control *c, int fd);
void control_stop(struct control *c);

/* --- trace.c -------------------------------------------------------------- */

/*
 * The order to trace: a becomes what the broker is asked.  -1 when the client
 * has been told why not.
 */
struct broker_admin;
int tracing_take(struct client *cl, struct broker_admin *a);
/* A client goes: so does learning mode, when it was its. */
void tracing_forget(struct client *cl);

#endif
