/* SPDX-License-Identifier: ISC */
#ifndef KEYS_KEYS_H
#define KEYS_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/keys.h"
#include "loop/loop.h"
#include "tls/files.h"
#include "tls/key.h"
#include "tls/tls.h"

/*
 * The holder of private keys: what each service of master.cf may have signed.
 *
 *	service.c	services: their files, read and made into keys
 *	sign.c		questions, and who may ask how much
 *	tickets.c	keys of session tickets
 *
 * A service's keys can be used by the component that serves it and by no
 * other: that is what its configuration says, and which channel asks.
 */
struct held {
	uint32_t id; /* the beginning of the certificate's digest */
	struct tls_key *key;
	struct buf chain; /* DER */
};

/* All of one service; empty, with a reason, when one of them is no good. */
struct held_set {
	struct held v[KEYS_CERTS_MAX];
	size_t n;
	char *why; /* NULL: nothing is wrong */
};

/* A file on its way. */
struct fetch {
	struct service *sv;
	uint64_t ask;
	char *name;
	char *text; /* wiped as soon as it was made into something */
	size_t len;
	bool is_key, is_cert, chained;
};

struct service {
	TAILQ_ENTRY(service) link;
	struct keys *keys;
	uint32_t index; /* line of master.cf */
	char *component;
	char *name;
	uint32_t generation; /* of the configuration */
	int64_t session_s;   /* tickets last so long; 0: none */
	bool loaded;	     /* set means something */
	struct held_set set;
	struct held_set old; /* before the reload, for handshakes under way */
	struct fetch fetch[TLS_FILES_MAX];
	size_t nfetch, waiting;
};

/* Who asks. */
struct asker {
	TAILQ_ENTRY(asker) link;
	struct chan *ch;
	const char *component;
	/* Signatures it may have now, and since when. */
	double tokens;
	int64_t filled_ms;
	int64_t warned_ms;
	uint64_t refused;
};

#define MASTERS TLS_TICKET_KEYS
#define MASTER_BYTES 64

struct keys {
	struct loop *loop;
	struct chan *broker;
	TAILQ_HEAD(, service) services;
	TAILQ_HEAD(, asker) askers;
	uint8_t master[MASTERS][MASTER_BYTES]; /* the newest first */
	size_t nmasters;
	struct timer rotate;
	struct timer sweep;
	uint32_t generation;
	unsigned owner; /* whose files we expect, but for root's */
};

/* Rates: a worker that asks for more is mad, or somebody else's. */
#define SIGN_RATE 4000.0 /* a second */
#define SIGN_BURST 8000.0

void keys_init(struct keys *k, struct loop *l);
void keys_clear(struct keys *k);

/* --- service.c ------------------------------------------------------------ */

/*
 * A service's configuration (it stays the caller's): have its files brought,
 * and tell those who serve it when they are here.
 */
void service_config(struct keys *k, uint32_t index, const struct conf *c);
/* A file that was asked for: fd stays the caller's, -1 is errno `error`. */
void service_file(struct fetch *f, int fd, int error);
/* Services that are not in the newest configuration are forgotten. */
void services_sweep(struct keys *k);
struct service *service_find(struct keys *k, uint32_t index);
struct held *service_key(struct service *sv, uint32_t id);
/* Tell an asker what it is to know of this service. */
void service_tell(struct service *sv, struct chan *ch);
void held_set_clear(struct held_set *hs);
/* Make of the texts what they hold; for tests, too. */
void held_set_make(struct held_set *hs, struct fetch *v, size_t n);

/* --- sign.c --------------------------------------------------------------- */
void asker_up(struct keys *k, struct chan *ch, const char *component);
void asker_down(struct keys *k, const struct chan *ch);
/* Handler; arg is struct keys. */
void
on_sign(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg);

/* --- tickets.c ------------------------------------------------------------ */

/* New keys, for all; the oldest are forgotten.  Called by a timer. */
void tickets_rotate(void *arg);
/* The keys of one service, the newest first. */
void
tickets_of(const struct keys *k, const struct service *sv, struct buf *out);

#endif
