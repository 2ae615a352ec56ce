/* SPDX-License-Identifier: ISC */
/*
 * Answers by name and type: kept as long as they say, asked for once however
 * many want to know.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/domain.h"

#include "dns.h"

struct asker {
	STAILQ_ENTRY(asker) link;
	query_fn *fn;
	void *arg;
};

struct cache_entry {
	LIST_ENTRY(cache_entry) in_bucket;
	TAILQ_ENTRY(cache_entry) in_lru; /* with an answer only */
	STAILQ_HEAD(, asker) askers;	 /* while it is on its way */
	struct cache *cache;
	struct answer *answer;
	int64_t until;
	size_t bytes;
	uint32_t ttl; /* smallest met along aliases */
	unsigned hops;
	uint16_t type;
	char name[]; /* lower case */
};

void
cache_init(struct cache *c, struct loop *l, struct resolver *rs)
{
	*c = (struct cache){ .loop = l, .rs = rs };
	for (size_t i = 0; i < SIPHASH_KEY; i += 4) {
		uint32_t x = random_u32();

		memcpy(c->secret + i, &x, 4);
	}
	for (size_t i = 0; i < CACHE_BUCKETS; i++)
		LIST_INIT(&c->bucket[i]);
	TAILQ_INIT(&c->lru);
}

static void
entry_free(struct cache_entry *e)
{
	struct asker *w;

	LIST_REMOVE(e, in_bucket);
	if (e->answer != NULL) {
		TAILQ_REMOVE(&e->cache->lru, e, in_lru);
		e->cache->bytes -= e->bytes;
		e->cache->n--;
	}
	while ((w = STAILQ_FIRST(&e->askers)) != NULL) {
		STAILQ_REMOVE_HEAD(&e->askers, link);
		free(w);
	}
	answer_unref(&e->answer);
	free(e);
}

void
cache_clear(struct cache *c)
{
	struct cache_entry *e;

	for (size_t i = 0; i < CACHE_BUCKETS; i++)
		while ((e = LIST_FIRST(&c->bucket[i])) != NULL)
			entry_free(e);
}

bool
cache_name_ok(struct str name)
{
	size_t label = 0;

	if (name.n == 0 || name.n > 253)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if ((!ascii_isalnum(name.p[i]) && name.p[i] != '-' &&
			name.p[i] != '_') ||
		    ++label > 63)
			return false;
	}
	return label > 0;
}

static struct cache_bucket *
bucket_of(struct cache *c, const char *name, uint16_t type)
{
	uint64_t h = siphash(c->secret, name, strlen(name)) ^ type;

	return &c->bucket[h % CACHE_BUCKETS];
}

/* --- the way there -------------------------------------------------------- */

static void
shrink(struct cache *c)
{
	while (c->n > CACHE_MAX || c->bytes > CACHE_BYTES)
		entry_free(TAILQ_FIRST(&c->lru));
}

static size_t
weight(const struct cache_entry *e)
{
	return sizeof(*e) + strlen(e->name) + sizeof(struct answer) +
	    e->answer->text.cap + e->answer->n * sizeof(struct rr) + 64;
}

static void
tell_askers(struct cache_entry *e, struct answer *a)
{
	STAILQ_HEAD(, asker) askers = STAILQ_HEAD_INITIALIZER(askers);
	struct asker *w;

	/* They may ask anew, and the entry may go. */
	STAILQ_CONCAT(&askers, &e->askers);
	while ((w = STAILQ_FIRST(&askers)) != NULL) {
		STAILQ_REMOVE_HEAD(&askers, link);
		w->fn(a, w->arg);
		free(w);
	}
}

static void
on_answer(struct answer *a, void *arg)
{
	struct cache_entry *e = arg;
	struct cache *c = e->cache;

	if (a->ttl < e->ttl)
		e->ttl = a->ttl;
	if (a->status == ANSWER_OK && a->n == 0 && a->alias != NULL &&
	    e->hops++ < CHAIN_MAX) {
		resolver_ask(c->rs, a->alias, e->type, on_answer, e);
		return;
	}
	if (a->status == ANSWER_OK && a->n == 0)
		a->status = ANSWER_FAILED;
	answer_ref(a);
	a->ttl = e->ttl;
	e->answer = a;
	e->until = loop_now(c->loop) + (int64_t)e->ttl * 1000;
	e->bytes = weight(e);
	c->bytes += e->bytes;
	c->n++;
	TAILQ_INSERT_TAIL(&c->lru, e, in_lru);
	answer_ref(a);
	tell_askers(e, a);
	answer_unref(&a);
	shrink(c);
}

static struct cache_entry *
entry_new(struct cache *c, const char *name, uint16_t type)
{
	size_t n = strlen(name) + 1;
	struct cache_entry *e = xcalloc(1, sizeof(*e) + n);

	e->cache = c;
	e->type = type;
	e->ttl = UINT32_MAX;
	memcpy(e->name, name, n);
	STAILQ_INIT(&e->askers);
	LIST_INSERT_HEAD(bucket_of(c, name, type), e, in_bucket);
	return e;
}

static struct cache_entry *
entry_find(struct cache *c, const char *name, uint16_t type)
{
	struct cache_entry *e;

	LIST_FOREACH(e, bucket_of(c, name, type), in_bucket)
		if (e->type == type && strcmp(e->name, name) == 0)
			break;
	if (e != NULL && e->answer != NULL && e->until <= loop_now(c->loop)) {
		entry_free(e);
		return NULL;
	}
	return e;
}

static void
no_such_name(query_fn *fn, void *arg)
{
	struct answer *a = answer_new(ANSWER_NO_NAME, 0);

	fn(a, arg);
	answer_unref(&a);
}

void
cache_find(struct cache *c, struct str name, uint16_t type, query_fn *fn,
    void *arg)
{
	char lower[256];
	struct cache_entry *e;
	struct asker *w;
	bool fresh = false;

	if (!cache_name_ok(name) ||
	    str_copy(name, lower, sizeof(lower)) == -1) {
		no_such_name(fn, arg);
		return;
	}
	for (char *p = lower; *p != '\0'; p++)
		*p = (char)ascii_lower(*p);
	e = entry_find(c, lower, type);
	if (e != NULL && e->answer != NULL) {
		struct answer *a = answer_ref(e->answer);

		TAILQ_REMOVE(&c->lru, e, in_lru);
		TAILQ_INSERT_TAIL(&c->lru, e, in_lru);
		fn(a, arg);
		answer_unref(&a);
		return;
	}
	if (e == NULL) {
		e = entry_new(c, lower, type);
		fresh = true;
	}
	w = xcalloc(1, sizeof(*w));
	w->fn = fn;
	w->arg = arg;
	STAILQ_INSERT_TAIL(&e->askers, w, link);
	if (fresh)
		resolver_ask(c->rs, lower, type, on_answer, e);
}
