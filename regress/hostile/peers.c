/* SPDX-License-Identifier: ISC */
/*
 * peers [-q|-v] [COMPONENT ...] - every channel of every component, attacked by
 * who stands at its other end.  Prints TAP: one line for a channel and side.
 *
 * The victim is the real program in its real sandbox.  It must live, with the
 * process id it had; close the channel of a peer that breaks the rules, and
 * name it in the log; and hold no more memory or descriptors than before.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "errands.h"
#include "stage.h"
#include "things.h"

#define CLOSE_MS 3000	/* for a victim to notice */
#define GROWN_FDS 12	/* caches, sessions under way */
#define GROWN_KB 24576	/* after thousands of attacks */
#define FLOOD_KB 131072 /* while somebody asks and does not read */
#define FLOOD_PACKETS 10000

static bool verbose, quick;
static int case_no, failed;
static unsigned attacks_all, closed_all;
static uint64_t seed = 20260;
static unsigned instance;

static const char *
name_of(enum side s, const struct edge_link *k)
{
	return s == SIDE_A ? k->a : k->b;
}

/* A number that no other attack of this victim has. */
static unsigned
next_instance(void)
{
	if (++instance >= STAGE_INSTANCES)
		instance = 100;
	return instance;
}

struct count {
	unsigned made, closed, lived, bad;
};

/* By number; logd knows its clients by process id, which is the same here. */
static bool
blamed(const struct victim *v, unsigned n)
{
	static unsigned seen;
	bool more = v->security > seen;

	if (strcmp(v->policy->name, "logd") != 0)
		return (v->blamed[n / 8] & 1u << n % 8) != 0;
	seen += more;
	return more;
}

static void
complain(struct count *c, const struct victim *v, const struct forged *f,
    const char *what)
{
	if (c->bad++ < 10)
		printf("# %s: %s: %s\n", v->policy->name, f->name, what);
}

/* Attacks whose lines in the log have not been seen yet. */
static struct {
	unsigned n;
	char name[96];
} awaited[4096];
static size_t nawaited;

static void
await(const struct victim *v, const struct forged *f, unsigned n)
{
	if (v->dead || blamed(v, n) || nawaited == NELEM(awaited) ||
	    strstr(f->name, "_IDLE") != NULL) /* who says so is let go */
		return;
	awaited[nawaited].n = n;
	strlcpy(awaited[nawaited++].name, f->name, sizeof(awaited[0].name));
}

/* The log takes its time, logd's most; then every line must be there. */
static void
lines_check(struct victim *v, struct count *c)
{
	static struct forged f;
	size_t left = nawaited;

	for (int i = 0; i < 20 && left > 0 && !v->dead; i++) {
		stage_run(v, -1, 50);
		left = 0;
		for (size_t k = 0; k < nawaited; k++)
			if (!blamed(v, awaited[k].n))
				awaited[left++] = awaited[k];
		nawaited = left;
	}
	for (size_t k = 0; k < left && !v->dead; k++) {
		strlcpy(f.name, awaited[k].name, sizeof(f.name));
		complain(c, v, &f, "nobody is blamed");
	}
	nawaited = 0;
}

/*
 * One attack on a channel of its own.  Afterwards we hang up, and the victim
 * must notice that, too, or it hangs itself.
 */
static void
attack(struct victim *v, const struct edge_link *k, enum side from,
    const struct forged *f, struct count *c)
{
	unsigned n = next_instance();
	int fd = victim_channel(v, k, from, n);
	bool closed;

	if (fd == -1 || stage_send(fd, f) == -1) {
		complain(c, v, f, strerror(errno));
		fd_close(&fd);
		return;
	}
	c->made++;
	closed = stage_run(v, fd, f->end == FORGE_LIVES ? 4 : CLOSE_MS);
	if (f->end == FORGE_LIVES)
		c->lived++;
	else if (closed)
		c->closed++;
	if (f->end != FORGE_LIVES && !closed)
		complain(c, v, f, "the channel stays open");
	else if (f->end == FORGE_CLOSED)
		await(v, f, n);
	shutdown(fd, SHUT_WR);
	if (!closed && !stage_run(v, fd, CLOSE_MS))
		complain(c, v, f, "it hangs");
	fd_close(&fd);
	if (verbose)
		printf("# %s: %s: %s\n", v->policy->name, f->name,
		    closed ? "closed" : "lives");
	if (v->dead)
		complain(c, v, f, "it died");
}

/*
 * Say one thing as often as can be, and read nothing: the victim may keep the
 * answers for a while, or close the channel, but not grow for ever.
 */
