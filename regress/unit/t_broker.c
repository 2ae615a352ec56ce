/* SPDX-License-Identifier: ISC */
/*
 * The broker between a launcher and components that this test plays: nothing
 * before attestation, introductions after it, requests within their policy.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "command/vouch.h"
#include "daemons/broker/broker.h"

/* A component as the test plays it. */
struct actor {
	struct chan *ch;
	char name[32];
	uint32_t pid;
	unsigned retired;
	unsigned grants;
	unsigned channels; /* of them, to peers */
	char peers[256];
	unsigned type; /* of the last answer */
	uint32_t error;
	int fd; /* that came with it */
	bool stopped;
	bool gone;
};

static struct broker br;
static struct chan *launcher; /* the test's end */
static struct actor actors[8];
static size_t nactors;
static bool attest_ok;
static int up, killed;
static char said[4096];

static const struct chan_on actor_on[];

static void
actor_gone(struct chan *ch, const char *why, void *arg)
{
	struct actor *a = arg;

	(void)ch;
	(void)why;
	a->gone = true;
	chan_free(&a->ch);
}

static void
on_grant(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct broker_grant *g = rec;
	struct actor *a = arg;

	(void)ch;
	(void)id;
	(void)fds;
	a->grants++;
	if (g->kind == GRANT_CHANNEL || g->kind == GRANT_CHANNEL_B) {
		size_t n = strlen(a->peers);

		a->channels++;
		snprintf(a->peers + n, sizeof(a->peers) - n, STR_FMT "-"
		    STR_FMT " ", STR_ARG(g->edge), STR_ARG(g->name));
	}
}

static void
on_actor_stop(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	struct actor *a = arg;

	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	a->stopped = true;
}

static void
on_retire(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct actor *a = arg;

	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	a->retired++;
}

static void
on_config(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	(void)arg;
}

static const struct chan_on actor_on[] = {
	{ BROKER_GRANT, on_grant },
	{ BROKER_STOP, on_actor_stop },
	{ BROKER_RETIRE, on_retire },
	{ BROKER_CONFIG, on_config },
	{ 0, NULL },
};

/* --- the launcher's part -------------------------------------------------- */

static void
on_spawn(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct launch_spawn *q = rec;
	struct actor *a = &actors[nactors++];
	struct launch_spawned s = { .pid = (uint32_t)(1000 + nactors),
		.uid = 7 };

	(void)arg;
	memset(a, 0, sizeof(*a));
	a->fd = -1;
	a->pid = s.pid;
	str_copy(q->component, a->name, sizeof(a->name));
	a->ch = chan_new(br.loop, fds[0], &edge_broker, SIDE_A, actor_on,
	    actor_gone, a);
	fds[0] = -1;
	chan_answer(ch, LAUNCH_SPAWNED, id, &s, NULL);
}

static void
on_attest(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct launch_attested a = { .ok = attest_ok,
		.text = STR("wall nnp is missing") };

	(void)rec;
	(void)fds;
	(void)arg;
	chan_answer(ch, LAUNCH_ATTESTED, id, &a, NULL);
}

static void
on_kill(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	(void)arg;
	killed++;
}

static void
on_up(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	(void)arg;
	up++;
}

static void
on_say(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct launch_say *s = rec;
	size_t n = strlen(said);

	(void)ch;
	(void)id;
	(void)fds;
	(void)arg;
	snprintf(said + n, sizeof(said) - n, STR_FMT "\n", STR_ARG(s->text));
}

static char ran[512]; /* what it was last told to run, and runs */
static const struct ticket_key launcher_key = { .have = true };

static void
on_command(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, UNUSED void *arg)
{
	const struct launch_command *q = rec;

	if (!command_vouched(&launcher_key, q))
		return;
	snprintf(ran, sizeof(ran), "%u %u %u " STR_FMT "|" STR_FMT, q->kind,
	    q->service, q->uid, STR_ARG(q->user), STR_ARG(q->text));
}

static char opened[512]; /* what the launcher was last asked to open */

