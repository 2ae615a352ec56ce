/* SPDX-License-Identifier: ISC */
/*
 * Do the never lines hold, and do the two ends of every channel agree?
 */
#include "sandbox/reach.h"

#include <string.h>

#include "sandbox/reach_graph.h"

bool
reach_concerns(const struct reach *r, const struct policy_never *n,
    const struct policy *who)
{
	(void)r;
	if (reach_listed(str_of(n->except), who->name))
		return false;
	if (strcmp(n->who, who->name) == 0)
		return true;
	/* What is one's own is not what a line about others means. */
	if (strcmp(n->component, who->name) == 0)
		return false;
	return strcmp(n->who, "*") == 0 ||
	    (strcmp(n->who, "hostile") == 0 && reach_hostile(who));
}

/* Every name in the list is a component: -1 with words. */
static int
names_known(const struct reach *r, struct str list, struct buf *why)
{
	struct str w;

	while (str_token(&list, ",", &w)) {
		if (reach_component(r, w) != NULL)
			continue;
		buf_printf(why, "there is no component " STR_FMT, STR_ARG(w));
		return -1;
	}
	return 0;
}

bool
reach_never(const struct reach *r, const struct policy_never *n,
    struct reach_way *way, struct buf *why)
{
	struct reach_question q = { .owner = str_of(n->component),
		.object = str_of(n->object),
		.use = n->use,
		.through = str_of(n->through),
		.trust = REACH_OTHERS_HONEST };

	memset(way, 0, sizeof(*way));
	if (!reach_exists(r, q.owner, q.object)) {
		buf_puts(why, "there is no such object");
		return false;
	}
	if (names_known(r, str_of(n->except), why) == -1 ||
	    names_known(r, q.through, why) == -1)
		return false;
	if (strcmp(n->who, "*") != 0 && strcmp(n->who, "hostile") != 0 &&
	    names_known(r, str_of(n->who), why) == -1)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		q.who = str_of(r->all[i]->name);
		if (reach_concerns(r, n, r->all[i]) && reach_find(r, &q, way)) {
			reach_text(way, why);
			return false;
		}
	}
	return true;
}

static size_t
check_nevers(const struct reach *r, const struct policy *p, struct buf *report)
{
	struct reach_way way;
	size_t bad = 0;
	struct buf why;

	buf_init(&why, 4096);
	for (size_t i = 0; i < p->nnevers; i++) {
		const struct policy_never *n = &p->nevers[i];

		buf_reset(&why);
		if (reach_never(r, n, &way, &why))
			continue;
		buf_printf(report, "%s%s:%u: %s: %s\n",
		    n->src.file == NULL ? p->name : n->src.file,
		    n->src.file == NULL ? ".policy" : "", n->src.line,
		    n->src.text, buf_cstr(&why));
		bad++;
	}
	buf_clear(&why);
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
	const struct policy *peer = reach_component(r, str_of(g->name));
	struct reach_end out, in;

	if (peer == NULL || peer->base != NULL || reach_giver(p) ||
	    reach_giver(peer) || strcmp(peer->name, "logd") == 0)
		return 0;
	out = reach_end(p, peer);
	in = reach_end(peer, p);
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
reach_nevers(const struct reach *r, struct buf *report)
{
	size_t bad = 0;

	for (size_t i = 0; i < r->n; i++)
		bad += check_nevers(r, r->all[i], report);
	return bad;
}

size_t
reach_check(const struct reach *r, struct buf *report)
{
	size_t bad = reach_nevers(r, report);

	for (size_t i = 0; i < r->n; i++) {
		const struct policy *p = r->all[i];

		/* What an overlay takes away need not match. */
		if (p->base != NULL)
			continue;
		bad += check_promise(p, report);
		for (size_t j = 0; j < p->ngrants; j++) {
			if (p->grants[j].kind == KIND_CHANNEL)
				bad +=
				    check_channel(r, p, &p->grants[j], report);
		}
	}
	return bad;
}
