/* SPDX-License-Identifier: ISC */
/*
 * What the broker may order, whoever has the say in it: processes of the plan,
 * and no more than the plan and the policies have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#include "launcher.h"

/* One that works, and those in whose place it came and who still work. */
#define EACH_MAX 8

#define LINES_RATE 50 /* a second, of the broker's and about its orders */
#define LINES_BURST 1000

/* A component of the plan, and the configuration that it starts with. */
struct planned {
	LIST_ENTRY(planned) link;
	char *component;
	uint32_t instances;
	unsigned generation;
	int fd;
};

static LIST_HEAD(, planned) plan = LIST_HEAD_INITIALIZER(plan);

static struct planned *
find(struct str component)
{
	struct planned *p;

	LIST_FOREACH(p, &plan, link)
		if (str_eq(component, str_of(p->component)))
			return p;
	return NULL;
}

void
limit_plan(struct launcher *l, struct str component, uint32_t instances, int fd)
{
	struct planned *p = find(component);

	if (p == NULL) {
		p = xcalloc(1, sizeof(*p));
		p->component = str_dup(component);
		p->fd = -1;
		LIST_INSERT_HEAD(&plan, p, link);
	}
	fd_close(&p->fd);
	p->fd = fd;
	p->instances = instances;
	p->generation = l->generation;
}

void
limit_sweep(struct launcher *l)
{
	struct planned *p, *next;

	for (p = LIST_FIRST(&plan); p != NULL; p = next) {
		next = LIST_NEXT(p, link);
		if (p->generation == l->generation)
			continue;
		LIST_REMOVE(p, link);
		fd_close(&p->fd);
		free(p->component);
		free(p);
	}
}

int
limit_config(const char *component)
{
	struct planned *p = find(str_of(component));

	return p == NULL ? -1 : p->fd;
}

static uint32_t
count(const struct launcher *l, const struct policy *policy, int64_t instance)
{
	const struct child *c;
	uint32_t n = 0;

	LIST_FOREACH(c, &l->children, link)
		n += c->policy == policy &&
		    (instance == -1 || c->instance == instance);
	return n;
}

int
limit_component(const struct launcher *l, const struct policy *policy,
    uint32_t instance, struct buf *err)
{
	struct planned *p = find(str_of(policy->name));
	bool once = l->isolation && strcmp(policy->name, "smtpd") == 0;

	if (p == NULL || (!once && instance >= p->instances)) {
		buf_puts(err, "no such component in the plan");
		return -1;
	}
	if (count(l, policy, instance) >= EACH_MAX ||
	    (once && count(l, policy, -1) >= p->instances + EACH_MAX)) {
		buf_puts(err, "there are too many of it");
		return -1;
	}
	return 0;
}

int
limit_requested(const struct launcher *l, const struct policy *policy,
    const char *verb, const char *asker, int64_t instance, struct buf *err)
{
	uint32_t max = 0;

	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		const struct policy_request *r =
		    policy_request_find(p, str_of(verb));

		if (r != NULL &&
		    (asker == NULL || strcmp(p->name, asker) == 0))
			max += r->open;
	}
	if (count(l, policy, instance) < max)
		return 0;
	buf_printf(err, "there are %u of %s, and no policy asks for more", max,
	    policy->name);
	return -1;
}

bool
limit_line(struct launcher *l)
{
	if (!allowance_take(&l->lines, LINES_RATE, LINES_BURST, clock_ms())) {
		l->unsaid++;
		return false;
	}
	if (l->unsaid > 0)
		launcher_say(l, 2,
		    "security: %u lines of the broker over its "
		    "rate were dropped",
		    l->unsaid);
	l->unsaid = 0;
	return true;
}
