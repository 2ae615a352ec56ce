/* SPDX-License-Identifier: ISC */
/*
 * rogue-broker - a captured broker: in the broker's place and sandbox, it gives
 * the launcher orders that no plan or policy has.
 *
 * Started by the real launcher, from a folder with a copy of it.  There it
 * finds, before it is sealed, a file `rogue.orders` (KEY VALUE) and one that
 * counts its lives.  In its first life it has the orders below carried out, and
 * says of each in the log what came of it; then it says everything that can
 * be said.  At the end of each life it breaks the rules of the channel, always
 * in another way, and in the last it tells the launcher that all have ended.
 */
#include <sys/socket.h>

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/note.h"
#include "chan/chan.h"
#include "edge/launch.h"
#include "edge/run.h"
#include "forge.h"
#include "log/log.h"
#include "loop/loop.h"
#include "sandbox/sandbox.h"

/* How many orders of a kind there are below. */
#define PROCESSES 24
#define FILES 26
#define COMMANDS 10

static struct {
	struct loop *loop;
	struct chan *launcher;
	unsigned life, lives;
	uint64_t seed;
	uint32_t base;	  /* of the components' user ids */
	uint32_t minimum; /* of virtual mailboxes */
	uint32_t victim;  /* a process of nobody's business */
	char touch[512];  /* a command that would be seen to run */
	char listener[520]; /* a server whose clients would be seen */
	uint32_t master;  /* the launcher */
	unsigned step;
	const char *what;
	struct chan *run; /* a command's */
	struct timer patience, sealing;
	uint32_t spawned; /* the newest process that is ours */
	int kept[4096]; /* their channels: components that we do not serve */
	size_t nkept;
} ro;

static void next_step(void);

static void PRINTFLIKE(1, 2) say(const char *fmt, ...)
{
	struct launch_say rec = { .level = 3 };
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rec.text = str_of(text);
	chan_tell(ro.launcher, LAUNCH_SAY, 0, &rec, NULL);
}

/* --- orders --------------------------------------------------------------- */

static void
on_answer(unsigned type, const void *rec, UNUSED int *fds, UNUSED void *arg)
{
	const struct launch_spawned *s = rec;
	const struct launch_attested *a = rec;
	const struct launch_done *d = rec;
	bool obeyed = type == LAUNCH_FILE ||
	    (type == LAUNCH_SPAWNED && s->error == 0) ||
	    (type == LAUNCH_ATTESTED && a->ok) ||
	    (type == LAUNCH_DONE && d->error == 0);

	if (type == LAUNCH_SPAWNED && s->error == 0)
		ro.spawned = s->pid;
	say("rogue: %s: %s", ro.what, obeyed ? "obeyed" : "refused");
	next_step();
}

/* Our end stays open, so that it lives as long as we do. */
static int
far_end(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sv) == -1)
		log_fatal("socketpair: %s", strerror(errno));
	if (ro.nkept < NELEM(ro.kept))
		ro.kept[ro.nkept++] = sv[0];
	return sv[1];
}

static void
spawn(const char *what, const char *component, uint32_t instance)
{
	struct launch_spawn q = { .instance = instance,
		.component = str_of(component) };
	int fd = far_end();

	ro.what = what;
	chan_ask(ro.launcher, LAUNCH_SPAWN, &q, &fd, on_answer, NULL);
}

static void
mailbox(const char *what, uint32_t uid, uint32_t gid, const char *user,
    const char *dir)
{
	struct launch_mailbox q = { .instance = 7,
		.uid = uid,
		.gid = gid,
		.user = str_of(user),
		.dir = str_of(dir) };
	int fd = far_end();

	ro.what = what;
	chan_ask(ro.launcher, LAUNCH_MAILBOX, &q, &fd, on_answer, NULL);
}

static void
open_file(const char *what, unsigned kind, const char *name)
{
	struct launch_open q = { .what = (uint8_t)kind,
		.ticket = 0x123456789abcdef,
		.name = str_of(name) };

	ro.what = what;
	chan_ask(ro.launcher, LAUNCH_OPEN, &q, NULL, on_answer, NULL);
}

