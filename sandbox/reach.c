/* SPDX-License-Identifier: ISC */
/*
 * Ways through the graph of components.
 */
#include "sandbox/reach.h"

#include "base/mem.h"
#include "sandbox/policy_names.h"
#include "sandbox/promise.h"
#include "sandbox/reach_graph.h"

/* --- objects -------------------------------------------------------------- */

typedef bool object_fn(const struct policy *owner, const char *name,
    const char *kind_word, enum policy_kind kind, void *arg);

/* Of anybody, a kind's name means the kind, whatever else is called so. */
static bool
named(struct str owner, struct str object, const char *name,
    enum policy_kind kind)
{
	enum policy_kind k;

	if (str_eq(object, STR("*")))
		return true;
	if (kind_parse(object, &k) == 0 &&
	    (k == kind || str_eq(owner, STR("*"))))
		return k == kind;
	return str_eq(object, str_of(name));
}

/* Channels are how things travel; configuration is everybody's own. */
static bool
is_object(const char *name, enum policy_kind kind)
{
	return kind != KIND_CHANNEL && kind != KIND_EVENT &&
	    kind != KIND_NULL && strcmp(name, "config") != 0;
}

/* "promise/WORD", "request/VERB": what it may do by itself. */
static bool
each_ability(const struct policy *p, struct str object, object_fn *fn,
    void *arg)
{
	struct str word;

	if (str_starts(object, STR("promise/"))) {
		word = str_sub(object, 8, object.n);
		for (size_t i = 0; i < p->npromises; i++) {
			if (str_eq(word, str_of(p->promises[i].word)) &&
			    fn(p, p->promises[i].word, "promise", KIND_N, arg))
				return true;
		}
	} else if (str_starts(object, STR("request/"))) {
		word = str_sub(object, 8, object.n);
		for (size_t i = 0; i < p->nrequests; i++) {
			if (str_eq(word, str_of(p->requests[i].verb)) &&
			    fn(p, p->requests[i].verb, "request", KIND_N, arg))
				return true;
		}
	}
	return false;
}

/* Those of p that owner:object means, until fn says true. */
static bool
each_object(const struct policy *p, struct str owner, struct str object,
    object_fn *fn, void *arg)
{
	if (!str_eq(owner, STR("*")) && !str_eq(owner, str_of(p->name)))
		return false;
	for (size_t i = 0; i < p->ngrants; i++) {
		const struct policy_grant *g = &p->grants[i];

		if (is_object(g->name, g->kind) &&
		    named(owner, object, g->name, g->kind) &&
		    fn(p, g->name, kind_name(g->kind), g->kind, arg))
			return true;
	}
	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];

		if (is_object(s->name, s->kind) &&
		    named(owner, object, s->name, s->kind) &&
		    fn(p, s->name, kind_name(s->kind), s->kind, arg))
			return true;
	}
	return each_ability(p, object, fn, arg);
}

static bool
found_any(const struct policy *owner, const char *name, const char *kind_word,
    enum policy_kind kind, void *arg)
{
	struct reach_way *w = arg;

	(void)kind;
	if (w != NULL) {
		w->owner = owner;
		w->object = name;
		w->kind = kind_word;
	}
	return true;
}

bool
reach_exists(const struct reach *r, struct str owner, struct str object)
{
	enum policy_kind kind;

	/* A channel is no object of ours, but no typing error either. */
	if (kind_parse(object, &kind) == 0 || str_eq(object, STR("*")))
		return str_eq(owner, STR("*")) ||
		    reach_component(r, owner) != NULL;
	for (size_t i = 0; i < r->n; i++) {
		const struct policy *p = r->all[i];

		if (!str_eq(owner, STR("*")) &&
		    !str_eq(owner, str_of(p->name)))
			continue;
		if (each_object(p, owner, object, found_any, NULL) ||
		    policy_grant_find(p, object) != NULL ||
		    policy_slot_find(p, object) != NULL)
			return true;
	}
	/* A promise that nobody makes is one that nobody may make. */
	return str_starts(object, STR("promise/")) &&
	    named_near(promise_names(), str_sub(object, 8, object.n)) != NULL;
}

/* --- to hold -------------------------------------------------------------- */

/* Places in r->all, and where each was come from. */
struct spread {
	size_t queue[REACH_MAX], head, tail;
	size_t back[REACH_MAX];
	bool has[REACH_MAX];
};

static void
spread_add(struct spread *s, size_t at, size_t from)
{
	if (s->has[at])
		return;
	s->has[at] = true;
	s->back[at] = from;
	s->queue[s->tail++] = at;
}

/* From a first one to a last one, into the way. */
static void
spread_way(const struct reach *r, const struct spread *s, size_t first,
    size_t last, struct reach_way *w)
{
	size_t n = 1;

	for (size_t at = last; at != first; at = s->back[at])
		n++;
	w->n = n;
	for (size_t at = last; n > 0; at = s->back[at])
		w->step[--n] = r->all[at];
}

struct holding {
	const struct reach *r;
	size_t owner, who;
	enum reach_trust trust;
	struct reach_way *way;
};

/* One object from its owner along all channels, nearest first. */
static bool
hold_object(const struct policy *owner, const char *name, const char *kind_word,
    enum policy_kind kind, void *arg)
{
	struct holding *h = arg;
	const struct reach *r = h->r;
	struct spread s = { .head = 0 };

