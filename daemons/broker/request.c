/* SPDX-License-Identifier: ISC */
/*
 * What a sealed component may ask for.  Each verb is charged against the rate
 * and burst in the policy of the asker before anything else is looked at; a
 * verb that is not in the policy closes the channel.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "command/vouch.h"
#include "net/netaddr.h"

#include "broker.h"

struct bucket *
request_buckets(const struct policy *policy)
{
	struct bucket *b = xcalloc(policy->nrequests, sizeof(*b));

	for (size_t i = 0; i < policy->nrequests; i++)
		b[i].rule = &policy->requests[i];
	return b;
}

void
request_refuse(struct proc *p, uint64_t id, int error, const char *why)
{
	struct broker_refused no = { .error = (uint32_t)error,
		.why = str_of(why) };

	chan_answer(p->ch, BROKER_REFUSED, id, &no, NULL);
}

/*
 * Take a token.  False: the request is answered (refused), or the channel is
 * being closed.
 */
static bool
charge(struct proc *p, uint64_t id, const char *verb)
{
	struct bucket *b = NULL;

	for (size_t i = 0; i < p->policy->nrequests; i++)
		if (strcmp(p->buckets[i].rule->verb, verb) == 0)
			b = &p->buckets[i];
	if (b == NULL || !proc_trusted(p)) {
		proc_note(p, false, verb, "not in policy");
		chan_drop(p->ch, "request that its policy does not have");
		return false;
	}
	if (!allowance_take(&b->left, (double)b->rule->rate / b->rule->per_s,
	    b->rule->burst, loop_now(p->br->loop))) {
		b->refused++;
		proc_note(p, false, verb, "over its rate");
		request_refuse(p, id, EAGAIN,
		    "more requests than the policy allows");
		return false;
	}
	b->granted++;
	return true;
}

/* --- connections ---------------------------------------------------------- */

/* A socket that is connecting, or -1 with errno. */
static int
start_connect(int type, const struct netaddr *to, const struct netaddr *bind_to)
{
	struct sockaddr_storage ss;
	socklen_t len = netaddr_to(to, &ss);
	int one = 1, fd;

	fd = socket(ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind_to != NULL && bind_to->family != 0) {
		struct sockaddr_storage own;
		socklen_t own_len = netaddr_to(bind_to, &own);

		if (bind(fd, (struct sockaddr *)&own, own_len) == -1)
			goto fail;
	}
	if (connect(fd, (struct sockaddr *)&ss, len) == -1 &&
	    errno != EINPROGRESS)
		goto fail;
	return fd;
fail:
	fd_close(&fd);
	return -1;
}

static void
do_connect(struct proc *p, uint64_t id, const void *rec)
{
	const struct broker_connect *q = rec;
	struct broker_connected a;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char text[NETADDR_TEXT];
	int fd;

	if (netaddr_bits(&q->to) == 0 ||
	    (q->bind.family != 0 && q->bind.family != q->to.family) ||
	    !ticket_address_ok(&p->br->address_key, &q->to, q->expires,
	    q->ticket)) {
		/* Not an address that dns vouched for. */
		proc_note(p, false, "connect",
		    "no ticket for port %u", q->to.port);
		request_refuse(p, id, EPERM,
		    "no such address was resolved for you");
		return;
	}
	fd = start_connect(SOCK_STREAM, &q->to, &q->bind);
	proc_note(p, fd != -1, "connect", "%s:%u",
	    netaddr_text(&q->to, text), q->to.port);
	if (fd == -1) {
		request_refuse(p, id, errno, strerror(errno));
		return;
	}
	memset(&ss, 0, sizeof(ss));
	getsockname(fd, (struct sockaddr *)&ss, &len);
	netaddr_from(&ss, &a.local);
	chan_answer(p->ch, BROKER_CONNECTED, id, &a, &fd);
}

/* The plan has the resolvers that the launcher read in the configuration. */
static void
do_resolver(struct proc *p, uint64_t id, const void *rec)
{
	const struct broker_resolver *q = rec;
	int fd;

	if (q->index >= p->br->plan.nresolvers) {
		request_refuse(p, id, ENOENT, "no resolver with this number");
		return;
	}
	fd = start_connect(q->tcp ? SOCK_STREAM : SOCK_DGRAM,
	    &p->br->plan.resolvers[q->index], NULL);
	proc_note(p, fd != -1, "resolver", "%u %s",
	    q->index, q->tcp ? "tcp" : "udp");
	if (fd == -1)
		request_refuse(p, id, errno, strerror(errno));
	else
		chan_answer(p->ch, BROKER_SOCKET, id, NULL, &fd);
}

/* --- what the launcher opens ---------------------------------------------- */

/* Questions passed on to the launcher. */
static struct waiter_list errands = TAILQ_HEAD_INITIALIZER(errands);

