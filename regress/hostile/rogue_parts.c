/* SPDX-License-Identifier: ISC */
/*
 * What captured components make of the trust that is put in them.
 *
 * In some lives each lies as far as the rules let it; in the others it breaks
 * one of them, another each time.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "log/log.h"
#include "queue/envelope.h"
#include "rogue.h"

static const struct str wild = { ROGUE_WILD, sizeof(ROGUE_WILD) - 1 };

static bool
is_about(struct str text, const char *word)
{
	return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

/* --- agents: smtp, virtual, pipe ------------------------------------------ */

static void
fate(struct rogue_target *t, uint64_t id, uint16_t n, uint8_t what)
{
	struct deliver_fate f = { .rcpt = n,
		.fate = what,
		.flags = 0xff,
		.dsn = str_sub(wild, 0, 16),
		.text = wild,
		.relay = wild,
		.remote_mta = wild,
		.remote_text = wild,
		.connect_ms = UINT32_MAX,
		.transfer_ms = UINT32_MAX };

	rogue_say(t, DELIVER_FATE, id, &f, -1);
}

static void
done(struct rogue_target *t, uint64_t id)
{
	rogue_say(t, DELIVER_DONE, id, NULL, -1);
	rogue_answered(t, id);
}

static void
pass(struct rogue_target *t, uint64_t id)
{
	struct deliver_pass p = { .addr = STR("root@test.example"),
		.transport = STR("smtp"),
		.nexthop = STR("[127.0.0.1]:25") };

	rogue_say(t, DELIVER_PASS, id, &p, -1);
}

/* Of a message that is its own to lose, it says that it is delivered. */
static void
claim(struct rogue_target *t, uint64_t id, const struct deliver_job *j)
{
	static unsigned turn;

	if (is_about(j->rcpts, "lost@")) {
		fate(t, id, 0, FATE_SENT);
		done(t, id);
		return;
	}
	switch (turn++ % 5) {
	case 0:
		done(t, id);
		break;
	case 1:
		fate(t, id, 0, 0);
		done(t, id);
		break;
	case 2:
		fate(t, id, 0, 255);
		done(t, id);
		break;
	case 3:
		fate(t, id, 0, FATE_DEFERRED);
		break; /* and never the end of it */
	default:
		break; /* nor anything */
	}
}

static void
claim_too_much(struct rogue_target *t, uint64_t id)
{
	switch (rogue_which(8)) {
	case 0:
		fate(t, id, UINT16_MAX, FATE_SENT);
		rogue_broke(t, "fate of recipient 65535");
		break;
	case 1:
		fate(t, id, 1, FATE_SENT);
		rogue_broke(t, "fate of the recipient behind the last");
		break;
	case 2:
		fate(t, id, 0, FATE_DEFERRED);
		fate(t, id, 0, FATE_SENT);
		rogue_broke(t, "fate told twice");
		break;
	case 3:
		fate(t, id + (1ULL << 32), 0, FATE_SENT);
		rogue_broke(t, "fate in a job that was not given");
		break;
	case 4:
		fate(t, id, 0, FATE_DEFERRED);
		done(t, id);
		fate(t, id, 0, FATE_SENT);
		rogue_broke(t, "fate after the end of the job");
		break;
	case 5:
		done(t, id);
		done(t, id);
		rogue_broke(t, "the end of a job twice");
		break;
	case 6:
		pass(t, id);
		rogue_broke(t, "recipient passed on");
		break;
	default:
		fate(t, 0, 0, FATE_SENT);
		rogue_broke(t, "fate in no job");
		break;
	}
}

static void
agent_heard(struct rogue_target *t, const struct rec_head *h, const void *rec,
    UNUSED int *fds)
{
	if (t->edge != &edge_deliver || h->type->type != DELIVER_JOB)
		return;
	if (rogue_breaks() && t->broke_ms == 0 &&
	    !is_about(((const struct deliver_job *)rec)->rcpts, "lost@"))
		claim_too_much(t, h->id);
	else
		claim(t, h->id, rec);
}

/* --- smtp: addresses, private networks, signatures ------------------------ */

