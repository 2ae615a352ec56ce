/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_RESOLVER_H
#define SMTPD_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/siphash.h"
#include "base/str.h"

/*
 * What rewrite says about addresses: asked once for all sessions that want to
 * know at the moment, and remembered for a few seconds, so that a thousand
 * messages for one mailbox ask once.  Bounded in number; the oldest go first.
 */
struct worker;
struct resolve_answer;

/* Waits for an answer; embedded in who waits. */
struct resolve_wait {
	TAILQ_ENTRY(resolve_wait) link;
	struct resolved *on; /* NULL: does not wait */
	void (*cb)(void *arg);
	void *arg;
};

TAILQ_HEAD(resolve_waits, resolve_wait);

struct resolved {
	TAILQ_ENTRY(resolved) age;
	LIST_ENTRY(resolved) link;
	struct resolve_waits waits;
	uint64_t hash;
	uint64_t handle; /* of the question under way */
	unsigned refs;	 /* the cache's own included */
	bool ready;	 /* answered */
	bool failed;	 /* nobody could answer */
	bool cached;
	int64_t until;

	uint8_t flags; /* the question */
	struct str asked_sender, asked;

	uint8_t status, class, exists; /* the answer */
	uint64_t ticket;
	struct str addr, transport, nexthop, text;
	char *mem;  /* of the answer's strings */
	char key[]; /* of the question's */
};

#define RESOLVER_BUCKETS 512
#define RESOLVER_MAX 2048
#define RESOLVER_KEEP_MS 5000	 /* a good answer */
#define RESOLVER_KEEP_NO_MS 1000 /* one that refuses */

LIST_HEAD(resolved_list, resolved);

struct resolver {
	struct worker *w;
	struct resolved_list bucket[RESOLVER_BUCKETS];
	TAILQ_HEAD(, resolved) age; /* oldest first */
	size_t n;
	uint8_t secret[SIPHASH_KEY];
};

void resolver_init(struct resolver *r, struct worker *w);
void resolver_clear(struct resolver *r);

/* Forget what was remembered: the configuration is another. */
void resolver_flush(struct resolver *r);

/*
 * The answer about an address, known, under way or asked for now.  The caller
 * holds a reference, resolver_drop() gives it back.
 */
struct resolved *resolver_get(struct resolver *r, uint8_t flags,
    struct str sender, struct str addr);
void resolver_drop(struct resolver *r, struct resolved **rp);

/* Call w->cb once when it is ready; it is not.  _unwait() forgets that. */
void resolver_wait(struct resolved *r, struct resolve_wait *w);
void resolver_unwait(struct resolve_wait *w);

/* The port's answer; NULL when none can come. */
void resolver_answer(struct resolver *rs, struct resolved *r,
    const struct resolve_answer *a);

#endif