static void
on_open(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct launch_open *q = rec;
	struct launch_refused no = { .error = EPERM };
	struct launch_file a;
	int sv[2];

	(void)fds;
	(void)arg;
	memset(&a, 0, sizeof(a));
	if (q->what == OPEN_UNIX &&
	    !ticket_socket_ok(&launcher_key, q->name, q->ticket)) {
		chan_answer(ch, LAUNCH_REFUSED, id, &no, NULL);
		return;
	}
	snprintf(opened, sizeof(opened), "%d " STR_FMT, q->what,
	    STR_ARG(q->name));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv), 0);
	chan_answer(ch, LAUNCH_FILE, id, &a, &sv[0]);
	close(sv[1]);
}

static const struct chan_on test_launcher_on[] = {
	{ LAUNCH_OPEN, on_open },
	{ LAUNCH_COMMAND, on_command },
	{ LAUNCH_SPAWN, on_spawn },
	{ LAUNCH_ATTEST, on_attest },
	{ LAUNCH_KILL, on_kill },
	{ LAUNCH_UP, on_up },
	{ LAUNCH_SAY, on_say },
	{ 0, NULL },
};

/* --- the stage ------------------------------------------------------------ */

static void
on_pause(void *arg)
{
	loop_stop(arg, 0);
}

/* Let everything happen that follows from what was done. */
static void
settle(void)
{
	struct timer t;

	timer_init(&t, br.loop, on_pause, br.loop);
	timer_set(&t, 30);
	loop_run(br.loop);
	timer_clear(&t);
}

static void
run_components(const char *name, unsigned n)
{
	struct launch_run r = { .instances = n, .component = str_of(name) };
	int fd = memfd_from("conf", "x", 1);

	chan_tell(launcher, LAUNCH_RUN, 0, &r, &fd);
}

static void
run_component(const char *name)
{
	run_components(name, 1);
}

static void
planned(void)
{
	struct launch_planned p = { .generation = 1, .stop_ms = 1000,
		.throttle_ms = 60000,
		.directory = STR("/etc/postern") };

	chan_tell(launcher, LAUNCH_PLANNED, 0, &p, NULL);
	settle();
}

static struct proc *
find(const char *name)
{
	return broker_find(&br, policy_find(str_of(name)), 0);
}

static void
wake(const char *name)
{
	proc_want(find(name));
	settle();
}

static void
died(struct actor *a, uint32_t code, uint32_t signo)
{
	struct launch_exited e = { .pid = a->pid, .code = code,
		.signal = signo };

	chan_free(&a->ch);
	chan_tell(launcher, LAUNCH_EXITED, 0, &e, NULL);
	settle();
}

static struct actor *
actor(const char *name)
{
	for (size_t i = nactors; i > 0; i--)
		if (strcmp(actors[i - 1].name, name) == 0)
			return &actors[i - 1];
	return NULL;
}

static void
seal_without(struct actor *a, const char *without)
{
	struct broker_sealed s = { .without = str_of(without) };

	chan_tell(a->ch, BROKER_SEALED, 0, &s, NULL);
	settle();
}

#define seal(a) seal_without(a, "")

static void
ready(struct actor *a)
{
	chan_tell(a->ch, BROKER_READY, 0, NULL, NULL);
	settle();
}

static int
setup(void **state)
{
	int sv[2];

	(void)state;
	memset(&br, 0, sizeof(br));
	memset(actors, 0, sizeof(actors));
	nactors = 0;
	up = killed = 0;
	said[0] = '\0';
	attest_ok = true;
	br.loop = loop_new();
	TAILQ_INIT(&br.procs);
	plan_init(&br.plan);
	plan_init(&br.next);
	grants_init(&br.grants);
	br.address_key.have = br.route_key.have = true;
	br.route_fd = memfd_from("k", "0123456789abcdef", 16);
	br.address_fd = memfd_from("k", "0123456789abcdef", 16);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, sv), 0);
	br.launcher = chan_new(br.loop, sv[0], &edge_launch, SIDE_A,
	    launch_on, NULL, &br);
	launcher = chan_new(br.loop, sv[1], &edge_launch, SIDE_B,
	    test_launcher_on, NULL, NULL);
	return 0;
}

