/* SPDX-License-Identifier: ISC */
/*
 * sandbox audit: what each process may do, declared against measured.
 */
#include "survey.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "json.h"
#include "sandbox/reach.h"

/* --- showing -------------------------------------------------------------- */

static void
show_line(const struct subject *j)
{
	const struct audit *a = &j->audit;
	char name[64], hash[17], calls[32], fds[16] = "?";

	survey_hash(a, 6, hash);
	if (survey_overlay(j) != NULL)
		strlcat(hash, "+", sizeof(hash));
	if (j->image)
		snprintf(name, sizeof(name), "%s image", j->component);
	else if (j->instance > 0)
		snprintf(name, sizeof(name), "%s %" PRId64, j->component,
		    j->instance);
	else
		strlcpy(name, j->component, sizeof(name));
	if (a->points > 0)
		snprintf(calls, sizeof(calls), "%u+%u", a->calls_allowed,
		    a->calls_checked);
	else
		strlcpy(calls, "-", sizeof(calls));
	if (j->descriptors >= 0)
		snprintf(fds, sizeof(fds), "%d", j->descriptors);
	printf("%-12s %8d %7u  %-13s %8s %5s %6zu  %s", name, (int)j->pid,
	    (unsigned)j->shown_uid, hash, calls, fds, a->equal + a->vouched,
	    survey_verdict(j->status));
	if (a->weaker > 0)
		printf(", %zu weaker", a->weaker);
	if (a->different > 0)
		printf(", %zu different", a->different);
	if (a->unmeasurable > 0)
		printf(", %zu not measurable", a->unmeasurable);
	if (a->waived > 0)
		printf(", %zu waived", a->waived);
	if (j->odd != NULL)
		printf(", %s", j->odd);
	putchar('\n');
}

static void
show_summary(const struct survey *s)
{
	size_t equal = 0, points = 0;
	struct buf b;

	printf("%-12s %8s %7s  %-13s %8s %5s %6s  %s\n", "component", "pid",
	    "uid", "policy", "calls", "fds", "equal", "verdict");
	for (size_t i = 0; i < s->n; i++) {
		show_line(&s->v[i]);
		equal += s->v[i].status == 0;
		points += s->v[i].audit.points;
	}
	printf("\nlevel: %s; %zu of %zu processes are as their policies say "
	       "(filters run at %zu points)\n",
	    level_name(s->level), equal, s->n, points);
	if (s->absent.len > 0)
		printf("not running, on demand: " STR_FMT "\n",
		    STR_ARG(buf_get(&s->absent)));
	puts("calls: allowed + allowed by argument; fds: descriptors held; "
	     "equal: walls that stand");
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		char base[POLICY_HEX], both[POLICY_HEX];

		if (p->overlay == NULL)
			continue;
		policy_hex(p->base, base);
		policy_hex(p, both);
		printf("%s: policy %.12s + overlay %s: %.12s\n", p->name, base,
		    p->overlay, both);
	}
	if (s->waived == 0)
		return;
	buf_init(&b, 1024);
	walls_names(s->waived, &b);
	printf("WAIVED by sandbox_waive: %s\n", buf_cstr(&b));
	buf_clear(&b);
}

static void
show_rows(const struct subject *j, bool all)
{
	bool title = false;

	for (size_t i = 0; i < j->audit.n; i++) {
		const struct audit_row *r = &j->audit.rows[i];

		if (!all &&
		    ((r->verdict != AUDIT_WEAKER &&
			 r->verdict != AUDIT_DIFFERENT) ||
			r->waived))
			continue;
		if (!title)
			printf("\n%s %d\n  %-26s %-13s %s\n", j->component,
			    (int)j->pid, "wall", "verdict",
			    "declared / measured");
		title = true;
		printf("  %-26s %-13s %s / %s\n", r->wall,
		    r->waived ? "waived" : audit_verdict_name(r->verdict),
		    r->declared, r->measured);
	}
}

static void
row_json(struct buf *b, const struct audit_row *r)
{
	buf_puts(b, "{\"wall\":");
	json_put(b, str_of(r->wall));
	buf_puts(b, ",\"declared\":");
	json_put(b, str_of(r->declared));
	buf_puts(b, ",\"measured\":");
	json_put(b, str_of(r->measured));
	buf_printf(b, ",\"verdict\":\"%s\",\"waived\":%s}",
	    audit_verdict_name(r->verdict), r->waived ? "true" : "false");
}

static void
show_json_subject(const struct subject *j)
{
	const struct audit *a = &j->audit;
	char hash[POLICY_HEX];
	struct buf b;

	buf_init(&b, 1 << 20);
	survey_hash(a, POLICY_HASH, hash);
	buf_printf(&b,
	    "{\"component\":\"%s\",\"instance\":%" PRId64
	    ",\"pid\":%d,\"uid\":%u,\"policy\":\"%s\",\"calls_allowed\":%u,"
	    "\"calls_checked\":%u,\"calls_errno\":%u,\"points\":%u,"
	    "\"descriptors\":%d,\"equal\":%zu,\"vouched\":%zu,\"weaker\":%zu,"
	    "\"different\":%zu,\"unmeasurable\":%zu,\"waived\":%zu,"
	    "\"status\":%d,\"odd\":",
	    j->component, j->instance, (int)j->pid, (unsigned)j->shown_uid,
	    hash, a->calls_allowed, a->calls_checked, a->calls_errno, a->points,
	    j->descriptors, a->equal, a->vouched, a->weaker, a->different,
	    a->unmeasurable, a->waived, j->status);
	if (j->odd != NULL)
		json_put(&b, str_of(j->odd));
	else
		buf_puts(&b, "null");
	buf_puts(&b, ",\"overlay\":");
	if (survey_overlay(j) != NULL)
		json_put(&b, str_of(survey_overlay(j)));
	else
		buf_puts(&b, "null");
	buf_puts(&b, ",\"rows\":[");
	for (size_t i = 0; i < a->n; i++) {
		if (i > 0)
			buf_putc(&b, ',');
		row_json(&b, &a->rows[i]);
	}
	buf_puts(&b, "]}");
	fwrite(b.base + b.off, 1, b.len, stdout);
	buf_clear(&b);
}

