/* SPDX-License-Identifier: ISC */
/*
 * What there is: nodes and lines from the policies, and how often the broker
 * made them so.
 */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sandbox/reach.h"

/* Who is on the other side of what a component reads. */
static const struct {
	const char *word, *label;
} strangers[] = {
	{ "clients", "SMTP clients" },
	{ "users", "local users" },
	{ "servers", "SMTP servers" },
	{ "resolvers", "DNS servers" },
};

/*
 * Columns between strangers (0) and authority: what is known is placed for a
 * picture with few crossings, what is new by whose bytes it reads.
 */
static const struct {
	const char *name;
	unsigned column;
} columns[] = {
	{ "gate", 1 },
	{ "pickup", 1 },
	{ "control", 1 },
	{ "dns", 1 },
	{ "smtpd", 2 },
	{ "smtp", 2 },
	{ "bounce", 2 },
	{ "cleanup", 3 },
	{ "local", 3 },
	{ "virtual", 3 },
	{ "pipe", 3 },
	{ "rewrite", 4 },
	{ "lookup", 5 },
	{ "qmgr", 5 },
	{ "mailbox", 5 },
	{ "command", 5 },
	{ "keys", 5 },
	{ "auth", 5 },
	{ "anvil", 5 },
};

#define COLUMN_AUTHORITY 6

bool
graph_is_bar(const struct policy *p)
{
	return strcmp(p->name, "broker") == 0 ||
	    strcmp(p->name, "launcher") == 0 || strcmp(p->name, "logd") == 0;
}

static bool
reads(const struct policy *p, const char *word)
{
	for (size_t i = 0; i < p->nreads; i++)
		if (strcmp(p->reads[i].word, word) == 0)
			return true;
	return false;
}

static unsigned
column_of(const struct policy *p)
{
	for (size_t i = 0; i < NELEM(columns); i++)
		if (strcmp(columns[i].name, p->name) == 0)
			return columns[i].column;
	if (reads(p, "clients") || reads(p, "servers") || reads(p, "users") ||
	    reads(p, "resolvers"))
		return 2;
	return reach_hostile(p) ? 3 : 5;
}

static struct node *
add_node(struct graph *g, enum node_kind kind, const struct policy *p,
    unsigned column)
{
	struct node *n;

	g->nodes = xreallocarray(g->nodes, g->nnodes + 1, sizeof(*g->nodes));
	n = &g->nodes[g->nnodes++];
	*n = (struct node){ .kind = kind, .policy = p, .column = column };
	return n;
}

static struct line *
add_line(struct graph *g, size_t a, size_t b, bool channel)
{
	struct line *l;

	if (g->nodes[a].column > g->nodes[b].column) {
		size_t swap = a;

		a = b;
		b = swap;
	}
	g->lines = xreallocarray(g->lines, g->nlines + 1, sizeof(*g->lines));
	l = &g->lines[g->nlines++];
	*l = (struct line){ .a = a, .b = b, .channel = channel };
	return l;
}

/* --- authority ------------------------------------------------------------ */

static void
add_authority(struct graph *g, size_t owner, const char *name,
    const struct policy_src *src, const char *sub)
{
	const struct policy *p = g->nodes[owner].policy;
	struct node *n = add_node(g, NODE_AUTHORITY, p, COLUMN_AUTHORITY);

	snprintf(n->id, sizeof(n->id), "%s-%s", p->name, name);
	snprintf(n->label, sizeof(n->label), "%s:%s", p->name, name);
	strlcpy(n->sub, sub, sizeof(n->sub));
	n->src = src;
	add_line(g, owner, g->nnodes - 1, false);
}

/* What is worth having: directories, what the launcher opens, the log. */
static void
add_authorities(struct graph *g, size_t owner)
{
	const struct policy *p = g->nodes[owner].policy;

	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i].kind == KIND_DIR)
			add_authority(g, owner, p->slots[i].name,
			    &p->slots[i].src, "directory");
	for (size_t i = 0; i < p->nrequests; i++)
		if (strcmp(p->requests[i].verb, "table") == 0)
			add_authority(g, owner, "table", &p->requests[i].src,
			    "files, read only");
	/* It runs programs, with the rights of somebody. */
	if (strcmp(p->user, "*") == 0 && (p->walls & WALL_SECCOMP) == 0)
		add_authority(g, owner, "rights", &p->walls_src, "of one user");
	for (size_t i = 0; i < p->ngrants; i++)
		if (strcmp(p->grants[i].name, "key") == 0 ||
		    strcmp(p->grants[i].name, "private-key") == 0)
			add_authority(g, owner, p->grants[i].name,
			    &p->grants[i].src, "private keys");
}

/* --- channels ------------------------------------------------------------- */

static uint32_t
passes(const struct policy *from, const struct policy *to)
{
	uint32_t out = 0, in = 0;

	for (size_t i = 0; i < from->ngrants; i++) {
		const struct policy_grant *x = &from->grants[i];

		if (x->kind == KIND_CHANNEL && strcmp(x->name, to->name) == 0 &&
		    (x->rights & RIGHT_SENDFD) != 0)
			out |= x->pass;
	}
	for (size_t i = 0; i < to->ngrants; i++) {
		const struct policy_grant *x = &to->grants[i];

		if (x->kind == KIND_CHANNEL &&
		    strcmp(x->name, from->name) == 0 &&
		    (x->rights & RIGHT_RECVFD) != 0)
			in |= x->pass;
	}
	return out & in;
}