static int
teardown(void **state)
{
	struct proc *p;

	(void)state;
	for (size_t i = 0; i < nactors; i++) {
		fd_close(&actors[i].fd);
		chan_free(&actors[i].ch);
	}
	while ((p = TAILQ_FIRST(&br.procs)) != NULL)
		proc_free(&p);
	chan_free(&launcher);
	chan_free(&br.launcher);
	plan_clear(&br.plan);
	plan_clear(&br.next);
	free(br.grants.notes);
	fd_close(&br.route_fd);
	fd_close(&br.address_fd);
	loop_free(&br.loop);
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static void
test_introduce(void **state)
{
	(void)state;
	run_component("rewrite");
	run_component("lookup");
	run_component("logd");
	planned();
	assert_int_equal(nactors, 3);
	/* Nothing is given to anybody who is not known to be sealed. */
	assert_int_equal(actor("rewrite")->grants, 0);
	seal(actor("rewrite"));
	assert_int_equal(actor("rewrite")->channels, 0);
	assert_int_equal(actor("lookup")->grants, 0);
	seal(actor("lookup"));
	assert_string_equal(actor("rewrite")->peers, "lookup-lookup ");
	assert_string_equal(actor("lookup")->peers, "lookup-rewrite ");
	seal(actor("logd"));
	assert_string_equal(actor("logd")->peers, "log-rewrite log-lookup ");
	assert_int_equal(up, 0);
	ready(actor("rewrite"));
	ready(actor("lookup"));
	ready(actor("logd"));
	assert_int_equal(up, 1);
	assert_int_equal(killed, 0);
}

/* Who says that it does not need another is not introduced to it. */
static void
test_without(void **state)
{
	(void)state;
	run_component("rewrite");
	run_component("smtpd");
	run_component("lookup");
	planned();
	wake("smtpd");
	seal_without(actor("smtpd"), "lookup keys");
	seal(actor("lookup"));
	seal(actor("rewrite"));
	assert_string_equal(actor("smtpd")->peers, "resolve-rewrite ");
}

static void
test_not_sealed(void **state)
{
	(void)state;
	attest_ok = false;
	run_component("rewrite");
	planned();
	seal(actor("rewrite"));
	assert_int_equal(actor("rewrite")->grants, 0);
	assert_int_equal(killed, 1);
	assert_non_null(strstr(said, "wall nnp is missing"));
}

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;
	struct actor *a = arg;

	a->type = type;
	a->error = type == BROKER_REFUSED ? no->error : 0;
	if (type == BROKER_CONNECTED || type == BROKER_FILE) {
		fd_close(&a->fd);
		a->fd = fds[0];
		fds[0] = -1;
	}
}

static void
ask_connect(struct actor *a, const struct netaddr *to, uint32_t expires,
    uint64_t ticket)
{
	struct broker_connect q = { .to = *to, .expires = expires,
		.ticket = ticket };

	a->type = 0;
	chan_ask(a->ch, BROKER_CONNECT, &q, NULL, on_answer, a);
	settle();
}