	spread_add(&s, h->owner, h->owner);
	while (s.head < s.tail) {
		size_t at = s.queue[s.head++];

		if (at == h->who) {
			found_any(owner, name, kind_word, kind, h->way);
			spread_way(r, &s, h->owner, h->who, h->way);
			return true;
		}
		for (size_t i = 0; i < r->n && kind != KIND_N; i++) {
			if (reach_travels(r, r->all[at], r->all[i], name,
				kind, h->trust))
				spread_add(&s, i, at);
		}
	}
	return false;
}

static bool
find_hold(const struct reach *r, const struct reach_question *q, size_t who,
    struct reach_way *out)
{
	struct holding h = { r, 0, who, q->trust, out };

	for (size_t i = 0; i < r->n; i++) {
		h.owner = i;
		if (each_object(r->all[i], q->owner, q->object, hold_object,
			&h))
			return true;
	}
	return false;
}

/* --- to have used --------------------------------------------------------- */

/*
 * What the broker, or the launcher for it, does upon a request: that is all a
 * request can make them do.
 */
static const struct {
	const char *verb;
	const char *owner;
	const char *object;
} verbs[] = {
	{ "connect", "broker", "server" },
	{ "connect", "broker", "connect" },
	{ "resolver", "broker", "resolver-tcp" },
	{ "resolver", "broker", "connect" },
	{ "table", "launcher", "file" },
	{ "include", "launcher", "file" },
	{ "key", "launcher", "key" },
	{ "unix", "launcher", "server" },
	{ "reopen", "launcher", "log" },
	{ "mailbox", "launcher", "directory" },
	{ "key", "launcher", "key" },
	{ "command", "launcher", "order" },
	{ "admin", NULL, NULL }, /* start, stop, status: no object */
	{ "start", NULL, NULL }, /* a component whose channel it has anyway */
};

static bool
verb_uses(const char *verb, const struct policy *owner, const char *object)
{
	bool known = false;

	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (strcmp(verb, verbs[i].verb) != 0)
			continue;
		known = true;
		if (verbs[i].owner != NULL &&
		    strcmp(verbs[i].owner, owner->name) == 0 &&
		    strcmp(verbs[i].object, object) == 0)
			return true;
	}
	/* One that this table does not know could be for anything. */
	return !known;
}

struct using {
	const char *verb;
	struct reach_way *way;
};

static bool
use_verb(const struct policy *owner, const char *name, const char *kind_word,
    enum policy_kind kind, void *arg)
{
	struct using *u = arg;

	if (!verb_uses(u->verb, owner, name))
		return false;
	return found_any(owner, name, kind_word, kind, u->way);
}

/* Does p have an object of a giver used, by what it may ask for? */
static bool
asks_for(const struct reach *r, const struct policy *p,
    const struct reach_question *q, struct reach_way *out)
{
	for (size_t i = 0; i < p->nrequests; i++) {
		struct using u = { p->requests[i].verb, out };

		for (size_t k = 0; k < r->n; k++) {
			const struct policy *giver = r->all[k];

			if (reach_giver(giver) &&
			    each_object(giver, q->owner, q->object, use_verb,
				&u)) {
				out->verb = u.verb;
				return true;
			}
		}
	}
	return false;
}

static bool
owns(const struct policy *p, const struct reach_question *q,
    struct reach_way *out)
{
	return each_object(p, q->owner, q->object, found_any, out);
}

static bool
find_use(const struct reach *r, const struct reach_question *q, size_t who,
    struct reach_way *out)
{
	struct spread s = { .head = 0 };

	spread_add(&s, who, who);
	while (s.head < s.tail) {
		size_t at = s.queue[s.head++];

		/* Another process like oneself, by way of somebody else. */
		if (at != who && reach_tells(r->all[at], r->all[who], NULL,
			NULL) && owns(r->all[who], q, out)) {
			spread_way(r, &s, who, at, out);
			out->step[out->n++] = r->all[who];
			return true;
		}
		if ((at != who && owns(r->all[at], q, out)) ||
		    asks_for(r, r->all[at], q, out)) {
			spread_way(r, &s, who, at, out);
			return true;
		}
		for (size_t i = 0; i < r->n; i++) {
			if (!reach_giver(r->all[i]) &&
			    !reach_listed(q->through, r->all[i]->name) &&
			    reach_tells(r->all[at], r->all[i], NULL, NULL))
				spread_add(&s, i, at);
		}
	}
	return false;
}

bool
reach_find(const struct reach *r, const struct reach_question *q,
    struct reach_way *out)
{
	memset(out, 0, sizeof(*out));
	if (r->n > REACH_MAX)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		if (!str_eq(q->who, str_of(r->all[i]->name)))
			continue;
		/* What one holds oneself, others like oneself may, too. */
		if ((!q->use || !str_eq(q->who, q->owner)) &&
		    find_hold(r, q, i, out))
			return true;
		out->use = true;
		return q->use && !reach_giver(r->all[i]) &&
		    find_use(r, q, i, out);
	}
	return false;
}

int
reach_object(const struct reach *r, struct str who, struct str owner,
    struct str object, enum reach_trust trust, struct buf *way)
{
	struct reach_question q = { who, owner, object, false, STR_NONE,
		trust };
	struct reach_way w;

	if (!reach_find(r, &q, &w))
		return 0;
	reach_text(&w, way);
	return 1;
}
