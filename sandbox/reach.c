/* SPDX-License-Identifier: ISC */
#include "sandbox/reach.h"

#include <stdlib.h>

#include "base/mem.h"

#define COMPONENTS_MAX 64

/* A channel as one of its ends describes it. */
struct end {
	uint32_t rights;
	uint32_t pass;
};

static const struct policy *
component(const struct reach *r, struct str name)
{
	for (size_t i = 0; i < r->n; i++) {
		if (str_eq(name, str_of(r->all[i]->name)))
			return r->all[i];
	}
	return NULL;
}

/* The channel of p to peer; all zero when there is none. */
static struct end
channel_to(const struct policy *p, const struct policy *peer)
{
	struct end e = { 0, 0 };

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

static bool
is_giver(const struct policy *p)
{
	return strcmp(p->name, "broker") == 0 ||
	    strcmp(p->name, "launcher") == 0;
}

/* May a descriptor of this kind travel from one to the other? */
static bool
travels(const struct policy *from, const struct policy *to,
    enum policy_kind kind, enum reach_trust trust)
{
	struct end out = channel_to(from, to), in = channel_to(to, from);
	uint32_t bit = 1u << kind;

	if ((in.rights & RIGHT_RECVFD) == 0)
		return false;
	/* The broker has one kind of channel: the other end's policy says. */
	if (is_giver(from))
		return (in.pass & bit) != 0;
	if ((out.rights & RIGHT_SENDFD) == 0)
		return false;
	return trust == REACH_ALL_CAPTURED || (out.pass & bit) != 0;
}

static bool
names_object(struct str object, const char *name, enum policy_kind kind)
{
	return str_eq(object, STR("*")) || str_eq(object, str_of(name)) ||
	    str_eq(object, str_of(kind_name(kind)));
}

/*
 * From one holder along all channels, nearest first.  back[i] is where the
 * i-th component has it from.
 */
static bool
spread(const struct reach *r, size_t owner, size_t who, enum policy_kind kind,
    enum reach_trust trust, size_t back[COMPONENTS_MAX])
{
	size_t queue[COMPONENTS_MAX], head = 0, tail = 0;
	bool has[COMPONENTS_MAX] = { false };

	queue[tail++] = owner;
	has[owner] = true;
	while (head < tail) {
		size_t at = queue[head++];

		if (at == who)
			return true;
		for (size_t i = 0; i < r->n; i++) {
			if (has[i] ||
			    !travels(r->all[at], r->all[i], kind, trust))
				continue;
			has[i] = true;
			back[i] = at;
			queue[tail++] = i;
		}
	}
	return false;
}

static void
way_write(const struct reach *r, size_t owner, size_t who, const char *object,
    const size_t back[COMPONENTS_MAX], struct buf *way)
{
	size_t steps[COMPONENTS_MAX], n = 0;

	for (size_t at = who; at != owner; at = back[at])
		steps[n++] = at;
	buf_printf(way, "%s:%s", r->all[owner]->name, object);
	while (n > 0)
		buf_printf(way, " -> %s", r->all[steps[--n]]->name);
}

/* One object of one owner. */
static bool
object_reaches(const struct reach *r, size_t owner, size_t who,
    const char *name, enum policy_kind kind, enum reach_trust trust,
    struct buf *way)
{
	size_t back[COMPONENTS_MAX] = { 0 };

	if (!spread(r, owner, who, kind, trust, back))
		return false;
	way_write(r, owner, who, name, back, way);
	return true;
}

static bool
owner_reaches(const struct reach *r, size_t owner, size_t who,
    struct str object, enum reach_trust trust, struct buf *way)
{
	const struct policy *p = r->all[owner];

	for (size_t i = 0; i < p->ngrants; i++) {
		const struct policy_grant *g = &p->grants[i];

		/* Channels are how things travel, not what is asked about. */
		if (g->kind != KIND_CHANNEL && g->kind != KIND_EVENT &&
		    names_object(object, g->name, g->kind) &&
		    object_reaches(r, owner, who, g->name, g->kind, trust, way))
			return true;
	}
	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];

		if (s->kind != KIND_CHANNEL && s->kind != KIND_NULL &&
		    strcmp(s->name, "config") != 0 &&
		    names_object(object, s->name, s->kind) &&
		    object_reaches(r, owner, who, s->name, s->kind, trust, way))
			return true;
	}
	return false;
}

int
reach_object(const struct reach *r, struct str who, struct str owner,
    struct str object, enum reach_trust trust, struct buf *way)
{
	size_t at = r->n;

