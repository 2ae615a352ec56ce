/* SPDX-License-Identifier: ISC */
/*
 * sandbox prove: who could come to hold what, or have it used, and how; and
 * that nothing a never line forbids can be.
 */
#include "mailctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "json.h"
#include "sandbox/policy_names.h"
#include "sandbox/reach.h"

#define POLICY_TEXT_MAX (1 << 20)

#define USAGE                                                                 \
	"usage: mailctl sandbox prove [--policies DIR] [QUESTION]\n"          \
	"    no question               every never line of every policy\n"    \
	"    'who can reach OBJECT'    everybody who can, and by which way\n" \
	"    'WHO -> OBJECT'           can WHO come to hold it?\n"            \
	"    'WHO => OBJECT'           or have it used on its behalf?\n"      \
	"WHO is a component, hostile, or *.  OBJECT is [OWNER:]NAME, where\n" \
	"NAME is a slot or grant of OWNER's policy, a kind such as dir,\n"    \
	"promise/WORD, or request/VERB: qmgr:spool, *:dir, promise/connect"

static void NORETURN
bad_question(void)
{
	fputs(USAGE "\n", stderr);
	exit(EXIT_USAGE);
}

/* --- which policies ------------------------------------------------------- */

static struct policy *
read_policy(const char *path)
{
	struct policy *p;
	char err[1024], *text = NULL;
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fd_slurp(fd, POLICY_TEXT_MAX, &text, &n) == -1)
		die("%s: %s", path, strerror(errno));
	fd_close(&fd);
	if (policy_parse(path, str_make(text, n), &p, err, sizeof(err)) == -1)
		die("%s", err);
	free(text);
	return p;
}

static int
by_name(const void *a, const void *b)
{
	const struct policy *const *pa = a, *const *pb = b;

	return strcmp((*pa)->name, (*pb)->name);
}

/* Those of a directory, in place of the compiled ones. */
static struct reach
read_policies(const char *dir)
{
	static const struct policy *all[REACH_MAX];
	struct reach r = { all, 0 };
	struct dirent *de;
	DIR *d = opendir(dir);

	if (d == NULL)
		die("%s: %s", dir, strerror(errno));
	while ((de = readdir(d)) != NULL) {
		char *path;

		if (!str_ends(str_of(de->d_name), STR(".policy")))
			continue;
		if (r.n == REACH_MAX)
			die("%s: more than %d policies", dir, REACH_MAX);
		path = xasprintf("%s/%s", dir, de->d_name);
		all[r.n++] = read_policy(path);
		free(path);
	}
	closedir(d);
	if (r.n == 0)
		die("%s: no file NAME.policy in it", dir);
	qsort(all, r.n, sizeof(all[0]), by_name);
	return r;
}

/* --- answers -------------------------------------------------------------- */

static void
way_json(const struct reach_way *w, bool found)
{
	struct str text, line;
	struct buf b, q;

	if (!found) {
		fputs("\"how\":null,\"way\":null,\"steps\":[]", stdout);
		return;
	}
	buf_init(&b, 65536);
	buf_init(&q, 65536);
	printf("\"how\":\"%s\",\"way\":", w->use ? "used" : "held");
	reach_text(w, &b);
	fwrite("\"", 1, 1, stdout);
	fwrite(b.base + b.off, 1, b.len, stdout);
	fputs("\",\"steps\":[", stdout);
	buf_reset(&b);
	reach_explain(w, "", &b);
	text = buf_get(&b);
	while (str_token(&text, "\n", &line)) {
		if (q.len > 0)
			buf_putc(&q, ',');
		json_put(&q, line);
	}
	fwrite(q.base + q.off, 1, q.len, stdout);
	putchar(']');
	buf_clear(&q);
	buf_clear(&b);
}

static void
explain(const struct reach_way *w)
{
	struct buf b;

	buf_init(&b, 65536);
	reach_explain(w, "        ", &b);
	fputs(buf_cstr(&b), stdout);
	buf_clear(&b);
}

/* One who can. */
static void
show_who(const struct policy *p, const struct reach_way *w, bool first)
{
	bool hostile = reach_hostile(p);
	struct buf way;

	if (opt.json) {
		printf("%s\n{\"component\":\"%s\",\"hostile\":%s,",
		    first ? "" : ",", p->name, hostile ? "true" : "false");
		way_json(w, true);
		putchar('}');
		return;
	}
	buf_init(&way, 4096);
	reach_text(w, &way);
	printf("%-10s %-10s%-9s %s\n", p->name, hostile ? "(hostile)" : "",
	    w->use ? "has used" : "holds", buf_cstr(&way));
	if (opt.verbose)
		explain(w);
	buf_clear(&way);
}

