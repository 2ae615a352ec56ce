/* SPDX-License-Identifier: ISC */
/*
 * Ports made of channels.
 */
#include "peers.h"

#include <errno.h>

#include "base/fd.h"
#include "edge/gate.h"
#include "edge/intake.h"
#include "edge/spool.h"
#include "log/log.h"

#include "session.h"

void
peer_add(struct peer_set *ps, struct chan *ch)
{
	if (ps->n < PEERS_MAX)
		ps->ch[ps->n++] = ch;
}

void
peer_remove(struct peer_set *ps, const struct chan *ch)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->ch[i] == ch) {
			ps->ch[i] = ps->ch[--ps->n];
			return;
		}
	}
}

/* One of them, in turns; NULL when there is none. */
static struct chan *
peer_pick(struct peer_set *ps)
{
	return ps->n == 0 ? NULL : ps->ch[ps->turn++ % ps->n];
}

/*
 * Questions all go to the first: their handles mean something to one channel
 * only.  When it goes all of them have been answered before another is first.
 */
static struct chan *
peer_first(const struct peer_set *ps)
{
	return ps->n == 0 ? NULL : ps->ch[0];
}

/* --- questions ------------------------------------------------------------ */

static int64_t
port_now(void *arg)
{
	struct peers *p = arg;

	return loop_now(p->loop);
}

static struct peers *the_peers; /* answers carry one pointer: whose they are */

static void
on_resolved(unsigned type, const void *rec, int *fds, void *arg)
{
	(void)fds;
	resolver_answer(&the_peers->w.resolver, arg,
	    type == RESOLVE_ANSWER ? rec : NULL);
}

static uint64_t
port_resolve(void *arg, const struct resolve_ask *q, struct resolved *r)
{
	struct peers *p = arg;
	struct chan *ch = peer_first(&p->rewrite);

	return ch == NULL ? 0 :
			    chan_ask(ch, RESOLVE_ASK, q, NULL, on_resolved, r);
}

static void
on_looked_up(unsigned type, const void *rec, int *fds, void *arg)
{
	(void)fds;
	session_looked_up(arg, type == LOOKUP_ANSWER ? rec : NULL);
}

static uint64_t
port_lookup(void *arg, const struct lookup_find *q, struct session *s)
{
	struct peers *p = arg;
	struct chan *ch = peer_first(&p->lookup);

	return ch == NULL ? 0 :
			    chan_ask(ch, LOOKUP_FIND, q, NULL, on_looked_up, s);
}

static void
on_named(unsigned type, const void *rec, int *fds, void *arg)
{
	(void)fds;
	session_named(arg, type == DNS_NAMED ? rec : NULL);
}

static uint64_t
port_name(void *arg, const struct netaddr *a, struct session *s)
{
	struct dns_name q = { .addr = *a };
	struct peers *p = arg;
	struct chan *ch = peer_first(&p->dns);

	return ch == NULL ? 0 : chan_ask(ch, DNS_NAME, &q, NULL, on_named, s);
}

static void
on_records(unsigned type, const void *rec, int *fds, void *arg)
{
	(void)fds;
	session_records(arg, type == DNS_RECORDS ? rec : NULL);
}

static uint64_t
port_records(void *arg, uint16_t rrtype, struct str name, struct session *s)
{
	struct dns_query q = { .rrtype = rrtype, .name = name };
	struct peers *p = arg;
	struct chan *ch = peer_first(&p->dns);

	return ch == NULL ? 0 :
			    chan_ask(ch, DNS_QUERY, &q, NULL, on_records, s);
}

static void
on_flushed(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct spool_flushed *a = rec;

	(void)fds;
	session_flushed(arg, type == SPOOL_FLUSHED ? (int)a->error : EAGAIN);
}

static uint64_t
port_flush(void *arg, struct str domain, struct session *s)
{
	struct spool_flush q = { .domain = domain };
	struct peers *p = arg;

	return p->qmgr == NULL ?
	    0 :
	    chan_ask(p->qmgr, SPOOL_FLUSH, &q, NULL, on_flushed, s);
}

