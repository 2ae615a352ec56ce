/* SPDX-License-Identifier: ISC */
/*
 * Resolved addresses.
 */
#include "resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"

#include "worker.h"

void
resolver_init(struct resolver *r, struct worker *w)
{
	memset(r, 0, sizeof(*r));
	r->w = w;
	TAILQ_INIT(&r->age);
	/* arc4random(3) would map and fill a state first, for these few. */
	if (getentropy(r->secret, sizeof(r->secret)) == -1)
		log_fatal("random numbers: %s", strerror(errno));
}

static void
unref(struct resolver *rs, struct resolved *r)
{
	if (--r->refs > 0)
		return;
	if (r->handle != 0)
		rs->w->ports->forget(rs->w->ports_arg, PORT_RESOLVE, r->handle);
	free(r->mem);
	free(r);
}

static void
evict(struct resolver *rs, struct resolved *r)
{
	r->cached = false;
	LIST_REMOVE(r, link);
	TAILQ_REMOVE(&rs->age, r, age);
	rs->n--;
	unref(rs, r);
}

void
resolver_flush(struct resolver *rs)
{
	struct resolved *r;

	while ((r = TAILQ_FIRST(&rs->age)) != NULL)
		evict(rs, r);
}

void
resolver_clear(struct resolver *rs)
{
	resolver_flush(rs);
}

static uint64_t
hash_of(struct resolver *rs, uint8_t flags, struct str sender, struct str addr)
{
	return siphash(rs->secret, addr.p, addr.n) * 31 +
	    siphash(rs->secret, sender.p, sender.n) + flags;
}

static struct resolved *
find(struct resolver *rs, uint64_t hash, uint8_t flags, struct str sender,
    struct str addr)
{
	struct resolved *r;

	LIST_FOREACH(r, &rs->bucket[hash % RESOLVER_BUCKETS], link)
		if (r->hash == hash && r->flags == flags &&
		    str_eq(r->asked, addr) && str_eq(r->asked_sender, sender))
			return r;
	return NULL;
}

static struct resolved *
resolved_new(uint64_t hash, uint8_t flags, struct str sender, struct str addr)
{
	struct resolved *r = xcalloc(1, sizeof(*r) + sender.n + addr.n + 1);

	TAILQ_INIT(&r->waits);
	r->refs = 1;
	r->hash = hash;
	r->flags = flags;
	if (addr.n > 0)
		memcpy(r->key, addr.p, addr.n);
	if (sender.n > 0)
		memcpy(r->key + addr.n, sender.p, sender.n);
	r->asked = str_make(r->key, addr.n);
	r->asked_sender = str_make(r->key + addr.n, sender.n);
	return r;
}

static void
ask(struct resolver *rs, struct resolved *r)
{
	struct resolve_ask q = { .flags = r->flags,
		.sender = r->asked_sender,
		.addr = r->asked };

	r->handle = rs->w->ports->resolve(rs->w->ports_arg, &q, r);
	if (r->handle == 0) {
		r->ready = r->failed = true;
		r->until = 0;
	}
}

struct resolved *
resolver_get(struct resolver *rs, uint8_t flags, struct str sender,
    struct str addr)
{
	uint64_t hash = hash_of(rs, flags, sender, addr);
	struct resolved *r = find(rs, hash, flags, sender, addr);

	if (r != NULL && r->ready && r->until <= worker_now(rs->w)) {
		evict(rs, r);
		r = NULL;
	}
	if (r == NULL) {
		while (rs->n >= RESOLVER_MAX)
			evict(rs, TAILQ_FIRST(&rs->age));
		r = resolved_new(hash, flags, sender, addr);
		r->cached = true;
		rs->n++;
		LIST_INSERT_HEAD(&rs->bucket[hash % RESOLVER_BUCKETS], r, link);
		TAILQ_INSERT_TAIL(&rs->age, r, age);
		ask(rs, r);
	}
	r->refs++;
	return r;
}

void
resolver_drop(struct resolver *rs, struct resolved **rp)
{
	struct resolved *r = *rp;

	*rp = NULL;
	if (r != NULL)
		unref(rs, r);
}

void
resolver_wait(struct resolved *r, struct resolve_wait *w)
{
	w->on = r;
	TAILQ_INSERT_TAIL(&r->waits, w, link);
}

void
resolver_unwait(struct resolve_wait *w)
{
	if (w->on != NULL)
		TAILQ_REMOVE(&w->on->waits, w, link);
	w->on = NULL;
}

/* Copy a string of the answer behind the others. */
static struct str
keep(char **p, struct str s)
{
	struct str out = str_make(*p, s.n);

	if (s.n > 0)
		memcpy(*p, s.p, s.n);
	*p += s.n;
	return out;
}

static void
fill(struct resolver *rs, struct resolved *r, const struct resolve_answer *a)
{
	bool good = a->status == RESOLVE_OK && a->exists != EXISTS_NO;
	char *p;

	r->mem = p =
	    xmalloc(a->addr.n + a->transport.n + a->nexthop.n + a->text.n + 1);
	r->status = a->status;
	r->class = a->class;
	r->exists = a->exists;
	r->ticket = a->ticket;
	r->addr = keep(&p, a->addr);
	r->transport = keep(&p, a->transport);
	r->nexthop = keep(&p, a->nexthop);
	r->text = keep(&p, a->text);
	r->until =
	    worker_now(rs->w) + (good ? RESOLVER_KEEP_MS : RESOLVER_KEEP_NO_MS);
}

void
resolver_answer(struct resolver *rs, struct resolved *r,
    const struct resolve_answer *a)
{
	struct resolve_wait *w;

	r->handle = 0;
	r->ready = true;
	if (a == NULL)
		r->failed = true;
	else
		fill(rs, r, a);
	r->refs++; /* a waiter may let go of it */
	while ((w = TAILQ_FIRST(&r->waits)) != NULL) {
		resolver_unwait(w);
		w->cb(w->arg);
	}
	if (r->cached && r->until == 0)
		evict(rs, r);
	unref(rs, r);
}
