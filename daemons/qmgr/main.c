/* SPDX-License-Identifier: ISC */
/*
 * qmgr - owns the queue: admission, scheduling, retries, fates.
 *
 * Holds:  SLOT_DIR      the queue directory, nobody else has it
 *         SLOT_BROKER   grants and shutdown                  (peer: broker)
 *         submitters    give them files to fill              (smtpd, pickup,
 *                       bounce, local)
 *         cleanup       envelopes, verified record by record
 *         agents        jobs out, fates in                   (smtp, local,
 *                       virtual)
 *         bounce, rewrite, pickup, control
 * Never:  reads content; opens a path outside the queue directory.
 * If a submitter lies, its message is not taken in; if cleanup lies, a message
 * of its own making is; if an agent lies, mail is lost that was in its hand,
 * or delivered twice.  Each of them loses its channel.
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "log/log.h"
#include "sandbox/sandbox.h"

#include "qmgr.h"

#define LOOK_MS 200
#define DISK_THREADS 4

static struct qmgr qmgr;

int64_t
qmgr_wall_us(void)
{
	return clock_wall_us();
}

void
qmgr_touch(struct qmgr *q)
{
	turn_ask(&q->turn);
}

/*
 * Told to end: nothing more is taken, and what agents have may come to its
 * end as long as the broker waits; what does not is delivered again.
 */
static bool
may_end(struct qmgr *q)
{
	struct sched_stats st;

	sched_stats(q->sched, &st);
	return st.running == 0 && q->deferring == 0;
}

static void
end(void *arg)
{
	struct qmgr *q = arg;

	store_flush(q->store);
	store_close(&q->store);
	boot_exit(0);
}

/*
 * Has something become due?  Asked in every turn, since on a busy system the
 * timer is set anew before it ever fires, but only now and then, since it
 * costs system calls.
 */
static void
look_for_due(struct qmgr *q, int64_t now)
{
	if (now < q->look_ms)
		return;
	q->look_ms = now + LOOK_MS;
	if (store_due_at(q->store) <= qmgr_wall_us())
		sched_waiting(q->sched, SCHED_DEFERRED);
}

/*
 * The end of a turn in which something happened: the scheduler does what
 * follows from it, and everything that is to be durable goes to the disk in
 * one barrier.
 */
static void
on_turn(void *arg)
{
	struct qmgr *q = arg;
	int64_t now = loop_now(q->loop), next, tick;

	if (q->store == NULL)
		return;
	q->due_again = false;
	look_for_due(q, now);
	sched_tick(q->sched, now, qmgr_wall_us());
	agents_resume(q);
	next = sched_run(q->sched);
	store_flush(q->store);
	slots_refill(q);
	tick = store_tick(q->store, now);
	if (next >= 0 && next - now < tick)
		tick = next - now;
	if (q->due_again) {
		sched_waiting(q->sched, SCHED_DEFERRED);
		tick = 0;
	}
	timer_set(&q->wake, tick < 0 ? 0 : tick);
	if (q->stopping && may_end(q))
		end(q);
}

static void
on_wake(void *arg)
{
	qmgr_touch(arg);
}

static void
on_store(int what, void *arg)
{
	struct qmgr *q = arg;

	(void)what;
	store_dispatch(q->store);
	qmgr_touch(q);
}

/* maildrop is looked into without being asked, too. */
static void
next_drop_scan(struct qmgr *q)
{
	if (q->drop_scan_ms > 0)
		timer_set(&q->drop_scan, q->drop_scan_ms);
	else
		timer_cancel(&q->drop_scan);
}

static void
on_drop_scan(void *arg)
{
	struct qmgr *q = arg;

	next_drop_scan(q);
	maildrop_scan(q);
}

static void
on_found(uint64_t qid, void *arg)
{
	active_ready(arg, qid, false);
}

static void
store_says(uint64_t qid, const char *text, void *arg)
{
	char name[QID_TEXT_MAX];

	(void)arg;
	if (qid == 0) {
		log_warn("%s", text);
		return;
	}
	qid_format(qid, name);
	log_warn("%s: %s", name, text);
}

/* Before the sandbox: threads, which cannot be made later. */
static int
make_threads(void *arg)
{
	struct qmgr *q = arg;

	q->threads = store_threads_start(DISK_THREADS);
	return q->threads == NULL ? -1 : 0;
}

