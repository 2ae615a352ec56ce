/* SPDX-License-Identifier: ISC */
/*
 * rogue-peer - a captured component of a running system: in its place and its
 * sandbox, attested and introduced to its real peers, it attacks each of them
 * over the channel that it was given, and the broker at last.
 *
 * It is what its name says (smtpd, local, ...).  `rogue.orders` beside it has
 * lines of a name and a value: with `instance N` others than that run the
 * program NAME.real, and with `uid N` those of other users.  Each life, counted
 * in `rogue.life.NAME`, breaks the rules in another way.
 *
 * What it logs is for the test: how each channel took it.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "log/log.h"
#include "rogue.h"
#include "sandbox/ends.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

#define PEERS 48
#define TYPES 64
#define TARGETS 256
#define TURN 20 /* records to each in a turn of the loop */
#define TURN_MS 5
#define OFFICE 60  /* turns in office */
#define FORGING 30 /* turns of records that are made up */
#define HEARD 16   /* packets heard in a turn */
#define CLOSE_MS 3000
#define LIFE_MS 6000
#define ORDERS 16
#define HELD 32
#define KEPT 64 /* descriptors heard of in a packet */

static struct rogue_target targets[TARGETS];
static size_t ntargets;
static struct boot_peer peers[PEERS];
static size_t npeers;
static struct chan *up[PEERS]; /* the last of each */
static struct chan_on handlers[PEERS][TYPES];
static struct timer timer;
static const struct rogue_part *part;
static unsigned life, turns, said, broken;
static unsigned refused, taken;
static bool sendfd, kernel_refuses;
static const char *name;
static struct {
	char name[32], value[256];
} orders[ORDERS];
static size_t norders;
static int held[HELD];
static size_t nheld;
static int out_pipe = -1; /* signals of the event loop */

/* --- what parts know ------------------------------------------------------ */

unsigned
rogue_life(void)
{
	return life;
}

/* In two of three; the others lie as far as the rules let them. */
bool
rogue_breaks(void)
{
	return life % 3 != 0;
}

/* Not all components begin with the same. */
unsigned
rogue_which(unsigned n)
{
	return (life - life / 3 - 1 + (unsigned)name[0] + (unsigned)name[1]) %
	    n;
}

const char *
rogue_order(const char *what)
{
	for (size_t i = 0; i < norders; i++)
		if (strcmp(orders[i].name, what) == 0)
			return orders[i].value;
	return NULL;
}

int
rogue_held(unsigned n)
{
	return n < nheld ? held[n] : -1;
}

int
rogue_pipe(void)
{
	return out_pipe;
}

struct rogue_target *
rogue_next(const char *peer, struct rogue_target *after)
{
	size_t i = after == NULL ? 0 : (size_t)(after - targets) + 1;

	for (; i < ntargets; i++)
		if (!targets[i].closed &&
		    (peer == NULL || strcmp(targets[i].peer, peer) == 0))
			return &targets[i];
	return NULL;
}

struct rogue_target *
rogue_target_add(int fd, const struct edge *e, enum side from, const char *peer,
    unsigned instance)
{
	struct rogue_target *t = &targets[ntargets];

	if (ntargets == TARGETS)
		return NULL;
	ntargets++;
	*t = (struct rogue_target){ .fd = fd,
		.edge = e,
		.from = from,
		.peer = peer,
		.instance = instance,
		.fr = { .edge = e, .from = from, .seed = life } };
	return t;
}

/* --- saying --------------------------------------------------------------- */

/* False when it cannot be said now; a peer that is gone is noted. */
static bool
send_raw(struct rogue_target *t, const void *p, size_t len, const int *fds,
    size_t nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FORGE_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)p, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	ssize_t n;

	if (t->closed)
		return false;
	if (nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	}
	n = nfds > 0 ? sendmsg(t->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) :
		       write(t->fd, p, len);
	if (n == -1 && errno == EPERM && nfds > 0)
		t->shut = true;
	else if (n == -1 && errno != EAGAIN && errno != ETOOMANYREFS)
		t->closed = true;
	said += n != -1;
	return n != -1;
}