	for (size_t i = 0; i < r->n; i++) {
		if (str_eq(who, str_of(r->all[i]->name)))
			at = i;
	}
	if (at == r->n || r->n > COMPONENTS_MAX)
		return 0;
	for (size_t i = 0; i < r->n; i++) {
		if (!str_eq(owner, STR("*")) &&
		    !str_eq(owner, str_of(r->all[i]->name)))
			continue;
		if (owner_reaches(r, i, at, object, trust, way))
			return 1;
	}
	return 0;
}

/* Does the object of a never line exist at all?  A typing error must show. */
static bool
object_exists(const struct reach *r, struct str owner, struct str object)
{
	enum policy_kind kind;

	if (str_eq(owner, STR("*")))
		return str_eq(object, STR("*")) ||
		    kind_parse(object, &kind) == 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct policy *p = r->all[i];

		if (!str_eq(owner, str_of(p->name)))
			continue;
		if (str_eq(object, STR("*")))
			return true;
		for (size_t j = 0; j < p->ngrants; j++) {
			if (names_object(object, p->grants[j].name,
				p->grants[j].kind))
				return true;
		}
		for (size_t j = 0; j < p->nslots; j++) {
			if (names_object(object, p->slots[j].name,
				p->slots[j].kind))
				return true;
		}
	}
	return false;
}

static size_t
check_nevers(const struct reach *r, const struct policy *p, struct buf *report)
{
	size_t bad = 0;
	struct buf way;

	buf_init(&way, 1024);
	for (size_t i = 0; i < p->nnevers; i++) {
		const struct policy_never *n = &p->nevers[i];

		buf_reset(&way);
		if (!object_exists(r, str_of(n->component), str_of(n->object)))
			buf_puts(&way, "there is no such object");
		else if (reach_object(r, str_of(p->name), str_of(n->component),
			     str_of(n->object), REACH_OTHERS_HONEST, &way) == 0)
			continue;
		buf_printf(report, "%s.policy:%u: %s: %s\n", p->name,
		    n->src.line, n->src.text, buf_cstr(&way));
		bad++;
	}
	buf_clear(&way);
	return bad;
}

/*
 * A channel has two ends, which must know of each other, and what one passes
 * the other must expect.  logd takes from everybody under one name.
 */
static size_t
check_channel(const struct reach *r, const struct policy *p,
    const struct policy_grant *g, struct buf *report)
{
	const struct policy *peer = component(r, str_of(g->name));
	struct end out, in;

	if (peer == NULL || is_giver(p) || is_giver(peer) ||
	    strcmp(peer->name, "logd") == 0)
		return 0;
	out = channel_to(p, peer);
	in = channel_to(peer, p);
	if (in.rights == 0) {
		buf_printf(report,
		    "%s.policy:%u: %s: %s.policy has no "
		    "channel to %s\n",
		    p->name, g->src.line, g->src.text, peer->name, p->name);
		return 1;
	}
	if ((out.rights & RIGHT_SENDFD) != 0 &&
	    ((in.rights & RIGHT_RECVFD) == 0 || (out.pass & ~in.pass) != 0)) {
		buf_printf(report,
		    "%s.policy:%u: %s: %s.policy does not "
		    "expect what travels here\n",
		    p->name, g->src.line, g->src.text, peer->name);
		return 1;
	}
	return 0;
}

/* The right to pass descriptors comes from a promise. */
static size_t
check_promise(const struct policy *p, struct buf *report)
{
	uint32_t rights = 0;
	size_t bad = 0;

	if ((p->walls & WALL_SECCOMP) == 0)
		return 0;
	for (size_t i = 0; i < p->ngrants; i++)
		rights |= p->grants[i].rights;
	for (size_t i = 0; i < p->nslots; i++)
		rights |= p->slots[i].rights;
	if (((rights & RIGHT_SENDFD) != 0) != policy_promises(p, "sendfd")) {
		buf_printf(report,
		    "%s.policy: the right sendfd and the "
		    "promise sendfd go together\n",
		    p->name);
		bad++;
	}
	if (((rights & RIGHT_RECVFD) != 0) != policy_promises(p, "recvfd")) {
		buf_printf(report,
		    "%s.policy: the right recvfd and the "
		    "promise recvfd go together\n",
		    p->name);
		bad++;
	}
	return bad;
}

size_t
reach_check(const struct reach *r, struct buf *report)
{
	size_t bad = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct policy *p = r->all[i];

		bad += check_nevers(r, p, report);
		bad += check_promise(p, report);
		for (size_t j = 0; j < p->ngrants; j++) {
			if (p->grants[j].kind == KIND_CHANNEL)
				bad +=
				    check_channel(r, p, &p->grants[j], report);
		}
	}
	return bad;
}