/* Strongest first: who holds it, who has it used, then the others. */
static int
who_can(const struct reach *r, struct reach_question *q)
{
	bool can_hold[REACH_MAX], can_use[REACH_MAX];
	struct reach_way w;
	bool first = true;
	size_t none = 0;

	if (opt.json)
		fputs("{\"who\":[", stdout);
	for (size_t i = 0; i < r->n; i++) {
		q->who = str_of(r->all[i]->name);
		q->use = false;
		can_hold[i] = reach_find(r, q, &w);
		if (can_hold[i]) {
			show_who(r->all[i], &w, first);
			first = false;
		}
	}
	q->use = true;
	for (size_t i = 0; i < r->n; i++) {
		q->who = str_of(r->all[i]->name);
		can_use[i] = !can_hold[i] && reach_find(r, q, &w);
		if (can_use[i]) {
			show_who(r->all[i], &w, first);
			first = false;
		}
	}
	if (opt.json) {
		puts("]}");
		return 0;
	}
	for (size_t i = 0; i < r->n; i++)
		if (!can_hold[i] && !can_use[i])
			printf("%s%s", none++ == 0 ? "nobody else: " : ", ",
			    r->all[i]->name);
	if (none > 0)
		puts(" can neither hold it nor have it used");
	return 0;
}

/* A leak is named and explained; no leak is said in so many words. */
static int
can(const struct reach *r, const struct policy_never *n)
{
	struct reach_way w;
	struct buf why;
	bool holds;

	buf_init(&why, 4096);
	holds = reach_never(r, n, &w, &why);
	if (!holds && w.n == 0)
		die_usage("%s", buf_cstr(&why));
	if (opt.json) {
		printf("{\"proved\":%s,", holds ? "true" : "false");
		way_json(&w, !holds);
		puts("}");
	} else if (holds) {
		printf("proved: %s cannot come to hold %s:%s%s\n", n->who,
		    n->component, n->object,
		    n->use ? ", nor have it used" : "");
		if (n->use && n->through[0] != '\0')
			printf("        but through %s\n", n->through);
	} else {
		printf("not so: %s\n", buf_cstr(&why));
		explain(&w);
	}
	buf_clear(&why);
	return holds ? 0 : EXIT_BAD;
}

static void
line_json(const struct policy *p, const struct policy_never *n,
    const struct reach_way *w, bool holds, bool first)
{
	struct buf b;

	buf_init(&b, 4096);
	json_put(&b, str_of(n->src.text));
	buf_puts(&b, ",\"reason\":");
	json_put(&b, str_of(n->src.reason));
	printf("%s\n{\"policy\":\"%s\",\"number\":%u,\"line\":%s,"
	       "\"holds\":%s,",
	    first ? "" : ",", p->name, n->src.line, buf_cstr(&b),
	    holds ? "true" : "false");
	way_json(w, !holds && w->n > 0);
	putchar('}');
	buf_clear(&b);
}

/* Every never line, and what else reach_check() looks at. */
static int
all_lines(const struct reach *r)
{
	size_t bad, lines = 0;
	struct reach_way w;
	struct buf why, report;

	buf_init(&why, 4096);
	buf_init(&report, 1 << 20);
	bad = reach_check(r, &report);
	if (opt.json)
		fputs("{\"lines\":[", stdout);
	for (size_t i = 0; i < r->n; i++) {
		for (size_t k = 0; k < r->all[i]->nnevers; k++, lines++) {
			const struct policy_never *n = &r->all[i]->nevers[k];
			bool holds;

			buf_reset(&why);
			holds = reach_never(r, n, &w, &why);
			if (opt.json)
				line_json(r->all[i], n, &w, holds, lines == 0);
			else if (opt.verbose)
				printf("%s %s.policy:%u: %s\n",
				    holds ? "holds " : "BROKEN",
				    r->all[i]->name, n->src.line, n->src.text);
			if (!opt.json && !holds && w.n > 0) {
				printf("BROKEN %s.policy:%u: %s: %s\n",
				    r->all[i]->name, n->src.line, n->src.text,
				    buf_cstr(&why));
				explain(&w);
			}
		}
	}
	if (opt.json) {
		printf("],\"policies\":%zu,\"bad\":%zu,\"report\":", r->n, bad);
		buf_reset(&why);
		buf_clear(&why);
		buf_init(&why, 2 << 20);
		json_put(&why, buf_get(&report));
		printf("%s}\n", buf_cstr(&why));
	} else {
		if (bad > 0)
			fputs(buf_cstr(&report), stdout);
		printf("%zu policies, %zu never lines, %zu do not hold\n", r->n,
		    lines, bad);
	}
	buf_clear(&report);
	buf_clear(&why);
	return bad > 0 ? EXIT_BAD : 0;
}

