/* SPDX-License-Identifier: ISC */
/*
 * The graph as a page: the picture, then each component with the lines of its
 * policy and what was given to it.
 */
#include "graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "html.h"
#include "mailctl.h"
#include "sandbox/policy_names.h"
#include "sandbox/reach.h"

static void
put_kinds(struct buf *b, uint32_t kinds)
{
	const char *sep = "";

	for (int k = 0; k < KIND_N; k++) {
		if ((kinds & 1u << k) == 0)
			continue;
		buf_printf(b, "%s%s", sep, kind_name((enum policy_kind)k));
		sep = ", ";
	}
}

/* --- the picture ---------------------------------------------------------- */

static const char svg_style[] =
    "svg{display:block;width:100%;height:auto;font-family:inherit}"
    "svg text{fill:var(--fg);font-size:13px}"
    "svg .s{fill:var(--dim);font-size:10.5px}"
    "svg .h{fill:var(--dim);font-size:11px;letter-spacing:.08em}"
    "svg rect{stroke-width:1.3}"
    "svg .stranger rect{fill:var(--out);stroke:var(--outline);"
    "stroke-dasharray:4 3}"
    "svg .hostile rect{fill:var(--hot);stroke:var(--hotline)}"
    "svg .calm rect{fill:var(--calm);stroke:var(--calmline)}"
    "svg .authority rect{fill:var(--auth);stroke:var(--authline)}"
    "svg .bar rect{fill:var(--give);stroke:var(--giveline)}"
    "svg .l path{fill:none;stroke:var(--outline);stroke-width:1.25}"
    "svg .l.fds path{stroke:var(--giveline);stroke-width:2}"
    "svg .l.out path{stroke-dasharray:4 3}"
    "svg .l.own path{stroke:var(--authline);stroke-width:2.4}"
    "svg .l .halo{stroke:var(--halo)!important;stroke-width:6!important;"
    "stroke-dasharray:none!important}"
    "svg .l:hover path:last-of-type{stroke-width:3.6}"
    "svg a:hover rect,svg a:focus rect{stroke-width:2.6}"
    "svg g{transition:opacity .12s}"
    "details:target>summary{background:var(--soft)}"
    ".pic{margin:1rem 0;overflow-x:auto}.pic svg{min-width:52rem}"
    "@media print{.pic svg{min-width:0}svg .l .halo{stroke:#fff!important}}"
    "@media (min-width:80rem){.pic{margin:1rem calc((78rem - 96vw)/2)}}"
    "body{max-width:78rem}\n";

/* Under the pointer, what one box has to do with stays, the rest fades. */
static void
put_hover(struct buf *b, const struct graph *g)
{
	for (size_t i = 0; i < g->nnodes; i++) {
		const char *id = g->nodes[i].id;

		buf_printf(b,
		    "svg:has(#n-%s:hover) .l:not(.l-%s),"
		    "svg:has(#n-%s:focus-within) .l:not(.l-%s)"
		    "{opacity:.1}\n",
		    id, id, id, id);
	}
}

static void
put_tip_channel(struct buf *b, const struct graph *g, const struct line *l)
{
	const struct policy *p = g->nodes[l->a].policy;
	const struct policy *q = g->nodes[l->b].policy;
	struct buf records;

	buf_init(&records, 8192);
	html_printf(b, "%s and %s", p->name, q->name);
	if (l->edge != NULL)
		html_printf(b, ", edge %s", l->edge);
	if (reach_tells(p, q, NULL, &records))
		html_printf(b, "\n%s tells %s: %s", p->name, q->name,
		    buf_cstr(&records));
	buf_reset(&records);
	if (reach_tells(q, p, NULL, &records))
		html_printf(b, "\n%s tells %s: %s", q->name, p->name,
		    buf_cstr(&records));
	if (l->pass_ab != 0) {
		html_printf(b, "\n%s passes %s: ", p->name, q->name);
		put_kinds(b, l->pass_ab);
	}
	if (l->pass_ba != 0) {
		html_printf(b, "\n%s passes %s: ", q->name, p->name);
		put_kinds(b, l->pass_ba);
	}
	if (l->made > 0)
		html_printf(b, "\nmade %" PRIu64 " times", l->made);
	buf_clear(&records);
}

