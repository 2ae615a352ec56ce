/* SPDX-License-Identifier: ISC */
/*
 * A captured qmgr: jobs for agents, notices for bounce, files for pickup, files
 * to write to, and the word that something is in the queue.
 */
#include <sys/mman.h>

#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "boot/boot.h"
#include "log/log.h"
#include "queue/envelope.h"
#include "queue/event.h"
#include "queue/qid.h"
#include "rogue.h"
#include "sandbox/sandbox.h"

static const struct str wild = { ROGUE_WILD, sizeof(ROGUE_WILD) - 1 };

/* --- descriptors ---------------------------------------------------------- */

/* A message that can still be changed, or one that is as it should be. */
static int
letter(bool seal)
{
	static const char text[] = "From: a@evil.example\nSubject: x\n\nx\n";
	int fd = memfd_new("letter");

	if (fd != -1 &&
	    (fd_write_all(fd, text, sizeof(text) - 1) == -1 ||
		(seal && memfd_seal(fd) == -1)))
		fd_close(&fd);
	return fd;
}

/*
 * The n-th of the kinds there are: what is held (its directory, pipes, event
 * queues, null), memory that is not sealed, a message.  To be closed, if *own.
 */
static int
some_fd(unsigned n, bool *own)
{
	unsigned count = 0;

	while (rogue_held(count) != -1)
		count++;
	n %= count + 2;
	*own = n >= count;
	return n < count ? rogue_held(n) : letter(n == count);
}

/* --- agents --------------------------------------------------------------- */

static void
put_rcpts(struct buf *b, const char *addr, unsigned n)
{
	struct env_rcpt r = { .addr = str_of(addr),
		.orig = STR("\r\nx@y"),
		.notify = ENV_NOTIFY_ALL };

	while (n-- > 0 && env_put_rcpt(b, &r) == 0)
		;
	b->full = false;
}

/* Counts that are none, ways that are none, a message that does not exist. */
static void
job(struct rogue_target *t, unsigned n)
{
	static const uint64_t sizes[] = { 0, 30, 1 << 20, UINT64_MAX / 2,
		UINT64_MAX };
	static uint64_t id = 500;
	struct deliver_job j = { .qid = n % 3 == 0 ? str_sub(wild, 0, 32) :
						     STR("4fNoSuch1"),
		.sender = n % 2 == 0 ? wild : STR("a@evil.example"),
		.transport = n % 4 == 0 ? wild : str_of(t->peer),
		.nexthop = n % 5 == 0 ? wild : STR("[127.0.0.1]:1"),
		.route_ticket = n,
		.arrived_us = n % 2 == 0 ? INT64_MIN : INT64_MAX,
		.active_us = n % 2 == 0 ? INT64_MAX : 0,
		.flags = n % 7 == 0 ? 0 : UINT32_MAX,
		.ret = 255,
		.envid = wild,
		.offset = sizes[n / 2 % NELEM(sizes)],
		.size = sizes[n % NELEM(sizes)] };
	struct buf b;
	bool own;
	int fd = some_fd(n, &own);

	buf_init(&b, DELIVER_RCPTS_MAX);
	put_rcpts(&b, n % 6 == 0 ? "other@test.example" : "nobody@nowhere",
	    n % 9 == 0 ? 2000 : 1);
	j.rcpts = buf_get(&b);
	rogue_say(t, DELIVER_JOB, n % 8 == 0 ? 500 : ++id, &j, fd);
	if (own) {
		/* It is passed, and can be cut short all the same. */
		if (ftruncate(fd, 0) == -1)
			n = 0;
		fd_close(&fd);
	}
	buf_clear(&b);
}

static void
job_breaks(struct rogue_target *t)
{
	struct deliver_job j = { .qid = STR("4fNoSuch1"),
		.transport = str_of(t->peer),
		.rcpts = wild };

	if (rogue_which(2) == 0)
		j.rcpts = STR_NONE;
	if (rogue_say(t, DELIVER_JOB, 1, &j, 0))
		rogue_broke(t, "a job without recipients");
}

/* --- bounce, pickup, rewrite ---------------------------------------------- */

static void
notice(struct rogue_target *t, unsigned n)
{
	struct event_range range = { 0, UINT32_MAX };
	struct event e = { .type = EVENT_FATE,
		.fate = EVENT_FAILED,
		.ranges = &range,
		.nranges = 1,
		.dsn = STR("5.1.1"),
		.mta = wild,
		.reason = wild };
	struct bounce_make m = { .kind = (uint8_t)(n % 7),
		.qid = n % 3 == 0 ? str_sub(wild, 0, 32) : STR("0C4B36912A5F0"),
		.sender = n % 4 == 0 ? STR("someone@test.example") : wild,
		.envid = wild,
		.ret = (uint8_t)(n % 5),
		.flags = n % 2 == 0 ? 0 : UINT32_MAX,
		.offset = n % 5 == 0 ? UINT64_MAX : 0,
		.size = n % 3 == 0 ? UINT64_MAX : 30,
		.omitted = UINT32_MAX };
	struct buf b;
	bool own;
	int fd = some_fd(n, &own);

	buf_init(&b, 30720);
	put_rcpts(&b, "nobody@nowhere", 1);
	if (event_put(&b, 1, &e) == -1)
		b.full = false;
	m.reports = n % 2 == 0 ? buf_get(&b) : STR_NONE;
	rogue_say(t, BOUNCE_MAKE, 700 + n / 2, &m, fd);
	if (own)
		fd_close(&fd);
	buf_clear(&b);
}

