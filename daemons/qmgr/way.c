/* SPDX-License-Identifier: ISC */
/*
 * The way of a recipient is known: the scheduler gets it, unless its fate is
 * settled here.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "edge/ticket.h"
#include "log/log.h"
#include "mail/address.h"
#include "mail/dsn.h"

#include "qmgr.h"

/* Its fate: to the log, on record, to the scheduler. */
static void
settle(struct message *m, struct rcpt *r, enum event_fate fate,
    const char *status, struct str dsn, struct str text)
{
	enum sched_fate sf = fate == EVENT_TRIED ? SCHED_PUT_OFF :
	    fate == EVENT_FAILED ? SCHED_BOUNCED : SCHED_DELIVERED;
	struct sched_unit *u = r->unit;
	uint32_t at = r->at;

	if (message_probe(m))
		sf = SCHED_DELIVERED;
	active_log(m, r, dsn, status, text);
	active_fate(m, r, fate, dsn, text, STR_NONE);
	if (u == NULL)
		sched_rcpt_note(m->q->sched, m->sm, sf);
	else if (sched_report(m->q->sched, u, at, sf) == -1)
		log_fatal("%s: a recipient was passed on twice", m->name);
}

static void
put_off(struct message *m, struct rcpt *r, struct str dsn, struct str text)
{
	settle(m, r, EVENT_TRIED, "deferred", dsn, text);
}

static void
give_up(struct message *m, struct rcpt *r, struct str dsn, struct str text)
{
	settle(m, r, EVENT_FAILED, "bounced", dsn, text);
}

static void
drop(struct message *m, struct rcpt *r, struct str dsn, struct str text)
{
	settle(m, r, EVENT_DROPPED, "sent", dsn, text);
}

/*
 * The next hop of `error:`, `retry:` and `discard:` is `5.1.1 text`, or only a
 * text.  A code of another class than the transport's is none of its own.
 */
static void
by_text(struct message *m, struct rcpt *r, enum transport_kind kind)
{
	bool failed = kind == TRANSPORT_ERROR &&
	    !conf_bool(m->q->conf, P_SOFT_BOUNCE);
	struct dsn dsn = DSN(kind == TRANSPORT_DISCARD ? 2 : failed ? 5 : 4,
	    0, 0), own;
	struct str why = r->nexthop;
	char code[DSN_MAX], *text;

	if (dsn_take(&why, &own) == 0 && (own.class == dsn.class ||
	    (own.class == 5 && kind == TRANSPORT_ERROR)))
		dsn = DSN(dsn.class, own.subject, own.detail);
	/* It is in the recipient, which will be gone. */
	text = str_dup(why);
	dsn_text(dsn, code);
	if (kind == TRANSPORT_DISCARD)
		drop(m, r, str_of(code), str_of(text));
	else if (failed)
		give_up(m, r, str_of(code), str_of(text));
	else
		put_off(m, r, str_of(code), str_of(text));
	free(text);
}

/* defer_transports: only a flush delivers by them. */
static bool
is_deferred(const struct message *m, const struct rcpt *r)
{
	struct conf_list list = conf_list(m->q->conf, P_DEFER_TRANSPORTS);

	for (size_t i = 0; i < list.n && !m->forced; i++)
		if (str_eq(list.v[i].text, r->transport))
			return true;
	return false;
}

static bool
is_double_bounce(const struct message *m, const struct rcpt *r)
{
	return str_caseeq(addr_local(r->addr), conf_str(m->q->conf,
	    P_DOUBLE_BOUNCE_SENDER));
}

static int
hand_over(struct message *m, struct rcpt *r, struct sched_transport *t,
    struct str nexthop)
{
	uint64_t id = (uint64_t)(uintptr_t)r;
	struct sched_unit *u = r->unit;

	if (u == NULL)
		return sched_rcpt_add(m->q->sched, m->sm, t, nexthop, r->addr,
		    id);
	if (sched_rcpt_move(m->q->sched, u, r->at, t, nexthop, r->addr,
	    id) == -1)
		return -1;
	r->unit = NULL;
	return 0;
}

void
way_add(struct message *m, struct rcpt *r)
{
	struct qmgr *q = m->q;
	struct transport_info *t = transport_find(q, r->transport);
	char nexthop[SCHED_NAME_MAX + 1];
	struct str lower;

	if (t == NULL || t->kind == TRANSPORT_NONE) {
		put_off(m, r, STR("4.3.5"), STR("mail transport unavailable: "
		    "no such service in master.cf"));
		return;
	}
	if (is_deferred(m, r)) {
		put_off(m, r, STR("4.3.2"), STR("deferred transport"));
		return;
	}
	switch (t->kind) {
	case TRANSPORT_ERROR:
	case TRANSPORT_RETRY:
	case TRANSPORT_DISCARD:
		by_text(m, r, t->kind);
		return;
	case TRANSPORT_NONE:
	case TRANSPORT_UNSUPPORTED:
		put_off(m, r, STR("4.3.5"), STR("this version has no such "
		    "delivery agent"));
		return;
	case TRANSPORT_AGENT:
		break;
	}
	if (t->agent == AGENT_LOCAL && r->unit != NULL) {
		put_off(m, r, STR("4.3.5"), STR("mail system configuration "
		    "error: local passes mail on to itself"));
		return;
	}
	if (t->agent == AGENT_LOCAL && is_double_bounce(m, r)) {
		drop(m, r, STR("2.0.0"), STR("undeliverable postmaster "
		    "notification discarded"));
		return;
	}
	if (str_copy(r->nexthop, nexthop, sizeof(nexthop)) == -1) {
		put_off(m, r, STR("4.3.5"), STR("next hop too long"));
		return;
	}
	/* The case of letters matters in the path of a socket. */
	for (char *p = nexthop; *p != '\0' &&
	     !str_starts(r->nexthop, STR(NEXTHOP_UNIX)); p++)
		*p = (char)ascii_lower((unsigned char)*p);
	lower = str_of(nexthop);
	if (hand_over(m, r, t->st, lower) == -1)
		put_off(m, r, STR("4.3.5"), STR("address too long"));
}

void
way_end_read(struct message *m)
{
	if (!m->reading || m->resolving > 0)
		return;
	m->reading = false;
	sched_read_end(m->q->sched, m->sm, m->more);
	qmgr_touch(m->q);
}

void
active_resolved(struct message *m, struct rcpt *r,
    enum resolve_status status, struct str why)
{
	m->resolving--;
	switch (status) {
	case RESOLVE_OK:
		way_add(m, r);
		break;
	case RESOLVE_BAD:
		give_up(m, r, STR("5.1.3"), why);
		break;
	case RESOLVE_LATER:
		put_off(m, r, STR("4.3.0"), why);
		break;
	}
	way_end_read(m);
}