static void
put_path(struct buf *b, const struct line *l, bool loop)
{
	buf_printf(b, "M%.1f %.1f", l->px[0], l->py[0]);
	if (loop) {
		double far =
		    l->px[0] + 34 + fmin(30, fabs(l->py[1] - l->py[0]) / 8);

		buf_printf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f", far, l->py[0],
		    far, l->py[1], l->px[1], l->py[1]);
		return;
	}
	for (size_t i = 1; i < l->np; i++) {
		double dx = (l->px[i] - l->px[i - 1]) * 0.5;

		/* Through a column it goes straight. */
		if (l->py[i] == l->py[i - 1])
			buf_printf(b, "L%.1f %.1f", l->px[i], l->py[i]);
		else
			buf_printf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f",
			    l->px[i - 1] + dx, l->py[i - 1], l->px[i] - dx,
			    l->py[i], l->px[i], l->py[i]);
	}
}

static void
put_line(struct buf *b, const struct graph *g, const struct line *l)
{
	const struct node *a = &g->nodes[l->a], *c = &g->nodes[l->b];
	bool loop = a->column == c->column;

	buf_printf(b, "<g class=\"l l-%s l-%s%s%s%s\"><title>", a->id, c->id,
	    l->pass_ab != 0 || l->pass_ba != 0 ? " fds" : "",
	    a->kind == NODE_STRANGER ? " out" : "",
	    c->kind == NODE_AUTHORITY ? " own" : "");
	if (l->channel)
		put_tip_channel(b, g, l);
	else if (a->kind == NODE_STRANGER)
		html_printf(b, "%s reads what %s send", c->label, a->label);
	else
		html_printf(b, "%s holds %s", a->label, c->label);
	for (int halo = 1; halo >= 0; halo--) {
		buf_puts(b,
		    halo ? "</title><path class=\"halo\" d=\"" : "<path d=\"");
		put_path(b, l, loop);
		buf_puts(b, "\"/>");
	}
	buf_puts(b, "</g>\n");
}

static void
put_tip_node(struct buf *b, const struct node *n)
{
	html_printf(b, "%s", n->label);
	if (n->kind == NODE_AUTHORITY && n->src != NULL)
		html_printf(b, "\n%s.policy:%u: %s\n%s", n->policy->name,
		    n->src->line, n->src->text, n->src->reason);
	if (n->kind != NODE_COMPONENT)
		return;
	if (n->sub[0] != '\0')
		html_printf(b, ", %s", n->sub);
	for (size_t i = 0; i < n->policy->nreads; i++)
		html_printf(b, "\nreads %s: %s", n->policy->reads[i].word,
		    n->policy->reads[i].src.reason);
	for (size_t i = 0; i < n->policy->nrequests; i++)
		html_printf(b, "\nmay ask: %s",
		    n->policy->requests[i].src.text);
}

static const char *
node_class(const struct node *n)
{
	return n->kind == NODE_STRANGER ? "stranger" :
	    n->kind == NODE_AUTHORITY	? "authority" :
	    graph_is_bar(n->policy)	? "bar" :
	    reach_hostile(n->policy)	? "hostile" :
					  "calm";
}

/* Long names get a little less room for each letter, never too little. */
static void
put_label(struct buf *b, double x, double y, double room, const char *class,
    const char *text, double letter)
{
	buf_printf(b,
	    "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\""
	    " class=\"%s\"",
	    x, y, class);
	if (letter * (double)strlen(text) > room)
		buf_printf(b,
		    " textLength=\"%.0f\""
		    " lengthAdjust=\"spacingAndGlyphs\"",
		    room);
	buf_putc(b, '>');
	html_put(b, str_of(text));
	buf_puts(b, "</text>");
}

