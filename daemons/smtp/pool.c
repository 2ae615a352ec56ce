/* SPDX-License-Identifier: ISC */
/*
 * Sessions kept open for a moment, so that a burst of messages to one
 * destination needs one connection each for as many as go at a time.
 *
 * A session is kept under the next hop of its job and rewrite's word on it: a
 * recipient's domain that reads like a configured next hop is not to get at
 * the host behind that.
 */
#include <string.h>

#include "conf/netlist.h"

#include "smtp.h"

struct session *
pool_take(struct smtp *m, const struct settings *st, struct str nexthop,
    uint64_t route_ticket)
{
	struct session *s;

	/* The latest first: the others may become idle enough to go. */
	TAILQ_FOREACH_REVERSE(s, &m->pool, session_list, idle)
		if (s->st == st && s->route_ticket == route_ticket &&
		    str_eq(nexthop, str_of(s->nexthop)))
			break;
	if (s != NULL)
		pool_remove(s);
	return s;
}

void
pool_remove(struct session *s)
{
	if (!s->is_idle)
		return;
	TAILQ_REMOVE(&s->smtp->pool, s, idle);
	s->smtp->npool--;
	s->is_idle = false;
}

/* Is there room for one more?  The oldest may have to go for it. */
static bool
make_room(struct session *s)
{
	struct smtp *m = s->smtp;
	struct session *o;
	size_t same = 0;

	TAILQ_FOREACH(o, &m->pool, idle)
		if (o->st == s->st && strcmp(o->nexthop, s->nexthop) == 0)
			same++;
	if (same >= POOL_EACH)
		return false;
	if (m->npool < POOL_MAX)
		return true;
	o = TAILQ_FIRST(&m->pool);
	pool_remove(o);
	session_quit(o);
	return true;
}

static bool
is_wanted(const struct session *s)
{
	struct str hop = str_of(s->nexthop);

	if (s->st->keep)
		return true;
	if (hop.n > 0 && hop.p[0] == '[')
		hop = str_sub(hop, 1,
		    (size_t)(str_chr(hop, ']') == -1 ? 1 : str_chr(hop, ']')));
	return match_domain(s->st->keep_for, hop, false, NULL, NULL) ==
	    MATCH_YES ||
	    match_domain(s->st->keep_for, str_of(s->nexthop), false, NULL,
		NULL) == MATCH_YES;
}

bool
pool_put(struct session *s)
{
	const struct settings *st = s->st;
	int64_t now = loop_now(s->smtp->loop);

	if (s->nexthop == NULL || (s->tls != NULL && !st->tls_keep) ||
	    st->keep_ms == 0 || !is_wanted(s) ||
	    (st->reuse_count > 0 && s->uses >= st->reuse_count) ||
	    (st->reuse_ms > 0 && now - s->born >= st->reuse_ms) ||
	    !make_room(s))
		return false;
	TAILQ_INSERT_TAIL(&s->smtp->pool, s, idle);
	s->smtp->npool++;
	s->is_idle = true;
	s->deadline = now + st->keep_ms;
	return true;
}