static struct waiter *
wait_in(struct waiter_list *list, struct proc *asker, uint64_t id)
{
	struct waiter *w = xcalloc(1, sizeof(*w));

	w->asker = asker;
	w->id = id;
	TAILQ_INSERT_TAIL(list, w, link);
	return w;
}

static void
on_file(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct launch_refused *no = rec;
	struct waiter *w = arg;

	if (w->asker == NULL || w->asker->ch == NULL)
		;
	else if (type == LAUNCH_FILE)
		chan_answer(w->asker->ch, BROKER_FILE, w->id, NULL, fds);
	else
		request_refuse(w->asker, w->id,
		    type == 0 ? EAGAIN : (int)no->error,
		    type == 0 ? "launcher" : strerror((int)no->error));
	TAILQ_REMOVE(&errands, w, link);
	free(w);
}

static void
send_errand(struct proc *p, uint64_t id, const char *verb,
    enum launch_what what, struct str name, uint64_t ticket)
{
	struct launch_open q = { .what = (uint8_t)what, .name = name,
		.ticket = ticket };

	proc_note(p, true, verb, STR_FMT, STR_ARG(name));
	chan_ask(p->br->launcher, LAUNCH_OPEN, &q, NULL, on_file,
	    wait_in(&errands, p, id));
}

static void
do_table(struct proc *p, uint64_t id, const void *rec)
{
	send_errand(p, id, "table", OPEN_TABLE,
	    ((const struct broker_table *)rec)->table, 0);
}

static void
do_include(struct proc *p, uint64_t id, const void *rec)
{
	send_errand(p, id, "include", OPEN_INCLUDE,
	    ((const struct broker_include *)rec)->path, 0);
}

/* A socket in the file system: the launcher knows what rewrite vouched for. */
static void
do_unix(struct proc *p, uint64_t id, const void *rec)
{
	const struct broker_unix *q = rec;

	send_errand(p, id, "unix", OPEN_UNIX, q->nexthop, q->ticket);
}

static void
do_key(struct proc *p, uint64_t id, const void *rec)
{
	send_errand(p, id, "key", OPEN_KEY,
	    ((const struct broker_key *)rec)->file, 0);
}

static void
do_reopen(struct proc *p, uint64_t id, UNUSED const void *rec)
{
	send_errand(p, id, "reopen", OPEN_LOG, STR("log"), 0);
}

/* --- mailboxes ------------------------------------------------------------ */

static struct proc *
find_mailbox(struct broker *br, const struct broker_mailbox *q, size_t *out_n)
{
	struct proc *p;

	*out_n = 0;
	TAILQ_FOREACH(p, &br->procs, link) {
		if (!p->is_mailbox || p->state == PROC_GONE)
			continue;
		(*out_n)++;
		/* Its channel may close before the launcher sees it die. */
		if (p->state == PROC_STOPPING ||
		    (p->state == PROC_READY && !proc_trusted(p)))
			continue;
		if (str_eq(q->user, str_of(p->user)) &&
		    str_eq(q->dir, str_of(p->dir)) && (q->user.n > 0 ||
		    q->dir.n > 0 || (p->uid == q->uid && p->gid == q->gid)))
			return p;
	}
	return NULL;
}

static void
do_mailbox(struct proc *p, uint64_t id, const void *rec)
{
	const struct broker_mailbox *q = rec;
	struct broker *br = p->br;
	struct proc *m;
	size_t n;

	/*
	 * local names users, or a directory with a file that an alias names;
	 * virtual numbers that the configuration gave.
	 */
	if ((strcmp(p->policy->name, "local") == 0) !=
	    ((q->user.n > 0) != (q->dir.n > 0)) ||
	    (q->user.n > 0 && q->dir.n > 0)) {
		chan_drop(p->ch, "mailbox of the other kind");
		return;
	}
	m = find_mailbox(br, q, &n);
	if (m == NULL &&
	    n >= policy_request_find(p->policy, STR("mailbox"))->open) {
		request_refuse(p, id, EAGAIN, "too many mailboxes at once");
		return;
	}
	if (m == NULL) {
		m = proc_new(br, policy_find(STR("mailbox")),
		    ++br->next_mailbox);
		m->is_mailbox = true;
		m->user = str_dup(q->user);
		m->dir = str_dup(q->dir);
		m->uid = q->uid;
		m->gid = q->gid;
		proc_start(m);
	}
	if (m->state == PROC_READY)
		introduce_mailbox(m, p, id);
	else
		wait_in(&m->waiters, p, id);
}

/* --- components on demand ------------------------------------------------- */

static bool
are_linked(const char *one, const char *other)
{
	const struct edge_link *k;

	for (size_t i = 0; (k = edge_link_at(i)) != NULL; i++)
		if (strcmp(k->a, one) == 0 && strcmp(k->b, other) == 0)
			return true;
	return false;
}

