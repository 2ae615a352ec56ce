/* SPDX-License-Identifier: ISC */
/*
 * Where things go: columns from strangers to authority, in each an order with
 * few crossings, and lines that pass between boxes and not through them.
 *
 * A line over several columns gets a place of its own in each column between,
 * as if there were a very low box.
 */
#include "graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define COLUMNS 7
#define COLUMN_GAP 92.0
#define MARGIN 24.0
#define TOP 96.0  /* below the broker's bar */
#define STEP 26.0 /* least distance of two boxes */
#define ATTEMPTS 24
#define LANE 15.0 /* that of two lines */

/* A place in a column: a box, or where a line passes. */
struct place {
	size_t node; /* SIZE_MAX: a line's */
	size_t line;
	double y; /* middle */
};

struct column {
	struct place *v;
	size_t n;
};

/* Two places in columns side by side that are joined. */
struct joint {
	unsigned column;    /* of the left one */
	size_t left, right; /* numbers of places, below */
};

/* All places have numbers; where[] says where each is now. */
struct work {
	struct graph *g;
	struct place *places;
	unsigned *column;
	size_t n;
	struct column columns[COLUMNS];
	size_t *order[COLUMNS]; /* numbers of places, from top to bottom */
	size_t *at;		/* of a place: its rank in its column */
	struct joint *joints;
	size_t njoints;
	size_t *of_node; /* place of a node */
	uint32_t random;
};

static size_t
add_place(struct work *w, unsigned column, size_t node, size_t line)
{
	size_t k = w->n++;

	w->places = xreallocarray(w->places, w->n, sizeof(*w->places));
	w->column = xreallocarray(w->column, w->n, sizeof(*w->column));
	w->places[k] = (struct place){ node, line, 0 };
	w->column[k] = column;
	w->order[column] = xreallocarray(w->order[column],
	    w->columns[column].n + 1, sizeof(size_t));
	w->order[column][w->columns[column].n++] = k;
	return k;
}

static void
add_joint(struct work *w, unsigned column, size_t left, size_t right)
{
	w->joints =
	    xreallocarray(w->joints, w->njoints + 1, sizeof(*w->joints));
	w->joints[w->njoints++] = (struct joint){ column, left, right };
}

static bool
drawn(const struct graph *g, size_t node)
{
	return g->nodes[node].kind != NODE_COMPONENT ||
	    !graph_is_bar(g->nodes[node].policy);
}

static void
make_places(struct work *w)
{
	struct graph *g = w->g;

	w->of_node = xcalloc(g->nnodes + 1, sizeof(size_t));
	for (size_t i = 0; i < g->nnodes; i++)
		if (drawn(g, i))
			w->of_node[i] =
			    add_place(w, g->nodes[i].column, i, SIZE_MAX);
	for (size_t i = 0; i < g->nlines; i++) {
		const struct line *l = &g->lines[i];
		unsigned c = g->nodes[l->a].column;
		size_t from = w->of_node[l->a];

		for (; c + 1 < g->nodes[l->b].column; c++) {
			size_t k = add_place(w, c + 1, SIZE_MAX, i);

			add_joint(w, c, from, k);
			from = k;
		}
		if (c < g->nodes[l->b].column)
			add_joint(w, c, from, w->of_node[l->b]);
	}
	w->at = xcalloc(w->n + 1, sizeof(size_t));
}

/* --- order ---------------------------------------------------------------- */

static void
rank(struct work *w, unsigned c)
{
	for (size_t i = 0; i < w->columns[c].n; i++)
		w->at[w->order[c][i]] = i;
}

/*
 * What an order costs: crossings above all, then how steep lines are.
 * Of columns c - 1 and c only, when c is not COLUMNS.
 */
static double
cost_between(const struct work *w, unsigned c)
{
	double cost = 0;

	for (size_t i = 0; i < w->njoints; i++) {
		const struct joint *a = &w->joints[i];
		double la, ra;

		if (a->column != c)
			continue;
		la = (double)w->at[a->left];
		ra = (double)w->at[a->right];
		cost += 0.35 *
		    fabs(la / (double)w->columns[c].n -
			ra / (double)w->columns[c + 1].n);
		for (size_t k = i + 1; k < w->njoints; k++) {
			const struct joint *b = &w->joints[k];

			if (b->column == c &&
			    (la - (double)w->at[b->left]) *
				    (ra - (double)w->at[b->right]) <
				0)
				cost += 1;
		}
	}
	return cost;
}

static double
cost_around(const struct work *w, unsigned c)
{
	double cost = 0;

	if (c > 0)
		cost += cost_between(w, c - 1);
	if (c + 1 < COLUMNS)
		cost += cost_between(w, c);
	/* Boxes of one column that are joined ought to be neighbours. */
	for (size_t i = 0; i < w->g->nlines; i++) {
		const struct line *l = &w->g->lines[i];

		if (w->g->nodes[l->a].column != c ||
		    w->g->nodes[l->b].column != c)
			continue;
		cost += 1.5 *
		    (fabs((double)w->at[w->of_node[l->a]] -
			 (double)w->at[w->of_node[l->b]]) -
			1);
	}
	return cost;
}

