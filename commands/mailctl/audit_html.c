/* SPDX-License-Identifier: ISC */
/*
 * The audit as a page, to be read and filed.
 */
#include "survey.h"

#include <sys/utsname.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "html.h"
#include "json.h"
#include "sandbox/reach.h"

static const char *
verdict_class(const struct audit_row *r)
{
	return r->waived ? "waived" : audit_verdict_name(r->verdict);
}

static void
put_badge(struct buf *b, int status)
{
	buf_printf(b, "<span class=\"badge %s\">%s</span>",
	    status == 0		   ? "equal" :
		status == EXIT_BAD ? "weaker" :
				     "unmeasurable",
	    survey_verdict(status));
}

static void
put_fact(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, "<dt>%s</dt><dd>", name);
	html_put(b, str_of(text));
	buf_puts(b, "</dd>\n");
}

static void
put_facts(struct buf *b, const struct survey *s)
{
	struct json j = json_of(buf_get(&s->told));
	struct buf waived, version;
	struct utsname u;

	buf_init(&waived, 1024);
	buf_init(&version, 1024);
	walls_names(s->waived, &waived);
	buf_str(&version, json_str(json_find(j, "version")));
	buf_puts(b, "<dl class=\"facts\">\n<dt>measured</dt><dd>");
	html_time(b, time(NULL));
	buf_puts(b, "</dd>\n");
	if (uname(&u) == 0) {
		put_fact(b, "host", u.nodename);
		buf_puts(b, "<dt>kernel</dt><dd>");
		html_printf(b, "%s %s %s", u.sysname, u.release, u.machine);
		buf_puts(b, "</dd>\n");
	}
	put_fact(b, "version", buf_cstr(&version));
	put_fact(b, "configuration", s->in->dir);
	put_fact(b, "level", level_name(s->level));
	put_fact(b, "waived by sandbox_waive",
	    s->waived == 0 ? "nothing" : buf_cstr(&waived));
	buf_puts(b, "</dl>\n");
	buf_clear(&waived);
	buf_clear(&version);
}

static void
put_name(struct buf *b, const struct subject *j)
{
	html_put(b, str_of(j->component));
	if (j->instance > 0)
		buf_printf(b, " %" PRId64, j->instance);
}

static void
put_summary(struct buf *b, const struct survey *s)
{
	size_t equal = 0, points = 0;

	for (size_t i = 0; i < s->n; i++) {
		equal += s->v[i].status == 0;
		points += s->v[i].audit.points;
	}
	buf_puts(b, "<p class=\"big\">");
	put_badge(b, s->status);
	buf_printf(b,
	    " %zu of %zu processes are as their policies say; %zu "
	    "questions to their system call filters</p>\n",
	    equal, s->n, points);
	buf_puts(b,
	    "<table>\n<thead><tr><th>component</th><th class=\"n\">"
	    "process</th><th class=\"n\">user id</th><th>policy</th>"
	    "<th class=\"n\">calls</th><th class=\"n\">by argument</th>"
	    "<th class=\"n\">descriptors</th><th class=\"n\">equal</th>"
	    "<th class=\"n\">vouched</th><th>verdict</th></tr></thead>\n"
	    "<tbody>\n");
	for (size_t i = 0; i < s->n; i++) {
		const struct subject *j = &s->v[i];
		const struct audit *a = &j->audit;
		char hash[17];

		survey_hash(a, 6, hash);
		buf_printf(b, "<tr><td class=\"w\"><a href=\"#p%d\">",
		    (int)j->pid);
		put_name(b, j);
		buf_printf(b,
		    "</a></td><td class=\"n\">%d</td>"
		    "<td class=\"n\">%u</td><td><code>%s%s</code></td>",
		    (int)j->pid, (unsigned)j->shown_uid, hash,
		    survey_overlay(j) != NULL ? " + overlay" : "");
		if (a->points > 0)
			buf_printf(b,
			    "<td class=\"n\">%u</td>"
			    "<td class=\"n\">%u</td>",
			    a->calls_allowed, a->calls_checked);
		else
			buf_puts(b, "<td class=\"n\">no filter</td><td></td>");
		buf_printf(b,
		    "<td class=\"n\">%d</td><td class=\"n\">%zu</td>"
		    "<td class=\"n\">%zu</td><td>",
		    j->descriptors, a->equal, a->vouched);
		put_badge(b, j->status);
		buf_puts(b, "</td></tr>\n");
	}
	buf_puts(b, "</tbody>\n</table>\n");
}

