/* SPDX-License-Identifier: ISC */
/*
 * Processes audited, now and then: what a component may do is measured when it
 * starts, and here it is seen that it stays so.  One process a turn, so that
 * nobody waits for long.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/audit.h"

#include "launcher.h"

#define TURN_MS 50 /* from one process to the next */
#define AGAIN_MS 1000 /* then what was found is looked for again */
#define ALARMS_MAX 64 /* in what the broker is told */
#define TEXT_MAX (1 << 20) /* of a policy */

/* A round: who is to be looked at, and who has which end of which channel. */
struct round {
	pid_t *pids;
	size_t n, at;
	struct audit_peers *peers;
	bool again; /* somebody is suspect */
};

static const char *
name_of(const struct launcher *l, pid_t pid)
{
	const struct child *c;

	LIST_FOREACH(c, &l->children, link)
		if (c->pid == pid)
			return c->policy->name;
	return "launcher";
}

static struct child *
child_of(struct launcher *l, pid_t pid)
{
	struct child *c;

	LIST_FOREACH(c, &l->children, link)
		if (c->pid == pid)
			return c;
	return NULL;
}

/* --- words ---------------------------------------------------------------- */

/* Into a JSON string; a quote or a control character is none of ours. */
static void
put_plain(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(b, (unsigned char)s.p[i] < ' ' || s.p[i] == '"' ||
			s.p[i] == '\\' || (unsigned char)s.p[i] > '~' ?
		    '?' : s.p[i]);
}

static void
put_alarms(struct buf *b, const char *name, pid_t pid,
    const struct finding *f, unsigned *count)
{
	struct str text = f->said == NULL ? STR_NONE : str_of(f->said), line;

	while (str_token(&text, "\n", &line) && *count < ALARMS_MAX) {
		buf_printf(b, "%s{\"component\":\"%s\",\"pid\":%d,\"since\":%lld"
		    ",\"text\":\"", *count > 0 ? "," : "", name, (int)pid,
		    (long long)f->since);
		put_plain(b, str_sub(line, 0, 300));
		buf_puts(b, "\"}");
		(*count)++;
	}
}

/* The broker keeps it for whoever asks for the status. */
static void
tell_broker(struct launcher *l)
{
	struct launch_audit rec;
	const struct child *c;
	unsigned count = 0;
	struct buf b;

	if (l->broker == NULL)
		return;
	buf_init(&b, 32768);
	buf_printf(&b, "{\"last\":%lld,\"interval\":%lld,\"alarms\":[",
	    (long long)l->watch_last, (long long)l->watch_ms / 1000);
	put_alarms(&b, "launcher", getpid(), &l->finding, &count);
	LIST_FOREACH(c, &l->children, link)
		put_alarms(&b, c->policy->name, c->pid, &c->finding, &count);
	buf_puts(&b, "]}");
	rec.json = buf_get(&b);
	chan_tell(l->broker, LAUNCH_AUDIT, 0, &rec, NULL);
	buf_clear(&b);
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
announce(struct launcher *l, const char *name, pid_t pid, struct finding *f,
    struct buf *found)
{
	struct str text = buf_get(found), line;

	if (f->said == NULL)
		f->since = (int64_t)time(NULL);
	while (str_token(&text, "\n", &line))
		if (!has_line(f->said, line))
			launcher_say(l, 2, "sandbox audit: %s (pid %d): "
			    STR_FMT, name, (int)pid, STR_ARG(line));
	if (found->len == 0)
		launcher_say(l, 3, "sandbox audit: %s (pid %d) is as its "
		    "policy says again", name, (int)pid);
	free(f->said);
	f->said = found->len == 0 ? NULL : str_dup(buf_get(found));
	tell_broker(l);
}

void
watch_forget(struct launcher *l, struct finding *f)
{
	bool said = f->said != NULL;

	free(f->said);
	f->said = NULL;
	if (said)
		tell_broker(l);
}

/* --- looking -------------------------------------------------------------- */

/* The installed policy, beside us or where it was to be installed. */
static char *
policy_text(const struct launcher *l, const char *name, size_t *n)
{
	static const char *const where[] = { "../../share/postern/policy",
		"../../../policy" };
	char *text = NULL, *path;
	int fd = -1;

	for (size_t i = 0; i <= NELEM(where) && fd == -1; i++) {
		path = i < NELEM(where) ?
		    xasprintf("%s/%s/%s.policy", l->libexec, where[i], name) :
		    xasprintf("%s/policy/%s.policy", DATADIR, name);
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
			r->verdict != AUDIT_DIFFERENT) || r->waived ||
		    strcmp(r->wall, "build") == 0)
			continue;
		if (out->len < 16384)
			buf_printf(out, "%.60s: declared %.120s, measured "
			    "%.120s\n", r->wall, r->declared, r->measured);
	}
}

