/* SPDX-License-Identifier: ISC */
/*
 * sandbox graph, show: who holds what, and what a policy allows.
 */
#include "graph.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "mailctl.h"
#include "sandbox/audit.h"
#include "sandbox/reach.h"

#define ANSWER_MAX (16 << 20)

/* --- graph ---------------------------------------------------------------- */

/* The same thing given to the same process, however often. */
struct grant {
	pid_t pid;
	struct str verb, what; /* borrowed from the answer */
	int64_t first, last;   /* seconds */
	unsigned count, refused;
};

struct tally {
	struct grant *v;
	size_t n, cap;
};

static void
add(struct tally *g, pid_t pid, struct json note)
{
	struct str verb = json_str(json_find(note, "verb"));
	struct str what = json_str(json_find(note, "what"));
	int64_t when = json_num(json_find(note, "when"));
	bool ok = str_eq(json_find(note, "ok").text, STR("true"));
	struct grant *x = NULL;

	for (size_t i = g->n; i-- > 0 && x == NULL;)
		if (g->v[i].pid == pid && str_eq(g->v[i].verb, verb) &&
		    str_eq(g->v[i].what, what))
			x = &g->v[i];
	if (x == NULL) {
		if (g->n == g->cap) {
			g->cap = g->cap == 0 ? 256 : g->cap * 2;
			g->v = xreallocarray(g->v, g->cap, sizeof(*g->v));
		}
		x = &g->v[g->n++];
		*x = (struct grant){ .pid = pid,
			.verb = verb,
			.what = what,
			.first = when };
	}
	x->last = when;
	x->count++;
	x->refused += !ok;
}

static void
put_time(int64_t when)
{
	time_t t = (time_t)when;
	struct tm *tm = localtime(&t);
	char text[32] = "?";

	if (tm != NULL)
		strftime(text, sizeof(text), "%H:%M:%S", tm);
	printf("%s", text);
}

static void
show_process(const struct tally *g, struct json p)
{
	pid_t pid = (pid_t)json_num(json_find(p, "pid"));

	printf("\n" STR_FMT " %" PRId64 ", process %d\n",
	    STR_ARG(json_str(json_find(p, "component"))),
	    json_num(json_find(p, "instance")), (int)pid);
	for (size_t i = 0; i < g->n; i++) {
		const struct grant *x = &g->v[i];

		if (x->pid != pid)
			continue;
		printf("    %-10.*s %-32.*s ", STR_ARG(x->verb),
		    STR_ARG(x->what));
		put_time(x->first);
		if (x->count > 1) {
			printf(", %u times, last ", x->count);
			put_time(x->last);
		}
		if (x->refused > 0)
			printf(", %u REFUSED", x->refused);
		putchar('\n');
	}
}

/* --- the graph ------------------------------------------------------------ */

/* What the broker says, when there is one. */
static void
ask(struct graph *g, const struct instance *in)
{
	struct buf why;
	struct talk t;

	buf_init(&g->record, ANSWER_MAX);
	buf_init(&g->status, ANSWER_MAX);
	if (!talk_open(&t, in))
		return;
	buf_init(&why, 4096);
	if (talk_admin(&t, ADMIN_GRANTS, &g->record, &why) != 0 ||
	    talk_admin(&t, ADMIN_STATUS, &g->status, &why) != 0)
		die("%s", buf_cstr(&why));
	talk_close(&t);
	g->running = true;
	buf_clear(&why);
}

static void
show_text(const struct graph *g)
{
	struct tally t = { NULL, 0, 0 };
	struct json list, j;

	if (!g->running) {
		puts("The mail system does not run: what the policies "
		     "declare.");
	} else {
		list = json_of(buf_get(&g->record));
		while (json_each(&list, &j))
			add(&t, (pid_t)json_num(json_find(j, "pid")), j);
		puts("What the broker has given to whom, as far as its record "
		     "goes back.");
		list = json_find(json_of(buf_get(&g->status)), "processes");
		while (json_each(&list, &j))
			show_process(&t, j);
	}
	puts("\nChannels, and the records that make the other end do "
	     "something.");
	for (size_t i = 0; i < g->nlines; i++) {
		const struct line *l = &g->lines[i];
		const struct policy *p = g->nodes[l->a].policy;
		const struct policy *q = g->nodes[l->b].policy;
		struct buf r;

		if (!l->channel)
			continue;
		buf_init(&r, 8192);
		printf("    %-10s %-10s made %" PRIu64 " times\n", p->name,
		    q->name, l->made);
		if (reach_tells(p, q, NULL, &r))
			printf("        -> %s\n", buf_cstr(&r));
		buf_reset(&r);
		if (reach_tells(q, p, NULL, &r))
			printf("        <- %s\n", buf_cstr(&r));
		buf_clear(&r);
	}
	free(t.v);
}

static void
kinds_json(uint32_t kinds)
{
	const char *sep = "";

	putchar('[');
	for (int k = 0; k < KIND_N; k++) {
		if ((kinds & 1u << k) == 0)
			continue;
		printf("%s\"%s\"", sep, kind_name((enum policy_kind)k));
		sep = ",";
	}
	putchar(']');
}

static void
records_json(const struct policy *from, const struct policy *to)
{
	const char *sep = "";
	struct str text, w;
	struct buf r;

	buf_init(&r, 8192);
	reach_tells(from, to, NULL, &r);
	text = buf_get(&r);
	putchar('[');
	while (str_token(&text, ", ", &w)) {
		printf("%s\"" STR_FMT "\"", sep, STR_ARG(w));
		sep = ",";
	}
	putchar(']');
	buf_clear(&r);
}