static void
smtp_turn(unsigned n)
{
	struct dns_route r = { .nexthop = STR("[127.0.0.1]:25"),
		.flags = DNS_SYSTEM_ONLY,
		.route_ticket = n };
	struct keys_sign s = { .service = n, .key = n, .tbs = wild };
	struct rogue_target *t;

	for (t = NULL; (t = rogue_next("dns", t)) != NULL;)
		for (int i = 0; i < 20; i++)
			rogue_say(t, DNS_ROUTE, i == 0 ? 7 : n * 100 + i, &r,
			    -1);
	if (n == 30 && rogue_breaks() &&
	    (t = rogue_next("keys", NULL)) != NULL &&
	    rogue_say(t, KEYS_SIGN, 1, &s, -1))
		rogue_broke(t, "signature by the key of another service");
}

/* --- virtual: mailboxes --------------------------------------------------- */

static struct rogue_target *box;

static void
write_to(const char *path, uint8_t root, struct str edits, uint64_t size)
{
	struct mailbox_write w = { .root = root,
		.flags = 0xff,
		.path = str_of(path),
		.sender = wild,
		.prefix = wild,
		.limit = UINT64_MAX,
		.offset = size,
		.size = size,
		.edits = edits };

	for (unsigned i = 0; i < 3 && box != NULL; i++)
		rogue_say(box, MAILBOX_WRITE, 1000 + i, &w, rogue_held(i));
}

/* Out of its directory; of messages that are none. */
static void
box_attack(void)
{
	static const char *const paths[] = { "../escaped", "/tmp/escaped",
		"a/../../escaped/", "..", ".", "", "/", "other/../../escaped",
		"escaped\nx/", "./", "../mail/../escaped" };
	struct mailbox_read r = { .path = STR(".forward") };

	for (size_t i = 0; i < NELEM(paths); i++)
		write_to(paths[i], i % 2, STR_NONE, 0);
	write_to("captured/", 0, STR_NONE, UINT64_MAX);
	write_to("captured/", 0, STR_NONE, UINT64_MAX / 2);
	if (!rogue_breaks() || box == NULL)
		return;
	switch (rogue_which(3)) {
	case 0:
		if (rogue_say(box, MAILBOX_READ, 1, &r, -1))
			rogue_broke(box, "read a user's file");
		break;
	case 1:
		write_to("x", 7, STR_NONE, 0);
		rogue_broke(box, "a mailbox under root 7");
		break;
	default:
		write_to("x", 0, wild, 0);
		rogue_broke(box, "edits that are none");
		break;
	}
}

static void
on_box(unsigned type, UNUSED const void *rec, int *fds, UNUSED void *arg)
{
	if (type != BROKER_MAILBOX_OPEN)
		return;
	box = rogue_target_add(fds[0], &edge_mailbox, SIDE_A, "mailbox", 0);
	fds[0] = -1;
	if (box != NULL)
		box_attack();
}

static void
virtual_turn(unsigned n)
{
	const char *uid = rogue_order("mailbox");
	struct broker_mailbox q;
	struct lookup_find f = { .param = STR("virtual_mailbox_maps"),
		.key = wild };
	struct rogue_target *t = rogue_next("lookup", NULL);

	if (t != NULL)
		rogue_say(t, LOOKUP_FIND, n, &f, -1);
	if (n != 1 || uid == NULL)
		return;
	memset(&q, 0, sizeof(q));
	q.uid = q.gid = (uint32_t)atol(uid);
	chan_ask(boot_broker(), BROKER_MAILBOX, &q, NULL, on_box, NULL);
}

/* --- mailbox: what it has written, or not --------------------------------- */

static void
written(struct rogue_target *t, uint64_t id, uint8_t what)
{
	struct mailbox_written w = { .fate = what,
		.dsn = str_sub(wild, 0, 16),
		.text = wild };

	rogue_say(t, MAILBOX_WRITTEN, id, &w, -1);
	rogue_answered(t, id);
}