static void
maildrop(struct rogue_target *t, unsigned n)
{
	struct maildrop_file f = { .uid = n % 2 == 0 ? 0 : UINT32_MAX,
		.size = UINT64_MAX,
		.mtime_us = INT64_MIN,
		.name = wild };
	struct maildrop_again a = { .qid = str_sub(wild, 0, 32),
		.offset = n % 2 == 0 ? UINT64_MAX : 0,
		.size = UINT64_MAX };
	bool own;
	int fd = some_fd(n, &own);

	rogue_say(t, MAILDROP_FILE, 800 + n, &f, fd);
	rogue_say(t, MAILDROP_AGAIN, 900 + n, &a, fd);
	if (own)
		fd_close(&fd);
}

/* --- who brings in mail --------------------------------------------------- */

/*
 * Files to write to that are none, or cannot be written to; words for clients
 * in names; and that messages nobody has sent are in the queue.
 */
static void
slots(struct rogue_target *t, unsigned n)
{
	struct spool_slot s = { .qid = str_sub(wild, 0, 32) };
	struct spool_accepted a = { .qid = str_sub(wild, 0, 32) };
	struct spool_refused r = { .code = 250,
		.dsn = str_sub(wild, 0, 16),
		.text = wild };
	struct spool_full full = { .on = n % 16 == 0 };
	bool own;
	int fd = some_fd(n, &own);

	if (n < 24)
		rogue_say(t, SPOOL_SLOT, n + 1, &s, fd);
	for (uint64_t id = 0; id < 30; id++) {
		if (n % 2 == 0)
			rogue_say(t, SPOOL_ACCEPTED, id, &a, -1);
		else
			rogue_say(t, SPOOL_REFUSED, id, &r, -1);
	}
	rogue_say(t, SPOOL_FULL, 0, &full, -1);
	if (own)
		fd_close(&fd);
}

static void
slots_break(struct rogue_target *t)
{
	struct spool_slot s = { .qid = STR("4fSlot1") };
	int fd = letter(false);

	if (rogue_which(2) == 0) {
		rogue_say(t, SPOOL_SLOT, 5000, &s, fd);
		rogue_say(t, SPOOL_SLOT, 5000, &s, fd);
		rogue_broke(t, "the same slot twice");
	} else {
		for (uint64_t id = 6000; id < 6600; id++)
			rogue_say(t, SPOOL_SLOT, id, &s, fd);
		rogue_broke(t, "slots without end");
	}
	fd_close(&fd);
}

/* --- in office ------------------------------------------------------------ */

static void
on_started(UNUSED int error, UNUSED void *arg)
{
}

static void
lie(struct rogue_target *t, unsigned n)
{
	if (t->edge == &edge_deliver)
		job(t, n);
	else if (t->edge == &edge_bounce)
		notice(t, n);
	else if (t->edge == &edge_maildrop)
		maildrop(t, n);
	else if (t->edge == &edge_spool)
		slots(t, n);
}

static void
qmgr_turn(unsigned n)
{
	static const char *const asleep[] = { "smtp", "local", "virtual",
		"pipe", "bounce" };
	struct rogue_target *t = NULL;

	for (size_t i = 0; n == 1 && i < NELEM(asleep); i++)
		boot_want(asleep[i], 0, false, on_started, NULL);
	while ((t = rogue_next(NULL, t)) != NULL) {
		if (t->broke_ms != 0)
			continue;
		lie(t, n);
		if (n < 50 || !rogue_breaks())
			continue;
		if (t->edge == &edge_deliver)
			job_breaks(t);
		else if (t->edge == &edge_spool)
			slots_break(t);
	}
}

/*
 * A session's message comes to nothing: it is told so, or that it is in the
 * queue, which is the one word that is qmgr's to give.
 */
static void
qmgr_heard(struct rogue_target *t, const struct rec_head *h,
    UNUSED const void *rec, UNUSED int *fds)
{
	struct queue_done d = { .error = UINT32_MAX, .text = wild };

	if (t->edge != &edge_queue || h->type->role != REC_ASK ||
	    t->broke_ms != 0)
		return;
	rogue_say(t, QUEUE_DONE, h->id, &d, -1);
	rogue_answered(t, h->id);
	if (!rogue_breaks())
		return;
	rogue_say(t, QUEUE_DONE, h->id, &d, -1);
	rogue_broke(t, "an answer twice");
}

const struct rogue_part rogue_qmgr = { .name = "qmgr",
	.heard = qmgr_heard,
	.turn = qmgr_turn };