static void
flood(struct victim *v, const struct edge_link *k, enum side from,
    const struct forged *f, struct count *c)
{
	int fd = victim_channel(v, k, from, next_instance());
	long before = victim_rss(v);
	int64_t end = clock_ms() + 200;
	unsigned sent = 0;

	c->made++;
	c->lived++;
	while (sent < FLOOD_PACKETS && clock_ms() < end) {
		struct pollfd pfd = { fd, POLLOUT, 0 };

		if (stage_send(fd, f) == 0) {
			sent++;
			continue;
		}
		if (errno != EAGAIN || v->dead)
			break;
		poll(&pfd, 1, 5);
		stage_run(v, -1, 0);
	}
	if (victim_rss(v) > before + FLOOD_KB)
		complain(c, v, f, "it grows in a flood");
	shutdown(fd, SHUT_WR);
	if (!stage_run(v, fd, 10 * CLOSE_MS))
		complain(c, v, f, "it hangs after a flood");
	fd_close(&fd);
	if (v->dead)
		complain(c, v, f, "it died of a flood");
	if (verbose)
		printf("# flood: %s: %u packets, %ld kB more\n", f->name, sent,
		    victim_rss(v) - before);
}

/* What is allowed to be said, for floods. */
static bool
is_plain(const struct forged *f)
{
	return f->end == FORGE_LIVES && strstr(f->name, "all empty") != NULL;
}

/* How it ended, and its last words. */
static const char *
death(const struct victim *v)
{
	static char text[1024];
	size_t n = strlen(v->said);

	snprintf(text, sizeof(text), ": it died (%s %d): %s",
	    WIFSIGNALED(v->status) ? "signal" : "status",
	    WIFSIGNALED(v->status) ? WTERMSIG(v->status) :
				     WEXITSTATUS(v->status),
	    v->said + (n > 300 ? n - 300 : 0));
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n')
			*p = '|';
	return text;
}

static void
report(const struct victim *v, const struct edge_link *k, enum side from,
    const struct count *c)
{
	printf("%sok %d - %s attacks %s over %s: %u attacks, %u channels"
	       " closed, %u borne%s\n",
	    c->bad == 0 && !v->dead && c->made >= 15 ? "" : "not ", ++case_no,
	    name_of(from, k), v->policy->name, k->edge, c->made, c->closed,
	    c->lived, v->dead ? death(v) : "");
	fflush(stdout);
	failed += c->bad > 0 || v->dead || c->made < 15;
	attacks_all += c->made;
	closed_all += c->closed;
}

/* Start it again if it died; false when that cannot be. */
static bool
revive(struct victim *v, const char *name)
{
	char err[5000];

	victim_end(v);
	if (victim_start(v, name, err, sizeof(err)) == 0)
		return true;
	printf("not ok %d - %s starts: %s\n", ++case_no, name, err);
	failed++;
	victim_end(v);
	return false;
}

static bool
link_attack(struct victim *v, const struct edge_link *k, enum side from)
{
	struct forger fr = { .edge = edge_find(str_of(k->edge)),
		.from = from,
		.seed = seed };
	static struct forged f;
	struct count c = { 0 };
	const char *name = v->policy->name;

	while (!v->dead && forge_next(&fr, &f)) {
		attack(v, k, from, &f, &c);
		if (!v->dead && !quick && is_plain(&f))
			flood(v, k, from, &f, &c);
	}
	lines_check(v, &c);
	if (v->dead)
		victim_end(v);
	report(v, k, from, &c);
	return !v->dead || revive(v, name);
}

/* Work to do, and helpers who lie. */
static bool
lies(struct victim *v)
{
	const char *name = v->policy->name;
	unsigned n = 0, asked = v->asked;

	stage_renew(v);
	if (!errand(v, n))
		return true;
	while (++n < (quick ? ERRANDS_EACH / 4 : ERRANDS_EACH) && !v->dead) {
		errand(v, n);
		if (verbose)
			v->said[0] = '\0';
		stage_run(v, -1, 5);
		if (verbose && v->said[0] != '\0')
			printf("# %u: %s", n, v->said);
	}
	stage_run(v, -1, 500);
	asked = v->asked - asked;
	if (v->dead)
		victim_end(v);
	printf("%sok %d - %s lives with helpers who lie: %u errands, %u false"
	       " answers%s\n",
	    v->dead || asked < n / 8 ? "not " : "", ++case_no, name, n, asked,
	    v->dead ? death(v) : "");
	failed += v->dead || asked < n / 8;
	return !v->dead || revive(v, name);
}

/* Who asks somebody while he does his work. */
static const char *const askers[] = { "smtpd", "cleanup", "rewrite", "qmgr",
	"smtp", "local", "virtual", "control" };