static void
put_box(struct buf *b, const struct node *n, double x, double y, double w,
    double h)
{
	const char *to = n->kind == NODE_STRANGER ? NULL : n->policy->name;

	buf_printf(b, "<g id=\"n-%s\" class=\"%s\"><title>", n->id,
	    node_class(n));
	put_tip_node(b, n);
	buf_puts(b, "</title>");
	if (to != NULL)
		buf_printf(b, "<a href=\"#c-%s\">", to);
	buf_printf(b,
	    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
	    "height=\"%.1f\" rx=\"7\"/>",
	    x, y, w, h);
	put_label(b, x + w / 2, y + h / 2 + (n->sub[0] != '\0' ? -2 : 4.5),
	    w - 14, "t", n->label, 7.6);
	if (n->sub[0] != '\0')
		put_label(b, x + w / 2, y + h / 2 + 13, w - 12, "s", n->sub,
		    6.2);
	buf_puts(b, to != NULL ? "</a></g>\n" : "</g>\n");
}

/* Broker and launcher above all, the log below all: everybody has a line. */
static void
put_bars(struct buf *b, const struct graph *g)
{
	double x = 24, w = g->width - 48;

	for (size_t i = 0; i < g->nnodes; i++) {
		struct node n = g->nodes[i];

		if (n.kind != NODE_COMPONENT || !graph_is_bar(n.policy))
			continue;
		if (strcmp(n.policy->name, "broker") == 0) {
			strlcpy(n.sub,
			    "introduces all components to each "
			    "other, once; gives what they may ask for; is on "
			    "the way of no message",
			    sizeof(n.sub));
			put_box(b, &n, x, 14, w - BOX_W - 24, 40);
		} else if (strcmp(n.policy->name, "launcher") == 0) {
			strlcpy(n.sub, "root; obeys the broker", sizeof(n.sub));
			put_box(b, &n, x + w - BOX_W, 14, BOX_W, 40);
		} else {
			strlcpy(n.sub,
			    "takes lines from all components; "
			    "writes the log",
			    sizeof(n.sub));
			put_box(b, &n, x, g->height - 54, w, 40);
		}
	}
	buf_printf(b,
	    "<path d=\"M%.1f 34H%.1f\" stroke=\"var(--giveline)\""
	    " stroke-width=\"2\"/>\n",
	    x + w - BOX_W - 24, x + w - BOX_W);
}

static void
put_picture(struct buf *b, const struct graph *g)
{
	buf_printf(b,
	    "<div class=\"pic\"><svg "
	    "xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
	    "role=\"img\" aria-label=\"components and channels\">\n",
	    g->width, g->height);
	buf_printf(b,
	    "<text class=\"h\" x=\"24\" y=\"80\">STRANGERS</text>"
	    "<text class=\"h\" x=\"%.1f\" y=\"80\" text-anchor=\"end\">"
	    "AUTHORITY</text>\n",
	    g->width - 24);
	for (size_t i = 0; i < g->nlines; i++)
		put_line(b, g, &g->lines[i]);
	for (size_t i = 0; i < g->nnodes; i++) {
		const struct node *n = &g->nodes[i];

		if (n->kind != NODE_COMPONENT || !graph_is_bar(n->policy))
			put_box(b, n, n->x, n->y - BOX_H / 2, BOX_W, BOX_H);
	}
	put_bars(b, g);
	buf_puts(b, "</svg></div>\n");
}

static void
put_legend(struct buf *b)
{
	static const struct {
		const char *class, *style, *text;
	} keys[] = {
		{ "hot", "background:var(--hot);border-color:var(--hotline)",
		    "reads strangers' bytes" },
		{ "calm", "background:var(--calm);border-color:var(--calmline)",
		    "reads none" },
		{ "auth", "background:var(--auth);border-color:var(--authline)",
		    "authority, and who holds it" },
		{ "rec", "border-width:0 0 2px;border-color:var(--outline)",
		    "records only" },
		{ "fds", "border-width:0 0 3px;border-color:var(--giveline)",
		    "descriptors, too" },
	};

	buf_puts(b, "<p class=\"dim\" style=\"max-width:none\">");
	for (size_t i = 0; i < NELEM(keys); i++)
		buf_printf(b,
		    "<span style=\"white-space:nowrap;"
		    "margin-right:1.4rem\"><span style=\"display:inline-block;"
		    "width:1.6rem;height:.85rem;margin-right:.4rem;"
		    "border:1.3px solid;border-radius:2px;%s\"></span>%s"
		    "</span> ",
		    keys[i].style, keys[i].text);
	buf_puts(b, "</p>\n");
}

