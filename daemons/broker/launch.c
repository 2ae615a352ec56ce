/* SPDX-License-Identifier: ISC */
/*
 * What the launcher tells: the plan, deaths, signals; and what runs, brought
 * in line with the plan.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"

struct proc *
broker_find(struct broker *br, struct str component, uint32_t instance)
{
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link)
		if (p->instance == instance && p->state != PROC_GONE &&
		    p->state != PROC_STOPPING &&
		    str_eq(component, str_of(p->policy->name)))
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

/* Too many, or none of the plan any more: it is told to end. */
static void
retire_surplus(struct broker *br)
{
	struct component *c;
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link) {
		if (p->is_mailbox)
			continue;
		c = plan_find(&br->plan, str_of(p->policy->name));
		if (c == NULL || p->instance >= c->instances)
			proc_stop(p, br->plan.stop_ms);
	}
}

void
broker_apply(struct broker *br)
{
	struct component *c;

	retire_surplus(br);
	TAILQ_FOREACH(c, &br->plan.components, link)
		for (uint32_t i = 0; i < c->instances; i++)
			if (broker_find(br, str_of(c->policy->name), i) ==
			    NULL)
				proc_start(proc_new(br, c->policy, i));
}

static void
on_run(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct broker *br = arg;
	int fd = fds[0];

	(void)id;
	fds[0] = -1;
	if (plan_add_run(&br->next, rec, fd) == -1)
		chan_drop(ch, "plan names a component that has no policy");
}

static void
on_object(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct broker *br = arg;
	int fd = fds[0];

	(void)id;
	fds[0] = -1;
	if (plan_add_object(&br->next, rec, fd) == -1)
		chan_drop(ch, "plan has an object for nobody");
}

static void
on_resolver(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct broker *br = arg;

	(void)id;
	(void)fds;
	if (plan_add_resolver(&br->next, rec) == -1)
		chan_drop(ch, "plan has no proper resolver");
}

/*
 * The plan is complete.  Running components learn of it by their new
 * configuration; gate starts anew, because the set of sockets it listens on
 * may be another.  It holds no session, so that none is lost.
 */
static void
on_planned(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct launch_planned *r = rec;
	struct broker *br = arg;
	struct proc *p;

	(void)ch;
	(void)id;
	(void)fds;
	plan_clear(&br->plan);
	br->plan = br->next;
	TAILQ_INIT(&br->plan.components);
	TAILQ_CONCAT(&br->plan.components, &br->next.components, link);
	plan_init(&br->next);
	br->plan.generation = r->generation;
	br->plan.level = r->level;
	br->plan.waived = r->waived;
	br->plan.stop_ms = r->stop_ms;
	br->plan.launcher_pid = r->pid;
	br->plan.directory = str_dup(r->directory);
	if (br->phase == PHASE_RUN) {
		TAILQ_FOREACH(p, &br->procs, link) {
			if (strcmp(p->policy->name, "gate") == 0)
				proc_stop(p, 1000);
			else
				introduce_config(p);
		}
	}
	admin_progress(br);
}

static void
on_exited(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct launch_exited *e = rec;
	struct broker *br = arg;
	struct proc *p = proc_by_pid(br, (pid_t)e->pid);

	(void)ch;
	(void)id;
	(void)fds;
	if (p != NULL)
		proc_exited(p, e);
}

static void
on_stop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	admin_stop(arg);
}

static void
on_hup(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	admin_reload(arg, NULL, 0);
}

const struct chan_on launch_on[] = {
	{ LAUNCH_RUN, on_run },
	{ LAUNCH_OBJECT, on_object },
	{ LAUNCH_RESOLVER, on_resolver },
	{ LAUNCH_PLANNED, on_planned },
	{ LAUNCH_EXITED, on_exited },
	{ LAUNCH_STOP, on_stop },
	{ LAUNCH_HUP, on_hup },
	{ 0, NULL },
};