static void
attest(const char *what, uint32_t pid)
{
	struct launch_attest q = { .pid = pid };

	ro.what = what;
	chan_ask(ro.launcher, LAUNCH_ATTEST, &q, NULL, on_answer, NULL);
}

/* Nobody answers: the test looks whether it lives. */
static void
kill_it(uint32_t pid)
{
	struct launch_kill k = { .pid = pid };

	chan_tell(ro.launcher, LAUNCH_KILL, 0, &k, NULL);
	attest("attest 0", 0);
}

static void
run_ended(bool obeyed)
{
	chan_free(&ro.run);
	timer_cancel(&ro.patience);
	say("rogue: %s: %s", ro.what, obeyed ? "obeyed" : "refused");
	next_step();
}

static void
on_run(struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, UNUSED void *arg)
{
	if (ro.run != NULL)
		run_ended(chan_type(ch) == RUN_READY);
}

static void
on_run_gone(UNUSED struct chan *ch, UNUSED const char *why, UNUSED void *arg)
{
	run_ended(false);
}

static const struct chan_on run_on[] = { { RUN_READY, on_run },
	{ RUN_REFUSED, on_run }, { RUN_STDIN, on_run }, { 0, NULL } };

static void
on_patience(UNUSED void *arg)
{
	run_ended(false);
}

static void
command(const char *what, unsigned kind, uint32_t service, uint32_t uid,
    const char *user, const char *text)
{
	struct launch_command q = { .kind = (uint8_t)kind,
		.service = service,
		.uid = uid,
		.user = str_of(user),
		.text = str_of(text) };
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sv) == -1)
		log_fatal("socketpair: %s", strerror(errno));
	ro.what = what;
	ro.run = chan_new(ro.loop, sv[0], &edge_run, SIDE_A, run_on,
	    on_run_gone, NULL);
	chan_tell(ro.launcher, LAUNCH_COMMAND, 0, &q, &sv[1]);
	timer_set(&ro.patience, 5000);
}

/* A word in front: what the configuration allows, to see that it works. */
static bool
order_process(unsigned n)
{
	const uint32_t me = ro.minimum + 1, odd = UINT32_MAX;

	switch (n) {
	case 0:
		spawn("a component without a name", "", 0);
		return true;
	case 1:
		spawn("a path", "../../../bin/sh", 0);
		return true;
	case 2:
		spawn("a launcher", "launcher", 0);
		return true;
	case 3:
		spawn("a broker", "broker", 0);
		return true;
	case 4:
		spawn("a command as a component", "command", 0);
		return true;
	case 5:
		spawn("a mailbox as a component", "mailbox", 0);
		return true;
	case 6:
		spawn("smtpd beyond the plan", "smtpd", 64);
		return true;
	case 7:
		spawn("smtpd -1", "smtpd", odd);
		return true;
	case 8:
		spawn("keys, not in the plan", "keys", 0);
		return true;
	case 9:
		mailbox("root", 0, 0, "root", "");
		return true;
	case 10:
		mailbox("nobody known", 0, 0, "no-such-user", "");
		return true;
	case 11:
		mailbox("uid 0", 0, me, "", "");
		return true;
	case 12:
		mailbox("gid 0", me, 0, "", "");
		return true;
	case 13:
		mailbox("qmgr's uid", ro.base + 9, me, "", "");
		return true;
	case 14:
		mailbox("qmgr's gid", me, ro.base + 9, "", "");
		return true;
	case 15:
		mailbox("below the least", ro.minimum - 1, me, "", "");
		return true;
	case 16:
		mailbox("uid -1", odd, me, "", "");
		return true;
	case 17:
		mailbox("gid -1", me, odd, "", "");
		return true;
	case 18:
		mailbox("a stranger's directory", 0, 0, "", "64321:/tmp");
		return true;
	case 19:
		mailbox("no number", 0, 0, "", "x:/tmp");
		return true;
	case 20:
		mailbox("no path", 0, 0, "", "0:");
		return true;
	case 21:
		mailbox("a path without a user", 0, 0, "", "/tmp");
		return true;
	case 22:
		mailbox("a large number", 0, 0, "", "4294967296:/tmp");
		return true;
	case 23:
		mailbox("user and directory", 0, 0, "../root", "0:/root");
		return true;
	default:
		return false;
	}
}