/* --- tables --------------------------------------------------------------- */

static void
put_when(struct buf *b, int64_t when)
{
	if (when > 0)
		html_time(b, when);
}

static void
put_cell_records(struct buf *b, const struct policy *from,
    const struct policy *to, uint32_t pass)
{
	struct buf records;

	buf_init(&records, 8192);
	buf_puts(b, "<td><code>");
	if (reach_tells(from, to, NULL, &records))
		html_put(b, buf_get(&records));
	else
		buf_puts(b, "answers only");
	buf_puts(b, "</code>");
	if (pass != 0) {
		buf_puts(b, "<br/>passes ");
		put_kinds(b, pass);
	}
	buf_puts(b, "</td>");
	buf_clear(&records);
}

static void
put_channels(struct buf *b, const struct graph *g)
{
	buf_puts(b,
	    "<h2 id=\"channels\">Channels</h2>\n<table><thead><tr>"
	    "<th>between</th><th>and</th><th>the first makes the second do"
	    "</th><th>the second makes the first do</th>"
	    "<th class=\"n\">made</th><th>last</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < g->nlines; i++) {
		const struct line *l = &g->lines[i];
		const struct policy *p = g->nodes[l->a].policy;
		const struct policy *q = g->nodes[l->b].policy;

		if (!l->channel)
			continue;
		buf_printf(b,
		    "<tr><td class=\"w\"><a href=\"#c-%s\">%s</a></td>"
		    "<td class=\"w\"><a href=\"#c-%s\">%s</a></td>",
		    p->name, p->name, q->name, q->name);
		put_cell_records(b, p, q, l->pass_ab);
		put_cell_records(b, q, p, l->pass_ba);
		buf_printf(b,
		    "<td class=\"n\">%" PRIu64 "</td>"
		    "<td class=\"w\">",
		    l->made);
		put_when(b, l->last);
		buf_puts(b, "</td></tr>\n");
	}
	buf_puts(b, "</tbody></table>\n");
}

static void
put_row(struct buf *b, const struct policy_src *src)
{
	buf_printf(b, "<tr><td class=\"n\">%u</td><td><code>", src->line);
	html_put(b, str_of(src->text));
	buf_puts(b, "</code></td><td>");
	html_put(b, str_of(src->reason));
	buf_puts(b, "</td></tr>\n");
}

