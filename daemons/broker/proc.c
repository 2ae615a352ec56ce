/* SPDX-License-Identifier: ISC */
/*
 * One process: started, attested, restarted with back-off.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "broker.h"

#define SEAL_MS 30000 /* from start to sealed; longer is a failure */
#define BACKOFF_FIRST 100 /* after the first death */
#define LINES_RATE 10 /* a second, of a component without a logd */
#define LINES_BURST 100
#define HEALTHY_MS 10000 /* lived so long: the next death is a first one */

const char *
proc_state_name(enum proc_state s)
{
	static const char *const names[] = { "on-demand", "down", "starting",
		"attesting", "up", "ready", "stopping", "gone" };

	return names[s];
}

/* For messages: valid until the next call but one. */
const char *
proc_name(const struct proc *p)
{
	static char names[2][64];
	static int turn;
	char *s = names[turn ^= 1];

	snprintf(s, sizeof(names[0]), p->instance == 0 ? "%s" : "%s/%u",
	    p->policy->name, p->instance);
	return s;
}

bool
proc_trusted(const struct proc *p)
{
	/* Its channel may have closed before the launcher saw it die. */
	return (p->state == PROC_UP || p->state == PROC_READY) &&
	    p->ch != NULL && chan_alive(p->ch);
}

static void proc_ended(struct proc *p, bool left, bool bad);

static void
on_timer(void *arg)
{
	struct proc *p = arg;

	if (p->state == PROC_DOWN) {
		proc_start(p);
		return;
	}
	broker_say(p->br, 1, "%s does not %s: killed", proc_name(p),
	    p->state == PROC_STOPPING ? "end" : "seal itself");
	proc_kill(p);
}

struct proc *
proc_new(struct broker *br, const struct policy *policy, uint32_t instance)
{
	struct proc *p = xcalloc(1, sizeof(*p));

	p->br = br;
	p->policy = policy;
	p->instance = instance;
	p->demand = policy->demand && instance >= policy->warm;
	p->state = PROC_ASLEEP;
	p->buckets = request_buckets(policy);
	TAILQ_INIT(&p->waiters);
	timer_init(&p->timer, br->loop, on_timer, p);
	TAILQ_INSERT_TAIL(&br->procs, p, link);
	return p;
}

void
proc_free(struct proc **pp)
{
	struct proc *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	if (p->ask != 0)
		chan_forget(p->br->launcher, p->ask);
	request_forget(p->br, p);
	TAILQ_REMOVE(&p->br->procs, p, link);
	timer_clear(&p->timer);
	chan_free(&p->ch);
	free(p->buckets);
	free(p->user);
	free(p->dir);
	free(p->home);
	free(p);
}

/* Its lines that were too many, when there is another, or none any more. */
static void
say_unsaid(struct proc *p)
{
	if (p->unsaid > 0)
		broker_say(p->br, 2, "security: %u lines of %s over its rate "
		    "were dropped", p->unsaid, proc_name(p));
	p->unsaid = 0;
}

/*
 * Nobody is left behind the channel.  The process is dead or about to be: the
 * launcher's word (proc_exited) decides what comes next.
 */
static void
on_gone(UNUSED struct chan *ch, const char *why, void *arg)
{
	struct proc *p = arg;

	say_unsaid(p);
	if (why != NULL)
		broker_say(p->br, 2, "security: channel of %s closed: %s",
		    proc_name(p), why);
	chan_free(&p->ch);
	request_forget(p->br, p);
	if (p->state != PROC_DOWN && p->state != PROC_GONE)
		proc_kill(p);
}

/* Those who waited for this process: it is there, or cannot be had. */
static void
settle(struct proc *p, bool ready)
{
	struct waiter *w;

	while ((w = TAILQ_FIRST(&p->waiters)) != NULL) {
		TAILQ_REMOVE(&p->waiters, w, link);
		if (w->asker == NULL || !proc_trusted(w->asker))
			;
		else if (ready && p->is_mailbox)
			introduce_mailbox(p, w->asker, w->id);
		else if (ready)
			admin_done(w->asker, w->id, 0, "");
		else
			request_refuse(w->asker, w->id, ECHILD,
			    "the process did not start");
		free(w);
	}
}

static void
on_ready(struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, void *arg)
{
	struct proc *p = arg, *q;

	if (p->state != PROC_UP) {
		chan_drop(ch, "ready out of turn");
		return;
	}
	p->state = PROC_READY;
	settle(p, true);
	TAILQ_FOREACH(q, &p->br->procs, link)
		if (q->retiring && !p->retiring && q->policy == p->policy &&
		    q->instance == p->instance && q->ch != NULL)
			chan_tell(q->ch, BROKER_RETIRE, 0, NULL, NULL);
	admin_progress(p->br);
}

