/* SPDX-License-Identifier: ISC */
/*
 * Reachability on small graphs made up here; then the real policies against
 * the process graph that libcommon/edge declares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/mem.h"
#include "chan/rec.h"
#include "edge/edges.h"
#include "sandbox/policy.h"
#include "sandbox/reach.h"

#define REST                                          \
	"version 1\nuser u\nwall all\nlimit core 0\n" \
	"promise stdio recvfd # r\n"                  \
	"slot 3 broker channel read,write,recvfd pass=channel,memfd-read # r\n"

struct graph {
	const struct policy *all[8];
	struct reach r;
};

static void
graph_add(struct graph *g, const char *name, const char *lines)
{
	char *text = xasprintf("component %s\n" REST "%s", name, lines);
	struct policy *p;
	char err[256];

	if (policy_parse(name, str_of(text), &p, err, sizeof(err)) == -1)
		fail_msg("%s", err);
	g->all[g->r.n++] = p;
	g->r.all = g->all;
	free(text);
}

static void
graph_clear(struct graph *g)
{
	for (size_t i = 0; i < g->r.n; i++) {
		struct policy *p = (struct policy *)(uintptr_t)g->all[i];

		policy_free(&p);
	}
}

/* a <- b <- c, where c holds a directory and files. */
static void
graph_make(struct graph *g, const char *a, const char *b)
{
	memset(g, 0, sizeof(*g));
	graph_add(g, "a", a);
	graph_add(g, "b", b);
	graph_add(g, "c",
	    "promise sendfd # r\n"
	    "slot 6 spool dir read # r\n"
	    "own content memfd read max=1 # r\n"
	    "grant b channel read,write,sendfd pass=memfd max=1 # r\n");
}

#define A_TAKES "grant b channel read,recvfd pass=memfd max=1 # r\n"
#define B_PASSES                                              \
	"promise sendfd # r\n"                                \
	"grant a channel write,sendfd pass=memfd max=1 # r\n" \
	"grant c channel read,recvfd pass=memfd max=1 # r\n"
#define B_TELLS                                                     \
	"promise sendfd # r\n"                                      \
	"grant a channel read,write,sendfd pass=memfd max=1 # r\n"  \
	"grant c channel read,write,recvfd pass=memfd max=1 # r\n"
#define B_KEEPS                             \
	"grant a channel write max=1 # r\n" \
	"grant c channel read,recvfd pass=memfd max=1 # r\n"

/* clang-format off */
static const struct question {
	const char *a, *b;
	const char *who, *owner, *object;
	enum reach_trust trust;
	int want;
	const char *way;
} questions[] = {
	{ A_TAKES, B_PASSES, "a", "c", "content", REACH_OTHERS_HONEST, 1,
	    "c:content -> b -> a" },
	{ A_TAKES, B_PASSES, "a", "*", "memfd", REACH_OTHERS_HONEST, 1,
	    "c:content -> b -> a" },
	{ A_TAKES, B_PASSES, "a", "c", "spool", REACH_OTHERS_HONEST, 0, "" },
	{ A_TAKES, B_PASSES, "a", "c", "spool", REACH_ALL_CAPTURED, 1,
	    "c:spool -> b -> a" },
	{ A_TAKES, B_KEEPS, "a", "c", "content", REACH_OTHERS_HONEST, 0, "" },
	{ A_TAKES, B_KEEPS, "b", "c", "content", REACH_OTHERS_HONEST, 1,
	    "c:content -> b" },
	/* Without sendfd the kernel refuses b, captured or not. */
	{ A_TAKES, B_KEEPS, "a", "c", "content", REACH_ALL_CAPTURED, 0, "" },
	{ "grant b channel read max=1 # r\n", B_PASSES, "a", "c", "content",
	    REACH_OTHERS_HONEST, 0, "" },
	{ A_TAKES, B_PASSES, "c", "c", "spool", REACH_OTHERS_HONEST, 1,
	    "c:spool" },
	{ A_TAKES, B_PASSES, "nobody", "c", "spool", REACH_OTHERS_HONEST, 0,
	    "" },
};
/* clang-format on */

static void
test_questions(void **state)
{
	struct graph g;
	struct buf way;

	(void)state;
	buf_init(&way, 256);
	for (size_t i = 0; i < NELEM(questions); i++) {
		const struct question *q = &questions[i];

		graph_make(&g, q->a, q->b);
		buf_reset(&way);
		assert_int_equal(reach_object(&g.r, str_of(q->who),
				     str_of(q->owner), str_of(q->object),
				     q->trust, &way),
		    q->want);
		assert_string_equal(buf_cstr(&way), q->way);
		graph_clear(&g);
	}
	buf_clear(&way);
}