static void
test_connect(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct netaddr to = { .family = 4, .ip = { 127, 0, 0, 1 } };
	socklen_t len = sizeof(in);
	uint32_t expires = ticket_expiry();
	int server = socket(AF_INET, SOCK_STREAM, 0);
	struct actor *a;

	(void)state;
	assert_int_equal(bind(server, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(server, 5), 0);
	getsockname(server, (struct sockaddr *)&in, &len);
	to.port = ntohs(in.sin_port);
	run_component("smtp");
	planned();
	wake("smtp");
	a = actor("smtp");
	seal(a);

	/* An address of its own choice. */
	ask_connect(a, &to, expires, 0);
	assert_int_equal(a->type, BROKER_REFUSED);
	assert_int_equal(a->error, EPERM);
	ask_connect(a, &to, expires, 12345);
	assert_int_equal(a->error, EPERM);
	/* One that dns vouched for. */
	ask_connect(a, &to, expires, ticket_address(&br.address_key, &to,
	    expires));
	assert_int_equal(a->type, BROKER_CONNECTED);
	assert_int_not_equal(a->fd, -1);
	/* Another port of that address. */
	to.port++;
	to.port -= 2;
	ask_connect(a, &to, expires, ticket_address(&br.address_key,
	    &(struct netaddr){ .family = 4, .ip = { 127, 0, 0, 1 },
	    .port = 1 }, expires));
	assert_int_equal(a->error, EPERM);
	close(server);
}

static void
ask_unix(struct actor *a, const char *nexthop, uint64_t ticket)
{
	struct broker_unix q = { .nexthop = str_of(nexthop),
		.ticket = ticket };

	a->type = 0;
	opened[0] = '\0';
	chan_ask(a->ch, BROKER_UNIX, &q, NULL, on_answer, a);
	settle();
}

/*
 * A socket is connected to when rewrite has signed this very path: the launcher
 * looks, and the broker, which passes it on, has no key of its own for it.
 */
static void
test_unix(void **state)
{
	const char *path = "unix:/run/lmtp";
	struct ticket_key rewrite = ticket_derive(&launcher_key,
	    STR(KEY_REWRITE));
	struct ticket_key sockets = ticket_derive(&rewrite, STR(KEY_SOCKET));
	struct ticket_key ways = ticket_derive(&rewrite, STR(KEY_WAY));
	uint64_t good = ticket_route(&sockets, str_of(path));
	const struct {
		const char *nexthop;
		uint64_t ticket;
	} bad[] = {
		{ path, 0 }, { path, 12345 },
		{ "unix:/run/other", good },
		{ "unix:", good },
		/* The key of routes, which dns has as well, is not enough. */
		{ path, ticket_route(&br.route_key, str_of(path)) },
		{ path, ticket_route(&br.address_key, str_of(path)) },
		/* Nor are those of its neighbours. */
		{ path, ticket_route(&ways, str_of(path)) },
		{ path, ticket_route(&rewrite, str_of(path)) },
		/* Signed, but no socket. */
		{ "/run/lmtp", ticket_route(&sockets, STR("/run/lmtp")) },
		{ "unix:", ticket_route(&sockets, STR("unix:")) },
	};
	struct actor *a;

	(void)state;
	run_component("smtp");
	run_component("smtpd");
	planned();
	wake("smtp");
	a = actor("smtp");
	seal(a);
	for (size_t i = 0; i < NELEM(bad); i++) {
		ask_unix(a, bad[i].nexthop, bad[i].ticket);
		assert_int_equal(a->type, BROKER_REFUSED);
		assert_int_equal(a->error, EPERM);
		assert_string_equal(opened, "");
	}
	ask_unix(a, path, good);
	assert_int_equal(a->type, BROKER_FILE);
	assert_int_not_equal(a->fd, -1);
	assert_string_equal(opened, "4 unix:/run/lmtp");
	static_assert(OPEN_UNIX == 4, "as compared above");

	/* Nobody but smtp has this request. */
	a = actor("smtpd");
	seal(a);
	ask_unix(a, path, good);
	assert_int_not_equal(a->type, BROKER_FILE);
	assert_string_equal(opened, "");
}

/*
 * A command is run when whoever read it vouches for it: lookup for tables, a
 * user's process for his .forward and nobody else's.  The broker passes on what
 * may be asked, the launcher looks at the ticket.
 */
static void
test_command(void **state)
{
	struct ticket_key table = ticket_derive(&launcher_key, STR(KEY_TABLES));
	struct ticket_key hers = ticket_derive(&launcher_key,
	    STR("alice"));
	uint32_t then = ticket_expiry();
	struct str text = STR("/bin/cat");
	uint64_t by_table = ticket_command(&table, COMMAND_ALIAS, 7, STR_NONE,
	    text, then);
	uint64_t by_map = ticket_command(&table, COMMAND_MAPS, 0,
	    STR("alice"), text, then);
	uint64_t by_her = ticket_command(&hers, COMMAND_FORWARD, 0, STR_NONE,
	    text, then);
	uint64_t forged = ticket_command(&table, COMMAND_FORWARD, 0, STR_NONE,
	    text, then);
	const struct {
		const char *who;
		struct broker_command q;
		const char *ran; /* "": refused */
	} cases[] = {
		{ "local", { COMMAND_ALIAS, 0, 7, then, by_table, STR(""),
		    text }, "4 0 7 |/bin/cat" },
		{ "local", { COMMAND_MAPS, 0, 0, then, by_map, STR("alice"),
		    text }, "3 0 0 alice|/bin/cat" },
		{ "local", { COMMAND_FORWARD, 0, 0, then, by_her,
		    STR("alice"), text }, "5 0 0 alice|/bin/cat" },
		{ "local", { COMMAND_MAILBOX, 0, 0, 0, 0, STR("alice"),
		    STR("") }, "2 0 0 alice|" },
		{ "pipe", { COMMAND_MASTER, 3, 0, 0, 0, STR(""), STR("") },
		    "1 3 0 |" },
		/* Unsigned, altered, for or by another, of another kind. */
		{ "local", { COMMAND_ALIAS, 0, 7, then, 0, STR(""),
		    text }, "" },
		{ "local", { COMMAND_ALIAS, 0, 7, then, by_table, STR(""),
		    STR("/bin/rm") }, "" },
		{ "local", { COMMAND_ALIAS, 0, 0, then, by_table, STR(""),
		    text }, "" },
		{ "local", { COMMAND_ALIAS, 0, 7, then + 1, by_table, STR(""),
		    text }, "" },
		{ "local", { COMMAND_MAPS, 0, 0, then, by_map, STR("bob"),
		    text }, "" },
		{ "local", { COMMAND_FORWARD, 0, 0, then, by_her, STR("bob"),
		    text }, "" },
		{ "local", { COMMAND_FORWARD, 0, 0, then, forged,
		    STR("alice"), text }, "" },
		{ "local", { COMMAND_FORWARD, 0, 0, then, by_table, STR(""),
		    text }, "" },
		{ "local", { COMMAND_MAILBOX, 0, 0, 0, 0, STR(""), STR("") },
		    "" },
		{ "local", { COMMAND_MASTER, 3, 0, 0, 0, STR(""), STR("") },
		    "" },
		{ "pipe", { COMMAND_ALIAS, 0, 7, then, by_table, STR(""),
		    text }, "" },
		{ "local", { 9, 0, 0, 0, 0, STR("alice"), text }, "" },
	};
	struct actor *local, *pipe_agent;

	(void)state;
	run_component("local");
	run_component("pipe");
	planned();
	wake("local");
	wake("pipe");
	seal(local = actor("local"));
	seal(pipe_agent = actor("pipe"));
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct actor *a = strcmp(cases[i].who, "pipe") == 0 ?
		    pipe_agent : local;

		ran[0] = said[0] = '\0';
		a->type = 0;
		chan_ask(a->ch, BROKER_COMMAND, &cases[i].q, NULL, on_answer,
		    a);
		settle();
		assert_string_equal(ran, cases[i].ran);
		if (command_may_ask(cases[i].who, &cases[i].q)) {
			assert_int_equal(a->type, BROKER_COMMAND_OPEN);
			continue;
		}
		assert_int_equal(a->type, BROKER_REFUSED);
		assert_int_equal(a->error, EPERM);
		assert_non_null(strstr(said, "security:"));
	}
}

