/* SPDX-License-Identifier: ISC */
/*
 * What an address in an alias or .forward means: one of our users, another
 * alias, or somebody elsewhere.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"
#include "mail/path.h"
#include "table/lookup.h"

#include "local.h"

static void
set(char **p, struct str s)
{
	free(*p);
	*p = str_dup(s);
}

/* Names of users and aliases, and what follows a +, are in lower case. */
static void
set_name(struct errand *e, struct str s)
{
	set(&e->name, s);
	for (char *p = e->name; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
}

/*
 * An alias that names itself means the user of that name; one that leads back
 * to itself in more steps means nothing.
 */
static const struct alias *
ancestor(const struct item *it, struct str name)
{
	const struct alias *a;

	for (a = it->alias; a != NULL; a = a->parent)
		if (str_caseeq(name, str_of(a->name)))
			return a;
	return NULL;
}

static void
to_user(struct errand *e, bool direct)
{
	errand_target(e, TO_USER, str_of(e->name), str_of(e->addr), direct,
	    e->item);
	errand_next(e);
}

/* Is this the user whose .forward it is, with an extension or without? */
static bool
is_owner(const struct errand *e, struct str name)
{
	size_t ext = lookup_ext(name, e->lo->delimiter);

	return e->user != NULL &&
	    (str_caseeq(name, str_of(e->user)) ||
		str_caseeq(str_sub(name, 0, ext), str_of(e->user)));
}

void
address_local(struct errand *e, bool direct)
{
	const struct item *it = e->item;
	const struct alias *a;

	set_name(e, addr_local(str_of(e->addr)));
	if (it->origin == FROM_FORWARD) {
		/* His own mailbox; anybody else's gets a message of its own. */
		if (is_owner(e, str_of(e->name)))
			to_user(e, true);
		else {
			errand_target(e, TO_ADDRESS, str_of(e->addr),
			    str_of(e->addr), false, it);
			errand_next(e);
		}
		return;
	}
	if (direct) {
		to_user(e, true);
		return;
	}
	a = ancestor(it, str_of(e->name));
	if (a != NULL && a == it->alias) {
		to_user(e, true);
	} else if (a != NULL) {
		errand_note(e, FATE_BOUNCED, STR("5.4.6"),
		    STR("aliases lead back to where they began"));
		errand_next(e);
	} else {
		alias_find(e);
	}
}

static void
on_resolved(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct resolve_answer *a = rec;
	struct errand *e = arg;

	(void)fds;
	if (type == 0 || a->status == RESOLVE_LATER) {
		errand_settle(e, FATE_DEFERRED, "4.3.0",
		    "address rewriting is unavailable");
		return;
	}
	if (a->status != RESOLVE_OK) {
		log_warn(STR_FMT ": bad address \"%s\" behind " STR_FMT,
		    STR_ARG(e->job->qid), e->item->text,
		    STR_ARG(e->job->rcpts[e->n].addr));
		errand_note(e, FATE_BOUNCED, STR("5.1.3"),
		    STR("bad address syntax in an alias or .forward"));
		errand_next(e);
		return;
	}
	set(&e->addr, a->addr);
	if (str_eq(a->transport, e->job->transport)) {
		address_local(e, e->item->direct);
		return;
	}
	errand_target(e, TO_ADDRESS, a->addr, a->addr, false, e->item);
	errand_next(e);
}

static void
resolve(struct errand *e, struct str addr)
{
	struct resolve_ask q = { .addr = addr };

	if (q.addr.n == 0 || q.addr.n > ADDR_MAX) {
		errand_note(e, FATE_BOUNCED, STR("5.1.3"),
		    STR("bad address syntax in an alias or .forward"));
		errand_next(e);
	} else if (e->lo->rewrite == NULL) {
		errand_settle(e, FATE_DEFERRED, "4.3.0",
		    "address rewriting is unavailable");
	} else {
		chan_ask(e->lo->rewrite, RESOLVE_ASK, &q, NULL, on_resolved, e);
	}
}

void
address_ask(struct errand *e)
{
	struct str text = str_of(e->item->text);
	struct path path;
	struct buf b;

	if (e->item->origin == FROM_JOB) {
		/* The queue manager knows: it sent it here. */
		set(&e->addr, text);
		address_local(e, false);
		return;
	}
	/* Whoever wrote it used quotes where he liked. */
	buf_init(&b, ADDR_MAX);
	if (path_parse(text, 0, &b, &path) == ADDR_OK && path.rest.n == 0)
		text = path.addr;
	resolve(e, text);
	buf_clear(&b);
}