static bool
order_file(unsigned n)
{
	static char path[520];
	const char *shadow = "/etc/shadow";

	switch (n) {
	case 0:
		open_file("nothing", 0, shadow);
		return true;
	case 1:
		open_file("something else", 255, shadow);
		return true;
	case 2:
		open_file("right: the log", OPEN_LOG, shadow);
		return true;
	case 3:
		open_file("a table", OPEN_TABLE, shadow);
		return true;
	case 4:
		open_file("a table without a name", OPEN_TABLE, "");
		return true;
	case 5:
		open_file("a key", OPEN_KEY, shadow);
		return true;
	case 6:
		open_file("a table as a key", OPEN_KEY, "/etc/passwd");
		return true;
	case 7:
		open_file("include of root's", OPEN_INCLUDE, "0:/etc/shadow");
		return true;
	case 8:
		open_file("include of a stranger's", OPEN_INCLUDE,
		    "64321:/etc/passwd");
		return true;
	case 9:
		open_file("include of -1", OPEN_INCLUDE,
		    "4294967295:/etc/passwd");
		return true;
	case 10:
		open_file("include of a directory", OPEN_INCLUDE, "0:/etc");
		return true;
	case 11:
		open_file("include, relative", OPEN_INCLUDE, "0:etc/passwd");
		return true;
	case 12:
		open_file("a socket without a name", OPEN_UNIX, "");
		return true;
	case 13:
		memset(path, 'x', sizeof(path) - 1);
		open_file("a long socket", OPEN_UNIX, path);
		return true;
	case 14:
		open_file("a file as a socket", OPEN_UNIX, shadow);
		return true;
	case 24:
		open_file("the log's socket", OPEN_UNIX, "unix:/dev/log");
		return true;
	case 25:
		open_file("a server's socket", OPEN_UNIX, ro.listener);
		return true;
	case 15:
		attest("attest 1", 1);
		return true;
	case 16:
		attest("attest the launcher", ro.master);
		return true;
	case 17:
		attest("attest -1", UINT32_MAX);
		return true;
	case 18:
		kill_it(0);
		return true;
	case 19:
		kill_it(1);
		return true;
	case 20:
		kill_it(UINT32_MAX);
		return true;
	case 21:
		kill_it(ro.master);
		return true;
	case 22:
		kill_it(ro.victim);
		return true;
	case 23:
		attest("attest a stranger", ro.victim);
		return true;
	default:
		return false;
	}
}

static bool
order_command(unsigned n)
{
	const char *t = ro.touch;

	switch (n) {
	case 0:
		command("no command", 0, 0, 0, "nobody", t);
		return true;
	case 1:
		command("another kind", 255, 0, 0, "nobody", t);
		return true;
	case 2:
		command("no such line", COMMAND_MASTER, 99999, 0, "", t);
		return true;
	case 3:
		command("a line of another", COMMAND_MASTER, 0, 0, "", t);
		return true;
	case 4:
		command("root's mailbox_command", COMMAND_MAILBOX, 0, 0, "root",
		    t);
		return true;
	case 5:
		command("a user's own", COMMAND_MAILBOX, 0, 0, "nobody", t);
		return true;
	case 6:
		command("an alias's", COMMAND_ALIAS, 0, 0, "", t);
		return true;
	case 7:
		command("a user's alias", COMMAND_ALIAS, 0, 1, "", t);
		return true;
	case 8:
		command("a user's .forward", COMMAND_FORWARD, 0, 0, "nobody",
		    t);
		return true;
	case 9:
		command("a map's", COMMAND_MAPS, 0, 0, "nobody", t);
		return true;
	default:
		return false;
	}
}

