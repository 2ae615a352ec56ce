/* SPDX-License-Identifier: ISC */
/*
 * sandbox graph, show: who holds what, and what a policy allows.
 */
#include "mailctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "json.h"
#include "sandbox/audit.h"

#define ANSWER_MAX (16 << 20)

/* --- graph ---------------------------------------------------------------- */

/* The same thing given to the same process, however often. */
struct grant {
	pid_t pid;
	struct str verb, what; /* borrowed from the answer */
	int64_t first, last;   /* seconds */
	unsigned count, refused;
};

struct graph {
	struct grant *v;
	size_t n, cap;
};

static void
add(struct graph *g, pid_t pid, struct json note)
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
show_process(const struct graph *g, struct json p)
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

static void
ask(const struct instance *in, enum admin_what what, struct buf *out)
{
	struct buf why;
	struct talk t;

	buf_init(&why, 4096);
	buf_init(out, ANSWER_MAX);
	if (!talk_open(&t, in))
		die("the mail system does not answer: %s", strerror(errno));
	if (talk_admin(&t, what, out, &why) != 0)
		die("%s", buf_cstr(&why));
	talk_close(&t);
	buf_clear(&why);
}

int
cmd_sandbox_graph(int argc, char *argv[])
{
	struct graph g = { NULL, 0, 0 };
	struct buf notes, status;
	struct json list, j;
	struct instance in;

	(void)argv;
	if (argc != 1)
		die_usage("graph takes no argument");
	instance_open(&in);
	ask(&in, ADMIN_GRANTS, &notes);
	ask(&in, ADMIN_STATUS, &status);
	if (opt.json) {
		printf("{\"grants\":" STR_FMT ",\"status\":" STR_FMT "}\n",
		    STR_ARG(buf_get(&notes)),
		    STR_ARG(str_trim(buf_get(&status))));
	} else {
		list = json_of(buf_get(&notes));
		while (json_each(&list, &j))
			add(&g, (pid_t)json_num(json_find(j, "pid")), j);
		puts("What the broker has given to whom, as far as its record "
		     "goes back.");
		list = json_find(json_of(buf_get(&status)), "processes");
		while (json_each(&list, &j))
			show_process(&g, j);
	}
	free(g.v);
	buf_clear(&notes);
	buf_clear(&status);
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