bool
rogue_say(struct rogue_target *t, unsigned type, uint64_t id, const void *rec,
    int fd)
{
	const struct rec_type *rt = edge_type(t->edge, type);
	int fds[2] = { fd, fd };
	struct buf b;
	bool ok;

	if (rt->fds > 0 && (fd == -1 || !sendfd))
		return false;
	buf_init(&b, REC_MAX);
	if (rec_encode(&b, rt, id, rec) == -1)
		log_fatal("rogue: %s cannot be said", rt->name);
	strlcpy(t->last, rt->name, sizeof(t->last));
	ok = send_raw(t, buf_get(&b).p, b.len, fds, rt->fds);
	buf_clear(&b);
	return ok;
}

void
rogue_broke(struct rogue_target *t, const char *what)
{
	if (t->broke_ms != 0)
		return;
	t->broke_ms = clock_ms();
	broken++;
	strlcpy(t->broke, what, sizeof(t->broke));
}

void
rogue_answered(struct rogue_target *t, uint64_t id)
{
	for (size_t i = 0; i < t->nasked; i++) {
		if (t->asked[i].id != id)
			continue;
		t->had = t->asked[i];
		t->asked[i] = t->asked[--t->nasked];
		return;
	}
}

/*
 * A descriptor to who has no use for any, by its policy: where the kernel sees
 * to that, it does not arrive.
 */
static void
try_door(struct rogue_target *t)
{
	int null = 0;

	if (t == NULL || !kernel_refuses || !sendfd ||
	    ends_receive(policy_find(str_of(t->peer)), name))
		return;
	if (send_raw(t, "", 1, &null, 1) || !t->shut)
		taken++;
	else
		refused++;
}

/* --- hearing -------------------------------------------------------------- */

static void
note_asked(struct rogue_target *t, const struct rec_head *h)
{
	if (h->type->role == REC_ASK && t->nasked < ROGUE_ASKED)
		t->asked[t->nasked++] =
		    (struct rogue_question){ h->type->type, h->id };
}

static void
hear(struct rogue_target *t, struct str p, int *fds, size_t nfds)
{
	_Alignas(16) char rec[REC_STRUCT_MAX];
	struct rec_head h;
	struct str body;
	size_t used = 0;

	while (rec_next(t->edge, &p, &h, &body) == 0 &&
	    rec_decode(h.type, body, rec) == 0 && h.fds <= nfds - used) {
		note_asked(t, &h);
		if (part != NULL && part->heard != NULL && turns <= OFFICE)
			part->heard(t, &h, rec, fds + used);
		used += h.fds;
	}
}

/* What is there; true when the end of it is. */
static bool
listen_to(struct rogue_target *t)
{
	static char data[FORGE_BYTES];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(KEPT * sizeof(int))];
	} control;

	for (int i = 0;
	     i < HEARD && !t->closed && (!t->deaf || t->broke_ms != 0); i++) {
		struct iovec iov = { data, sizeof(data) };
		struct msghdr mh = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control) };
		ssize_t n =
		    recvmsg(t->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		struct cmsghdr *cm;
		int fds[KEPT];
		size_t nfds = 0;

		if (n == -1 && errno == EAGAIN)
			break;
		if (n <= 0) {
			t->closed = true;
			break;
		}
		cm = CMSG_FIRSTHDR(&mh);
		if (cm != NULL) {
			nfds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(cm), nfds * sizeof(int));
		}
		hear(t, str_make(data, (size_t)n), fds, nfds);
		fds_close(fds, &nfds);
	}
	return t->closed;
}

/* --- breaking rules ------------------------------------------------------- */

/*
 * Without the right to pass descriptors we would end at that, and only there.
 */
