/* SPDX-License-Identifier: ISC */
/*
 * rogue-peer - a captured component of a running system: in its place and its
 * sandbox, attested and introduced to its real peers, it attacks each of them
 * over the channel that it was given, and the broker at last.
 *
 * It is what its name says (smtpd, local, ...).  `rogue.orders` beside it may
 * have a line `instance N`: others than that run the program NAME.real.  Each
 * life, counted in `rogue.life.NAME`, breaks the rules in another way.
 */
#include <sys/socket.h>

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "forge.h"
#include "log/log.h"
#include "sandbox/ends.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

#define PEERS 48
#define TYPES 64
#define TARGETS 256
#define TURN 20 /* records to each in a turn of the loop */
#define TURN_MS 5
#define LIFE_MS 4000

/* A channel that we attack. */
static struct target {
	int fd;
	struct forger fr;
	bool done;
	bool shut; /* the kernel takes no descriptors for it */
} targets[TARGETS];
static size_t ntargets;

static struct boot_peer peers[PEERS];
static size_t npeers;
static struct chan_on handlers[PEERS][TYPES];
static struct timer timer;
static unsigned life, turns, refused, taken;
static bool sendfd, kernel_refuses;
static const char *name;

static void
on_any(UNUSED struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, UNUSED void *arg)
{
}

/* False when there is nobody any more. */
static bool
send_raw(struct target *t, const struct forged *f)
{
	static char drain[FORGE_BYTES];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FORGE_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)f->data, f->len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	int fd = t->fd, fds[FORGE_FDS] = { 0 }; /* null, and null again */
	ssize_t n;

	if (f->nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(f->nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(f->nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, f->nfds * sizeof(int));
	}
	for (int i = 0; i < 8 && read(fd, drain, sizeof(drain)) > 0; i++)
		; /* the descriptors in it are closed */
	n = f->nfds > 0 ? sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) :
			  write(fd, f->data, f->len);
	if (n == -1 && errno == EPERM && f->nfds > 0) {
		t->shut = true;
		return true;
	}
	return n != -1 || errno == EAGAIN;
}

/* Without the right to pass descriptors we would end here, and only here. */
static bool
next(struct target *t, struct forged *f)
{
	while (forge_next(&t->fr, f))
		if (f->len > 0 && (f->nfds == 0 || (sendfd && !t->shut)))
			return true;
	return false;
}

/* Something that ends the channel, from the life on. */
static bool
break_rules(struct target *t)
{
	static struct forged f;
	struct forger fr = t->fr;
	unsigned n = 1 + life * 7 % 12;

	t->fr = (struct forger){ .edge = fr.edge,
		.from = fr.from,
		.seed = fr.seed };
	while (n > 0 && next(t, &f))
		n -= f.end == FORGE_CLOSED;
	return send_raw(t, &f);
}

static void
attack(struct target *t)
{
	static struct forged f;

	for (unsigned i = 0; i < TURN && !t->done; i++) {
		if (turns > 30 || !next(t, &f)) {
			t->done = !break_rules(t);
			return;
		}
		if (f.end == FORGE_LIVES)
			t->done = !send_raw(t, &f);
	}
}

static void
on_turn(UNUSED void *arg)
{
	size_t done = 0;

	turns++;
	for (size_t i = 0; i < ntargets; i++) {
		if (!targets[i].done)
			attack(&targets[i]);
		done += targets[i].done;
	}
	timer_set(&timer, TURN_MS);
	if ((done < ntargets || turns < 40) && turns < LIFE_MS / TURN_MS)
		return;
	log_info("rogue: life %u: %zu of %zu channels closed", life, done,
	    ntargets);
	log_info("rogue: descriptors: %u refused, %u taken", refused, taken);
	chan_flush(boot_broker());
	/* The broker itself: it ends us. */
	chan_reading(boot_broker(), 0);
	targets[0] = (struct target){ .fd = SLOT_BROKER,
		.fr = { .edge = &edge_broker, .from = SIDE_A, .seed = life } };
	ntargets = 1;
	turns = 20;
}

static void
target_add(int fd, const struct edge *e, enum side from)
{
	if (ntargets < TARGETS)
		targets[ntargets++] = (struct target){ .fd = fd,
			.fr = { .edge = e, .from = from, .seed = life } };
}

/*
 * A descriptor to who has no use for any, by its policy: where the kernel sees
 * to that, it does not arrive.
 */
static void
try_door(struct target *t, const char *peer)
{
	static const struct forged f = { .len = 1, .nfds = 1 };

	if (!kernel_refuses || !sendfd ||
	    ends_receive(policy_find(str_of(peer)), name))
		return;
	if (!send_raw(t, &f) || !t->shut)
		taken++;
	else
		refused++;
}

static void
on_up(struct chan *ch, UNUSED unsigned instance, UNUSED uint32_t pid,
    UNUSED void *arg)
{
	const char *peer = boot_peer_name(ch);

	for (size_t i = 0; i < npeers; i++)
		if (strcmp(peers[i].name, peer) == 0) {
			chan_reading(ch, 0);
			target_add(chan_fd(ch), peers[i].edge, peers[i].side);
			try_door(&targets[ntargets - 1], peer);
			return;
		}
}

static void
on_grant(UNUSED const struct broker_grant *g, int fd, UNUSED void *arg)
{
	close(fd);
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
			.up = on_up,
			.optional = true };
		npeers++;
	}
}

/* Which of us is it?  -1: all. */
static long
which(const char *dir)
{
	char *path = xasprintf("%s/rogue.orders", dir);
	FILE *f = fopen(path, "r");
	long n = -1;

	if (f != NULL && fscanf(f, "instance %ld", &n) != 1)
		n = -1;
	if (f != NULL)
		fclose(f);
	free(path);
	return n;
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

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .grant = on_grant };
	char *self = xstrdup(argv[0]), *own = xstrdup(argv[0]);
	const char *dir = dirname(self);
	long n = which(dir);
	int sv[2];

	name = basename(own);
	if (argc == 3 && n != -1 && n != atol(argv[2])) {
		char *real = xasprintf("%s.real", argv[0]);

		execv(real, argv);
		log_fatal("%s: %s", real, strerror(errno));
	}
	boot_start(name, argc, argv);
	count_life(dir);
	sendfd = policy_promises(policy_find(str_of(name)), "sendfd");
	peers_find();
	if (chan_pair(sv) == 0)
		kernel_refuses = chan_refuses_fds(sv[0]) != -1;
	timer_init(&timer, boot_loop(), on_turn, NULL);
	boot_seal(peers, npeers, &hooks, NULL);
	timer_set(&timer, 500); /* by then everybody is there */
	return boot_run();
}
