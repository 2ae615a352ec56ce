/* SPDX-License-Identifier: ISC */
/*
 * Processes audited, now and then: what a component may do is measured when it
 * starts, and here it is seen that it stays so.
 */
#include "sandbox/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/audit.h"

#define ALARMS_MAX 64	   /* in the JSON */
#define TEXT_MAX (1 << 20) /* of a policy */

struct watched {
	pid_t pid;
	const struct policy *policy;
	struct sandbox_place place;
	bool image; /* not sealed: warm.h */
};

/* What was found about a process. */
struct finding {
	pid_t pid;
	const char *name; /* of its policy, lives for ever */
	char *said;    /* differences that were logged, a line each; or NULL */
	bool suspect;  /* there was one: it counts when seen twice */
	int64_t since; /* seconds */
};

static struct finding *
finding_of(struct sandbox_watch *w, const struct watched *p)
{
	struct finding *f;

	for (size_t i = 0; i < w->nfound; i++)
		if (w->found[i].pid == p->pid)
			return &w->found[i];
	w->found = xreallocarray(w->found, w->nfound + 1, sizeof(*w->found));
	f = &w->found[w->nfound++];
	*f = (struct finding){ .pid = p->pid, .name = p->policy->name };
	return f;
}

bool
watch_forget(struct sandbox_watch *w, pid_t pid)
{
	bool said = false;

	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].pid == pid)
			w->v[i].pid = 0; /* its number may be another's soon */
	for (size_t i = 0; i < w->nfound; i++) {
		if (w->found[i].pid != pid)
			continue;
		said = w->found[i].said != NULL;
		free(w->found[i].said);
		w->found[i] = w->found[--w->nfound];
		break;
	}
	return said;
}

/* --- words ---------------------------------------------------------------- */

/* Into a JSON string; a quote or a control character is none of ours. */
static void
put_plain(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(b,
		    (unsigned char)s.p[i] < ' ' || s.p[i] == '"' ||
			    s.p[i] == '\\' || (unsigned char)s.p[i] > '~' ?
			'?' :
			s.p[i]);
}

void
watch_json(const struct sandbox_watch *w, int64_t interval_s, struct buf *out)
{
	unsigned count = 0;

	buf_printf(out,
	    "{\"last\":%lld,\"interval\":%lld,\"unmeasurable\":%zu,"
	    "\"alarms\":[",
	    (long long)w->last, (long long)interval_s, w->blind);
	for (size_t i = 0; i < w->nfound; i++) {
		const struct finding *f = &w->found[i];
		struct str text = f->said == NULL ? STR_NONE : str_of(f->said);
		struct str line;

		while (str_token(&text, "\n", &line) && count < ALARMS_MAX) {
			buf_printf(out,
			    "%s{\"component\":\"%s\",\"pid\":%d,"
			    "\"since\":%lld,\"text\":\"",
			    count++ > 0 ? "," : "", f->name, (int)f->pid,
			    (long long)f->since);
			put_plain(out, str_sub(line, 0, 300));
			buf_puts(out, "\"}");
		}
	}
	buf_puts(out, "]}");
}

static bool
has_line(const char *text, struct str line)
{
	struct str rest = text == NULL ? STR_NONE : str_of(text), have;

	while (str_token(&rest, "\n", &have))
		if (str_eq(have, line))
			return true;
	return false;
}

/* Each difference once, until it changes. */
static void
announce(struct sandbox_watch *w, struct finding *f, struct buf *found)
{
	struct str text = buf_get(found), line;
	char say[512];

	if (f->said == NULL)
		f->since = (int64_t)time(NULL);
	while (str_token(&text, "\n", &line)) {
		if (has_line(f->said, line))
			continue;
		snprintf(say, sizeof(say),
		    "sandbox audit: %s (pid %d): " STR_FMT, f->name,
		    (int)f->pid, STR_ARG(line));
		w->say(w->arg, 2, say);
	}
	if (found->len == 0) {
		snprintf(say, sizeof(say),
		    "sandbox audit: %s (pid %d) is as "
		    "its policy says again",
		    f->name, (int)f->pid);
		w->say(w->arg, 3, say);
	}
	free(f->said);
	f->said = found->len == 0 ? NULL : str_dup(buf_get(found));
}