static bool
next(struct rogue_target *t, struct forged *f)
{
	while (forge_next(&t->fr, f)) {
		/* Who says that he is idle is let go: that is no attack. */
		if (f->len == 0 || (f->nfds > 0 && (!sendfd || t->shut)) ||
		    strstr(f->name, "_IDLE") != NULL ||
		    (part != NULL && part->spared == t->edge &&
			t->fr.type == part->spare))
			continue;
		return true;
	}
	return false;
}

static bool
send_forged(struct rogue_target *t, const struct forged *f)
{
	int fds[FORGE_FDS] = { 0 }; /* null, and null again */

	strlcpy(t->last, f->name, sizeof(t->last));
	return send_raw(t, f->data, f->len, fds, f->nfds);
}

/* The n-th thing that ends a channel; behind the last comes the first. */
static void
break_made_up(struct rogue_target *t, unsigned n)
{
	static struct forged f;
	struct forger fr = t->fr,
		      first = { .edge = fr.edge,
			      .from = fr.from,
			      .seed = fr.seed };

	t->fr = first;
	while (n > 0)
		if (next(t, &f))
			n -= f.end == FORGE_CLOSED;
		else
			t->fr = first;
	t->fr = fr;
	if (send_forged(t, &f))
		rogue_broke(t, f.name);
}

/* An answer of ours to this question (or, not fits, to another). */
static const struct rec_type *
answer_to(const struct rogue_target *t, unsigned asked, bool fits)
{
	for (unsigned i = 1; i <= t->edge->ntypes; i++) {
		const struct rec_type *a = edge_type(t->edge, i);

		if (a->role == REC_ANSWER && (a->from & t->from) != 0 &&
		    (a->fds == 0 || (sendfd && !t->shut)) &&
		    edge_answers(t->edge, edge_type(t->edge, asked), a) == fits)
			return a;
	}
	return NULL;
}

static bool
send_answer(struct rogue_target *t, const struct rec_type *a, uint64_t id)
{
	static uint8_t data[FORGE_BYTES];
	int fds[2] = { 0, 0 };
	size_t n = forge_record(a, id, 1, data, sizeof(data));

	return send_raw(t, data, n, fds, a->fds);
}

/*
 * With answers: the right one twice, one to another question, one to a question
 * of long ago.  False when nobody has asked.
 */
static bool
break_answer(struct rogue_target *t, unsigned how)
{
	struct rogue_question q = t->nasked > 0 ? t->asked[0] : t->had;
	const struct rec_type *a, *other;

	if (q.type == 0 || (a = answer_to(t, q.type, true)) == NULL)
		return false;
	other = answer_to(t, q.type, false);
	if (t->nasked == 0 || (how == 2 && t->had.type != 0)) {
		if (send_answer(t, answer_to(t, t->had.type, true), t->had.id))
			rogue_broke(t, "an answer of long ago");
	} else if (how == 1 && other != NULL) {
		if (send_answer(t, other, q.id))
			rogue_broke(t, "the answer to another question");
	} else if (send_answer(t, a, q.id) && send_answer(t, a, q.id)) {
		rogue_broke(t, "an answer twice");
	}
	return true;
}

static void
break_rules(struct rogue_target *t)
{
	unsigned n = life + (unsigned)(t - targets);

	if (t->broke_ms != 0 || (n % 4 != 0 && break_answer(t, n % 4 - 1)))
		return;
	break_made_up(t, 1 + n * 7 % 24);
}

/* How was it taken? */
static void
judge(struct rogue_target *t)
{
	/* What is formed well can be against the rules all the same. */
	if (t->closed && t->broke_ms == 0)
		rogue_broke(t, t->last);
	if (t->judged || t->broke_ms == 0)
		return;
	if (t->closed)
		log_info("rogue: closed by %s %u: %s", t->peer, t->instance,
		    t->broke);
	else if (clock_ms() - t->broke_ms > CLOSE_MS)
		log_info("rogue: STAYS OPEN: %s %u: %s", t->peer, t->instance,
		    t->broke);
	else
		return;
	t->judged = true;
}