static void
mailbox_heard(struct rogue_target *t, const struct rec_head *h, const void *rec,
    UNUSED int *fds)
{
	const struct mailbox_write *w = rec;
	struct mailbox_text text = { .text = wild };
	struct mailbox_signed sig = { .ticket = 1, .expires = UINT32_MAX };

	if (h->type->type != MAILBOX_WRITE || t->broke_ms != 0)
		return;
	if (is_about(w->prefix, "lost@")) {
		written(t, h->id, FATE_SENT);
		return;
	}
	switch (rogue_life() % 8) {
	case 0:
		written(t, h->id, 0);
		break;
	case 1:
		written(t, h->id, FATE_DEFERRED);
		written(t, h->id, FATE_SENT);
		rogue_broke(t, "an answer twice");
		break;
	case 2:
		rogue_say(t, MAILBOX_TEXT, h->id, &text, -1);
		rogue_broke(t, "a file where a fate was asked for");
		break;
	case 3:
		written(t, h->id, 255);
		break;
	case 4:
		rogue_say(t, MAILBOX_SIGNED, h->id, &sig, -1);
		rogue_broke(t, "a ticket where a fate was asked for");
		break;
	case 5:
		written(t, h->id + 1, FATE_SENT);
		rogue_broke(t, "an answer to nothing");
		break;
	case 6:
		written(t, h->id, FATE_DEFERRED);
		written(t, h->id | 1ULL << 63, FATE_SENT);
		rogue_broke(t, "an answer of another time");
		break;
	default:
		break; /* it says nothing, and lives for a while */
	}
}

/* --- bounce: notices that are not there ----------------------------------- */

static void
made(struct rogue_target *t, uint64_t id, uint8_t status, struct str qid)
{
	struct bounce_made m = { .status = status, .qid = qid };

	rogue_say(t, BOUNCE_MADE, id, &m, -1);
	rogue_answered(t, id);
}

static void
bounce_heard(struct rogue_target *t, const struct rec_head *h,
    UNUSED const void *rec, UNUSED int *fds)
{
	if (h->type->type != BOUNCE_MAKE || t->broke_ms != 0)
		return;
	if (!rogue_breaks()) {
		made(t, h->id, 1, wild);
		return;
	}
	switch (rogue_which(4)) {
	case 0:
		made(t, h->id, 0, STR("4fNoSuchNotice1"));
		rogue_broke(t, "a notice that is not in the queue");
		break;
	case 1:
		made(t, h->id, 1, STR(""));
		made(t, h->id, 1, STR(""));
		rogue_broke(t, "an answer twice");
		break;
	case 2:
		made(t, h->id, 255, wild);
		rogue_broke(t, "an end of no kind");
		break;
	default:
		made(t, h->id, 0, wild);
		rogue_broke(t, "a notice whose name is none");
		break;
	}
}

static void
submitter_turn(unsigned n)
{
	struct spool_want want = { .slots = UINT32_MAX };
	struct intake_message m = { .qid = STR("0C4B36912A5F0"),
		.envelope = wild };
	struct rogue_target *t = rogue_next("qmgr", NULL);

	for (; t != NULL; t = rogue_next("qmgr", t)) {
		if (t->edge != &edge_spool)
			continue;
		rogue_say(t, SPOOL_WANT, 0, &want, -1);
		rogue_say(t, SPOOL_DROP, n * 0x123456789ULL, NULL, -1);
	}
	t = rogue_next("cleanup", NULL);
	if (t != NULL && n == 55)
		rogue_say(t, INTAKE_MESSAGE, n, &m, rogue_held(n % 8));
}

/* --- keys: signatures, certificates, ticket keys -------------------------- */

#define SERVICES 32

static uint32_t services[SERVICES];
static unsigned nservices;
static char *chain;
static size_t chain_len;

static void
keys_granted(const struct broker_grant *g, int fd)
{
	if (g->kind == GRANT_CONFIG && nservices < SERVICES)
		services[nservices++] = g->instance;
	fd_close(&fd);
}

/* Certificates that are right, so that somebody asks for signatures. */
static void
tell_set(struct rogue_target *t, uint32_t service, struct str certs)
{
	struct keys_cert c = { .service = service, .key = 7, .chain = certs };
	struct keys_set s = { .service = service, .certs = 1 };

	rogue_say(t, KEYS_CERT, 0, &c, -1);
	rogue_say(t, KEYS_SET, 0, &s, -1);
}

static void
keys_turn(unsigned n)
{
	struct str real = str_make(chain, chain_len), bad = wild;
	struct keys_tickets k;
	struct keys_set s = { .certs = UINT32_MAX, .why = wild };
	struct rogue_target *t = NULL;

	while ((t = rogue_next(NULL, t)) != NULL) {
		for (unsigned i = 0; n % 10 == 1 && i < nservices; i++)
			tell_set(t, services[i], real);
		/* Of services that are none, and of one that is, nonsense. */
		if (n % 10 == 5)
			bad = str_sub(real, 0, n * 16);
		tell_set(t, n * 1000, bad);
		tell_set(t, n, bad);
		k.service = n;
		k.keys = str_make(chain, n * 4 % KEYS_TICKETS_MAX);
		rogue_say(t, KEYS_TICKETS, 0, &k, -1);
		s.service = n % 2 == 0 ? n : UINT32_MAX;
		rogue_say(t, KEYS_SET, 0, &s, -1);
	}
}