/* --- looking -------------------------------------------------------------- */

/* The installed policy, beside the programs or where it was to be installed. */
static char *
policy_text(const struct sandbox_watch *w, const char *name, size_t *n)
{
	static const char *const where[] = { "../../share/postern/policy",
		"../../../policy" };
	char *text = NULL, *path;
	int fd = -1;

	for (size_t i = 0; i <= NELEM(where) && fd == -1; i++) {
		path = i < NELEM(where) ?
		    xasprintf("%s/%s/%s.policy", w->libexec, where[i], name) :
		    xasprintf("%s/policy/%s.policy", w->datadir, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		free(path);
	}
	if (fd != -1 && fd_slurp(fd, TEXT_MAX, &text, n) == -1)
		text = NULL;
	fd_close(&fd);
	return text;
}

/*
 * What is weaker than declared, or different: what cannot be measured from
 * here could not be measured at the start either, and is `mailctl sandbox
 * audit's to say.
 */
static void
differences(const struct audit *a, struct buf *out)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct audit_row *r = &a->rows[i];

		if ((r->verdict != AUDIT_WEAKER &&
			r->verdict != AUDIT_DIFFERENT) ||
		    r->waived)
			continue;
		if (out->len < 16384)
			buf_printf(out,
			    "%.60s: declared %.120s, measured "
			    "%.120s\n",
			    r->wall, r->declared, r->measured);
	}
}

/* Seen twice, it is said; seen once, it is looked for again. */
static void
judge(struct sandbox_watch *w, struct finding *f, struct buf *found)
{
	bool same = found->len == 0 ?
	    f->said == NULL :
	    f->said != NULL && str_eq(buf_get(found), str_of(f->said));

	if (!same && (found->len == 0 || f->suspect)) {
		announce(w, f, found);
		same = true;
	}
	f->suspect = !same;
	w->again |= f->suspect;
}

static void
look_at(struct sandbox_watch *w, const struct watched *p, pid_t launcher)
{
	char *program = xasprintf("%s/%s", w->libexec, p->policy->name);
	struct audit_of of = { .pid = p->pid,
		.policy = p->policy,
		.place = &p->place,
		.launcher = launcher,
		.program = program,
		.peers = w->peers,
		.image = p->image };
	size_t n = 0;
	char *text = policy_text(w, p->policy->name, &n);
	struct buf found;
	struct audit a;

	of.text = text == NULL ? STR_NONE : str_make(text, n);
	buf_init(&found, 32768);
	sandbox_audit(&of, &a);
	/* A build for tests is weaker by its own word, and always. */
	if (!a.sanitized)
		differences(&a, &found);
	w->unmeasured += a.unmeasurable;
	audit_clear(&a);
	judge(w, finding_of(w, p), &found);
	buf_clear(&found);
	free(program);
	free(text);
}

/* --- rounds --------------------------------------------------------------- */

void
watch_add(struct sandbox_watch *w, pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, bool image)
{
	w->v = xreallocarray(w->v, w->n + 1, sizeof(*w->v));
	w->v[w->n++] = (struct watched){ pid, policy, *place, image };
}

void
watch_begin(struct sandbox_watch *w)
{
	struct audit_who *who = xcalloc(w->n + 1, sizeof(*who));

	for (size_t i = 0; i < w->n; i++)
		who[i] =
		    (struct audit_who){ w->v[i].pid, w->v[i].policy->name };
	w->peers = audit_peers_read(who, w->n);
	w->again = false;
	w->unmeasured = 0;
	free(who);
}

bool
watch_step(struct sandbox_watch *w, pid_t launcher)
{
	if (w->at < w->n) {
		const struct watched *p = &w->v[w->at++];

		if (p->pid != 0)
			look_at(w, p, launcher);
		return true;
	}
	w->last = (int64_t)time(NULL);
	w->blind = w->unmeasured;
	watch_abandon(w);
	return false;
}

bool
watch_under_way(const struct sandbox_watch *w)
{
	return w->n > 0;
}

void
watch_abandon(struct sandbox_watch *w)
{
	audit_peers_free(&w->peers);
	free(w->v);
	w->v = NULL;
	w->n = w->at = 0;
}
