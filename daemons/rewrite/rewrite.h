/* SPDX-License-Identifier: ISC */
#ifndef REWRITE_REWRITE_H
#define REWRITE_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/lookup.h"
#include "edge/resolve.h"
#include "edge/ticket.h"

/*
 * rewrite: standard form of addresses, and the way they go.
 *
 *	standard.c	the standard form of an address
 *	ask.c		answers of lookup that a question needs
 *	class.c		which kind of destination a domain is
 *	route.c		transport and next hop
 *	exists.c	is there such a mailbox?
 *	question.c	one question, from beginning to answer
 *
 * A question is worked on from the beginning each time: what it needs from a
 * table is asked for, remembered with the question, and when the answer is in
 * the work starts anew and finds it.  So the code reads as if tables answered
 * at once, and there is no state to get wrong.
 */
struct rewrite {
	struct loop *loop;
	const struct conf *conf;
	struct chan *lookup; /* NULL while it is down */
	struct ticket_key route_key, socket_key, way_key;
};

/* --- ask.c ---------------------------------------------------------------- */

#define MEMO_MAX 64 /* lookups for one question */

/* What lookup has answered for this question. */
struct memo {
	char *id; /* how, param, table and key in one */
	enum lookup_status status;
	char *key, *value;
	bool waiting;
};

enum asked {
	ASK_LATER = -1, /* a table cannot be read now */
	ASK_NONE = 0,
	ASK_FOUND = 1,
	ASK_WAIT = 2, /* the answer is on its way: return, start anew */
};

struct question {
	TAILQ_ENTRY(question) link;
	struct rewrite *rw;
	struct chan *asker; /* NULL: it has gone */
	uint64_t id;
	uint8_t flags;
	struct str sender, addr; /* into text */
	char *text;
	struct memo memo[MEMO_MAX];
	size_t nmemo;
	unsigned waits;
	char reason[256]; /* of an ASK_LATER */
};

/*
 * The value of a key in the tables of a parameter (or one of them).  *out is
 * borrowed from the question.
 */
enum asked ask_find(struct question *q, enum find_how how, uint8_t flags,
    enum param_id param, struct str table, struct str key, struct str *out);

void ask_clear(struct question *q);

/* --- standard.c ----------------------------------------------------------- */

/*
 * The standard form: user@domain, with bang paths and percent signs swapped
 * and missing domains added as the configuration says.  -1 when the result
 * would be no address.
 */
int standard_form(const struct conf *c, struct str addr, struct buf *out)
    WARN_UNUSED;

/* --- class.c -------------------------------------------------------------- */

/* ASK_FOUND: the class is in *out. */
enum asked class_of(struct question *q, struct str domain,
    enum resolve_class *out);

/* May mail for this domain be asked for (fast_flush_domains)? */
enum asked class_flushed(struct question *q, struct str domain);

/*
 * A local address may carry another destination in its local part (user%b@us):
 * strip our domain and look again, until the domain is not ours.  ASK_FOUND:
 * *addr is final and *out its class.
 */
enum asked class_of_address(struct question *q, struct buf *addr,
    enum resolve_class *out);

/* --- route.c -------------------------------------------------------------- */
struct route {
	struct str transport, nexthop;
	bool configured; /* the next hop comes from the configuration */
	struct buf text; /* what the two point into */
};

enum asked route_of(struct question *q, struct str addr,
    enum resolve_class class, struct route *out);
/* That of mailbox_transport, fallback_transport, and their tables. */
enum asked route_of_user(struct question *q, struct str addr,
    struct route *out);
/* A transport that delivers nothing: its next hop is the reason why. */
bool route_refuses(struct str transport);

/* --- exists.c ------------------------------------------------------------- */
enum asked exists(struct question *q, struct str addr,
    enum resolve_class class, const struct route *route,
    enum resolve_exists *out, struct str *why);

/* --- question.c ----------------------------------------------------------- */
chan_fn question_ask;
void question_run(struct question *q);
/* The asker has gone: its questions are answered to nobody. */
void question_forget(struct chan *asker);

#endif