/* A signature that is none, too long, or another question's. */
static void
keys_heard(struct rogue_target *t, const struct rec_head *h, const void *rec,
    UNUSED int *fds)
{
	static char last[KEYS_SIGNATURE_MAX];
	static unsigned turn;
	const struct keys_sign *q = rec;
	struct keys_signed a = { .signature = str_make(last, sizeof(last)) };

	if (h->type->type != KEYS_SIGN)
		return;
	log_info("rogue: asked for a signature");
	switch (turn++ % 5) {
	case 0:
		a.signature.n = 256;
		break;
	case 1:
		a.signature.n = 1;
		break;
	case 2:
		a.signature = STR_NONE;
		break;
	case 3:
		break;
	default:
		return; /* never */
	}
	memset(last, (int)turn, sizeof(last));
	memcpy(last, q->tbs.p, q->tbs.n < 64 ? q->tbs.n : 64);
	rogue_say(t, KEYS_SIGNED, h->id, &a, -1);
	rogue_answered(t, h->id);
	if (!rogue_breaks())
		return;
	rogue_say(t, KEYS_SIGNED, h->id, &a, -1);
	rogue_broke(t, "a signature twice");
}

static void
keys_open(void)
{
	const char *path = rogue_order("chain");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd != -1 && fd_slurp(fd, KEYS_CHAIN_MAX, &chain, &chain_len) == -1)
		log_fatal("rogue: %s", path);
	fd_close(&fd);
}

/* --- control: what no user asked for -------------------------------------- */

static void
control_turn(unsigned n)
{
	static const char *const names[] = { "", "../../../etc/passwd",
		"4fNoSuch1", "4fNoSuch1/../x", "\r\n", "ALL ALL" };
	const char *what = names[n % NELEM(names)];
	struct queue_list l = { .detail = 255,
		.credit = UINT32_MAX,
		.qid = str_of(n % 3 == 0 ? what : "") };
	struct queue_more more = { .credit = UINT32_MAX };
	struct queue_change c = { .op = (uint8_t)(n % 4 == 0 ? n : QOP_HOLD),
		.state = (uint8_t)n,
		.arg = str_of(what) };
	struct queue_open o = { .qid = str_of(what) };
	struct rogue_target *t = rogue_next("qmgr", NULL);

	if (t == NULL)
		return;
	if (c.op == QOP_DELETE || c.op == QOP_EXPIRE)
		c.arg = STR("4fNoSuch1"); /* it could, and mail would go */
	rogue_say(t, QUEUE_LIST, 100 + n, &l, -1);
	for (uint64_t id = 90 + n; id < 110 + n; id++)
		rogue_say(t, QUEUE_MORE, id, &more, -1);
	rogue_say(t, QUEUE_STOP, n, NULL, -1);
	rogue_say(t, QUEUE_CHANGE, 1000 + n, &c, -1);
	rogue_say(t, QUEUE_OPEN, 2000 + n, &o, -1);
	rogue_say(t, QUEUE_STATS, 1000 + n, NULL, -1); /* the same question */
}

/* --- gate: connections ---------------------------------------------------- */

static int listeners[8];
static unsigned nlisteners;
static uint32_t gate_service;

static void
gate_granted(const struct broker_grant *g, int fd)
{
	if (g->kind == GRANT_LISTENER && nlisteners < NELEM(listeners)) {
		listeners[nlisteners++] = fd;
		gate_service = g->instance;
	} else {
		fd_close(&fd);
	}
}

static bool
hand(struct rogue_target *t, uint64_t id, uint32_t service, int fd)
{
	struct gate_client c = { .service = service,
		.client = { .family = 4, .ip = { 127, 0, 0, 1 } },
		.server = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = 25 },
		.when_us = clock_wall_us() };

	if (id % 5 == 1) {
		c.client.family = 0;
		c.when_us = INT64_MIN;
	}
	return rogue_say(t, GATE_CLIENT, id, &c, fd);
}

/* A stranger's connection, how often one was handed over, and has ended. */
static int kept = -1;
static uint64_t numbers, pipes, ended;