/* --- a life --------------------------------------------------------------- */

static void
attack(struct rogue_target *t)
{
	static struct forged f;

	for (unsigned i = 0; i < TURN && !t->closed; i++) {
		if (turns > OFFICE + FORGING || !next(t, &f)) {
			break_rules(t);
			return;
		}
		if (f.end == FORGE_LIVES && !send_forged(t, &f))
			return;
	}
}

/* The broker itself: it ends us. */
static void
attack_broker(void)
{
	static struct rogue_target broker;

	chan_flush(boot_broker());
	chan_reading(boot_broker(), 0);
	broker = (struct rogue_target){ .fd = SLOT_BROKER,
		.edge = &edge_broker,
		.from = SIDE_A,
		.peer = "broker",
		.fr = { .edge = &edge_broker, .from = SIDE_A, .seed = life } };
	targets[0] = broker;
	ntargets = 1;
}

static void
end_of_life(void)
{
	size_t closed = 0;

	for (size_t i = 0; i < ntargets; i++)
		closed += targets[i].closed;
	log_info("rogue: life %u: %zu of %zu channels closed, %u said, "
		 "%u against the rules",
	    life, closed, ntargets, said, broken);
	log_info("rogue: descriptors: %u refused, %u taken", refused, taken);
	attack_broker();
	turns = OFFICE;
}

static void
on_turn(UNUSED void *arg)
{
	size_t done = 0;

	turns++;
	if (turns <= OFFICE && part != NULL && part->turn != NULL)
		part->turn(turns);
	if (turns == OFFICE)
		rogue_rates(name);
	for (size_t i = 0; i < ntargets; i++) {
		struct rogue_target *t = &targets[i];

		listen_to(t);
		if (turns > OFFICE && t->broke_ms == 0)
			attack(t);
		judge(t);
		done += t->closed || t->judged;
	}
	timer_set(&timer, TURN_MS);
	if (turns > LIFE_MS / TURN_MS ||
	    (done == ntargets && turns >= OFFICE + FORGING + 10))
		end_of_life();
}

/* --- the start ------------------------------------------------------------ */

static void
on_any(UNUSED struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, UNUSED void *arg)
{
}

/* Does that order name it, among others, with commas? */
static bool
is_order(const char *what, const char *word)
{
	struct str list = str_of(rogue_order(what)), s;

	while (str_token(&list, ",", &s))
		if (str_eq(s, str_of(word)))
			return true;
	return false;
}

static void
on_up(struct chan *ch, unsigned instance, UNUSED uint32_t pid, UNUSED void *arg)
{
	const char *peer = boot_peer_name(ch);

	if (is_order("captured", peer))
		return; /* one of us */
	/* Some share two edges with us. */
	for (size_t i = 0; i < npeers; i++)
		if (up[i] == ch) {
			chan_reading(ch, 0);
			try_door(rogue_target_add(chan_fd(ch), peers[i].edge,
			    peers[i].side, peer, instance));
			return;
		}
}

/* logd has channels from everybody; others, what parts make of it. */
static void
on_grant(const struct broker_grant *g, int fd, UNUSED void *arg)
{
	char *peer;

	if (g->kind == GRANT_CHANNEL_B && str_eq(g->edge, STR("log"))) {
		peer = str_dup(g->name);
		rogue_target_add(fd, &edge_log, SIDE_B, peer, g->instance);
	} else if (part != NULL && part->granted != NULL) {
		part->granted(g, fd);
	} else {
		close(fd);
	}
}