static bool
has_channel(const struct policy *p, const struct policy *to)
{
	for (size_t i = 0; i < p->ngrants; i++)
		if (p->grants[i].kind == KIND_CHANNEL &&
		    strcmp(p->grants[i].name, to->name) == 0)
			return true;
	return false;
}

/* "EDGE PEER INSTANCE" in the broker's record. */
static bool
names_peer(struct str what, const char *peer)
{
	struct str w;

	return str_token(&what, " ", &w) && str_token(&what, " ", &w) &&
	    str_eq(w, str_of(peer));
}

static void
count_line(const struct graph *g, struct line *l)
{
	struct json list = json_of(buf_get(&g->record)), note;
	const char *a = g->nodes[l->a].policy->name;
	const char *b = g->nodes[l->b].policy->name;

	while (json_each(&list, &note)) {
		struct str verb = json_str(json_find(note, "verb"));
		struct str what = json_str(json_find(note, "what"));

		/* Both ends are noted; one of them is counted. */
		if (!str_eq(verb, STR("channel")) ||
		    !str_eq(json_str(json_find(note, "component")),
			str_of(a)) ||
		    !names_peer(what, b))
			continue;
		l->last = json_num(json_find(note, "when"));
		if (l->made++ == 0)
			l->first = l->last;
	}
}

static void
add_channels(struct graph *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct policy *p = g->nodes[i].policy;

		if (g->nodes[i].kind != NODE_COMPONENT || graph_is_bar(p))
			continue;
		for (size_t k = i + 1; k < n; k++) {
			const struct policy *q = g->nodes[k].policy;
			struct line *l;

			if (g->nodes[k].kind != NODE_COMPONENT ||
			    graph_is_bar(q) ||
			    (!has_channel(p, q) && !has_channel(q, p)))
				continue;
			l = add_line(g, i, k, true);
			p = g->nodes[l->a].policy;
			q = g->nodes[l->b].policy;
			if (!reach_tells(p, q, &l->edge, NULL) ||
			    l->edge == NULL)
				reach_tells(q, p, &l->edge, NULL);
			l->pass_ab = passes(p, q);
			l->pass_ba = passes(q, p);
			count_line(g, l);
			p = g->nodes[i].policy;
		}
	}
}

static void
add_strangers(struct graph *g, size_t n)
{
	for (size_t s = 0; s < NELEM(strangers); s++) {
		size_t at = SIZE_MAX;

		for (size_t i = 0; i < n; i++) {
			const struct policy *p = g->nodes[i].policy;
			bool joined = reads(p, strangers[s].word);

			/* Clients come to whoever holds listening sockets. */
			for (size_t k = 0; k < p->ngrants && s == 0; k++)
				joined |= p->grants[k].kind == KIND_TCP_LISTEN;
			/* What comes by mail is not drawn. */
			if (!joined || graph_is_bar(p) ||
			    strcmp(p->name, "local") == 0)
				continue;
			if (at == SIZE_MAX) {
				struct node *x =
				    add_node(g, NODE_STRANGER, NULL, 0);

				at = g->nnodes - 1;
				strlcpy(x->id, strangers[s].word,
				    sizeof(x->id));
				strlcpy(x->label, strangers[s].label,
				    sizeof(x->label));
			}
			add_line(g, at, i, false);
		}
	}
}

/* How many processes, for the second line of a box. */
static void
count_processes(struct graph *g, struct node *n)
{
	struct json list = json_find(json_of(buf_get(&g->status)), "processes"),
		    p;
	unsigned running = 0;

	while (json_each(&list, &p))
		running += json_num(json_find(p, "pid")) > 0 &&
		    str_eq(json_str(json_find(p, "component")),
			str_of(n->policy->name));
	if (!g->running || strcmp(n->policy->name, "launcher") == 0 ||
	    strcmp(n->policy->name, "broker") == 0)
		n->sub[0] = '\0';
	else if (running == 0)
		strlcpy(n->sub, "not running", sizeof(n->sub));
	else
		snprintf(n->sub, sizeof(n->sub), "%u process%s", running,
		    running == 1 ? "" : "es");
}

void
graph_make(struct graph *g)
{
	size_t n;

	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		struct node *x = add_node(g, NODE_COMPONENT, p, column_of(p));

		strlcpy(x->id, p->name, sizeof(x->id));
		strlcpy(x->label, p->name, sizeof(x->label));
		count_processes(g, x);
	}
	n = g->nnodes;
	add_channels(g, n);
	add_strangers(g, n);
	for (size_t i = 0; i < n; i++)
		if (!graph_is_bar(g->nodes[i].policy))
			add_authorities(g, i);
}

void
graph_clear(struct graph *g)
{
	free(g->nodes);
	free(g->lines);
	buf_clear(&g->record);
	buf_clear(&g->status);
	*g = (struct graph){ 0 };
}