/* --- questions ------------------------------------------------------------ */

static void
suggest(const struct policy *p, struct str meant, struct buf *like)
{
	for (size_t i = 0; i < p->ngrants; i++)
		if (p->grants[i].kind != KIND_CHANNEL &&
		    name_distance(str_of(p->grants[i].name), meant) < 3)
			buf_printf(like, "%s%s:%s", like->len > 0 ? ", " : "",
			    p->name, p->grants[i].name);
	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i].kind != KIND_CHANNEL &&
		    name_distance(str_of(p->slots[i].name), meant) < 3)
			buf_printf(like, "%s%s:%s", like->len > 0 ? ", " : "",
			    p->name, p->slots[i].name);
}

/* [OWNER:]NAME; a name that nobody has is a typing error. */
static void
parse_object(const struct reach *r, struct str s, struct str *owner,
    struct str *object)
{
	ptrdiff_t colon = str_chr(s, ':');
	struct buf like;

	*owner = STR("*");
	*object = s;
	if (colon >= 0) {
		*owner = str_sub(s, 0, (size_t)colon);
		*object = str_sub(s, (size_t)colon + 1, s.n);
	}
	if (!str_eq(*owner, STR("*")) && reach_component(r, *owner) == NULL)
		die_usage("there is no component \"" STR_FMT "\"",
		    STR_ARG(*owner));
	if (reach_exists(r, *owner, *object))
		return;
	buf_init(&like, 8192);
	for (size_t i = 0; i < r->n; i++)
		if (str_eq(*owner, STR("*")) ||
		    str_eq(*owner, str_of(r->all[i]->name)))
			suggest(r->all[i], *object, &like);
	die_usage("no policy has \"" STR_FMT "\"%s%s%s", STR_ARG(s),
	    like.len > 0 ? ": did you mean " : "", buf_cstr(&like),
	    like.len > 0 ? "?" : "");
}

static int
question(const struct reach *r, const char *text)
{
	struct reach_question q = { .trust = REACH_OTHERS_HONEST };
	struct policy_never n = { .except = "", .through = "" };
	struct str s = str_of(text), w[8] = { STR_NONE };
	size_t words = 0;
	int status;

	while (words < NELEM(w) && str_token(&s, " ", &w[words]))
		words++;
	if (words == 1 ||
	    (words == 4 && str_eq(w[0], STR("who")) &&
		str_eq(w[1], STR("can")) && str_eq(w[2], STR("reach")))) {
		parse_object(r, w[words - 1], &q.owner, &q.object);
		return who_can(r, &q);
	}
	n.use = str_eq(w[1], STR("=>"));
	if ((words != 3 && words != 6) || (!n.use && !str_eq(w[1], STR("->"))))
		bad_question();
	if (words == 6 &&
	    (!n.use || !str_eq(w[3], STR("except")) ||
		!str_eq(w[4], STR("through"))))
		bad_question();
	parse_object(r, w[2], &q.owner, &q.object);
	n.who = str_dup(w[0]);
	n.component = str_dup(q.owner);
	n.object = str_dup(q.object);
	if (words == 6)
		n.through = str_dup(w[5]);
	status = can(r, &n);
	free((void *)(uintptr_t)n.who);
	free((void *)(uintptr_t)n.component);
	free((void *)(uintptr_t)n.object);
	if (words == 6)
		free((void *)(uintptr_t)n.through);
	return status;
}

/* The words of a question may come as one argument or as several. */
static char *
joined(char *const argv[])
{
	struct buf b;
	char *text;

	buf_init(&b, 8192);
	for (; *argv != NULL; argv++)
		buf_printf(&b, "%s%s", b.len > 0 ? " " : "", *argv);
	text = xstrdup(buf_cstr(&b));
	buf_clear(&b);
	return text;
}

int
cmd_sandbox_prove(int argc, char *argv[])
{
	static const struct option longs[] = { { "policies", required_argument,
						   NULL, 'p' },
		{ "all", no_argument, NULL, 'a' }, { NULL, 0, NULL, 0 } };
	struct reach r;
	char *text;
	int c;

	need_overlays();
	r = reach_compiled();
	while ((c = getopt_long(argc, argv, "+a", longs, NULL)) != -1) {
		if (c == 'p')
			r = read_policies(optarg);
		else if (c == 'a')
			opt.verbose = true;
		else
			bad_question();
	}
	if (argv[optind] == NULL)
		return all_lines(&r);
	text = joined(argv + optind);
	c = question(&r, text);
	free(text);
	return c;
}