/* The lines that give or take authority, in the order of the file. */
static void
put_policy(struct buf *b, const struct policy *p)
{
	buf_puts(b,
	    "<table><thead><tr><th class=\"n\">line</th>"
	    "<th>policy</th><th>reason</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < p->nreads; i++)
		put_row(b, &p->reads[i].src);
	for (size_t i = 0; i < p->nslots; i++)
		put_row(b, &p->slots[i].src);
	for (size_t i = 0; i < p->ngrants; i++)
		put_row(b, &p->grants[i].src);
	for (size_t i = 0; i < p->npromises; i++)
		if (i == 0 ||
		    p->promises[i].src.line != p->promises[i - 1].src.line)
			put_row(b, &p->promises[i].src);
	for (size_t i = 0; i < p->ncalls; i++)
		put_row(b, &p->calls[i].src);
	for (size_t i = 0; i < p->nrequests; i++)
		put_row(b, &p->requests[i].src);
	for (size_t i = 0; i < p->nnevers; i++)
		put_row(b, &p->nevers[i].src);
	buf_puts(b, "</tbody></table>\n");
}

static void
put_requests(struct buf *b, struct json p)
{
	struct json list = json_find(p, "requests"), r;

	while (json_each(&list, &r))
		html_printf(b,
		    ", asked for %.*s %" PRId64 " times (%" PRId64 " refused)",
		    STR_ARG(json_str(json_find(r, "verb"))),
		    json_num(json_find(r, "granted")),
		    json_num(json_find(r, "refused")));
}

static void
put_processes(struct buf *b, const struct graph *g, const char *component)
{
	struct json list = json_find(json_of(buf_get(&g->status)), "processes"),
		    p;
	bool any = false;

	while (json_each(&list, &p)) {
		if (!str_eq(json_str(json_find(p, "component")),
			str_of(component)))
			continue;
		buf_puts(b, any ? "<li>" : "<ul><li>");
		html_printf(b, "process %" PRId64 ", user id %" PRId64 ", %.*s",
		    json_num(json_find(p, "pid")),
		    json_num(json_find(p, "uid")),
		    STR_ARG(json_str(json_find(p, "state"))));
		put_requests(b, p);
		buf_puts(b, "</li>\n");
		any = true;
	}
	if (any)
		buf_puts(b, "</ul>\n");
}

/* What the broker gave to one component: the same thing once, with a count. */
static void
put_gifts(struct buf *b, const struct graph *g, const char *component)
{
	struct json list = json_of(buf_get(&g->record)), n;
	unsigned given = 0, refused = 0;
	int64_t first = 0, last = 0;

	while (json_each(&list, &n)) {
		if (!str_eq(json_str(json_find(n, "component")),
			str_of(component)))
			continue;
		last = json_num(json_find(n, "when"));
		if (first == 0)
			first = last;
		if (str_eq(str_sub(json_find(n, "ok").text, 0, 4), STR("true")))
			given++;
		else
			refused++;
	}
	if (first == 0)
		return;
	html_printf(b,
	    "The broker gave it something %u times, and refused %u "
	    "times, between ",
	    given, refused);
	html_time(b, first);
	buf_puts(b, " and ");
	html_time(b, last);
	buf_puts(b, ".");
}

static void
put_component(struct buf *b, const struct graph *g, const struct node *n)
{
	const struct policy *p = n->policy;
	char hex[POLICY_HEX];

	policy_hex(p, hex);
	buf_printf(b,
	    "<details id=\"c-%s\" open=\"open\"><summary><b>%s</b> "
	    "<span class=\"badge %s\">%s</span></summary><div>\n<p>",
	    p->name, p->name, reach_hostile(p) ? "unmeasurable" : "equal",
	    reach_hostile(p) ? "reads strangers' bytes" : "reads none");
	put_gifts(b, g, p->name);
	html_printf(b, " Policy version %u, ", p->version);
	buf_printf(b, "<code>%.16s</code>.</p>\n", hex);
	put_processes(b, g, p->name);
	put_policy(b, p);
	buf_puts(b, "</div></details>\n");
}

void
graph_html(const struct graph *g, struct buf *b)
{
	html_begin(b, "Postern: who holds what");
	buf_puts(b, "<style>\n");
	buf_puts(b, svg_style);
	put_hover(b, g);
	buf_puts(b,
	    "</style>\n<h1>Who holds what</h1>\n<p class=\"sub\">Each "
	    "box is a component in a sandbox of its own; each line is a "
	    "channel the broker made. Point at a box or a line for its "
	    "records and rules; choose a box for its policy.</p>\n");
	buf_puts(b, "<p class=\"dim\">");
	html_time(b, time(NULL));
	buf_puts(b,
	    g->running ? ", from the policies and the broker's record" :
			 ", from the policies: the mail system does "
			 "not run");
	buf_puts(b, "</p>\n");
	put_picture(b, g);
	put_legend(b);
	put_channels(b, g);
	buf_puts(b, "<h2 id=\"components\">Components</h2>\n");
	for (size_t i = 0; i < g->nnodes; i++)
		if (g->nodes[i].kind == NODE_COMPONENT)
			put_component(b, g, &g->nodes[i]);
	html_end(b);
}