static void
test_rate(void **state)
{
	struct netaddr to = { .family = 4, .port = 1 };
	const struct policy_request *rule;
	struct actor *a;
	unsigned refused = 0;

	(void)state;
	run_component("smtp");
	planned();
	wake("smtp");
	a = actor("smtp");
	seal(a);
	rule = policy_request_find(policy_find(STR("smtp")), STR("connect"));
	assert_non_null(rule);
	for (unsigned i = 0; i < rule->burst * 2 + 10; i++) {
		struct broker_connect q = { .to = to };

		chan_ask(a->ch, BROKER_CONNECT, &q, NULL, on_answer, a);
		if (i % 64 == 63) {
			settle();
			refused += a->error == EAGAIN;
		}
	}
	settle();
	assert_true(refused > 0 || a->error == EAGAIN);
	assert_false(a->gone);
}

/* A verb that is not in the policy costs the channel, and the life. */
static void
test_not_in_policy(void **state)
{
	struct broker_mailbox q = { .user = STR("joe") };
	struct actor *a;

	(void)state;
	run_component("rewrite");
	planned();
	a = actor("rewrite");
	seal(a);
	chan_ask(a->ch, BROKER_MAILBOX, &q, NULL, on_answer, a);
	settle();
	assert_true(a->gone);
	assert_int_equal(killed, 1);
	assert_non_null(strstr(said, "security"));
}

