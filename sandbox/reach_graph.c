/* SPDX-License-Identifier: ISC */
/*
 * The graph: which channel leads from whom to whom, and what goes along it.
 */
#include "sandbox/reach_graph.h"

#include "base/mem.h"
#include "edge/edges.h"

const struct policy *
reach_component(const struct reach *r, struct str name)
{
	for (size_t i = 0; i < r->n; i++) {
		if (str_eq(name, str_of(r->all[i]->name)))
			return r->all[i];
	}
	return NULL;
}

bool
reach_hostile(const struct policy *p)
{
	return p->nreads > 0;
}

struct reach_end
reach_end(const struct policy *p, const struct policy *peer)
{
	struct reach_end e = { 0, 0 };

	for (size_t i = 0; i < p->ngrants; i++) {
		const struct policy_grant *g = &p->grants[i];

		if (g->kind == KIND_CHANNEL &&
		    strcmp(g->name, peer->name) == 0) {
			e.rights |= g->rights;
			e.pass |= g->pass;
		}
	}
	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];

		if (s->kind == KIND_CHANNEL &&
		    strcmp(s->name, peer->name) == 0) {
			e.rights |= s->rights;
			e.pass |= s->pass;
		}
	}
	return e;
}

bool
reach_giver(const struct policy *p)
{
	return strcmp(p->name, "broker") == 0 ||
	    strcmp(p->name, "launcher") == 0;
}

/* Has p a line for a descriptor of this kind (and name) that arrives? */
static bool
takes(const struct policy *p, const char *name, enum policy_kind kind)
{
	for (size_t i = 0; i < p->ngrants; i++) {
		const struct policy_grant *g = &p->grants[i];

		if (!g->own && g->kind == kind &&
		    (name == NULL || strcmp(g->name, name) == 0))
			return true;
	}
	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];

		if (s->kind == kind &&
		    (name == NULL || strcmp(s->name, name) == 0))
			return true;
	}
	return false;
}

/*
 * The broker has one kind of channel, so the policy of the other end says what
 * it gives: kinds that have a line there; and what has a name that some
 * component's line calls for, to those components only.
 */
static bool
gives(const struct reach *r, const struct policy *to, const char *name,
    enum policy_kind kind)
{
	if (reach_giver(to))
		return true;
	if (!takes(to, NULL, kind))
		return false;
	for (size_t i = 0; i < r->n; i++) {
		if (!reach_giver(r->all[i]) && takes(r->all[i], name, kind))
			return takes(to, name, kind);
	}
	return true;
}

bool
reach_travels(const struct reach *r, const struct policy *from,
    const struct policy *to, const char *name, enum policy_kind kind,
    enum reach_trust trust)
{
	struct reach_end out = reach_end(from, to), in = reach_end(to, from);
	uint32_t bit = 1u << kind;

	if ((in.rights & RIGHT_RECVFD) == 0)
		return false;
	if (reach_giver(from))
		return (in.pass & bit) != 0 && gives(r, to, name, kind);
	if ((out.rights & RIGHT_SENDFD) == 0)
		return false;
	return trust == REACH_ALL_CAPTURED || (out.pass & bit) != 0;
}

bool
reach_listed(struct str list, const char *name)
{
	struct str w;

	while (str_token(&list, ",", &w)) {
		if (str_eq(w, str_of(name)))
			return true;
	}
	return false;
}

/* --- records -------------------------------------------------------------- */

/* Channels that are made otherwise than by edge_link_at(). */
static const struct edge_link more_links[] = {
	{ "run", "pipe", "command" },
	{ "run", "local", "command" },
	{ "log", "*", "logd" },
	{ "mailbox", "local", "mailbox" },
	{ "mailbox", "virtual", "mailbox" },
};

/* The n-th link between them, and which side `from' has. */
static const struct edge *
link_between(const char *from, const char *to, size_t n, enum side *side)
{
	const struct edge_link *k;

	for (size_t i = 0;; i++) {
		k = edge_link_at(i);
		if (k == NULL)
			break;
		*side = strcmp(k->a, from) == 0 ? SIDE_A : SIDE_B;
		if (((*side == SIDE_A && strcmp(k->b, to) == 0) ||
			(strcmp(k->b, from) == 0 && strcmp(k->a, to) == 0)) &&
		    n-- == 0)
			return edge_find(str_of(k->edge));
	}
	for (size_t i = 0; i < NELEM(more_links); i++) {
		k = &more_links[i];
		*side = strcmp(k->b, to) == 0 ? SIDE_A : SIDE_B;
		if (((*side == SIDE_A &&
			 (k->a[0] == '*' || strcmp(k->a, from) == 0)) ||
			(strcmp(k->b, from) == 0 &&
			    (k->a[0] == '*' || strcmp(k->a, to) == 0))) &&
		    n-- == 0)
			return edge_find(str_of(k->edge));
	}
	return NULL;
}

bool
reach_tells(const struct policy *from, const struct policy *to,
    const char **edge, struct buf *out)
{
	const struct edge *e;
	bool some = false;
	enum side side;
	size_t n;

	if (edge != NULL)
		*edge = NULL;
	if ((reach_end(from, to).rights & RIGHT_WRITE) == 0)
		return false;
	for (n = 0; (e = link_between(from->name, to->name, n, &side)) != NULL;
	     n++) {
		if (edge != NULL && *edge == NULL)
			*edge = e->name;
		for (size_t i = 0; i < e->ntypes; i++) {
			const struct rec_type *t = &e->types[i];

			if ((t->from & side) == 0 || t->role == REC_ANSWER ||
			    t->role == REC_REPORT)
				continue;
			if (out != NULL)
				buf_printf(out, "%s%s", some ? ", " : "",
				    t->name);
			some = true;
		}
	}
	/* A channel without a declaration may carry anything. */
	return some || n == 0;
}