/* What is not as it ought to be, before everything else. */
static void
put_differences(struct buf *b, const struct survey *s)
{
	size_t n = 0, odd = 0;

	buf_puts(b, "<h2 id=\"differences\">Differences</h2>\n");
	for (size_t i = 0; i < s->n; i++) {
		const struct subject *j = &s->v[i];

		if (j->odd != NULL) {
			buf_puts(b, "<p><b>");
			put_name(b, j);
			buf_printf(b, "</b> %d: ", (int)j->pid);
			html_put(b, str_of(j->odd));
			buf_puts(b, "</p>\n");
			odd++;
		}
		for (size_t k = 0; k < j->audit.n; k++) {
			const struct audit_row *r = &j->audit.rows[k];

			if (r->verdict == AUDIT_EQUAL ||
			    r->verdict == AUDIT_VOUCHED)
				continue;
			buf_puts(b, n++ == 0 ? "<ul>\n<li>" : "<li>");
			buf_puts(b, "<b>");
			put_name(b, j);
			buf_printf(b, "</b> %d, ", (int)j->pid);
			html_put(b, str_of(r->wall));
			buf_printf(b,
			    " <span class=\"badge %s\">%s</span> "
			    "declared ",
			    verdict_class(r), verdict_class(r));
			html_put(b, str_of(r->declared));
			buf_puts(b, ", measured ");
			html_put(b, str_of(r->measured));
			buf_puts(b, "</li>\n");
		}
	}
	buf_puts(b, n > 0 ? "</ul>\n" : odd == 0 ? "<p>None.</p>\n" : "");
}

static void
put_proofs(struct buf *b, const struct survey *s)
{
	struct reach r = reach_compiled();
	size_t lines = 0;

	for (size_t i = 0; i < r.n; i++)
		lines += r.all[i]->nnevers;
	buf_printf(b,
	    "<h2 id=\"proofs\">Proofs</h2>\n<p>%zu <code>never"
	    "</code> lines in %zu policies: ",
	    lines, r.n);
	if (s->proofs.len == 0) {
		buf_puts(b,
		    "<span class=\"badge equal\">all hold</span>. No "
		    "chain of channels, records and requests leads to what "
		    "they forbid.</p>\n");
	} else {
		buf_puts(b,
		    "<span class=\"badge weaker\">not all hold</span>"
		    "</p>\n<pre>");
		html_put(b, buf_get(&s->proofs));
		buf_puts(b, "</pre>\n");
	}
	buf_puts(b,
	    "<details><summary>All of them</summary><div>\n<table>"
	    "<thead><tr><th>line</th><th>rule</th><th>reason</th></tr>"
	    "</thead><tbody>\n");
	for (size_t i = 0; i < r.n; i++) {
		for (size_t k = 0; k < r.all[i]->nnevers; k++) {
			const struct policy_src *src = &r.all[i]->nevers[k].src;

			buf_printf(b,
			    "<tr><td class=\"w\">%s.policy:%u</td>"
			    "<td><code>",
			    r.all[i]->name, src->line);
			html_put(b, str_of(src->text));
			buf_puts(b, "</code></td><td>");
			html_put(b, str_of(src->reason));
			buf_puts(b, "</td></tr>\n");
		}
	}
	buf_puts(b, "</tbody></table></div></details>\n");
}

static void
put_process(struct buf *b, const struct subject *j)
{
	char hash[POLICY_HEX];

	survey_hash(&j->audit, POLICY_HASH, hash);
	buf_printf(b, "<details open=\"open\" id=\"p%d\"><summary><b>",
	    (int)j->pid);
	put_name(b, j);
	buf_printf(b, "</b> <span class=\"dim\">process %d, user id %u</span> ",
	    (int)j->pid, (unsigned)j->shown_uid);
	put_badge(b, j->status);
	buf_printf(b,
	    "</summary><div>\n<p class=\"dim\">policy <code>%s"
	    "</code></p>\n<table>\n<thead><tr><th>wall</th><th>declared</th>"
	    "<th>measured</th><th>verdict</th></tr></thead>\n<tbody>\n",
	    hash);
	for (size_t k = 0; k < j->audit.n; k++) {
		const struct audit_row *r = &j->audit.rows[k];

		buf_printf(b, "<tr class=\"%s\"><td class=\"w\">",
		    verdict_class(r));
		html_put(b, str_of(r->wall));
		buf_puts(b, "</td><td>");
		html_put(b, str_of(r->declared));
		buf_puts(b, "</td><td>");
		html_put(b, str_of(r->measured));
		buf_printf(b,
		    "</td><td><span class=\"badge %s\">%s</span>"
		    "</td></tr>\n",
		    verdict_class(r), verdict_class(r));
	}
	buf_puts(b, "</tbody>\n</table></div></details>\n");
}

void
audit_html(const struct survey *s, struct buf *b)
{
	html_begin(b, "Postern: sandbox audit");
	buf_puts(b,
	    "<h1>Sandbox audit</h1>\n<p class=\"sub\">What each "
	    "process of the mail system may do: as its policy declares, and "
	    "as the kernel says.</p>\n");
	put_facts(b, s);
	put_summary(b, s);
	put_differences(b, s);
	put_proofs(b, s);
	buf_puts(b,
	    "<h2 id=\"processes\">Processes</h2>\n<p><b>equal</b> was "
	    "measured. <b>vouched</b> is what no kernel shows from outside: "
	    "the process read it back itself before it loaded its filter, "
	    "which is measured, in a program that is the installed one. "
	    "<b>weaker</b> allows more than declared, <b>different</b> is "
	    "neither that nor equal.</p>\n");
	for (size_t i = 0; i < s->n; i++)
		put_process(b, &s->v[i]);
	html_end(b);
}
