/* SPDX-License-Identifier: ISC */
/*
 * What the launcher tells: the plan, deaths, signals; and what runs, brought
 * in line with the plan.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/overlay.h"

#include "broker.h"

struct proc *
broker_find(struct broker *br, const struct policy *policy, uint32_t instance)
{
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link)
		if (p->policy == policy && p->instance == instance &&
		    p->state != PROC_GONE && p->state != PROC_STOPPING &&
		    !p->retiring)
			return p;
	return NULL;
}

void
broker_say(struct broker *br, int level, const char *fmt, ...)
{
	struct launch_say rec = { .level = (uint8_t)level };
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rec.text = str_of(text);
	chan_tell(br->launcher, LAUNCH_SAY, 0, &rec, NULL);
}

/*
 * Too many, or none of the plan any more: it is told to end.  One that leaves
 * when it is idle, or whose kind does its work in another way now, ends when
 * its work is done.
 */
static void
retire_surplus(struct broker *br)
{
	struct component *c = NULL;
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link) {
		if (c == NULL || c->policy != p->policy)
			c = plan_find(&br->plan, p->policy->name);
		if (p->is_mailbox || (c != NULL && c->once == p->once &&
		    (p->once || p->instance < c->instances)))
			continue;
		if (proc_trusted(p) &&
		    (p->demand || (c != NULL && c->once != p->once)))
			proc_retire(p);
		else
			proc_stop(p, br->plan.is.stop_ms);
	}
}

void
broker_apply(struct broker *br)
{
	struct component *c;
	struct proc *p;

	retire_surplus(br);
	TAILQ_FOREACH(c, &br->plan.components, link)
		for (uint32_t i = 0; i < c->instances && !c->once; i++)
			if (broker_find(br, c->policy, i) == NULL) {
				p = proc_new(br, c->policy, i);
				if (!p->demand || c->policy == br->trace)
					proc_start(p);
			}
}

/* A piece of the plan that is to come. */
static void
on_piece(struct chan *ch, UNUSED uint64_t id, const void *rec, int *fds,
    void *arg)
{
	struct plan *next = &((struct broker *)arg)->next;
	const struct launch_overlay *o = rec;
	char err[256];
	int r = -1;

	switch (chan_type(ch)) {
	case LAUNCH_OVERLAY:
		r = overlay_take(o->component, o->text, err, sizeof(err));
		break;
	case LAUNCH_RUN:
		r = plan_add_run(next, rec, fds);
		break;
	case LAUNCH_OBJECT:
		r = plan_add_object(next, rec, fds);
		break;
	case LAUNCH_RESOLVER:
		r = plan_add_resolver(next, rec);
		break;
	}
	if (r == -1)
		chan_drop(ch, "plan that makes no sense");
}

/*
 * The plan is complete.  Running components learn of it by their new
 * configuration, and those on demand leave as soon as they are idle.
 */
static void
on_planned(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	const struct launch_planned *r = rec;
	struct broker *br = arg;
	struct proc *p;

	plan_clear(&br->plan);
	br->plan = br->next;
	TAILQ_INIT(&br->plan.components);
	TAILQ_CONCAT(&br->plan.components, &br->next.components, link);
	plan_init(&br->next);
	br->plan.is = *r;
	br->plan.directory = str_dup(r->directory);
	br->plan.is.directory = str_of(br->plan.directory);
	if (br->phase == PHASE_RUN) {
		TAILQ_FOREACH(p, &br->procs, link)
			introduce_config(p);
	}
	admin_progress(br);
}

static void
on_exited(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	const struct launch_exited *e = rec;
	struct broker *br = arg;
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link)
		if (p->pid == (pid_t)e->pid)
			break;
	if (p != NULL)
		proc_exited(p, e);
}

static void
on_audit(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	struct broker *br = arg;

	free(br->audit);
	br->audit = str_dup(((const struct launch_audit *)rec)->json);
}

static void
on_image(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	((struct broker *)arg)->image =
	    (pid_t)((const struct launch_image *)rec)->pid;
}

/* A signal told the launcher. */
static void
on_signal(struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, void *arg)
{
	if (chan_type(ch) == LAUNCH_STOP)
		admin_stop(arg);
	else
		admin_reload(arg, NULL, 0);
}

const struct chan_on launch_on[] = {
	{ LAUNCH_OVERLAY, on_piece },
	{ LAUNCH_RUN, on_piece },
	{ LAUNCH_OBJECT, on_piece },
	{ LAUNCH_RESOLVER, on_piece },
	{ LAUNCH_PLANNED, on_planned },
	{ LAUNCH_EXITED, on_exited },
	{ LAUNCH_AUDIT, on_audit },
	{ LAUNCH_IMAGE, on_image },
	{ LAUNCH_STOP, on_signal },
	{ LAUNCH_HUP, on_signal },
	{ 0, NULL },
};