/* Before it is attested a component may not even ask. */
static void
test_too_early(void **state)
{
	struct netaddr to = { .family = 4, .port = 25 };
	struct actor *a;

	(void)state;
	run_component("smtp");
	planned();
	wake("smtp");
	a = actor("smtp");
	ask_connect(a, &to, ticket_expiry(), ticket_address(&br.address_key,
	    &to, ticket_expiry()));
	assert_true(a->gone);
}

/* A component dies: its peers live, and another is started. */
static void
test_death(void **state)
{
	struct launch_exited e = { .pid = 1001, .signal = 9 };

	(void)state;
	run_component("rewrite");
	run_component("lookup");
	planned();
	seal(actor("rewrite"));
	seal(actor("lookup"));
	/* Its channel closes before the launcher has seen it die. */
	chan_free(&actors[0].ch);
	settle();
	introduce(find("lookup"));
	settle();
	chan_tell(launcher, LAUNCH_EXITED, 0, &e, NULL);
	settle();
	settle();
	assert_int_equal(nactors, 3);
	assert_string_equal(actors[2].name, "rewrite");
	actors[1].peers[0] = '\0';
	seal(&actors[2]);
	assert_string_equal(actors[1].peers, "lookup-rewrite ");
}

/* --- on demand ------------------------------------------------------------ */

static void
ask_start(struct actor *a, const char *name, unsigned instance, bool replace)
{
	struct broker_start q = { .component = str_of(name),
		.instance = instance, .replace = replace };

	a->type = 0;
	chan_ask(a->ch, BROKER_START, &q, NULL, on_answer, a);
	settle();
}

static void
bring_up(struct actor *a)
{
	seal(a);
	ready(a);
}

static void
test_demand(void **state)
{
	struct actor *q;

	(void)state;
	run_component("qmgr");
	run_component("smtp");
	planned();
	bring_up(actor("qmgr"));
	assert_int_equal(up, 1); /* smtp is not missed */
	assert_int_equal(nactors, 1);
	q = actor("qmgr");
	ask_start(q, "smtp", 0, false);
	assert_int_equal(q->type, BROKER_DONE);
	assert_int_equal(nactors, 2);
	ask_start(q, "smtp", 0, false); /* one is enough */
	assert_int_equal(nactors, 2);
	bring_up(&actors[1]);
	assert_string_equal(q->peers, "deliver-smtp ");
	/* It leaves by itself, and is left alone. */
	died(&actors[1], 0, 0);
	assert_int_equal(find("smtp")->state, PROC_ASLEEP);
	assert_int_equal(nactors, 2);
	/* Wanted while it is on its way out: no wish is lost. */
	ask_start(q, "smtp", 0, false);
	bring_up(&actors[2]);
	ask_start(q, "smtp", 0, false);
	died(&actors[2], 0, 0);
	settle();
	assert_int_equal(nactors, 4);
	/* A crash is none of its own will. */
	bring_up(&actors[3]);
	died(&actors[3], 0, 11);
	for (int i = 0; i < 10 && nactors < 5; i++)
		settle();
	assert_int_equal(nactors, 5);
	assert_non_null(strstr(said, "killed by signal 11"));
}

