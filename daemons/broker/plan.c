/* SPDX-License-Identifier: ISC */
/*
 * What is to run, as the launcher read it from the configuration.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

#include "broker.h"

void
plan_init(struct plan *p)
{
	*p = (struct plan){ .directory = NULL };
	TAILQ_INIT(&p->components);
}

static void
component_free(struct component *c)
{
	struct object *o;

	while ((o = TAILQ_FIRST(&c->objects)) != NULL) {
		TAILQ_REMOVE(&c->objects, o, link);
		fd_close(&o->fd);
		free(o->name);
		free(o);
	}
	fd_close(&c->config_fd);
	free(c);
}

void
plan_clear(struct plan *p)
{
	struct component *c;

	while ((c = TAILQ_FIRST(&p->components)) != NULL) {
		TAILQ_REMOVE(&p->components, c, link);
		component_free(c);
	}
	free(p->directory);
	free(p->resolvers);
	plan_init(p);
}

struct component *
plan_find(struct plan *p, const char *name)
{
	struct component *c;

	TAILQ_FOREACH(c, &p->components, link)
		if (strcmp(name, c->policy->name) == 0)
			return c;
	return NULL;
}

int
plan_add_run(struct plan *p, const struct launch_run *r, int *fd)
{
	const struct policy *policy = policy_find(r->component);
	struct component *c;

	if (policy == NULL || plan_find(p, policy->name) != NULL)
		return -1;
	c = xcalloc(1, sizeof(*c));
	c->policy = policy;
	c->instances = r->instances;
	c->once = r->once != 0;
	c->config_fd = *fd;
	*fd = -1;
	TAILQ_INIT(&c->objects);
	TAILQ_INSERT_TAIL(&p->components, c, link);
	return 0;
}

int
plan_add_object(struct plan *p, const struct launch_object *r, int *fd)
{
	const struct policy *policy = policy_find(r->component);
	struct component *c;
	struct object *o;

	if (policy == NULL || (c = plan_find(p, policy->name)) == NULL)
		return -1;
	o = xcalloc(1, sizeof(*o));
	o->kind = (enum grant_kind)r->kind;
	o->instance = r->instance;
	o->name = str_dup(r->name);
	o->fd = *fd;
	*fd = -1;
	TAILQ_INSERT_TAIL(&c->objects, o, link);
	return 0;
}

#define RESOLVERS_MAX 16

int
plan_add_resolver(struct plan *p, const struct launch_resolver *r)
{
	if (p->nresolvers == RESOLVERS_MAX ||
	    (r->addr.family != 4 && r->addr.family != 6))
		return -1;
	p->resolvers = xreallocarray(p->resolvers, p->nresolvers + 1,
	    sizeof(*p->resolvers));
	p->resolvers[p->nresolvers++] = r->addr;
	return 0;
}
