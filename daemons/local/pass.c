/* SPDX-License-Identifier: ISC */
/*
 * Users whose mail another transport delivers: mailbox_transport; and names
 * that are nobody's here: fallback_transport.  rewrite knows the way and
 * vouches for it, qmgr gives the recipient to the agent behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "table/lookup.h"

#include "local.h"

static bool
is_set(const struct errand *e, enum param_id transport, enum param_id maps)
{
	return conf_str(e->lo->conf, transport).n > 0 ||
	    conf_list(e->lo->conf, maps).n > 0;
}

static void
later(struct errand *e, const char *why)
{
	errand_note(e, FATE_DEFERRED, STR("4.3.0"), str_of(why));
	route_next(e);
}

static void
on_way(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct resolve_answer *a = rec;
	struct errand *e = arg;

	(void)fds;
	if (type != RESOLVE_ANSWER || a->status != RESOLVE_OK) {
		later(e, "address rewriting is unavailable");
	} else if (a->transport.n == 0) {
		e->pass_none(e);
	} else if (e->pass_transport != NULL) {
		/* Two users of one recipient: he can have one way only. */
		later(e, "more than one user of another transport");
	} else {
		e->pass_addr = str_dup(a->addr);
		e->pass_transport = str_dup(a->transport);
		e->pass_nexthop = str_dup(a->nexthop);
		e->pass_ticket = a->ticket;
		e->pass_word = a->pass;
		route_next(e);
	}
}

void
pass_ask(struct errand *e, bool fallback, void (*none)(struct errand *e))
{
	struct resolve_ask q = { .addr = str_of(e->target->addr),
		.flags = RESOLVE_FALLBACK };

	if (fallback ?
		!is_set(e, P_FALLBACK_TRANSPORT, P_FALLBACK_TRANSPORT_MAPS) :
		!is_set(e, P_MAILBOX_TRANSPORT, P_MAILBOX_TRANSPORT_MAPS)) {
		none(e);
		return;
	}
	if (e->lo->rewrite == NULL) {
		later(e, "address rewriting is unavailable");
		return;
	}
	if (!fallback) { /* the tables have users' names */
		q.flags = RESOLVE_MAILBOX;
		q.sender = str_of(e->user);
	}
	e->pass_none = none;
	chan_ask(e->lo->rewrite, RESOLVE_ASK, &q, NULL, on_way, e);
}

/*
 * What else came of the recipient has a line in the log; but if some of it has
 * to be tried again, all of it is, and this comes later, too.
 */
bool
pass_report(struct errand *e, bool *last)
{
	struct deliver_pass p = { .rcpt = e->n,
		.ticket = e->pass_ticket,
		.pass = e->pass_word };
	struct agent_fate f = { .fate = e->fate,
		.dsn = str_of(e->dsn),
		.text = str_of(e->text2) };
	const struct agent_rcpt *r = &e->job->rcpts[e->n];

	if (e->pass_transport == NULL || e->fate == FATE_DEFERRED)
		return false;
	if (e->fate != 0)
		agent_log(e->job, e->whom == NULL ? r->addr : str_of(e->whom),
		    r->orig.n > 0 ? r->orig : r->addr, &f);
	p.addr = str_of(e->pass_addr);
	p.transport = str_of(e->pass_transport);
	p.nexthop = str_of(e->pass_nexthop);
	*last = agent_pass(e->job, &p);
	return true;
}
