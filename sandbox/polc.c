/* SPDX-License-Identifier: ISC */
/*
 * polc - the policy compiler: policy files in, a C table on standard output.
 * Run by make; nothing of it is installed.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/policy.h"
#include "sandbox/promise.h"
#include "sandbox/reach.h"

static void
put_string(struct str s)
{
	putchar('"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c == '\n')
			fputs("\\n\"\n\t    \"", stdout);
		else if (c < 0x20 || c > 0x7e || c == '?')
			printf("\\%03o", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
put_cstring(const char *s)
{
	put_string(str_of(s));
}

static void
put_src(const struct policy_src *src)
{
	printf(",\n\t  .src = { %u, ", src->line);
	put_cstring(src->text == NULL ? "" : src->text);
	fputs(",\n\t    ", stdout);
	put_cstring(src->reason == NULL ? "" : src->reason);
	fputs(", NULL } },\n", stdout);
}

static void
put_slots(const struct policy *p, size_t k)
{
	printf("static const struct policy_slot slots_%zu[] = {\n", k);
	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];

		printf("\t{ .fd = %d, .name = ", s->fd);
		put_cstring(s->name);
		printf(", .kind = %d, .rights = %#x, .pass = %#x, "
		       ".optional = %d",
		    s->kind, s->rights, s->pass, s->optional);
		put_src(&s->src);
	}
	puts("};");
}

static void
put_grants(const struct policy *p, size_t k)
{
	printf("static const struct policy_grant grants_%zu[] = {\n", k);
	for (size_t i = 0; i < p->ngrants; i++) {
		const struct policy_grant *g = &p->grants[i];

		fputs("\t{ .name = ", stdout);
		put_cstring(g->name);
		printf(", .kind = %d, .rights = %#x, .pass = %#x, .max = %u, "
		       ".own = %d",
		    g->kind, g->rights, g->pass, g->max, g->own);
		put_src(&g->src);
	}
	puts("};");
}

static void
put_promises(const struct policy *p, size_t k)
{
	printf("static const struct policy_promise promises_%zu[] = {\n", k);
	for (size_t i = 0; i < p->npromises; i++) {
		fputs("\t{ .word = ", stdout);
		put_cstring(p->promises[i].word);
		printf(", .fd = %d", p->promises[i].fd);
		put_src(&p->promises[i].src);
	}
	puts("};");
}

static void
put_calls(const struct policy *p, size_t k)
{
	printf("static const struct policy_call calls_%zu[] = {\n", k);
	for (size_t i = 0; i < p->ncalls; i++) {
		const struct policy_call *c = &p->calls[i];

		fputs("\t{ .name = ", stdout);
		put_cstring(c->name);
		printf(", .error = %d, .nargs = %u, .args = {\n", c->error,
		    c->nargs);
		for (unsigned j = 0; j < c->nargs; j++)
			printf("\t    { .index = %d, .op = %d, .wide = %d, "
			       ".value = %#llx, .mask = %#llx },\n",
			    c->args[j].index, c->args[j].op, c->args[j].wide,
			    (unsigned long long)c->args[j].value,
			    (unsigned long long)c->args[j].mask);
		fputs("\t  }", stdout);
		put_src(&c->src);
	}
	puts("};");
}

static void
put_requests(const struct policy *p, size_t k)
{
	printf("static const struct policy_request requests_%zu[] = {\n", k);
	for (size_t i = 0; i < p->nrequests; i++) {
		const struct policy_request *r = &p->requests[i];

		fputs("\t{ .verb = ", stdout);
		put_cstring(r->verb);
		printf(", .rate = %u, .per_s = %u, .burst = %u, .open = %u",
		    r->rate, r->per_s, r->burst, r->open);
		put_src(&r->src);
	}
	puts("};");
}

static void
put_limits(const struct policy *p, size_t k)
{
	printf("static const struct policy_limit limits_%zu[] = {\n", k);
	for (size_t i = 0; i < p->nlimits; i++) {
		printf("\t{ .resource = %d, .name = ", p->limits[i].resource);
		put_cstring(p->limits[i].name);
		printf(", .value = %lluu",
		    (unsigned long long)p->limits[i].value);
		put_src(&p->limits[i].src);
	}
	puts("};");
}

static void
put_nevers(const struct policy *p, size_t k)
{
	printf("static const struct policy_never nevers_%zu[] = {\n", k);
	for (size_t i = 0; i < p->nnevers; i++) {
		const struct policy_never *n = &p->nevers[i];

		fputs("\t{ .who = ", stdout);
		put_cstring(n->who);
		fputs(", .except = ", stdout);
		put_cstring(n->except);
		fputs(", .component = ", stdout);
		put_cstring(n->component);
		fputs(", .object = ", stdout);
		put_cstring(n->object);
		printf(", .use = %d, .through = ", n->use);
		put_cstring(n->through);
		put_src(&n->src);
	}
	puts("};");
}

static void
put_reads(const struct policy *p, size_t k)
{
	printf("static const struct policy_reads reads_%zu[] = {\n", k);
	for (size_t i = 0; i < p->nreads; i++) {
		fputs("\t{ .word = ", stdout);
		put_cstring(p->reads[i].word);
		put_src(&p->reads[i].src);
	}
	puts("};");
}

static void
put_caps(const struct policy *p, size_t k)
{
	printf("static const struct policy_cap caps_%zu[] = {\n", k);
	for (size_t i = 0; i < p->ncaps; i++) {
		printf("\t{ .cap = %d, .name = ", p->caps[i].cap);
		put_cstring(p->caps[i].name);
		put_src(&p->caps[i].src);
	}
	puts("};");
}

/* An array of no elements is not C: such members stay NULL. */
#define ARRAY(member)                                          \
	do {                                                   \
		if (p->n##member > 0)                          \
			printf("\t  ." #member " = " #member   \
			       "_%zu, .n" #member " = %zu,\n", \
			    k, p->n##member);                  \
	} while (0)

static void
put_policy(const struct policy *p, size_t k)
{
	fputs("\t{ .name = ", stdout);
	put_cstring(p->name);
	printf(", .version = %u, .user = ", p->version);
	put_cstring(p->user);
	printf(", .walls = %#x,\n\t  .walls_src = { %u, ", p->walls,
	    p->walls_src.line);
	put_cstring(p->walls_src.text == NULL ? "" : p->walls_src.text);
	fputs(",\n\t    ", stdout);
	put_cstring(p->walls_src.reason == NULL ? "" : p->walls_src.reason);
	printf(" },\n\t  .demand = %d, .warm = %u, .demand_src = { %u, ",
	    p->demand, p->warm, p->demand_src.line);
	put_cstring(p->demand ? p->demand_src.text : "");
	fputs(",\n\t    ", stdout);
	put_cstring(p->demand ? p->demand_src.reason : "");
	fputs(", NULL },\n", stdout);
	ARRAY(slots);
	ARRAY(grants);
	ARRAY(promises);
	ARRAY(calls);
	ARRAY(requests);
	ARRAY(limits);
	ARRAY(nevers);
	ARRAY(reads);
	ARRAY(caps);
	fputs("\t  .hash = { ", stdout);
	for (size_t i = 0; i < POLICY_HASH; i++)
		printf("%#x,%s", p->hash[i], i % 8 == 7 ? "\n\t    " : " ");
	printf("}, .text_len = %zu, .text =\n\t    ", p->text_len);
	put_string(str_make(p->text, p->text_len));
	puts(" },");
}

static void
put_arrays(const struct policy *p, size_t k)
{
	if (p->nslots > 0)
		put_slots(p, k);
	if (p->ngrants > 0)
		put_grants(p, k);
	if (p->npromises > 0)
		put_promises(p, k);
	if (p->ncalls > 0)
		put_calls(p, k);
	if (p->nrequests > 0)
		put_requests(p, k);
	if (p->nlimits > 0)
		put_limits(p, k);
	if (p->nnevers > 0)
		put_nevers(p, k);
	if (p->nreads > 0)
		put_reads(p, k);
	if (p->ncaps > 0)
		put_caps(p, k);
}

/* Parse one file; the name of the file must be the component's. */
static struct policy *
read_policy(const char *path)
{
	const char *base = strrchr(path, '/');
	struct policy *p;
	struct plan plan;
	char err[1024], *text, *want;
	size_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fd_slurp(fd, 1 << 20, &text, &len) == -1) {
		fprintf(stderr, "polc: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
	if (policy_parse(path, str_make(text, len), &p, err, sizeof(err)) ==
		-1 ||
	    plan_make(p, &plan, err, sizeof(err)) == -1) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	plan_clear(&plan);
	free(text);
	base = base == NULL ? path : base + 1;
	want = xasprintf("%s.policy", p->name);
	if (strcmp(base, want) != 0) {
		fprintf(stderr, "%s:1: component %s belongs in %s\n", path,
		    p->name, want);
		exit(1);
	}
	free(want);
	return p;
}

static int
by_name(const void *a, const void *b)
{
	const struct policy *const *pa = a, *const *pb = b;

	return strcmp((*pa)->name, (*pb)->name);
}

/* Policies that leak do not build; but a test needs some that do. */
static void
check_all(struct policy **all, size_t n)
{
	struct reach r = { (const struct policy *const *)all, n };
	struct buf report;

	buf_init(&report, 1 << 16);
	if (reach_check(&r, &report) > 0) {
		fputs(buf_cstr(&report), stderr);
		exit(1);
	}
	buf_clear(&report);
}

int
main(int argc, char *argv[])
{
	bool leaky = argc > 1 && strcmp(argv[1], "--leaky") == 0;
	size_t n = (size_t)(argc - 1 - leaky);
	struct policy **all = xcalloc(n + 1, sizeof(*all));

	for (size_t i = 0; i < n; i++)
		all[i] = read_policy(argv[i + 1 + leaky]);
	qsort(all, n, sizeof(*all), by_name);
	if (!leaky)
		check_all(all, n);
	puts("/* Made by polc from policy/; do not edit. */\n"
	     "#include \"sandbox/policy_gen.h\"\n");
	for (size_t i = 0; i < n; i++)
		put_arrays(all[i], i);
	puts("const struct policy policy_table[] = {");
	for (size_t i = 0; i < n; i++)
		put_policy(all[i], i);
	printf("};\n\nconst size_t policy_table_n = %zu;\n", n);
	for (size_t i = 0; i < n; i++)
		policy_free(&all[i]);
	free(all);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "polc: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