/* The same for the same graph, always. */
static uint32_t
roll(struct work *w, uint32_t below)
{
	w->random = w->random * 1664525u + 1013904223u;
	return (w->random >> 8) % below;
}

/* Take one place out of its column and put it in elsewhere. */
static void
move(struct work *w, unsigned c, size_t from, size_t to)
{
	size_t k = w->order[c][from];

	if (from < to)
		memmove(&w->order[c][from], &w->order[c][from + 1],
		    (to - from) * sizeof(size_t));
	else
		memmove(&w->order[c][to + 1], &w->order[c][to],
		    (from - to) * sizeof(size_t));
	w->order[c][to] = k;
	rank(w, c);
}

/* Better and better; at first worse may be taken, too, and less and less. */
static void
improve(struct work *w)
{
	double heat = 3.0;

	for (unsigned c = 0; c < COLUMNS; c++)
		rank(w, c);
	for (unsigned turn = 0; turn < 24000; turn++, heat *= 0.9997) {
		unsigned c = roll(w, COLUMNS);
		size_t n = w->columns[c].n, from, to;
		double before, after;

		if (n < 2)
			continue;
		from = roll(w, (uint32_t)n);
		to = roll(w, (uint32_t)n);
		if (from == to)
			continue;
		before = cost_around(w, c);
		move(w, c, from, to);
		after = cost_around(w, c);
		if (after > before &&
		    (turn > 21000 ||
			exp((before - after) / heat) * 65536 < roll(w, 65536)))
			move(w, c, to, from);
	}
}

static double
cost_all(const struct work *w)
{
	double cost = 0;

	/* Each gap is counted once for each of its two sides. */
	for (unsigned c = 0; c < COLUMNS; c++)
		cost += cost_around(w, c);
	return cost;
}

/* The best of several attempts, which begin and go on differently. */
static void
arrange(struct work *w)
{
	size_t *best[COLUMNS];
	double least = 1e9;

	for (unsigned c = 0; c < COLUMNS; c++)
		best[c] = xcalloc(w->columns[c].n + 1, sizeof(size_t));
	for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
		double cost;

		improve(w);
		cost = cost_all(w);
		for (unsigned c = 0; c < COLUMNS && cost < least; c++)
			memcpy(best[c], w->order[c],
			    w->columns[c].n * sizeof(size_t));
		least = fmin(least, cost);
	}
	for (unsigned c = 0; c < COLUMNS; c++) {
		memcpy(w->order[c], best[c], w->columns[c].n * sizeof(size_t));
		free(best[c]);
		rank(w, c);
	}
}

/* --- heights -------------------------------------------------------------- */

static double
half(const struct work *w, size_t k)
{
	return w->places[k].node == SIZE_MAX ? LANE / 2 : (BOX_H + STEP) / 2;
}

/* Push what overlaps apart, keeping the order; then back into the middle. */
static void
separate(struct work *w, unsigned c)
{
	size_t n = w->columns[c].n;

	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 1; i < n; i++) {
			struct place *a = &w->places[w->order[c][i - 1]];
			struct place *b = &w->places[w->order[c][i]];
			double least = half(w, w->order[c][i - 1]) +
			    half(w, w->order[c][i]);

			if (b->y - a->y >= least)
				continue;
			if (pass == 0) {
				double mid = (a->y + b->y) / 2;

				a->y = mid - least / 2;
				b->y = mid + least / 2;
			} else {
				b->y = a->y + least;
			}
		}
	}
}

static void
relax(struct work *w)
{
	double *sum = xcalloc(w->n + 1, sizeof(double));
	double *weight = xcalloc(w->n + 1, sizeof(double));

	for (unsigned c = 0; c < COLUMNS; c++) {
		double y = 0;

		for (size_t i = 0; i < w->columns[c].n; i++) {
			size_t k = w->order[c][i];

			y += half(w, k);
			w->places[k].y = y;
			y += half(w, k);
		}
		for (size_t i = 0; i < w->columns[c].n; i++)
			w->places[w->order[c][i]].y -= y / 2;
	}
	for (unsigned turn = 0; turn < 400; turn++) {
		memset(sum, 0, w->n * sizeof(double));
		memset(weight, 0, w->n * sizeof(double));
		for (size_t i = 0; i < w->njoints; i++) {
			size_t a = w->joints[i].left, b = w->joints[i].right;
			/* A line that passes ought to pass straight. */
			double f = 1 + (w->places[a].node == SIZE_MAX) * 3 +
			    (w->places[b].node == SIZE_MAX) * 3;

			sum[a] += f * w->places[b].y;
			weight[a] += f;
			sum[b] += f * w->places[a].y;
			weight[b] += f;
		}
		for (size_t k = 0; k < w->n; k++)
			if (weight[k] > 0)
				w->places[k].y = 0.5 * w->places[k].y +
				    0.5 * sum[k] / weight[k];
		for (unsigned c = 0; c < COLUMNS; c++)
			for (int i = 0; i < 6; i++)
				separate(w, c);
	}
	for (unsigned c = 0; c < COLUMNS; c++)
		for (int i = 0; i < 60; i++)
			separate(w, c);
	free(sum);
	free(weight);
}