static void
show_json(const struct survey *s)
{
	struct buf b;

	buf_init(&b, 4096);
	walls_names(s->waived, &b);
	printf("{\"level\":%d,\"waived\":\"%s\",\"status\":%d,"
	       "\"on_demand\":\"" STR_FMT "\",\"processes\":[",
	    s->level, buf_cstr(&b), s->status, STR_ARG(buf_get(&s->absent)));
	buf_clear(&b);
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			puts(",");
		show_json_subject(&s->v[i]);
	}
	buf_init(&b, 2 << 20);
	json_put(&b, buf_get(&s->proofs));
	printf("],\"leaks\":%s}\n", buf_cstr(&b));
	buf_clear(&b);
}

/* --- the command ---------------------------------------------------------- */

/* The rows that nobody could measure: each once, with how many have it. */
static void
show_unmeasured(const struct survey *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->v[i].audit.n; k++) {
			const struct audit_row *r = &s->v[i].audit.rows[k];
			size_t same = 0, before = 0;

			if (r->verdict != AUDIT_UNMEASURABLE || r->waived)
				continue;
			for (size_t j = 0; j < s->n; j++)
				for (size_t m = 0; m < s->v[j].audit.n; m++) {
					const struct audit_row *o =
					    &s->v[j].audit.rows[m];

					if (o->verdict != r->verdict ||
					    strcmp(o->wall, r->wall) != 0)
						continue;
					same++;
					before += j < i;
				}
			if (before == 0)
				printf("not measurable: %s of %zu processes: "
				       "%s\n",
				    r->wall, same, r->measured);
		}
}

/* Why it could not be measured, in words somebody can act on. */
static void
explain(const struct survey *s)
{
	if (s->status != EXIT_UNSURE)
		return;
	putchar('\n');
	show_unmeasured(s);
	if (geteuid() != 0)
		puts("The kernel shows so much of a sealed process to root "
		     "only: run this as root to measure all.");
	else
		puts("Not even root may look here: is this a container "
		     "without CAP_SYS_PTRACE, or is kernel.yama.ptrace_scope "
		     "3?");
}

#define USAGE \
	"usage: mailctl sandbox audit [--all] [--html FILE] [COMPONENT ...]"

/* To a file, or with "-" to standard output. */
void
put_page(const char *path, const struct buf *page)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");

	if (f == NULL)
		die("%s: %s", path, strerror(errno));
	fwrite(page->base + page->off, 1, page->len, f);
	if (fflush(f) == EOF || ferror(f) != 0)
		die("%s: %s", path, strerror(errno));
	if (f != stdout)
		fclose(f);
}

/* Do the policies allow only what they say?  Reach is a wall like others. */
static void
check_proofs(struct survey *s)
{
	struct reach r = reach_compiled();

	s->proofs = (struct buf){ 0 };
	buf_init(&s->proofs, 1 << 20);
	if (reach_check(&r, &s->proofs) > 0)
		s->status = EXIT_BAD;
}

int
cmd_sandbox_audit(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "html", required_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
	};
	struct survey s;
	struct instance in;
	const char *html = NULL;
	bool all = opt.verbose;
	struct buf page;
	int c;

	while ((c = getopt_long(argc, argv, "+a", longs, NULL)) != -1) {
		if (c == 'h')
			html = optarg;
		else if (c == 'a')
			all = true;
		else
			die_usage(USAGE);
	}
	for (int i = optind; i < argc; i++)
		if (policy_find(str_of(argv[i])) == NULL)
			die_usage("there is no component \"%s\"; " USAGE,
			    argv[i]);
	instance_open(&in);
	need_overlays();
	for (int i = 0; i < 5; i++) {
		if (i > 0)
			survey_forget(&s);
		if (!survey_take(&s, &in, instance_pid(&in)))
			return EXIT_UNSURE;
		survey_choose(&s, argv + optind);
		survey_measure(&s);
		if (!survey_gone(&s))
			break;
	}
	check_proofs(&s);
	if (html != NULL) {
		buf_init(&page, 64 << 20);
		audit_html(&s, &page);
		put_page(html, &page);
		buf_clear(&page);
	} else if (opt.json) {
		show_json(&s);
	} else {
		show_summary(&s);
		for (size_t i = 0; i < s.n; i++)
			show_rows(&s.v[i], all || argv[optind] != NULL);
		fputs(buf_cstr(&s.proofs), stdout);
		explain(&s);
	}
	c = s.status;
	survey_forget(&s);
	instance_clear(&in);
	return c;
}
