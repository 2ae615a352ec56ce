/* SPDX-License-Identifier: ISC */
/*
 * All is expanded: what is delivered here, and what goes out again.
 *
 * One user who was found without an owner is delivered to here.  When there
 * are several, each gets his own fate: what need not be done here becomes a
 * recipient of a new message, as does everything that an alias with an owner
 * leads to, since its errors go to the owner.
 */
#include "local.h"

static bool
goes_out(const struct errand *e, const struct target *t)
{
	if (t->kind != TO_USER || t->direct)
		return false;
	return e->ntargets > 1 || t->owner != NULL;
}

void
route_begin(struct errand *e)
{
	struct target *t;

	STAILQ_FOREACH(t, &e->targets, link)
		if (goes_out(e, t))
			t->kind = TO_ADDRESS;
	route_next(e);
}

/* What is written here comes before what goes out. */
static struct target *
first(struct errand *e, bool out)
{
	struct target *t;

	STAILQ_FOREACH(t, &e->targets, link)
		if (!t->done && (t->kind == TO_ADDRESS) == out)
			return t;
	return NULL;
}

void
route_next(struct errand *e)
{
	struct target *t = first(e, false);

	e->tries = 0;
	if (t == NULL)
		t = first(e, true);
	e->target = t;
	if (t == NULL) {
		errand_end(e);
		return;
	}
	t->done = true;
	switch (t->kind) {
	case TO_USER:
		user_begin(e);
		break;
	case TO_FILE:
		file_begin(e);
		break;
	case TO_COMMAND:
		command_begin(e);
		break;
	case TO_ADDRESS:
		forward_begin(e);
		break;
	}
}
