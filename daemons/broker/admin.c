/* SPDX-License-Identifier: ISC */
/*
 * Start, stop, reload, status.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "sandbox/sandbox.h"

#include "broker.h"

/*
 * The order of an orderly stop: first who lets strangers in, then who brings
 * mail in, then who delivers, then who is asked, the log last.  A step begins
 * when everybody of the one before has ended.
 */
static const char *const stop_steps[][8] = {
	{ "gate" },
	{ "smtpd", "pickup" },
	{ "bounce", "cleanup" },
	{ "qmgr" },
	{ "smtp", "local", "virtual", "pipe", "mailbox" },
	{ "dns", "rewrite", "lookup", "keys" },
	{ "control" },
	{ "logd" },
};

#define STOP_STEPS NELEM(stop_steps)

static bool
in_step(const struct proc *p, unsigned step)
{
	for (size_t i = 0; i < NELEM(stop_steps[0]) &&
	    stop_steps[step][i] != NULL; i++)
		if (strcmp(p->policy->name, stop_steps[step][i]) == 0)
			return true;
	return false;
}

/* Tell this step's processes to end; how many have not yet? */
static unsigned
run_step(struct broker *br)
{
	unsigned left = 0;
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link) {
		if (!in_step(p, br->stop_step))
			continue;
		proc_stop(p, br->plan.is.stop_ms);
		if (p->state != PROC_GONE)
			left++;
	}
	return left;
}

static void
stop_progress(struct broker *br)
{
	while (br->stop_step < STOP_STEPS && run_step(br) == 0)
		br->stop_step++;
	if (br->stop_step < STOP_STEPS)
		return;
	chan_tell(br->launcher, LAUNCH_ENDED, 0, NULL, NULL);
	chan_flush(br->launcher);
	loop_stop(br->loop, 0);
}

void
admin_stop(struct broker *br)
{
	if (br->phase == PHASE_STOP)
		return;
	br->phase = PHASE_STOP;
	br->stop_step = 0;
	admin_progress(br);
}

static bool
all_ready(struct broker *br)
{
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link)
		if (!p->is_mailbox && !p->once && p->state != PROC_READY &&
		    p->state != PROC_ASLEEP)
			return false;
	return true;
}

void
admin_done(struct proc *asker, uint64_t id, int error, const char *text)
{
	struct broker_done a = { .error = (uint32_t)error,
		.text = str_of(text) };

	if (asker != NULL && asker->ch != NULL)
		chan_answer(asker->ch, BROKER_DONE, id, &a, NULL);
}

static void
finish_reload(struct broker *br, int error, const char *text)
{
	br->reloading = false;
	admin_done(br->reload_asker, br->reload_id, error, text);
	br->reload_asker = NULL;
}

/*
 * Learning mode (sandbox/trace.h) of one component, or (NULL) its end: the
 * processes come again, behind the filter that is then right for them.
 * Control keeps the time.
 */
int
admin_trace(struct proc *asker, const struct policy *policy)
{
	struct broker *br = asker->br;
	const struct policy *who = policy == NULL ? br->trace : policy;
	struct proc *p;

	if (policy != NULL && (br->trace != NULL || br->phase != PHASE_RUN ||
	    policy == asker->policy))
		return EBUSY;
	if (who == NULL)
		return 0;
	br->trace = policy;
	broker_say(br, 2, "security: LEARNING MODE of %s has %s", who->name,
	    policy == NULL ? "ended" : "begun: what its policy does not allow"
	    " is reported, and goes on");
	TAILQ_FOREACH(p, &br->procs, link)
		if (p->policy == who)
			proc_stop(p, br->plan.is.stop_ms);
	admin_progress(br);
	return 0;
}

/*
 * Processes end their days here: freed only from the loop, never under a
 * caller that still holds one.
 */
static void
bury(struct broker *br)
{
	struct proc *p, *next;

	TAILQ_FOREACH_SAFE(p, &br->procs, link, next)
		if (p->state == PROC_GONE)
			proc_free(&p);
}

static void
progress(void *arg)
{
	struct broker *br = arg;

	bury(br);
	if (br->phase == PHASE_STOP) {
		stop_progress(br);
		return;
	}
	broker_apply(br);
	if (!all_ready(br))
		return;
	if (!br->said_up) {
		br->said_up = true;
		br->phase = PHASE_RUN;
		broker_say(br, 3, "daemon started -- version %s, "
		    "configuration %s", POSTERN_VERSION, br->plan.directory);
		chan_tell(br->launcher, LAUNCH_UP, 0, NULL, NULL);
	}
	if (br->reloading && br->reload_planned)
		finish_reload(br, 0, "");
}

void
admin_progress(struct broker *br)
{
	if (br->progress.cb == NULL)
		turn_init(&br->progress, br->loop, progress, br);
	turn_ask(&br->progress);
}