static void
look_at(struct launcher *l, pid_t pid)
{
	struct child *c = child_of(l, pid);
	struct finding *f = c == NULL ? &l->finding : &c->finding;
	struct sandbox_place self = { .level = l->cradle.level,
		.waived = l->waived, .filter_fd = -1 };
	const char *name = name_of(l, pid);
	struct audit_of of = { .pid = pid, .policy = policy_find(str_of(name)),
		.place = c == NULL ? &self : &c->place, .launcher = getpid(),
		.peers = l->round->peers };
	char *program = xasprintf("%s/%s", l->libexec, name), *text;
	struct audit a;
	struct buf found;
	size_t n = 0;

	text = policy_text(l, name, &n);
	of.text = text == NULL ? STR_NONE : str_make(text, n);
	of.program = program;
	buf_init(&found, 32768);
	sandbox_audit(&of, &a);
	differences(&a, &found);
	audit_clear(&a);
	if (found.len == 0 ? f->said != NULL : f->suspect)
		announce(l, name, pid, f, &found);
	f->suspect = found.len > 0 && !f->suspect && (f->said == NULL ||
	    !str_eq(buf_get(&found), str_of(f->said)));
	l->round->again |= f->suspect;
	buf_clear(&found);
	free(program);
	free(text);
}

/* --- rounds --------------------------------------------------------------- */

static void
begin(struct launcher *l)
{
	struct round *w = xcalloc(1, sizeof(*w));
	struct audit_who *who;
	struct child *c;

	LIST_FOREACH(c, &l->children, link)
		w->n++;
	w->pids = xcalloc(w->n + 1, sizeof(*w->pids));
	who = xcalloc(w->n + 1, sizeof(*who));
	w->n = 0;
	w->pids[w->n++] = getpid();
	LIST_FOREACH(c, &l->children, link)
		w->pids[w->n++] = c->pid;
	for (size_t i = 0; i < w->n; i++)
		who[i] = (struct audit_who){ w->pids[i],
			name_of(l, w->pids[i]) };
	w->peers = audit_peers_read(who, w->n);
	free(who);
	l->round = w;
}

static void
end(struct launcher *l)
{
	struct round *w = l->round;

	l->round = NULL;
	if (w == NULL)
		return;
	audit_peers_free(&w->peers);
	free(w->pids);
	free(w);
}

static void
on_watch(void *arg)
{
	struct launcher *l = arg;
	struct round *w;
	pid_t pid;

	if (l->round == NULL)
		begin(l);
	w = l->round;
	if (w->at < w->n) {
		/* It may have ended, and another may have its number. */
		pid = w->pids[w->at++];
		if (pid == getpid() || child_of(l, pid) != NULL)
			look_at(l, pid);
		timer_set(&l->watch_timer, TURN_MS);
		return;
	}
	l->watch_last = (int64_t)time(NULL);
	timer_set(&l->watch_timer, w->again ? AGAIN_MS : l->watch_ms);
	end(l);
	tell_broker(l);
}

void
watch_start(struct launcher *l)
{
	if (l->watch_timer.cb == NULL)
		timer_init(&l->watch_timer, l->loop, on_watch, l);
	timer_cancel(&l->watch_timer);
	end(l);
	if (l->watch_ms > 0)
		timer_set(&l->watch_timer, l->watch_ms);
}