/* clang-format off */
static const struct check {
	const char *a, *b;
	size_t bad;
	const char *says;
} checks[] = {
	{ A_TAKES, B_PASSES, 0, "" },
	{ A_TAKES "never c:spool # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never *:dir # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never c:content # r\n", B_PASSES, 1,
	    "a.policy:9: never c:content: c:content -> b -> a" },
	{ A_TAKES "never *:memfd # r\n", B_PASSES, 1, "-> b -> a" },
	{ A_TAKES "never *:memfdd # r\n", B_PASSES, 1, "no such object" },
	{ A_TAKES "never d:spool # r\n", B_PASSES, 1, "no such object" },
	{ A_TAKES "never * -> c:spool # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never * -> c:content # r\n", B_PASSES, 1,
	    "a.policy:9: never * -> c:content: c:content -> b -> a" },
	{ A_TAKES "never * except a -> c:content # r\n", B_PASSES, 1,
	    "c:content -> b" },
	{ A_TAKES "never * except a,b -> c:content # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never * except a,d -> c:content # r\n", B_PASSES, 1,
	    "there is no component d" },
	/* Whom nobody listens to can have nothing used. */
	{ A_TAKES "never a => c:spool # r\n", B_PASSES, 0, "" },
	{ "grant b channel read,write,recvfd pass=memfd max=1 # r\n"
	  "never a => c:spool # r\n", B_PASSES, 0, "" },
	{ "grant b channel read,write,recvfd pass=memfd max=1 # r\n"
	  "never a => c:spool # r\n", B_TELLS, 1,
	    "a => b => c:spool" },
	{ "grant b channel read,write,recvfd pass=memfd max=1 # r\n"
	  "never a => c:spool except through b # r\n", B_TELLS, 0, "" },
	{ "grant b channel read,write,recvfd pass=memfd max=1 # r\n"
	  "never a => c:spool except through d # r\n", B_TELLS, 1,
	    "there is no component d" },
	/* Only who reads strangers' bytes is hostile. */
	{ A_TAKES "never hostile -> c:content # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never hostile -> c:content # r\n",
	  B_PASSES "reads clients # r\n", 1, "c:content -> b" },
	{ A_TAKES "never * -> *:promise/sendfd # r\n", B_PASSES, 1,
	    "b:sendfd" },
	{ A_TAKES "never * -> *:promise/connect # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never * -> *:promise/conect # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never * -> *:promise/nonsense # r\n", B_PASSES, 1,
	    "no such object" },
	{ A_TAKES "never * except a -> *:request/mailbox # r\n"
	  "request mailbox rate=1/s burst=1 open=1 # r\n", B_PASSES, 0, "" },
	{ A_TAKES "never b -> a:request/mailbox # r\n"
	  "never a -> *:request/mailbox # r\n"
	  "request mailbox rate=1/s burst=1 open=1 # r\n", B_PASSES, 1,
	    "a.policy:10: never a -> *:request/mailbox: a:mailbox" },
	{ "", B_PASSES, 1, "a.policy has no channel to b" },
	{ "grant b channel read max=1 # r\n", B_PASSES, 1,
	    "does not expect what travels" },
	{ A_TAKES, B_PASSES "grant c channel write,sendfd pass=dir max=1"
	    " # r\n", 2, "does not expect" },
	{ A_TAKES "promise sendfd # r\n", B_PASSES, 1, "go together" },
};
/* clang-format on */

static void
test_checks(void **state)
{
	struct graph g;
	struct buf report;

	(void)state;
	buf_init(&report, 4096);
	for (size_t i = 0; i < NELEM(checks); i++) {
		size_t bad;

		graph_make(&g, checks[i].a, checks[i].b);
		buf_reset(&report);
		bad = reach_check(&g.r, &report);
		if (bad != checks[i].bad ||
		    strstr(buf_cstr(&report), checks[i].says) == NULL)
			fail_msg("%zu: %zu\n%s", i, bad, buf_cstr(&report));
		graph_clear(&g);
	}
	buf_clear(&report);
}

static void
test_real(void **state)
{
	struct reach r = reach_compiled();
	struct buf report;

	(void)state;
	buf_init(&report, 1 << 16);
	if (reach_check(&r, &report) != 0)
		fail_msg("%s", buf_cstr(&report));
	assert_true(r.n >= 17);
	/* What strangers talk to, against what matters most. */
	assert_int_equal(reach_object(&r, STR("smtpd"), STR("*"), STR("dir"),
			     REACH_OTHERS_HONEST, &report),
	    0);
	assert_int_equal(reach_object(&r, STR("dns"), STR("*"), STR("dir"),
			     REACH_ALL_CAPTURED, &report),
	    0);
	assert_int_equal(reach_object(&r, STR("smtpd"), STR("broker"),
			     STR("ticket"), REACH_OTHERS_HONEST, &report),
	    0);
	buf_clear(&report);
}

/* Every chain that matters, with the line that would be missed. */
static const struct real {
	const char *who, *owner, *object;
	const char *through;
	bool use;
	const char *way; /* NULL: there is none */
} reals[] = {
	{ "smtpd", "qmgr", "spool", "", false, NULL },
	{ "smtpd", "qmgr", "spool", "", true, "smtpd => qmgr:spool" },
	{ "smtpd", "mailbox", "home", "", true,
	    "smtpd => qmgr => local => mailbox:home" },
	{ "smtpd", "mailbox", "home", "qmgr", true, NULL },
	{ "smtp", "broker", "server", "", false, "broker:server -> smtp" },
	{ "smtp", "broker", "server", "", true, "broker:server -> smtp" },
	{ "gate", "broker", "server", "qmgr", true, NULL },
	{ "lookup", "launcher", "file", "", true,
	    "lookup => request table => launcher:file" },
	{ "dns", "*", "dir", "", true, NULL },
	{ "mailbox", "mailbox", "home", "", true, NULL },
};

