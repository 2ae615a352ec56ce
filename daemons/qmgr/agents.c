/* SPDX-License-Identifier: ISC */
/*
 * Deliveries: jobs to agents, and what they report.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "log/log.h"

#include "qmgr.h"

#define JOB_BUCKETS 1024

/* A delivery that an agent has. */
struct job {
	LIST_ENTRY(job) hash;
	struct agent *agent;
	struct qmgr *q;
	struct sched_unit *unit;
	uint64_t id; /* of the question */
	bool site_failed;
	char *why; /* it did: what others are put off with; or NULL */
};

static LIST_HEAD(, job) jobs[AGENT_N][JOB_BUCKETS];

static struct agent *
agent_of(struct qmgr *q, const struct chan *ch)
{
	for (int i = 0; i < AGENT_N; i++)
		if (q->agents[i].ch == ch)
			return &q->agents[i];
	return NULL;
}

static struct job *
job_find(struct qmgr *q, struct agent *a, uint64_t id)
{
	struct job *j;

	LIST_FOREACH(j, &jobs[a - q->agents][id % JOB_BUCKETS], hash)
		if (j->id == id)
			return j;
	return NULL;
}

/* The job's answer, or the agent's death. */
static void
on_done(unsigned type, const void *rec, int *fds, void *arg)
{
	struct job *j = arg;
	enum sched_end how = j->site_failed ? SCHED_END_SITE : SCHED_END_OK;
	struct str why = j->why != NULL ? str_of(j->why) :
	    STR("delivery agent reported no outcome");

	(void)rec;
	(void)fds;
	if (type != DELIVER_DONE) {
		how = SCHED_END_DIED;
		why = STR("delivery agent ended unexpectedly");
	}
	LIST_REMOVE(j, hash);
	sched_unit_end(j->q->sched, j->unit, how, why);
	qmgr_touch(j->q);
	free(j->why);
	free(j);
}

/* Encode the unit's recipients.  -1 when they do not fit. */
static int
put_rcpts(struct buf *b, struct sched_unit *u, uint64_t *ticket)
{
	uint32_t n = sched_unit_count(u);

	for (uint32_t i = 0; i < n; i++) {
		const struct rcpt *r =
		    (const struct rcpt *)(uintptr_t)sched_unit_rcpt(u, i);
		struct env_rcpt e = { .notify = r->notify, .addr = r->addr,
			.orig = r->orig, .orcpt = r->orcpt };

		if (i == 0) /* it goes with the next hop of the first */
			*ticket = r->ticket;
		if (env_put_rcpt(b, &e) == -1)
			return -1;
	}
	return 0;
}

static void
send_job(struct qmgr *q, struct agent *a, struct sched_unit *u,
    const struct store_content *sc, struct str rcpts, uint64_t ticket)
{
	struct message *m = sched_unit_cookie(u);
	const struct rcpt *first =
	    (const struct rcpt *)(uintptr_t)sched_unit_rcpt(u, 0);
	struct job *j = xcalloc(1, sizeof(*j));
	struct deliver_job rec = { .qid = str_of(m->name),
		.sender = str_of(m->sender), .transport = first->transport,
		.nexthop = first->nexthop, .route_ticket = ticket,
		.arrived_us = m->arrival_us, .active_us = m->active_us,
		.flags = m->flags, .ret = m->ret,
		.envid = str_sub(str_of(m->envid), 0, 256),
		.offset = sc->off, .size = sc->size,
		.edits = buf_get(&m->edits), .rcpts = rcpts };
	int fd = sc->fd;

	j->agent = a;
	j->q = q;
	j->unit = u;
	sched_unit_tag_set(u, j);
	j->id = chan_ask(a->ch, DELIVER_JOB, &rec, &fd, on_done, j);
	LIST_INSERT_HEAD(&jobs[a - q->agents][j->id % JOB_BUCKETS], j, hash);
}

enum sched_start
agents_deliver(struct qmgr *q, struct sched_unit *u)
{
	struct message *m = sched_unit_cookie(u);
	const struct rcpt *first =
	    (const struct rcpt *)(uintptr_t)sched_unit_rcpt(u, 0);
	struct transport_info *t = transport_find(q, first->transport);
	struct agent *a = &q->agents[t == NULL ? 0 : t->agent];
	struct store_content sc;
	uint64_t ticket = 0;
	struct buf rcpts;

	if (a->ch == NULL || chan_full(a->ch)) {
		a->waiting = true;
		if (a->ch == NULL)
			demand_ask(&a->demand);
		return SCHED_START_BUSY;
	}
	buf_init(&rcpts, DELIVER_RCPTS_MAX);
	if (put_rcpts(&rcpts, u, &ticket) == -1 ||
	    m->edits.len > DELIVER_EDITS_MAX) {
		log_error("%s: delivery request too large", m->name);
		buf_clear(&rcpts);
		return SCHED_START_DOWN;
	}
	if (store_content(q->store, m->qid, &sc) == -1) {
		log_warn("%s: content cannot be opened: %s", m->name,
		    strerror(errno));
		buf_clear(&rcpts);
		a->waiting = true; /* no descriptors, perhaps: soon again */
		return SCHED_START_BUSY;
	}
	send_job(q, a, u, &sc, buf_get(&rcpts), ticket);
	buf_clear(&rcpts);
	return SCHED_START_OK;
}