/* One more for one piece of work; NULL when there are as many as may be. */
static struct proc *
another(struct broker *br, const struct component *c)
{
	uint32_t n = 0;
	struct proc *p;

	TAILQ_FOREACH(p, &br->procs, link)
		n += p->policy == c->policy;
	if (n >= c->instances || br->phase == PHASE_STOP)
		return NULL;
	p = proc_new(br, c->policy, br->next_once++);
	p->once = true;
	return p;
}

static void
do_start(struct proc *p, uint64_t id, const void *rec)
{
	const struct broker_start *q = rec;
	const struct policy *policy = policy_find(q->component);
	struct component *c = policy == NULL ? NULL :
	    plan_find(&p->br->plan, policy->name);
	struct proc *want;

	if (policy == NULL || !policy->demand ||
	    !are_linked(p->policy->name, policy->name)) {
		chan_drop(p->ch, "start of what is not its to start");
		return;
	}
	want = c != NULL && c->once ? another(p->br, c) :
	    broker_find(p->br, policy, q->instance);
	proc_note(p, want != NULL, "start", "%s %u", policy->name, q->instance);
	if (want == NULL || p->br->phase == PHASE_STOP) {
		request_refuse(p, id, c != NULL && c->once ? EAGAIN : ENOENT,
		    "not in the plan, or too many");
		return;
	}
	if (want->once) {
		wait_in(&want->waiters, p, id); /* it is answered when ready */
		proc_start(want);
		return;
	}
	if (q->replace)
		proc_replace(want);
	else
		proc_want(want);
	admin_done(p, id, 0, "");
}

/* --- commands ------------------------------------------------------------- */

static void
do_command(struct proc *p, uint64_t id, const void *rec)
{
	const struct broker_command *q = rec;
	struct launch_command l = { .kind = q->kind, .service = q->service,
		.uid = q->uid, .expires = q->expires, .ticket = q->ticket,
		.user = q->user, .text = q->text };
	bool may = command_may_ask(p->policy->name, q);
	int sv[2];

	proc_note(p, may, "command", "kind %u %u " STR_FMT
	    " " STR_FMT, q->kind, q->service, STR_ARG(q->user),
	    STR_ARG(str_sub(q->text, 0, 80)));
	if (!may) {
		broker_say(p->br, 1, "security: %s asked for a command of "
		    "another's", proc_name(p));
		request_refuse(p, id, EPERM, "a command of another's");
	} else if (chan_pair(sv) == -1) {
		request_refuse(p, id, EAGAIN, strerror(errno));
	} else {
		ends_shut(p->policy, policy_find(STR("command")), sv);
		chan_tell(p->br->launcher, LAUNCH_COMMAND, 0, &l, &sv[1]);
		chan_answer(p->ch, BROKER_COMMAND_OPEN, id, NULL, &sv[0]);
	}
}

/* --- who may ask ---------------------------------------------------------- */

/* Each verb by its name in the policies, and what is done once it is paid. */
static const struct verb {
	unsigned type;
	const char *name;
	void (*fn)(struct proc *p, uint64_t id, const void *rec);
} verbs[] = {
	{ BROKER_CONNECT, "connect", do_connect },
	{ BROKER_RESOLVER, "resolver", do_resolver },
	{ BROKER_TABLE, "table", do_table },
	{ BROKER_INCLUDE, "include", do_include },
	{ BROKER_UNIX, "unix", do_unix },
	{ BROKER_KEY, "key", do_key },
	{ BROKER_MAILBOX, "mailbox", do_mailbox },
	{ BROKER_START, "start", do_start },
	{ BROKER_COMMAND, "command", do_command },
	{ BROKER_REOPEN, "reopen", do_reopen },
	{ BROKER_ADMIN, "admin", admin_ask },
};

void
request(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	for (size_t i = 0; i < NELEM(verbs); i++)
		if (verbs[i].type == chan_type(ch) &&
		    charge(arg, id, verbs[i].name))
			verbs[i].fn(arg, id, rec);
}

static void
forget(struct waiter_list *list, const struct proc *asker)
{
	struct waiter *w;

	TAILQ_FOREACH(w, list, link)
		if (w->asker == asker)
			w->asker = NULL;
}

void
request_forget(struct broker *br, struct proc *asker)
{
	struct proc *p;

	forget(&errands, asker);
	TAILQ_FOREACH(p, &br->procs, link)
		forget(&p->waiters, asker);
	if (br->reload_asker == asker)
		br->reload_asker = NULL;
	if (policy_request_find(asker->policy, STR("admin")) != NULL)
		admin_trace(asker, NULL); /* nobody keeps the time */
}