/* Sealed, and nobody knows us yet: find what an earlier life left. */
static void
open_queue(struct qmgr *q)
{
	struct sched_limits limits;
	struct store_opts opts;
	const char *why;

	settings_store(q->conf, &opts);
	opts.log = store_says;
	q->store = store_open(q->spool_fd, &opts, q->threads, &why);
	if (q->store == NULL)
		log_fatal("queue directory: %s: %s", why, strerror(errno));
	sched_limits_init(&limits);
	q->sched = sched_new(&limits, &active_ops, q, q->secret);
	settings_apply(q);
	sched_tick(q->sched, loop_now(q->loop), qmgr_wall_us());
	if (store_recover(q->store, on_found, q) == -1)
		log_fatal("queue directory: %s", strerror(errno));
	watch_init(&q->store_watch, q->loop, store_fd(q->store), on_store, q);
	watch_set(&q->store_watch, LOOP_READ);
	sched_waiting(q->sched, SCHED_DEFERRED);
	qmgr_touch(q);
}

static void
on_config(void *arg)
{
	struct qmgr *q = arg;

	q->conf = boot_conf();
	settings_apply(q);
	next_drop_scan(q);
	/* Who could not be had may be now. */
	for (int i = 0; i < AGENT_N; i++)
		demand_met(&q->agents[i].demand);
	demand_met(&q->bounce_demand);
	qmgr_touch(q);
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	(void)g;
	(void)arg;
	fd_close(&fd); /* a line of master.cf has nothing to say to us */
}

static void
on_stop(int64_t grace_ms, void *arg)
{
	struct qmgr *q = arg;

	q->stopping = true;
	timer_init(&q->patience, q->loop, end, q);
	if (grace_ms > 500)
		timer_set(&q->patience, grace_ms - 500);
	qmgr_touch(q);
}

static void
on_ready(void *arg)
{
	struct qmgr *q = arg;

	maildrop_scan(q);
}

static void
pickup_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	(void)ch;
	(void)instance;
	(void)pid;
	maildrop_scan(arg);
}

static void
rewrite_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct qmgr *q = arg;

	(void)ch;
	(void)instance;
	(void)pid;
	sched_waiting(q->sched, SCHED_INCOMING);
	sched_waiting(q->sched, SCHED_DEFERRED);
	qmgr_touch(q);
}

static const struct chan_on no_records[] = { { 0, NULL } };

/* clang-format off */
static const struct boot_peer peers[] = {
	{ "cleanup", &edge_commit, SIDE_B, commits_on, NULL, NULL, NULL, true },
	{ "rewrite", &edge_resolve, SIDE_A, no_records, &qmgr.rewrite, rewrite_up, NULL, true },
	{ "smtpd", &edge_spool, SIDE_B, slots_etrn_on, NULL, submitter_up, submitter_down, true },
	{ "pickup", &edge_spool, SIDE_B, slots_on, NULL, submitter_up, submitter_down, true },
	{ "bounce", &edge_spool, SIDE_B, slots_on, NULL, submitter_up, submitter_down, true },
	{ "local", &edge_spool, SIDE_B, slots_on, NULL, submitter_up, submitter_down, true },
	{ "smtp", &edge_deliver, SIDE_A, agents_on, &qmgr.agents[AGENT_SMTP].ch, agent_up, agent_down, true },
	{ "local", &edge_deliver, SIDE_A, agents_on, &qmgr.agents[AGENT_LOCAL].ch, agent_up, agent_down, true },
	{ "virtual", &edge_deliver, SIDE_A, agents_on, &qmgr.agents[AGENT_VIRTUAL].ch, agent_up, agent_down, true },
	{ "bounce", &edge_bounce, SIDE_A, notices_on, &qmgr.bounce, notices_up, NULL, true },
	{ "pipe", &edge_deliver, SIDE_A, agents_on, &qmgr.agents[AGENT_PIPE].ch, agent_up, agent_down, true },
	{ "pickup", &edge_maildrop, SIDE_A, maildrop_on, &qmgr.pickup, pickup_up, NULL, true },
	{ "control", &edge_queue, SIDE_B, orders_on, NULL, NULL, orders_down, true },
};
/* clang-format on */

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .grant = on_grant,
		.config = on_config, .stop = on_stop, .ready = on_ready,
		.threads = make_threads };
	struct qmgr *q = &qmgr;

	boot_start("qmgr", argc, argv);
	q->loop = boot_loop();
	q->conf = boot_conf();
	q->spool_fd = SLOT_DIR;
	TAILQ_INIT(&q->submitters);
	TAILQ_INIT(&q->transports);
	STAILQ_INIT(&q->ready);
	agents_init(q);
	notices_init(q);
	turn_init(&q->turn, q->loop, on_turn, q);
	timer_init(&q->wake, q->loop, on_wake, q);
	timer_init(&q->drop_scan, q->loop, on_drop_scan, q);
	ticket_key_read(&q->way_key, SLOT_KEY);
	if (getentropy(q->secret, sizeof(q->secret)) == -1)
		log_fatal("random numbers: %s", strerror(errno));

	boot_seal(peers, NELEM(peers), &hooks, q);
	open_queue(q);
	next_drop_scan(q);
	return boot_run();
}