static void
port_forget(void *arg, enum port port, uint64_t handle)
{
	struct peers *p = arg;
	struct peer_set *ps = port == PORT_RESOLVE ? &p->rewrite :
	    port == PORT_LOOKUP			   ? &p->lookup :
						     &p->dns;

	chan_forget(port == PORT_FLUSH ? p->qmgr : peer_first(ps), handle);
}

/* --- messages ------------------------------------------------------------- */

static void
port_want(void *arg, unsigned n)
{
	struct spool_want rec = { .slots = n };
	struct peers *p = arg;

	if (p->qmgr != NULL)
		chan_tell(p->qmgr, SPOOL_WANT, 0, &rec, NULL);
}

static void
port_drop(void *arg, uint64_t id)
{
	struct spool_drop rec;
	struct peers *p = arg;

	if (p->qmgr != NULL)
		chan_tell(p->qmgr, SPOOL_DROP, id, &rec, NULL);
}

static bool
port_submit(void *arg, uint64_t id, struct str qid, struct str envelope,
    int *fd)
{
	struct intake_message small = { .qid = qid, .envelope = envelope };
	struct intake_large large = { .qid = qid };
	struct peers *p = arg;
	struct chan *ch = peer_pick(&p->cleanup);
	struct slot *sl = slots_find(&p->w.slots, id);
	int fds[2];

	if (ch == NULL || p->qmgr == NULL || sl == NULL)
		return false;
	sl->via = ch;
	if (envelope.n <= ENVELOPE_INLINE_MAX) {
		chan_tell(ch, INTAKE_MESSAGE, id, &small, fd);
		return true;
	}
	fds[1] = memfd_from("envelope", envelope.p, envelope.n);
	if (fds[1] == -1)
		return false;
	fds[0] = *fd;
	*fd = -1;
	chan_tell(ch, INTAKE_LARGE, id, &large, fds);
	return true;
}

static const struct ports ports = {
	.now = port_now,
	.resolve = port_resolve,
	.lookup = port_lookup,
	.name = port_name,
	.records = port_records,
	.flush = port_flush,
	.forget = port_forget,
	.want = port_want,
	.drop = port_drop,
	.submit = port_submit,
};

void
peers_init(struct peers *p, struct loop *l)
{
	the_peers = p;
	p->loop = l;
	worker_init(&p->w, &ports, p);
	conns_init(&p->conns, l, &p->w);
}

void
peers_once(struct peers *p, void (*idle)(void *arg))
{
	p->once = true;
	p->conns.idle = idle;
	p->conns.idle_arg = p;
	slots_ahead(&p->w.slots, 0); /* until there is a message */
}

/* --- what comes by itself ------------------------------------------------- */

static void
take_client(struct peers *p, struct chan *ch, uint64_t id,
    const struct gate_client *c, int fd)
{
	struct gate_ended none = { .messages = 0 };
	struct service *sv = worker_find_service(&p->w, c->service);

	if (sv == NULL || p->w.stopping) {
		if (sv == NULL)
			log_warn("connection for service %u, which has no "
				 "configuration",
			    c->service);
		fd_close(&fd);
		chan_tell(ch, GATE_ENDED, id, &none, NULL);
		if (p->once && !conns_any(&p->conns))
			p->conns.idle(p->conns.idle_arg);
		return;
	}
	conn_new(&p->conns, ch, id, sv, &c->client, &c->server, fd);
}

/*
 * What gate hands over uses up our descriptors, and a number is how it speaks
 * of a session: one that is in use would stand for two.
 */
static const char *
not_its_to_hand(const struct peers *p, const struct chan *ch, uint64_t id)
{
	if (conns_has(&p->conns, ch, id))
		return "session that is under way already";
	if (p->conns.counted >= GATE_SESSIONS_MAX)
		return "more sessions than there may be";
	return p->once && p->conns.had > 0 ? "second session" : NULL;
}