static void
peers_find(void)
{
	const struct edge_link *k;

	for (size_t i = 0; (k = edge_link_at(i)) != NULL && npeers < PEERS;
	     i++) {
		bool a = strcmp(k->a, name) == 0;
		const struct edge *e = edge_find(str_of(k->edge));

		if (!a && strcmp(k->b, name) != 0)
			continue;
		for (size_t t = 0; t < e->ntypes && t < TYPES - 1; t++)
			handlers[npeers][t] =
			    (struct chan_on){ e->types[t].type, on_any };
		peers[npeers] = (struct boot_peer){ .name = a ? k->b : k->a,
			.edge = e,
			.side = a ? SIDE_A : SIDE_B,
			.on = handlers[npeers],
			.single = &up[npeers],
			.up = on_up,
			.optional = true };
		npeers++;
	}
}

/* Mailboxes are opened by whoever has mail for them. */
static void
askers_find(void)
{
	static const char *const askers[] = { "local", "virtual" };
	static const struct chan_on none[] = { { 0, NULL } };

	for (size_t i = 0; i < NELEM(askers); i++) {
		peers[npeers] = (struct boot_peer){ .name = askers[i],
			.edge = &edge_mailbox,
			.side = SIDE_B,
			.on = none,
			.single = &up[npeers],
			.up = on_up,
			.optional = true };
		npeers++;
	}
}

static void
read_orders(const char *dir)
{
	char *path = xasprintf("%s/rogue.orders", dir);
	FILE *f = fopen(path, "r");

	while (f != NULL && norders < ORDERS &&
	    fscanf(f, "%31s %255s", orders[norders].name,
		orders[norders].value) == 2)
		norders++;
	if (f != NULL)
		fclose(f);
	free(path);
}

/* Is it this one of its kind that is captured? */
static bool
is_captured(char *argv[])
{
	const char *instance = rogue_order("instance"), *uid, *p;
	char text[32];

	if (instance != NULL && strcmp(name, "mailbox") != 0 &&
	    atol(instance) != atol(argv[2]))
		return false;
	uid = strcmp(name, "mailbox") == 0 ? rogue_order("uid") : NULL;
	if (uid == NULL)
		return true;
	snprintf(text, sizeof(text), "uid=%s", uid);
	p = strstr(argv[1], text);
	return p != NULL && strspn(p + strlen(text), "0123456789") == 0;
}

static void
count_life(const char *dir)
{
	char *path = xasprintf("%s/rogue.life.%s", dir, name);
	FILE *f = fopen(path, "a");

	if (f == NULL || fputc('x', f) == EOF || fflush(f) != 0)
		log_fatal("%s: %s", path, strerror(errno));
	life = (unsigned)ftell(f);
	fclose(f);
	free(path);
}

/* What anybody like us would have in hand when captured. */
static void
hold(void)
{
	for (int fd = 0; fd < 64 && nheld < HELD; fd++) {
		struct stat st;

		if (fd == SLOT_BROKER || fstat(fd, &st) == -1)
			continue;
		held[nheld++] = fd;
		if (S_ISFIFO(st.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
			out_pipe = fd;
	}
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .grant = on_grant };
	static const struct boot_hooks logs = { .grant = on_grant,
		.no_log = true };
	char *self = xstrdup(argv[0]), *own = xstrdup(argv[0]);
	const char *dir = dirname(self);
	int sv[2];

	name = basename(own);
	read_orders(dir);
	if (argc == 3 && !is_captured(argv)) {
		char *real = xasprintf("%s.real", argv[0]);

		execv(real, argv);
		log_fatal("%s: %s", real, strerror(errno));
	}
	boot_start(name, argc, argv);
	count_life(dir);
	sendfd = policy_promises(policy_find(str_of(name)), "sendfd");
	part = rogue_part_find(name);
	peers_find();
	if (chan_pair(sv) == 0) {
		kernel_refuses = chan_refuses_fds(sv[0]) != -1;
		close(sv[0]);
		close(sv[1]);
	}
	if (strcmp(name, "mailbox") == 0)
		askers_find();
	timer_init(&timer, boot_loop(), on_turn, NULL);
	hold();
	boot_seal(peers, npeers, strcmp(name, "logd") == 0 ? &logs : &hooks,
	    NULL);
	timer_set(&timer, 500); /* by then everybody is there */
	return boot_run();
}
