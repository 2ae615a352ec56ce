/* SPDX-License-Identifier: ISC */
/*
 * Ways in words.
 */
#include "sandbox/reach.h"

#include "sandbox/reach_graph.h"

void
reach_text(const struct reach_way *w, struct buf *out)
{
	const char *sep = "";

	if (!w->use) {
		buf_printf(out, "%s:%s", w->owner->name, w->object);
		for (size_t i = 1; i < w->n; i++)
			buf_printf(out, " -> %s", w->step[i]->name);
		return;
	}
	for (size_t i = 0; i < w->n; i++) {
		if (i + 1 == w->n && w->verb == NULL)
			break; /* the owner: it comes below */
		buf_printf(out, "%s%s", sep, w->step[i]->name);
		sep = " => ";
	}
	if (w->verb != NULL)
		buf_printf(out, "%srequest %s", sep, w->verb);
	buf_printf(out, " => %s:%s", w->owner->name, w->object);
}

/* The line of a policy that a step rests on. */
static void
cite(const struct policy *p, const struct policy_src *src, struct buf *out)
{
	buf_printf(out, "   [%s.policy:%u]\n", p->name, src->line);
}

static const struct policy_src *
channel_src(const struct policy *p, const struct policy *peer)
{
	struct str name = str_of(peer->name);
	const struct policy_grant *g = policy_grant_find(p, name);
	const struct policy_slot *s;

	if (g != NULL)
		return &g->src;
	s = policy_slot_find(p, name);
	return s == NULL ? NULL : &s->src;
}

static const struct policy_src *
object_src(const struct policy *p, const char *object)
{
	struct str name = str_of(object);
	const struct policy_grant *g;

	for (size_t i = 0; i < p->ngrants; i++) {
		g = &p->grants[i];
		if (str_eq(name, str_of(g->name)))
			return &g->src;
	}
	for (size_t i = 0; i < p->nslots; i++) {
		if (str_eq(name, str_of(p->slots[i].name)))
			return &p->slots[i].src;
	}
	for (size_t i = 0; i < p->npromises; i++) {
		if (str_eq(name, str_of(p->promises[i].word)))
			return &p->promises[i].src;
	}
	for (size_t i = 0; i < p->nrequests; i++) {
		if (str_eq(name, str_of(p->requests[i].verb)))
			return &p->requests[i].src;
	}
	return NULL;
}

static void
explain_owner(const struct reach_way *w, const char *indent, struct buf *out)
{
	const struct policy_src *src = object_src(w->owner, w->object);

	buf_printf(out, "%s%s holds %s (%s)", indent, w->owner->name, w->object,
	    w->kind);
	if (src != NULL)
		cite(w->owner, src, out);
	else
		buf_putc(out, '\n');
}

static void
explain_step(const struct reach_way *w, size_t i, const char *indent,
    struct buf *out)
{
	const struct policy *a = w->step[i], *b = w->step[i + 1];
	const struct policy_src *src = channel_src(a, b);
	const char *edge;
	struct buf records;

	buf_init(&records, 8192);
	if (!w->use) {
		buf_printf(out, "%s%s passes %s to %s", indent, a->name,
		    w->kind, b->name);
		if (reach_giver(a))
			src = channel_src(b, a), a = b;
	} else if (reach_tells(a, b, &edge, &records) && edge != NULL) {
		buf_printf(out, "%s%s tells %s (%s: %s)", indent, a->name,
		    b->name, edge, buf_cstr(&records));
	} else {
		buf_printf(out,
		    "%s%s has a channel to %s that may carry "
		    "anything",
		    indent, a->name, b->name);
	}
	buf_clear(&records);
	if (src != NULL)
		cite(a, src, out);
	else
		buf_putc(out, '\n');
}

void
reach_explain(const struct reach_way *w, const char *indent, struct buf *out)
{
	const struct policy *last = w->step[w->n - 1];
	const struct policy_request *r;

	if (!w->use)
		explain_owner(w, indent, out);
	for (size_t i = 0; i + 1 < w->n; i++)
		explain_step(w, i, indent, out);
	if (!w->use)
		return;
	if (w->verb != NULL) {
		r = policy_request_find(last, str_of(w->verb));
		buf_printf(out, "%s%s asks the broker for \"%s\"", indent,
		    last->name, w->verb);
		if (r != NULL)
			cite(last, &r->src, out);
		else
			buf_putc(out, '\n');
	}
	explain_owner(w, indent, out);
}