void
agents_init(struct qmgr *q)
{
	static const char *const names[] = { [AGENT_SMTP] = "smtp",
		[AGENT_LOCAL] = "local", [AGENT_VIRTUAL] = "virtual",
		[AGENT_PIPE] = "pipe" };

	static_assert(NELEM(names) == AGENT_N, "each agent has a name");
	for (int i = 0; i < AGENT_N; i++)
		demand_init(&q->agents[i].demand, q, names[i], NULL);
}

/* There is room again, or may be. */
void
agents_resume(struct qmgr *q)
{
	struct transport_info *t;

	for (int i = 0; i < AGENT_N; i++) {
		struct agent *a = &q->agents[i];

		if (!a->waiting)
			continue;
		if (a->ch == NULL)
			demand_ask(&a->demand);
		if (a->ch == NULL || chan_full(a->ch))
			continue;
		a->waiting = false;
		TAILQ_FOREACH(t, &q->transports, link)
			if (t->st != NULL && t->agent == i)
				sched_transport_ready(q->sched, t->st);
	}
}

void
agent_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct qmgr *q = arg;

	(void)instance;
	(void)pid;
	demand_met(&agent_of(q, ch)->demand);
	qmgr_touch(q);
}

void
agent_down(struct chan *ch, unsigned instance, void *arg)
{
	struct qmgr *q = arg;

	(void)ch;
	(void)instance;
	qmgr_touch(q);
}

/* --- reports -------------------------------------------------------------- */

static enum sched_fate
fate_of(const struct qmgr *q, const struct agent *a,
    const struct deliver_fate *f, enum event_fate *out)
{
	switch ((enum fate)f->fate) {
	case FATE_SENT:
		*out = a == &q->agents[AGENT_SMTP] ? EVENT_RELAYED :
		    EVENT_DELIVERED;
		return SCHED_DELIVERED;
	case FATE_BOUNCED:
		*out = EVENT_FAILED;
		return SCHED_BOUNCED;
	case FATE_DEFERRED:
		break;
	}
	*out = EVENT_TRIED;
	return SCHED_PUT_OFF;
}

static void
on_fate(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct deliver_fate *f = rec;
	struct qmgr *q = arg;
	struct agent *a = agent_of(q, ch);
	struct job *j = a == NULL ? NULL : job_find(q, a, id);
	enum event_fate fate;
	enum sched_fate sf;
	struct message *m;
	struct rcpt *r;

	(void)fds;
	if (j == NULL || f->rcpt >= sched_unit_count(j->unit)) {
		chan_drop(ch, "fate of nobody");
		return;
	}
	r = (struct rcpt *)(uintptr_t)sched_unit_rcpt(j->unit, f->rcpt);
	m = sched_unit_cookie(j->unit);
	sf = fate_of(q, a, f, &fate);
	if (message_probe(m))
		sf = SCHED_DELIVERED; /* no matter what: it is settled */
	if (sched_report(q->sched, j->unit, f->rcpt, sf) == -1) {
		chan_drop(ch, "fate told twice");
		return;
	}
	if (f->flags & FATE_DESTINATION) {
		j->site_failed = true;
		if (j->why == NULL)
			j->why = str_dup(f->text);
	}
	if (f->fate == FATE_SENT && (f->flags & FATE_DSN) == 0 &&
	    (r->notify & ENV_NOTIFY_SUCCESS) != 0)
		m->success = true;
	active_fate(m, r, fate, f->dsn, f->text, f->remote_mta);
}

/* It would like to leave: not while it has a job, or one is about to come. */
static void
on_idle(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct agent *a = agent_of(arg, ch);

	(void)id;
	(void)rec;
	(void)fds;
	if (a != NULL && !a->waiting && chan_waiting(ch) == 0)
		boot_let_go(ch);
}

/*
 * local has found whose mail it is, and that another transport delivers it.
 * The way is rewrite's, who says so itself: local's word is not enough.
 */
static void
on_pass(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct deliver_pass *p = rec;
	struct env_rcpt e = { .ticket = p->ticket, .addr = p->addr,
		.transport = p->transport, .nexthop = p->nexthop };
	const struct ticket_way w = { .addr = p->addr,
		.transport = p->transport,
		.nexthop = p->nexthop,
		.route = p->ticket };
	struct qmgr *q = arg;
	struct agent *a = agent_of(q, ch);
	struct job *j = a == NULL ? NULL : job_find(q, a, id);
	struct rcpt *r, *next;
	struct message *m;

	(void)fds;
	if (j == NULL || a != &q->agents[AGENT_LOCAL] || p->addr.n == 0 ||
	    sched_unit_told(j->unit, p->rcpt) ||
	    !ticket_way_ok(&q->way_key, &w, p->pass)) {
		chan_drop(ch, "a recipient that it may not pass on");
		return;
	}
	m = sched_unit_cookie(j->unit);
	r = (struct rcpt *)(uintptr_t)sched_unit_rcpt(j->unit, p->rcpt);
	e.notify = r->notify;
	e.orig = r->orig.n > 0 ? r->orig : r->addr;
	e.orcpt = r->orcpt;
	next = rcpt_new(m, &e, r->pos);
	next->unit = j->unit;
	next->at = p->rcpt;
	rcpt_free(m, r);
	way_add(m, next);
	qmgr_touch(q);
}

const struct chan_on agents_on[] = {
	{ DELIVER_PASS, on_pass },
	{ DELIVER_FATE, on_fate },
	{ DELIVER_IDLE, on_idle },
	{ 0, NULL },
};