static void
on_reload(UNUSED unsigned type, const void *rec, UNUSED int *fds,
    UNUSED void *arg)
{
	static unsigned done, refused;
	const struct launch_done *d = rec;

	refused += d == NULL || d->error != 0;
	if (++done == 60) {
		say("rogue: %u of %u reloads refused", refused, done);
		next_step();
	}
}

/* By now the last of them is sealed. */
static void
on_sealing(UNUSED void *arg)
{
	next_step();
}

static void end_of_life(void);

/* The next order, until there is none; many of a kind at the end. */
static void
next_step(void)
{
	unsigned n = ro.step++;

	if (n < PROCESSES + FILES + COMMANDS) {
		if (!(n < PROCESSES ? order_process(n) :
			    n < PROCESSES + FILES ?
				      order_file(n - PROCESSES) :
				      order_command(n - PROCESSES - FILES)))
			abort();
		return;
	}
	n -= PROCESSES + FILES + COMMANDS;
	if (n < 20) {
		spawn(n < 8 ? "right: dns" : "too many of dns", "dns", 0);
	} else if (n < 50) {
		mailbox(n < 28 ? "right: a mailbox" : "too many mailboxes",
		    ro.minimum + 1, ro.minimum + 1, "", "");
	} else if (n == 50) {
		for (unsigned i = 0; i < 60; i++)
			chan_ask(ro.launcher, LAUNCH_RELOAD, NULL, NULL,
			    on_reload, NULL);
	} else if (n == 51) {
		timer_set(&ro.sealing, 2000);
	} else if (n < 72) {
		attest(n == 52 ? "right: attest a mailbox" :
				 "attest it over and over",
		    ro.spawned);
	} else if (n == 72) {
		for (unsigned i = 0; i < 5000; i++)
			say("flood %u", i);
		attest("attest 0", 0);
	} else {
		end_of_life();
	}
}

/* --- what is no order ----------------------------------------------------- */

/* Send it, reading (and so closing) whatever comes back. */
static void
send_raw(int fd, const struct forged *f)
{
	static char drain[FORGE_BYTES];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FORGE_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)f->data, f->len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	int fds[FORGE_FDS];

	for (size_t i = 0; i < f->nfds; i++)
		fds[i] = ro.kept[i % ro.nkept];
	if (f->nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(f->nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(f->nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, f->nfds * sizeof(int));
	}
	for (;;) {
		ssize_t n = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n != -1 || (errno != EAGAIN && errno != ETOOMANYREFS))
			return;
		while ((n = read(fd, drain, sizeof(drain))) > 0)
			;
		if (n == 0)
			return; /* the launcher has gone */
	}
}

/* Nonsense that is formed well: all of it, but the end. */
static void
talk(int fd)
{
	static struct forged f;
	struct forger fr = { .edge = &edge_launch,
		.from = SIDE_A,
		.seed = ro.seed };

	while (forge_next(&fr, &f))
		if (f.end == FORGE_LIVES &&
		    strncmp(f.name, "LAUNCH_ENDED", 12) != 0 &&
		    strncmp(f.name, "LAUNCH_SAY", 10) != 0)
			send_raw(fd, &f);
}

/* Break the rules in the n-th way, of as many as there are. */
static void
break_rules(int fd, uint64_t n)
{
	static struct forged f;
	struct forger fr = { .edge = &edge_launch,
		.from = SIDE_A,
		.seed = ro.seed };
	uint64_t all = 0;

	while (forge_next(&fr, &f))
		all += f.end == FORGE_CLOSED;
	fr = (struct forger){ .edge = &edge_launch,
		.from = SIDE_A,
		.seed = ro.seed };
	n = n % all + 1;
	while (n > 0 && forge_next(&fr, &f))
		n -= f.end == FORGE_CLOSED;
	send_raw(fd, &f);
}