static void
on_attested(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct launch_attested *a = rec;
	struct proc *p = arg;

	p->ask = 0;
	/* It may have died, and we know only that its channel closed. */
	if (type == 0 || p->state != PROC_ATTESTING || p->ch == NULL)
		return;
	if (!a->ok) {
		broker_say(p->br, 1, "security: %s is not sealed as its policy"
		    " says: " STR_FMT, proc_name(p), STR_ARG(a->text));
		proc_kill(p);
		return;
	}
	if (p->once && p->generation != p->br->plan.is.generation) {
		proc_kill(p); /* the plan has changed since its birth */
		chan_free(&p->ch);
		proc_start(p);
		return;
	}
	timer_cancel(&p->timer);
	p->state = PROC_UP;
	introduce(p);
	admin_progress(p->br);
	if (p->once && p->warm)
		on_ready(p->ch, 0, NULL, NULL, p); /* as its image is */
}

static void
attest(struct proc *p)
{
	struct launch_attest q = { .pid = (uint32_t)p->pid };

	p->state = PROC_ATTESTING;
	p->ask = chan_ask(p->br->launcher, LAUNCH_ATTEST, &q, NULL,
	    on_attested, p);
}

static void
on_sealed(struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	const struct broker_sealed *s = rec;
	struct proc *p = arg;

	if (p->sealed) {
		chan_drop(ch, "sealed twice");
		return;
	}
	/* The launcher may not have told us yet which process this is. */
	p->sealed = true;
	str_copy(s->without, p->without, sizeof(p->without));
	if (p->state == PROC_STARTING && p->pid != 0)
		attest(p);
}

static void
on_log(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	const struct broker_log *l = rec;
	struct proc *p = arg;

	if (!allowance_take(&p->lines, LINES_RATE, LINES_BURST,
	    loop_now(p->br->loop))) {
		p->unsaid++;
		return;
	}
	say_unsaid(p);
	broker_say(p->br, l->level, "%s: " STR_FMT, proc_name(p),
	    STR_ARG(l->text));
}

static const struct chan_on proc_on[] = {
	{ BROKER_LOG, on_log },
	{ BROKER_SEALED, on_sealed },
	{ BROKER_READY, on_ready },
	{ BROKER_CONNECT, request },
	{ BROKER_RESOLVER, request },
	{ BROKER_TABLE, request },
	{ BROKER_INCLUDE, request },
	{ BROKER_UNIX, request },
	{ BROKER_KEY, request },
	{ BROKER_MAILBOX, request },
	{ BROKER_START, request },
	{ BROKER_COMMAND, request },
	{ BROKER_REOPEN, request },
	{ BROKER_ADMIN, request },
	{ 0, NULL },
};

static void
on_spawned(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct launch_spawned *a = rec;
	struct proc *p = arg;

	p->ask = 0;
	if (type == 0)
		return;
	if (a->error != 0) {
		broker_say(p->br, 1, "%s cannot be started: " STR_FMT,
		    proc_name(p), STR_ARG(a->text));
		proc_ended(p, false, false);
		return;
	}
	p->pid = (pid_t)a->pid;
	p->uid = a->uid;
	p->gid = a->gid;
	p->warm = a->warm != 0;
	free(p->home);
	p->home = str_dup(a->home);
	if (p->state == PROC_STOPPING)
		proc_kill(p); /* told to end before it was there */
	else if (p->sealed)
		attest(p);
}

void
proc_start(struct proc *p)
{
	struct launch_spawn q = { .instance = p->instance,
		.trace = p->policy == p->br->trace,
		.component = str_of(p->policy->name) };
	struct launch_mailbox m = { .instance = p->instance, .trace = q.trace,
		.uid = p->uid, .gid = p->gid, .user = str_of(p->user),
		.dir = str_of(p->dir) };
	int sv[2];

	if (chan_pair(sv) == -1) {
		broker_say(p->br, 1, "%s: %s", proc_name(p), strerror(errno));
		proc_ended(p, false, false);
		return;
	}
	ends_shut(policy_find(STR("broker")), p->policy, sv);
	p->state = PROC_STARTING;
	p->pid = 0;
	p->sealed = p->wanted = false;
	p->starts++;
	p->traced = q.trace;
	p->generation = p->br->plan.is.generation;
	p->started_ms = loop_now(p->br->loop);
	p->ch = chan_new(p->br->loop, sv[0], &edge_broker, SIDE_B, proc_on,
	    on_gone, p);
	p->ask = chan_ask(p->br->launcher,
	    p->is_mailbox ? LAUNCH_MAILBOX : LAUNCH_SPAWN,
	    p->is_mailbox ? (const void *)&m : &q, &sv[1], on_spawned, p);
	timer_set(&p->timer, SEAL_MS);
}