/* Who may start what: what is on demand, and a neighbour's work. */
static void
test_start_refused(void **state)
{
	static const struct {
		const char *asker, *what, *why;
	} cases[] = {
		{ "qmgr", "cleanup", "is no component on demand" },
		{ "gate", "smtp", "gate has no work for it" },
		{ "smtp", "local", "has no such request in its policy" },
		{ "qmgr", "nonsense", "there is none" },
	};

	(void)state;
	run_component("qmgr");
	run_component("gate");
	run_component("smtp");
	run_component("local");
	planned();
	wake("smtp");
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct actor *a = actor(cases[i].asker);

		if (a->gone)
			continue;
		seal(a);
		ask_start(a, cases[i].what, 0, false);
		assert_int_not_equal(a->type, BROKER_DONE);
		assert_true(a->gone);
	}
	assert_null(actor("local"));
	assert_true(actor("gate")->gone && actor("smtp")->gone);
}

static void
test_replace(void **state)
{
	struct actor *g;

	(void)state;
	run_component("gate");
	run_component("smtpd");
	planned();
	g = actor("gate");
	bring_up(g);
	bring_up(actor("smtpd")); /* the first is there unasked */
	ask_start(g, "smtpd", 1, false);
	assert_int_equal(g->type, BROKER_REFUSED); /* the plan has one */
	ask_start(g, "smtpd", 0, true);
	assert_int_equal(nactors, 3);
	assert_int_equal(actors[1].retired, 0);
	bring_up(&actors[2]);
	assert_int_equal(actors[1].retired, 1);
	assert_int_equal(actors[2].retired, 0);
	died(&actors[1], 0, 0);
	settle();
	assert_int_equal(nactors, 3);
	assert_int_equal(killed, 0);
}

/* A plan with fewer: who has work finishes it, others are told to end. */
static void
test_fewer(void **state)
{
	struct actor *g;

	(void)state;
	run_component("gate");
	run_components("smtpd", 3);
	planned();
	g = actor("gate");
	bring_up(g);
	bring_up(actor("smtpd"));
	ask_start(g, "smtpd", 1, false);
	bring_up(&actors[2]);
	ask_start(g, "smtpd", 2, false);
	assert_int_equal(nactors, 4);
	run_component("gate");
	run_component("smtpd");
	planned();
	assert_int_equal(actors[1].retired, 0);
	assert_true(actors[2].retired > 0);
	assert_false(actors[2].gone);
	assert_int_equal(killed, 1); /* the third, which had not begun */
	died(&actors[2], 0, 0);
	settle();
	ask_start(g, "smtpd", 1, false);
	assert_int_equal(g->type, BROKER_REFUSED);
	assert_int_equal(nactors, 4);
}

/* What cannot start rests; its neighbours do not care. */
static void
test_throttle(void **state)
{
	(void)state;
	run_component("rewrite");
	run_component("lookup");
	planned();
	bring_up(actor("lookup"));
	died(actor("rewrite"), 70, 0);
	assert_int_equal(nactors, 3); /* once, at once */
	assert_null(strstr(said, "throttling"));
	died(actor("rewrite"), 70, 0);
	settle();
	assert_int_equal(nactors, 3);
	assert_non_null(strstr(said, "exit status 70"));
	assert_non_null(strstr(said,
	    "rewrite: bad command startup -- throttling"));
	assert_int_equal(find("rewrite")->backoff_ms, 60000);
	assert_int_equal(find("lookup")->state, PROC_READY);
}

static void
test_grants_json(void **state)
{
	struct buf b;
	struct proc *p;

	(void)state;
	buf_init(&b, 1 << 20);
	p = proc_new(&br, policy_find(STR("dns")), 0);
	proc_note(p, true, "resolver", "x\"y\\z\n%d", 5);
	grants_json(&br.grants, &b);
	assert_non_null(strstr(buf_cstr(&b), "\"what\":\"x?y?z?5\""));
	for (int i = 0; i < GRANT_NOTES + 10; i++)
		proc_note(p, true, "v", "%d", i);
	buf_reset(&b);
	grants_json(&br.grants, &b);
	assert_null(strstr(buf_cstr(&b), "x?y"));
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_introduce, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_without, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_sealed, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_in_policy, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_too_early, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_death, setup, teardown),
		cmocka_unit_test_setup_teardown(test_demand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_start_refused, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fewer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_throttle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grants_json, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