/* Helpers who answer as they should, and then once more, are cut off. */
static bool
twice(struct victim *v)
{
	const char *name = v->policy->name;
	unsigned n = 0, security = v->security;
	bool asks = false, ok;

	for (size_t i = 0; i < NELEM(askers); i++)
		asks = asks || strcmp(name, askers[i]) == 0;
	if (!asks)
		return true;
	stage_renew(v);
	v->twice = true;
	/* On a busy machine few errands get far in their time: more of them. */
	while (n++ < ERRANDS_EACH * 4 && !v->dead &&
	    (n <= ERRANDS_EACH / 4 || v->doubled < 5)) {
		errand(v, n);
		stage_run(v, -1, 5);
	}
	stage_run(v, -1, 500);
	v->twice = false;
	security = v->security - security;
	if (v->dead)
		victim_end(v);
	ok = !v->dead && v->doubled >= 5 && v->cut == v->doubled &&
	    security >= v->cut;
	printf("%sok %d - %s cuts off who answers twice (%s): %u of %u, and"
	       " says so %u times%s\n",
	    ok ? "" : "not ", ++case_no, name, v->doublers, v->cut, v->doubled,
	    security, v->dead ? death(v) : "");
	failed += !ok;
	return !v->dead || revive(v, name);
}

static void
component_attack(const char *name)
{
	static const struct edge_link logs = { "log", "smtpd", "logd" };
	static const struct edge_link boxes[] = { { "mailbox", "local",
						      "mailbox" },
		{ "mailbox", "virtual", "mailbox" } };
	static struct victim v;
	const struct edge_link *k;
	unsigned fds;
	long rss;
	bool alive;

	v.pid = 0;
	v.pidfd = -1;
	if (!revive(&v, name))
		return;
	stage_run(&v, -1, 200);
	fds = victim_fds(&v);
	rss = victim_rss(&v);
	alive = true;
	for (size_t i = 0; alive && (k = edge_link_at(i)) != NULL; i++) {
		if (strcmp(k->a, name) == 0)
			alive = link_attack(&v, k, SIDE_B);
		else if (strcmp(k->b, name) == 0)
			alive = link_attack(&v, k, SIDE_A);
	}
	if (alive && strcmp(name, "logd") == 0)
		alive = link_attack(&v, &logs, SIDE_A);
	for (size_t i = 0; alive && i < NELEM(boxes); i++)
		if (strcmp(name, "mailbox") == 0)
			alive = link_attack(&v, &boxes[i], SIDE_A);
	alive = alive && lies(&v) && twice(&v);
	if (!alive)
		return;
	things_let_go();
	stage_renew(&v);
	/* What it began for others (questions to name servers) may end. */
	for (int i = 0; i < 60 && (i == 0 || victim_fds(&v) > fds + GROWN_FDS);
	     i++)
		stage_run(&v, -1, 500);
	alive = victim_fds(&v) <= fds + GROWN_FDS &&
	    victim_rss(&v) <= rss + GROWN_KB;
	printf("%sok %d - %s has not grown: %u descriptors, before %u; %ld kB,"
	       " before %ld; %u questions answered with nonsense\n",
	    alive ? "" : "not ", ++case_no, name, victim_fds(&v), fds,
	    victim_rss(&v), rss, v.asked);
	failed += !alive;
	victim_end(&v);
}

int
main(int argc, char *argv[])
{
	static const char *const names[] = { "logd", "gate", "smtpd", "pickup",
		"cleanup", "rewrite", "lookup", "dns", "qmgr", "bounce", "smtp",
		"local", "virtual", "mailbox", "control", "keys", "pipe" };
	char err[512], where[PATH_MAX], libexec[PATH_MAX];

#ifdef SANITIZED
	printf("1..0 # SKIP sanitized components are allowed more\n");
	return 0;
#endif
	if (argc > 1 &&
	    (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "-q") == 0)) {
		verbose = argv[1][1] == 'v';
		quick = argv[1][1] == 'q';
		argc--;
		argv++;
	}
	snprintf(where, sizeof(where), "%s/libexec/postern",
	    getenv("POSTERN_BUILD") != NULL ? getenv("POSTERN_BUILD") :
					      "build");
	if (realpath(where, libexec) == NULL ||
	    stage_open(libexec, err, sizeof(err)) == -1) {
		printf("Bail out! %s: %s\n", where, err);
		return 1;
	}
	printf("# level %d, seed %llu\n", (int)stage_level(),
	    (unsigned long long)seed);
	for (size_t i = 0; i < NELEM(names); i++) {
		bool wanted = argc == 1;

		for (int j = 1; j < argc; j++)
			wanted = wanted || strcmp(argv[j], names[i]) == 0;
		if (wanted)
			component_attack(names[i]);
	}
	stage_close();
	printf("1..%d\n# %u attacks on channels, %u of them closed\n", case_no,
	    attacks_all, closed_all);
	return failed == 0 ? 0 : 1;
}