static void
end_of_life(void)
{
	int fd = chan_fd(ro.launcher);

	say("rogue: life %u of %u ends", ro.life, ro.lives);
	if (ro.life >= ro.lives)
		chan_tell(ro.launcher, LAUNCH_ENDED, 0, NULL, NULL);
	chan_flush(ro.launcher);
	chan_reading(ro.launcher, 0);
	if (ro.life == 1)
		talk(fd);
	if (ro.life < ro.lives)
		break_rules(fd, ro.seed + ro.life * 41ULL);
	/* Whoever is cut off is told by the end of the channel. */
	chan_reading(ro.launcher, 1);
}

/* --- life ----------------------------------------------------------------- */

static void
on_planned(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, UNUSED void *arg)
{
	static bool begun;

	ro.master = ((const struct launch_planned *)rec)->pid;
	if (begun)
		return;
	begun = true;
	if (ro.life == 1)
		next_step();
	else
		end_of_life();
}

static void
on_any(UNUSED struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, UNUSED void *arg)
{
}

static const struct chan_on launch_on[] = {
	{ LAUNCH_OVERLAY, on_any },
	{ LAUNCH_RUN, on_any },
	{ LAUNCH_OBJECT, on_any },
	{ LAUNCH_RESOLVER, on_any },
	{ LAUNCH_PLANNED, on_planned },
	{ LAUNCH_EXITED, on_any },
	{ LAUNCH_AUDIT, on_any },
	{ LAUNCH_STOP, on_any },
	{ LAUNCH_HUP, on_any },
	{ 0, NULL },
};

static void
on_gone(UNUSED struct chan *ch, UNUSED const char *why, UNUSED void *arg)
{
	exit(0);
}

static void
read_orders(char *self)
{
	char *dir = dirname(self), key[32], value[512];
	char *path = xasprintf("%s/rogue.orders", dir);
	char *lives = xasprintf("%s/rogue.life", dir);
	FILE *f = fopen(path, "r");

	if (f == NULL)
		log_fatal("%s: %s", path, strerror(errno));
	while (fscanf(f, "%31s %511[^\n]", key, value) == 2) {
		uint32_t n = (uint32_t)strtoul(value, NULL, 10);

		if (strcmp(key, "lives") == 0)
			ro.lives = n;
		else if (strcmp(key, "seed") == 0)
			ro.seed = n;
		else if (strcmp(key, "base") == 0)
			ro.base = n;
		else if (strcmp(key, "minimum") == 0)
			ro.minimum = n;
		else if (strcmp(key, "victim") == 0)
			ro.victim = n;
		else if (strcmp(key, "touch") == 0)
			strlcpy(ro.touch, value, sizeof(ro.touch));
		else if (strcmp(key, "listener") == 0)
			snprintf(ro.listener, sizeof(ro.listener),
			    "unix:%.500s", value);
	}
	fclose(f);
	f = fopen(lives, "a+");
	if (f == NULL || fputc('x', f) == EOF || fflush(f) != 0)
		log_fatal("%s: %s", lives, strerror(errno));
	ro.life = (unsigned)ftell(f);
	fclose(f);
	free(path);
	free(lives);
}

int
main(int argc, char *argv[])
{
	const struct policy *policy;
	struct sandbox_place place;
	char err[512];

	if (argc != 2 || place_parse(str_of(argv[1]), &place) == -1)
		log_fatal("rogue-broker is started by the launcher");
	signal(SIGPIPE, SIG_IGN);
	note_open(SLOT_NOTE);
	read_orders(argv[0]);
	ro.loop = loop_new();
	timer_init(&ro.patience, ro.loop, on_patience, NULL);
	timer_init(&ro.sealing, ro.loop, on_sealing, NULL);
	ro.launcher = chan_new(ro.loop, SLOT_BROKER, &edge_launch, SIDE_A,
	    launch_on, on_gone, NULL);
	policy = sandbox_policy("broker", err, sizeof(err));
	if (policy == NULL ||
	    sandbox_enter(policy, &place, err, sizeof(err)) == -1)
		log_fatal("broker: %s", err);
	(void)far_end();
	return loop_run(ro.loop);
}
