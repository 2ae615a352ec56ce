/* SPDX-License-Identifier: ISC */
#ifndef PICKUP_PICKUP_H
#define PICKUP_PICKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/maildrop.h"
#include "loop/loop.h"
#include "mail/dsn.h"
#include "queue/maildrop.h"
#include "submit/submit.h"

/*
 * pickup: local submission.
 *
 *	client.c	sendmail(1) at the other end of the submission socket
 *	file.c		a file of maildrop
 *	submission.c	what both bring: checked, written to a slot, sent
 *	again.c		a message of the queue that is requeued
 *	users.c		authorized_submit_users
 */
#define CLIENTS_MAX 1000
#define CLIENTS_PER_USER 100
#define CLIENT_IDLE_MS 60000

struct users {
	struct user_rule {
		bool negate;
		bool any;
		uint32_t uid;
		char *name;
	} * v;
	size_t n;
};

/*
 * Names are looked up while files can still be named, before the sandbox: with
 * `old` (at a reload) only names that are in it are known.
 */
void
users_init(struct users *u, struct conf_list list, const struct users *old);
void users_clear(struct users *u);
bool users_may(const struct users *u, uint32_t uid);

struct pickup {
	struct submit submit; /* first: see submit/submit.h */
	const struct conf *conf;
	struct users users;
	uint64_t size_max;  /* message_size_limit; 0: none */
	struct chan *drops; /* edge maildrop to qmgr; NULL: down */
	struct listeners *listeners;
	TAILQ_HEAD(client_list, client) clients;
	TAILQ_HEAD(file_list, dropfile) files;
	TAILQ_HEAD(again_list, again) agains;
	size_t nclients;
	size_t held; /* bytes of recipients in submissions */
	struct timer sweep;
	struct timer rescan;
};

void pickup_init(struct pickup *p, struct loop *l, const struct conf *c);
void pickup_clear(struct pickup *p);
/* The configuration is new. */
void pickup_config(struct pickup *p, const struct conf *c);

/* --- submission.c --------------------------------------------------------- */

enum submission_state {
	SUBMISSION_MORE,    /* wants more bytes */
	SUBMISSION_BLOCKED, /* wants a slot; resume() will be called */
	SUBMISSION_SENT,    /* complete; done() will be called */
	SUBMISSION_OVER,    /* result is final */
};

struct submission {
	struct pickup *p;
	uint32_t uid;
	int64_t when_us;
	/* Called in SUBMISSION_BLOCKED: feed again.  Never inside a call. */
	void (*resume)(void *arg);
	/* The result is there; also when a slot is lost half way. */
	void (*done)(void *arg);
	void *arg;

	enum submission_state state;
	/* Of SUBMISSION_OVER.  code 0: malformed, text says how. */
	int code;
	char dsn[DSN_MAX];
	char text[512]; /* code 250: the queue id */

	struct drop_reader reader;
	struct submit_slot *slot;
	struct submit_wait wait;
	struct drop head;
	char *sender, *fullname, *envid, *verp;
	struct buf rcpts; /* encoded */
	uint32_t nrcpts;
	struct buf content; /* not yet written */
	uint64_t size;
	bool eightbit; /* content */
	bool utf8;     /* addresses */
	bool end_seen;
};

void submission_init(struct submission *s, struct pickup *p, uint32_t uid,
    int64_t when_us);
void submission_clear(struct submission *s);

/*
 * Take whole records from the front of *in.  The state afterwards; with
 * SUBMISSION_MORE *in has less than a record left, with SUBMISSION_BLOCKED
 * what was not yet dealt with.
 */
enum submission_state submission_feed(struct submission *s, struct str *in);

/* --- client.c ------------------------------------------------------------- */

/* A listening socket of ours; taken over. */
void client_listen(struct pickup *p, int fd);
void clients_clear(struct pickup *p);

/* A connection of a local user; fd is taken over. */
void client_new(struct pickup *p, int fd, uint32_t uid);

/* --- file.c --------------------------------------------------------------- */
extern const struct chan_on drops_on[];
void drops_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
void drops_down(struct chan *ch, unsigned instance, void *arg);
/*
 * Something was put off, and lies in maildrop or soon will: have qmgr look
 * there again in a few seconds.
 */
void drops_rescan(struct pickup *p);
/* --- again.c -------------------------------------------------------------- */
chan_fn again_ask;
/* qmgr has gone: it will ask anew. */
void again_orphan(struct pickup *p);
void again_clear(struct pickup *p);

void files_init(struct pickup *p);
void files_clear(struct pickup *p);

#endif
