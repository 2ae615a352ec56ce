/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_GRAPH_H
#define MAILCTL_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "json.h"
#include "sandbox/policy.h"

/*
 * The graph of components, channels and authority.
 *
 *	graph.c		the command, as text, JSON and DOT
 *	graph_data.c	what there is: policies, and the broker's record
 *	graph_layout.c	where it goes on a page
 *	graph_html.c	the page, with the picture
 */

/* Strangers on the left, components, authority on the right. */
enum node_kind {
	NODE_STRANGER,
	NODE_COMPONENT,
	NODE_AUTHORITY,
};

struct node {
	enum node_kind kind;
	char id[64];		      /* a word for links */
	char label[64];		      /* for people */
	char sub[128];		      /* a second line, or "" */
	const struct policy *policy;  /* of a component, or the owner */
	const struct policy_src *src; /* the line an authority comes from */
	unsigned column;
	/* In the picture: middle of its left side. */
	double x, y;
};

/* Two nodes that a channel (or being read, or held) joins. */
struct line {
	size_t a, b; /* nodes; a is further left */
	bool channel;
	const char *edge;	   /* name of the edge, or NULL */
	uint32_t pass_ab, pass_ba; /* kinds that travel */
	uint64_t made;		   /* how often the broker made this channel */
	int64_t first, last;	   /* when */
	/* In the picture: points of a smooth line. */
	double px[16], py[16];
	size_t np;
};

struct graph {
	struct node *nodes;
	size_t nnodes;
	struct line *lines;
	size_t nlines;
	struct buf record, status; /* JSON of the broker, or empty */
	bool running;
	double width, height;
};

/* Policies alone, or with what the broker says (record and status). */
void graph_make(struct graph *g);
void graph_clear(struct graph *g);
/* Give everything its place. */
void graph_layout(struct graph *g);
void graph_html(const struct graph *g, struct buf *out);

/* In the picture broker, launcher and logd are bars: all have a channel. */
bool graph_is_bar(const struct policy *p);

#define BOX_W 138.0
#define BOX_H 44.0

#endif