static void
gate_heard(UNUSED struct rogue_target *t, const struct rec_head *h,
    UNUSED const void *rec, UNUSED int *fds)
{
	ended += h->type->type == GATE_ENDED;
}

/* More than anybody has: pipes, which take a banner and never say a word. */
static void
gate_flood(struct rogue_target *t)
{
	for (int i = 0; i < 1000; i++)
		pipes += hand(t, ++numbers, gate_service, rogue_pipe());
	if (pipes > GATE_SESSIONS_MAX + ended)
		rogue_broke(t, "more sessions than there may be");
}

static void
gate_breaks(struct rogue_target *t)
{
	if (rogue_which(2) == 0) {
		gate_flood(t);
		return;
	}
	hand(t, ++numbers, gate_service, kept);
	hand(t, numbers, gate_service, kept);
	rogue_broke(t, "a session under a number that is in use");
}

/* To one worker twice, to another once more; and what is no connection. */
static void
gate_lies(struct rogue_target *t, unsigned n, int fd)
{
	struct rogue_target *other = rogue_next("smtpd", t);

	if (fd != -1) {
		hand(t, ++numbers, gate_service, fd);
		hand(t, ++numbers, gate_service, fd);
		hand(other == NULL ? t : other, ++numbers, gate_service, fd);
	}
	for (unsigned i = 0; rogue_held(i) != -1; i++)
		hand(t, ++numbers, gate_service, rogue_held(i));
	hand(t, ++numbers, gate_service, listeners[0]);
	hand(t, ++numbers, n * 1000, listeners[0]);
	if (n == 58) /* our own end of this: what is said there, we say */
		hand(t, ++numbers, gate_service, t->fd);
}

/*
 * The first session of a life is handed over as it should be: it goes on,
 * whatever becomes of the others.
 */
static void
gate_turn(unsigned n)
{
	struct rogue_target *t = rogue_next("smtpd", NULL);
	int fd = -1;

	for (unsigned i = 0; i < nlisteners && fd == -1; i++)
		fd = accept4(listeners[i], NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (t == NULL || nlisteners == 0)
		return;
	if (fd != -1 && numbers == 0) {
		numbers = 5;
		hand(t, numbers, gate_service, fd);
	} else if (rogue_breaks() && (fd != -1 || kept != -1)) {
		if (kept == -1)
			kept = fcntl(fd, F_DUPFD_CLOEXEC, 64);
		gate_breaks(t);
	} else {
		gate_lies(t, n, fd);
	}
	fd_close(&fd);
}

/* --- logd: a reader who does not read ------------------------------------- */

static void
logd_turn(UNUSED unsigned n)
{
	struct rogue_target *t = NULL;

	while ((t = rogue_next(NULL, t)) != NULL)
		t->deaf = !rogue_breaks();
}

/* --- all of them ---------------------------------------------------------- */

static const struct rogue_part parts[] = {
	/* A fate that is made up is that of a message it was given. */
	{ .name = "smtp",
	    .heard = agent_heard,
	    .turn = smtp_turn,
	    .spared = &edge_deliver,
	    .spare = DELIVER_FATE },
	{ .name = "virtual",
	    .heard = agent_heard,
	    .turn = virtual_turn,
	    .spared = &edge_deliver,
	    .spare = DELIVER_FATE },
	{ .name = "pipe",
	    .heard = agent_heard,
	    .spared = &edge_deliver,
	    .spare = DELIVER_FATE },
	{ .name = "mailbox", .heard = mailbox_heard },
	{ .name = "bounce", .heard = bounce_heard, .turn = submitter_turn },
	{ .name = "keys",
	    .heard = keys_heard,
	    .turn = keys_turn,
	    .granted = keys_granted },
	{ .name = "control",
	    .turn = control_turn,
	    .spared = &edge_queue,
	    .spare = QUEUE_CHANGE },
	{ .name = "gate",
	    .heard = gate_heard,
	    .turn = gate_turn,
	    .granted = gate_granted },
	{ .name = "logd", .turn = logd_turn },
};

const struct rogue_part *
rogue_part_find(const char *name)
{
	if (strcmp(name, "keys") == 0)
		keys_open();
	if (strcmp(name, rogue_qmgr.name) == 0)
		return &rogue_qmgr;
	for (size_t i = 0; i < NELEM(parts); i++)
		if (strcmp(name, parts[i].name) == 0)
			return &parts[i];
	return NULL;
}