static void
on_client(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct gate_client *c = rec;
	struct peers *p = arg;
	const char *why = not_its_to_hand(p, ch, id);
	int fd = fds[0];

	if (why != NULL) {
		chan_drop(ch, why);
		return;
	}
	fds[0] = -1;
	if (!p->once || p->ready)
		take_client(p, ch, id, c, fd);
	else if (p->held.gate == NULL)
		p->held = (struct held){ ch, id, *c, fd };
	else
		fd_close(&fd); /* there is to be one session */
}

void
peers_ready(struct peers *p)
{
	struct held h = p->held;

	p->ready = true;
	p->held.gate = NULL;
	if (h.gate != NULL)
		take_client(p, h.gate, h.id, &h.rec, h.fd);
}

const struct chan_on peers_gate_on[] = {
	{ GATE_CLIENT, on_client },
	{ 0, NULL },
};

static void
on_slot(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_slot *r = rec;
	struct peers *p = arg;

	if (slots_find(&p->w.slots, id) != NULL ||
	    p->w.slots.nfree >= 2 * SLOTS_AHEAD_MAX) {
		chan_drop(ch, "slots that nobody wants");
		return;
	}
	slots_add(&p->w.slots, id, r->qid, fds[0]);
	fds[0] = -1;
}

/* The session that waits for a word about this slot; the slot is done. */
static struct session *
slot_over(struct peers *p, uint64_t id)
{
	struct slot *sl = slots_find(&p->w.slots, id);
	struct session *s;

	if (sl == NULL || sl->state != SLOT_SENT)
		return NULL; /* it was given up before the word came */
	s = sl->s;
	slots_done(&p->w.slots, &sl);
	if (s != NULL && s->mail != NULL)
		s->mail->slot = NULL;
	return s;
}

static void
on_accepted(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct session *s = slot_over(arg, id);

	(void)ch;
	(void)fds;
	if (s != NULL)
		session_committed(s, rec);
}

static void
on_refused(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_refused *r = rec;
	struct session *s = slot_over(arg, id);

	(void)ch;
	(void)fds;
	if (s != NULL)
		session_refused(s, r->code, r->dsn, r->text);
}

static void
on_full(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_full *r = rec;
	struct peers *p = arg;

	(void)ch;
	(void)id;
	(void)fds;
	p->w.full = r->on != 0;
}

const struct chan_on peers_qmgr_on[] = {
	{ SPOOL_SLOT, on_slot },
	{ SPOOL_ACCEPTED, on_accepted },
	{ SPOOL_REFUSED, on_refused },
	{ SPOOL_FULL, on_full },
	{ 0, NULL },
};

/*
 * cleanup refuses: the slot's file went with the message, so the queue
 * manager is told that nothing will come of it.
 */
static void
on_turned_down(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct intake_refused *r = rec;
	struct peers *p = arg;
	struct slot *sl = slots_find(&p->w.slots, id);
	struct session *s;

	(void)fds;
	if (sl == NULL || sl->state != SLOT_SENT || sl->via != ch)
		return; /* the queue manager was faster */
	s = slot_over(p, id);
	port_drop(p, id);
	if (s != NULL)
		session_refused(s, r->code, r->dsn, r->text);
}

const struct chan_on peers_cleanup_on[] = {
	{ INTAKE_REFUSED, on_turned_down },
	{ 0, NULL },
};

const struct chan_on peers_asked_on[] = { { 0, NULL } };

/* --- coming and going ----------------------------------------------------- */

void
peers_qmgr_up(struct peers *p, struct chan *ch)
{
	p->qmgr = ch;
	slots_up(&p->w.slots);
}

void
peers_qmgr_down(struct peers *p)
{
	p->qmgr = NULL;
	p->w.full = false;
	slots_down(&p->w.slots);
}

void
peers_cleanup_down(struct peers *p, const struct chan *ch)
{
	peer_remove(&p->cleanup, ch);
	slots_via_lost(&p->w.slots, ch);
}