/* --- lines ---------------------------------------------------------------- */

static double
column_x(unsigned c)
{
	return MARGIN + c * (BOX_W + COLUMN_GAP);
}

struct port {
	size_t line;
	double toward; /* where the line goes on: they do not cross here */
};

static int
by_toward(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	return x->toward < y->toward ? -1 : x->toward > y->toward;
}

/* The height at which a line next passes, seen from an end of it. */
static double
next_y(const struct work *w, size_t line, bool from_left)
{
	const struct line *l = &w->g->lines[line];
	size_t end = from_left ? w->of_node[l->a] : w->of_node[l->b];

	for (size_t i = 0; i < w->njoints; i++) {
		const struct joint *j = &w->joints[i];
		size_t other;

		if ((from_left ? j->left : j->right) != end)
			continue;
		other = from_left ? j->right : j->left;
		if (w->places[other].line == line ||
		    w->places[other].node == (from_left ? l->b : l->a))
			return w->places[other].y;
	}
	return w->places[from_left ? w->of_node[l->b] : w->of_node[l->a]].y;
}

/* Spread the lines of one side of a box over its height. */
static void
make_ports(struct work *w, size_t node, bool right_side, double *port_y)
{
	struct graph *g = w->g;
	struct port *v = xcalloc(g->nlines + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < g->nlines; i++) {
		const struct line *l = &g->lines[i];
		bool same = g->nodes[l->a].column == g->nodes[l->b].column;

		if (same ? right_side && (l->a == node || l->b == node) :
			   (right_side ? l->a : l->b) == node)
			v[n++] = (struct port){ i, next_y(w, i, l->a == node) };
	}
	qsort(v, n, sizeof(*v), by_toward);
	for (size_t i = 0; i < n; i++)
		port_y[v[i].line * 2 +
		    (g->lines[v[i].line].a == node ? 0 : 1)] =
		    w->places[w->of_node[node]].y +
		    ((double)i + 0.5 - (double)n / 2) *
			fmin(9.0, (BOX_H - 10) / (double)(n > 1 ? n : 1));
	free(v);
}

static void
add_point(struct line *l, double x, double y)
{
	if (l->np == NELEM(l->px))
		return;
	l->px[l->np] = x;
	l->py[l->np++] = y;
}

static void
make_lines(struct work *w)
{
	struct graph *g = w->g;
	double *port_y = xcalloc(g->nlines * 2 + 2, sizeof(double));

	for (size_t i = 0; i < g->nnodes; i++) {
		if (!drawn(g, i))
			continue;
		make_ports(w, i, true, port_y);
		make_ports(w, i, false, port_y);
	}
	for (size_t i = 0; i < g->nlines; i++) {
		struct line *l = &g->lines[i];
		const struct node *a = &g->nodes[l->a], *b = &g->nodes[l->b];

		add_point(l, a->x + BOX_W, port_y[i * 2]);
		for (size_t k = 0; k < w->n; k++) {
			double x = column_x(w->column[k]);

			if (w->places[k].line != i ||
			    w->places[k].node != SIZE_MAX)
				continue;
			add_point(l, x, w->places[k].y);
			add_point(l, x + BOX_W, w->places[k].y);
		}
		add_point(l, a->column == b->column ? b->x + BOX_W : b->x,
		    port_y[i * 2 + 1]);
	}
	free(port_y);
}

void
graph_layout(struct graph *g)
{
	struct work w = { .g = g, .random = 20261121 };
	double top = 1e9, bottom = -1e9;

	make_places(&w);
	arrange(&w);
	relax(&w);
	for (size_t k = 0; k < w.n; k++) {
		top = fmin(top, w.places[k].y - half(&w, k));
		bottom = fmax(bottom, w.places[k].y + half(&w, k));
	}
	for (size_t k = 0; k < w.n; k++) {
		w.places[k].y += TOP - top;
		if (w.places[k].node == SIZE_MAX)
			continue;
		g->nodes[w.places[k].node].x = column_x(w.column[k]);
		g->nodes[w.places[k].node].y = w.places[k].y;
	}
	make_lines(&w);
	g->width = column_x(COLUMNS - 1) + BOX_W + MARGIN;
	g->height = bottom - top + TOP + 78;
	for (unsigned c = 0; c < COLUMNS; c++)
		free(w.order[c]);
	free(w.places);
	free(w.column);
	free(w.at);
	free(w.joints);
	free(w.of_node);
}
