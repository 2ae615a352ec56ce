/* SPDX-License-Identifier: ISC */
/*
 * The way of recipients that came without one, or whose way may have changed
 * while they waited.
 */
#include <stdlib.h>

#include "base/mem.h"

#include "qmgr.h"

/* A question on its way; message and recipient live until it is answered. */
struct asking {
	struct message *m;
	struct rcpt *r;
};

/* The same recipient with the way rewrite gave. */
static struct rcpt *
with_way(struct message *m, struct rcpt *r, const struct resolve_answer *a)
{
	struct env_rcpt e = { .ticket = a->ticket, .notify = r->notify,
		.addr = a->addr.n > 0 ? a->addr : r->addr, .orig = r->orig,
		.orcpt = r->orcpt, .transport = a->transport,
		.nexthop = a->nexthop };
	struct rcpt *new = rcpt_new(m, &e, r->pos);

	rcpt_free(m, r);
	return new;
}

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct resolve_answer *a = rec;
	struct asking *as = arg;
	struct message *m = as->m;
	struct rcpt *r = as->r;

	(void)fds;
	free(as);
	if (type != RESOLVE_ANSWER)
		active_resolved(m, r, RESOLVE_LATER,
		    STR("address resolver unavailable"));
	else if (a->status == RESOLVE_OK)
		active_resolved(m, with_way(m, r, a), RESOLVE_OK, STR_NONE);
	else
		active_resolved(m, r, (enum resolve_status)a->status,
		    a->text);
}

void
resolve_rcpt(struct message *m, struct rcpt *r)
{
	struct resolve_ask q = { .sender = str_of(m->sender),
		.addr = r->addr };
	struct asking *as;

	if (m->q->rewrite == NULL || r->addr.n > ADDR_MAX ||
	    q.sender.n > ADDR_MAX) {
		active_resolved(m, r, RESOLVE_LATER,
		    STR("address resolver unavailable"));
		return;
	}
	as = xmalloc(sizeof(*as));
	as->m = m;
	as->r = r;
	chan_ask(m->q->rewrite, RESOLVE_ASK, &q, NULL, on_answer, as);
}