static void
on_reloaded(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct launch_done *d = rec;
	struct broker *br = arg;
	char text[1024];

	if (type == 0)
		return;
	if (d->error != 0) {
		str_copy(str_sub(d->text, 0, sizeof(text) - 1), text,
		    sizeof(text));
		broker_say(br, 1, "reload: %s", text);
		plan_clear(&br->next); /* it may have come in part */
		finish_reload(br, (int)d->error, text);
		return;
	}
	br->reload_planned = true;
	admin_progress(br);
}

void
admin_reload(struct broker *br, struct proc *asker, uint64_t id)
{
	if (br->reloading || br->phase != PHASE_RUN) {
		admin_done(asker, id, EBUSY, "a reload is under way");
		return;
	}
	broker_say(br, 3, "reload -- version %s, configuration %s",
	    POSTERN_VERSION, br->plan.directory);
	br->reloading = true;
	br->reload_planned = false;
	br->reload_asker = asker;
	br->reload_id = id;
	chan_ask(br->launcher, LAUNCH_RELOAD, NULL, NULL, on_reloaded, br);
}

/* --- status --------------------------------------------------------------- */

static void
requests_json(const struct proc *p, struct buf *b)
{
	buf_puts(b, ",\"requests\":[");
	for (size_t i = 0; i < p->policy->nrequests; i++) {
		const struct bucket *k = &p->buckets[i];

		buf_printf(b, "%s{\"verb\":\"%s\",\"granted\":%" PRIu64
		    ",\"refused\":%" PRIu64 ",\"rate\":%u,\"per\":%u,"
		    "\"burst\":%u}", i == 0 ? "" : ",", k->rule->verb,
		    k->granted, k->refused, k->rule->rate, k->rule->per_s,
		    k->rule->burst);
	}
	buf_putc(b, ']');
}

static void
status_json(struct broker *br, struct buf *b)
{
	int64_t now = loop_now(br->loop);
	struct proc *p;
	char hex[POLICY_HEX];

	buf_printf(b, "{\"version\":\"%s\",\"configuration\":\"%s\","
	    "\"launcher\":%u,\"level\":%u,\"waived\":%u,\"generation\":%u,"
	    "\"image\":%d,\"violations\":%u,\"last_violation\":\"%s\","
	    "\"trace\":\"%s\",\"processes\":[", POSTERN_VERSION,
	    br->plan.directory, br->plan.is.pid, br->plan.is.level,
	    br->plan.is.waived, br->plan.is.generation, (int)br->image,
	    br->violations, br->violation,
	    br->trace == NULL ? "" : br->trace->name);
	TAILQ_FOREACH(p, &br->procs, link) {
		policy_hex(p->policy, hex);
		buf_printf(b,
		    "%s\n{\"component\":\"%s\",\"policy\":\"%s\","
		    "\"instance\":%u,\"pid\":%d,\"uid\":%u,\"gid\":%u,"
		    "\"state\":\"%s\",\"starts\":%u,\"violations\":%u,"
		    "\"warm\":%d,\"traced\":%s,\"age\":%" PRId64,
		    p == TAILQ_FIRST(&br->procs) ? "" : ",", p->policy->name,
		    hex, p->instance, (int)p->pid, (unsigned)p->uid,
		    (unsigned)p->gid, proc_state_name(p->state), p->starts,
		    p->violations, p->warm, p->traced ? "true" : "false",
		    p->pid == 0 ? 0 : (now - p->started_ms) / 1000);
		requests_json(p, b);
		buf_putc(b, '}');
	}
	buf_printf(b, "\n],\"audit\":%s}\n", br->audit == NULL ? "null" :
	    br->audit);
}

/* A long text in pieces, then the answer. */
static void
send_text(struct proc *asker, uint64_t id, struct str s)
{
	struct broker_text t;

	while (s.n > 0) {
		t.text = str_sub(s, 0, 32768);
		chan_tell(asker->ch, BROKER_TEXT, id, &t, NULL);
		s = str_sub(s, t.text.n, s.n);
	}
	admin_done(asker, id, 0, "");
}

void
admin_ask(struct proc *asker, uint64_t id, const void *rec)
{
	const struct broker_admin *q = rec;
	struct broker *br = asker->br;
	struct buf b;

	buf_init(&b, 4 << 20);
	switch ((enum admin_what)q->what) {
	case ADMIN_STATUS:
		status_json(br, &b);
		send_text(asker, id, buf_get(&b));
		break;
	case ADMIN_GRANTS:
		grants_json(&br->grants, &b);
		send_text(asker, id, buf_get(&b));
		break;
	case ADMIN_STOP:
		admin_done(asker, id, 0, "");
		admin_stop(br);
		break;
	case ADMIN_RELOAD:
		admin_reload(br, asker, id);
		break;
	case ADMIN_TRACE:
	case ADMIN_UNTRACE:
		admin_done(asker, id, admin_trace(asker, q->what ==
		    ADMIN_TRACE ? policy_find(q->arg) : NULL), "");
		break;
	default:
		chan_drop(asker->ch, "unknown question");
		break;
	}
	buf_clear(&b);
}