static void
test_real_ways(void **state)
{
	struct reach r = reach_compiled();
	struct reach_way w;
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	for (size_t i = 0; i < NELEM(reals); i++) {
		const struct real *x = &reals[i];
		struct reach_question q = { str_of(x->who), str_of(x->owner),
			str_of(x->object), x->use, str_of(x->through),
			REACH_OTHERS_HONEST };
		bool found = reach_find(&r, &q, &w);

		buf_reset(&text);
		if (found)
			reach_text(&w, &text);
		if (found != (x->way != NULL) ||
		    (found && strcmp(buf_cstr(&text), x->way) != 0))
			fail_msg("%zu: %s %s: %s", i, x->who, x->object,
			    buf_cstr(&text));
		if (!found)
			continue;
		buf_reset(&text);
		reach_explain(&w, "", &text);
		assert_non_null(strstr(buf_cstr(&text), ".policy:"));
	}
	buf_clear(&text);
}

/* Who reads what strangers send says so; requests are known by what they do. */
static void
test_hostile(void **state)
{
	static const char *const calm[] = { "broker", "gate", "keys",
		"launcher", "mailbox", "qmgr" };

	(void)state;
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		bool is_calm = false;

		for (size_t k = 0; k < NELEM(calm); k++)
			is_calm |= strcmp(calm[k], p->name) == 0;
		if (reach_hostile(p) == is_calm)
			fail_msg("%s.policy: whose bytes does it read?",
			    p->name);
	}
}

/* --- the process graph ---------------------------------------------------- */

/* The most descriptors a record of this side carries. */
static unsigned
side_fds(const struct edge *e, enum side side)
{
	unsigned most = 0;

	for (size_t i = 0; i < e->ntypes; i++) {
		const struct rec_type *t = &e->types[i];

		if ((t->from & side) != 0 && t->fds > most)
			most = t->fds;
	}
	return most;
}

static void
check_end(const char *name, const char *peer, const char *edge, unsigned sends,
    unsigned receives)
{
	const struct policy *p = policy_find(str_of(name));
	const struct policy_grant *g;

	if (p == NULL)
		fail_msg("no policy of %s", name);
	g = policy_grant_find(p, str_of(peer));
	if (g == NULL || g->kind != KIND_CHANNEL)
		fail_msg("%s.policy has no channel to %s (edge %s)", name, peer,
		    edge);
	if (sends > 0 && (g->rights & RIGHT_SENDFD) == 0)
		fail_msg("%s sends descriptors to %s on edge %s", name, peer,
		    edge);
	if (receives > 0 && (g->rights & RIGHT_RECVFD) == 0)
		fail_msg("%s gets descriptors from %s on edge %s", name, peer,
		    edge);
}

static void
test_edges(void **state)
{
	const struct edge_link *l;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; (l = edge_link_at(i)) != NULL; i++, n++) {
		const struct edge *e = edge_find(str_of(l->edge));
		unsigned a, b;

		assert_non_null(e);
		a = side_fds(e, SIDE_A);
		b = side_fds(e, SIDE_B);
		check_end(l->a, l->b, l->edge, a, b);
		check_end(l->b, l->a, l->edge, b, a);
	}
	assert_true(n > 20);
}

/* Nobody has a right on a channel that no record uses. */
static void
test_surplus(void **state)
{
	const struct edge_link *l;

	(void)state;
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);

		for (size_t j = 0; j < p->ngrants; j++) {
			const struct policy_grant *g = &p->grants[j];
			unsigned sends = 0, receives = 0;

			if (g->own || g->kind != KIND_CHANNEL ||
			    strcmp(g->name, "mailbox") == 0 ||
			    strcmp(p->name, "mailbox") == 0 ||
			    strcmp(g->name, "command") == 0 ||
			    strcmp(p->name, "command") == 0)
				continue;
			for (size_t k = 0; (l = edge_link_at(k)); k++) {
				const struct edge *e =
				    edge_find(str_of(l->edge));

				if (strcmp(l->a, p->name) == 0 &&
				    strcmp(l->b, g->name) == 0) {
					sends += side_fds(e, SIDE_A);
					receives += side_fds(e, SIDE_B);
				} else if (strcmp(l->b, p->name) == 0 &&
				    strcmp(l->a, g->name) == 0) {
					sends += side_fds(e, SIDE_B);
					receives += side_fds(e, SIDE_A);
				}
			}
			if ((g->rights & RIGHT_SENDFD) != 0 && sends == 0)
				fail_msg("%s never sends descriptors to %s",
				    p->name, g->name);
			if ((g->rights & RIGHT_RECVFD) != 0 && receives == 0)
				fail_msg("%s never gets descriptors from %s",
				    p->name, g->name);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_checks),
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_real_ways),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_surplus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