static void
line_json(const struct graph *g, const struct line *l)
{
	const struct policy *p = g->nodes[l->a].policy;
	const struct policy *q = g->nodes[l->b].policy;

	printf("{\"a\":\"%s\",\"b\":\"%s\",\"edge\":", p->name, q->name);
	if (l->edge == NULL)
		fputs("null", stdout);
	else
		printf("\"%s\"", l->edge);
	fputs(",\"a_tells_b\":", stdout);
	records_json(p, q);
	fputs(",\"b_tells_a\":", stdout);
	records_json(q, p);
	fputs(",\"a_passes_b\":", stdout);
	kinds_json(l->pass_ab);
	fputs(",\"b_passes_a\":", stdout);
	kinds_json(l->pass_ba);
	printf(",\"made\":%" PRIu64 ",\"first\":%" PRId64 ",\"last\":%" PRId64
	       "}",
	    l->made, l->first, l->last);
}

static void
show_json(struct graph *g)
{
	const char *sep = "";

	fputs("{\"components\":[", stdout);
	for (size_t i = 0; i < g->nnodes; i++) {
		const struct node *n = &g->nodes[i];
		char hex[POLICY_HEX];

		if (n->kind != NODE_COMPONENT)
			continue;
		policy_hex(n->policy, hex);
		printf("%s\n{\"name\":\"%s\",\"policy\":\"%s\",\"reads\":[",
		    sep, n->policy->name, hex);
		for (size_t k = 0; k < n->policy->nreads; k++)
			printf("%s\"%s\"", k > 0 ? "," : "",
			    n->policy->reads[k].word);
		fputs("],\"holds\":[", stdout);
		for (size_t k = 0, m = 0; k < g->nlines; k++)
			if (g->lines[k].a == i &&
			    g->nodes[g->lines[k].b].kind == NODE_AUTHORITY)
				printf("%s\"%s\"", m++ > 0 ? "," : "",
				    g->nodes[g->lines[k].b].label);
		fputs("]}", stdout);
		sep = ",";
	}
	fputs("],\"channels\":[", stdout);
	sep = "\n";
	for (size_t i = 0; i < g->nlines; i++) {
		if (!g->lines[i].channel)
			continue;
		fputs(sep, stdout);
		line_json(g, &g->lines[i]);
		sep = ",\n";
	}
	printf("],\"grants\":%s,\"status\":%s}\n",
	    g->running ? buf_cstr(&g->record) : "null",
	    g->running ? buf_cstr(&g->status) : "null");
}

static void
show_dot(const struct graph *g)
{
	puts("digraph postern {\n\trankdir=LR;\n\tnode [shape=box, "
	     "style=\"rounded,filled\", fontname=\"sans-serif\"];");
	for (size_t i = 0; i < g->nnodes; i++) {
		const struct node *n = &g->nodes[i];

		printf("\t\"%s\" [label=\"%s\", fillcolor=\"%s\"];\n", n->id,
		    n->label,
		    n->kind == NODE_STRANGER	  ? "#f6f8fa" :
			n->kind == NODE_AUTHORITY ? "#dafbe1" :
			graph_is_bar(n->policy)	  ? "#fbefff" :
			reach_hostile(n->policy)  ? "#fff1e5" :
						    "#ddf4ff");
	}
	for (size_t i = 0; i < g->nlines; i++) {
		const struct line *l = &g->lines[i];

		printf("\t\"%s\" -> \"%s\" [dir=%s, label=\"%s\"%s];\n",
		    g->nodes[l->a].id, g->nodes[l->b].id,
		    l->channel ? "both" : "forward",
		    l->edge == NULL ? "" : l->edge,
		    l->pass_ab != 0 || l->pass_ba != 0 ? ", penwidth=2" : "");
	}
	puts("}");
}

#define USAGE "usage: mailctl sandbox graph [--dot | --json | --html FILE]"

int
cmd_sandbox_graph(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "dot", no_argument, NULL, 'd' },
		{ "html", required_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
	};
	struct graph g = { .running = false };
	const char *html = NULL;
	struct instance in;
	struct buf page;
	bool dot = false;
	int c;

	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		if (c == 'h')
			html = optarg;
		else if (c == 'd')
			dot = true;
		else
			die_usage(USAGE);
	}
	if (argv[optind] != NULL || dot + opt.json + (html != NULL) > 1)
		die_usage(USAGE);
	instance_open(&in);
	ask(&g, &in);
	graph_make(&g);
	if (html != NULL) {
		graph_layout(&g);
		buf_init(&page, 64 << 20);
		graph_html(&g, &page);
		put_page(html, &page);
		buf_clear(&page);
	} else if (opt.json) {
		show_json(&g);
	} else if (dot) {
		show_dot(&g);
	} else {
		show_text(&g);
	}
	graph_clear(&g);
	instance_clear(&in);
	return 0;
}

/* --- show ----------------------------------------------------------------- */

int
cmd_sandbox_show(int argc, char *argv[])
{
	const struct policy *p;
	char hex[POLICY_HEX];
	struct buf calls;

	if (argc != 2)
		die_usage("usage: mailctl sandbox show COMPONENT");
	need_overlays();
	p = policy_find(str_of(argv[1]));
	if (p == NULL)
		die("there is no policy for \"%s\"", argv[1]);
	policy_hex(p, hex);
	buf_init(&calls, 1 << 20);
	audit_calls(p, &calls);
	printf("# policy of %s, version %u, %s\n\n", p->name, p->version, hex);
	fwrite(p->text, 1, p->text_len, stdout);
	if (p->overlay != NULL) {
		printf("\n# overlay %s\n\n", p->overlay);
		fwrite(p->overlay_text, 1, p->overlay_len, stdout);
	}
	printf("\n# system calls that its filter lets through\n\n%s",
	    buf_cstr(&calls));
	buf_clear(&calls);
	return 0;
}