void
proc_want(struct proc *p)
{
	if (p->state == PROC_ASLEEP)
		proc_start(p);
	else if (p->state == PROC_UP || p->state == PROC_READY)
		p->wanted = true; /* the asker saw it go before we do */
}

void
proc_replace(struct proc *p)
{
	if (p->retiring || !proc_trusted(p))
		return;
	p->retiring = true;
	proc_start(proc_new(p->br, p->policy, p->instance));
}

void
proc_kill(struct proc *p)
{
	struct launch_kill k = { .pid = (uint32_t)p->pid };

	if (p->pid > 0)
		chan_tell(p->br->launcher, LAUNCH_KILL, 0, &k, NULL);
}

void
proc_retire(struct proc *p)
{
	if (!p->retiring)
		chan_tell(p->ch, BROKER_RETIRE, 0, NULL, NULL);
	p->retiring = true;
}

void
proc_stop(struct proc *p, uint32_t grace_ms)
{
	struct broker_stop s = { .grace_ms = grace_ms };

	if (p->state <= PROC_DOWN) { /* in the order of their lives */
		p->state = PROC_GONE;
		timer_cancel(&p->timer);
	} else if (p->state <= PROC_ATTESTING) {
		p->state = PROC_STOPPING;
		proc_kill(p);
	} else if (p->state <= PROC_READY) {
		p->state = PROC_STOPPING;
		if (p->ch != NULL)
			chan_tell(p->ch, BROKER_STOP, 0, &s, NULL);
		timer_set(&p->timer, (int64_t)grace_ms + 1000);
	}
}

/*
 * It is not there any more.  One that left by itself, being idle, comes again
 * when it is wanted.  Any other comes at once after a healthy life, else twice
 * as late as the last time, so that one that dies at once does not take the
 * machine with it; one that cannot even start is given a rest.
 */
static void
proc_ended(struct proc *p, bool left, bool bad)
{
	int64_t lived = loop_now(p->br->loop) - p->started_ms;
	int64_t max = p->br->plan.is.throttle_ms;

	timer_cancel(&p->timer);
	chan_free(&p->ch);
	request_forget(p->br, p);
	settle(p, false);
	p->pid = 0;
	p->traced = false;
	if (p->state == PROC_STOPPING || p->is_mailbox || p->once ||
	    p->retiring || p->br->phase == PHASE_STOP) {
		p->state = PROC_GONE;
		admin_progress(p->br);
		return;
	}
	if (left && !p->wanted) {
		p->state = PROC_ASLEEP;
		return;
	}
	p->state = PROC_DOWN;
	if (left || lived >= HEALTHY_MS)
		p->backoff_ms = 0;
	if (bad && p->backoff_ms > 0)
		p->backoff_ms = max;
	if (p->backoff_ms >= max)
		broker_say(p->br, 2, "%s: bad command startup -- throttling",
		    proc_name(p));
	timer_set(&p->timer, p->backoff_ms);
	p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_FIRST : p->backoff_ms * 2;
	if (p->backoff_ms > max)
		p->backoff_ms = max;
}

void
proc_exited(struct proc *p, const struct launch_exited *e)
{
	bool ready = p->state == PROC_READY;

	if (p->ask != 0)
		chan_forget(p->br->launcher, p->ask);
	p->ask = 0;
	if (e->signal == SIGSYS) {
		snprintf(p->br->violation, sizeof(p->br->violation),
		    "%s (pid %d) was killed by its sandbox: " STR_FMT,
		    proc_name(p), (int)p->pid, STR_ARG(e->why));
		broker_say(p->br, 1, "security: %s", p->br->violation);
		p->br->violations++;
		p->violations++;
	} else if (e->signal != 0 && p->state != PROC_STOPPING)
		broker_say(p->br, 2, "process %s pid %d killed by signal %u",
		    proc_name(p), (int)p->pid, e->signal);
	else if (e->code != 0)
		broker_say(p->br, 2, "process %s pid %d exit status %u",
		    proc_name(p), (int)p->pid, e->code);
	/* A kill comes from outside and says nothing about its program. */
	proc_ended(p, ready && p->demand && e->signal == 0 && e->code == 0,
	    !ready && e->signal != SIGKILL);
}
