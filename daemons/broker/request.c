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
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#include "broker.h"

struct bucket *
request_buckets(const struct policy *policy)
{
	struct bucket *b = xcalloc(policy->nrequests, sizeof(*b));

	for (size_t i = 0; i < policy->nrequests; i++) {
		b[i].rule = &policy->requests[i];
		b[i].tokens = policy->requests[i].burst;
	}
	return b;
}

static void
refuse(struct proc *p, uint64_t id, int error, const char *why)
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
	int64_t now = loop_now(p->br->loop);
	struct bucket *b = NULL;

	for (size_t i = 0; i < p->policy->nrequests; i++)
		if (strcmp(p->buckets[i].rule->verb, verb) == 0)
			b = &p->buckets[i];
	if (b == NULL || !proc_trusted(p)) {
		grants_note(&p->br->grants, p, false, verb, "not in policy");
		chan_drop(p->ch, "request that its policy does not have");
		return false;
	}
	b->tokens += (double)(now - b->filled_ms) * b->rule->rate /
	    (1000.0 * b->rule->per_s);
	if (b->tokens > b->rule->burst)
		b->tokens = b->rule->burst;
	b->filled_ms = now;
	if (b->tokens < 1) {
		b->refused++;
		grants_note(&p->br->grants, p, false, verb, "over its rate");
		refuse(p, id, EAGAIN, "more requests than the policy allows");
		return false;
	}
	b->tokens -= 1;
	b->granted++;
	return true;
}

/* --- connections ---------------------------------------------------------- */

static socklen_t
to_sockaddr(const struct netaddr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}

static void
from_sockaddr(const struct sockaddr_storage *ss, struct netaddr *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

	memset(a, 0, sizeof(*a));
	if (ss->ss_family == AF_INET) {
		a->family = 4;
		a->port = ntohs(in->sin_port);
		memcpy(a->ip, &in->sin_addr, 4);
	} else if (ss->ss_family == AF_INET6) {
		a->family = 6;
		a->port = ntohs(in6->sin6_port);
		memcpy(a->ip, &in6->sin6_addr, 16);
	}
}

/* A socket that is connecting, or -1 with errno. */
static int
start_connect(const struct netaddr *to, const struct netaddr *bind_to)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int one = 1, fd;

	fd = socket(to->family == 4 ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind_to->family != 0) {
		len = to_sockaddr(bind_to, &ss);
		if (bind(fd, (struct sockaddr *)&ss, len) == -1)
			goto fail;
	}
	len = to_sockaddr(to, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1 &&
	    errno != EINPROGRESS)
		goto fail;
	return fd;
fail:
	fd_close(&fd);
	return -1;
}

void
request_connect(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct broker_connect *q = rec;
	struct proc *p = arg;
	struct broker_connected a;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;

	(void)fds;
	if (!charge(p, id, "connect"))
		return;
	if ((q->to.family != 4 && q->to.family != 6) ||
	    (q->bind.family != 0 && q->bind.family != q->to.family) ||
	    !ticket_address_ok(&p->br->address_key, &q->to, q->expires,
	    q->ticket)) {
		/* Not an address that dns vouched for. */
		grants_note(&p->br->grants, p, false, "connect",
		    "no ticket for port %u", q->to.port);
		refuse(p, id, EPERM, "no such address was resolved for you");
		return;
	}
	fd = start_connect(&q->to, &q->bind);
	grants_note(&p->br->grants, p, fd != -1, "connect",
	    "%u.%u.%u.%u%s:%u", q->to.ip[0], q->to.ip[1], q->to.ip[2],
	    q->to.ip[3], q->to.family == 6 ? "...(IPv6)" : "", q->to.port);
	if (fd == -1) {
		refuse(p, id, errno, strerror(errno));
		return;
	}
	memset(&ss, 0, sizeof(ss));
	getsockname(fd, (struct sockaddr *)&ss, &len);
	from_sockaddr(&ss, &a.local);
	chan_answer(ch, BROKER_CONNECTED, id, &a, &fd);
}

/*
 * Resolvers are objects of the plan (kind GRANT_FILE, name `resolver`): their
 * names are addresses that the launcher read in the configuration.
 */
void
request_resolver(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct broker_resolver *q = rec;
	struct proc *p = arg;
	struct broker_socket a;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	(void)fds;
	memset(&a, 0, sizeof(a));
	if (!charge(p, id, "resolver"))
		return;
	if (q->index >= p->br->plan.nresolvers) {
		refuse(p, id, ENOENT, "no resolver with this number");
		return;
	}
	len = to_sockaddr(&p->br->plan.resolvers[q->index], &ss);
	fd = socket(ss.ss_family, (q->tcp ? SOCK_STREAM : SOCK_DGRAM) |
	    SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&ss, len) == -1 &&
	    errno != EINPROGRESS)
		fd_close(&fd);
	grants_note(&p->br->grants, p, fd != -1, "resolver", "%u %s",
	    q->index, q->tcp ? "tcp" : "udp");
	if (fd == -1) {
		refuse(p, id, errno, strerror(errno));
		return;
	}
	chan_answer(ch, BROKER_SOCKET, id, &a, &fd);
}

/* --- what the launcher opens ---------------------------------------------- */

/* A question passed on to the launcher for a component. */
struct errand {
	LIST_ENTRY(errand) link;
	struct proc *asker; /* NULL: it has gone */
	uint64_t id;
	unsigned answer; /* type of the answer with a descriptor */
};

static LIST_HEAD(, errand) errands = LIST_HEAD_INITIALIZER(errands);

static void
on_file(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct launch_refused *no = rec;
	struct errand *e = arg;
	struct broker_file a;

	memset(&a, 0, sizeof(a));
	if (e->asker == NULL || e->asker->ch == NULL)
		;
	else if (type == LAUNCH_FILE)
		chan_answer(e->asker->ch, e->answer, e->id, &a, fds);
	else
		refuse(e->asker, e->id,
		    type == 0 ? EAGAIN : (int)no->error,
		    type == 0 ? "launcher" : strerror((int)no->error));
	LIST_REMOVE(e, link);
	free(e);
}

static void
send_errand(struct proc *p, uint64_t id, const struct launch_open *q)
{
	struct errand *e = xcalloc(1, sizeof(*e));

	e->asker = p;
	e->id = id;
	e->answer = BROKER_FILE;
	LIST_INSERT_HEAD(&errands, e, link);
	chan_ask(p->br->launcher, LAUNCH_OPEN, q, NULL, on_file, e);
}

void
request_table(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct broker_table *t = rec;
	struct launch_open q = { .what = OPEN_TABLE, .name = t->table };
	struct proc *p = arg;

	(void)ch;
	(void)fds;
	if (!charge(p, id, "table"))
		return;
	grants_note(&p->br->grants, p, true, "table", STR_FMT,
	    STR_ARG(t->table));
	send_errand(p, id, &q);
}

void
request_include(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct broker_include *i = rec;
	struct launch_open q = { .what = OPEN_INCLUDE, .name = i->path };
	struct proc *p = arg;

	(void)ch;
	(void)fds;
	if (!charge(p, id, "include"))
		return;
	grants_note(&p->br->grants, p, true, "include", STR_FMT,
	    STR_ARG(i->path));
	send_errand(p, id, &q);
}

void
request_reopen(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	struct launch_open q = { .what = OPEN_LOG };
	struct proc *p = arg;

	(void)ch;
	(void)rec;
	(void)fds;
	if (!charge(p, id, "reopen"))
		return;
	grants_note(&p->br->grants, p, true, "reopen", "log");
	send_errand(p, id, &q);
}

/* --- mailboxes ------------------------------------------------------------ */

#define MAILBOXES_MAX 256 /* processes at one time */

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

void
request_mailbox(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct broker_mailbox *q = rec;
	struct proc *p = arg, *m;
	struct broker *br = p->br;
	struct waiter *w;
	size_t n;

	(void)ch;
	(void)fds;
	if (!charge(p, id, "mailbox"))
		return;
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
	if (m == NULL && n >= MAILBOXES_MAX) {
		refuse(p, id, EAGAIN, "too many mailboxes at once");
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
	if (m->state == PROC_READY) {
		introduce_mailbox(m, p, id);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->asker = p;
	w->id = id;
	TAILQ_INSERT_TAIL(&m->waiters, w, link);
}

void
request_admin(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	struct proc *p = arg;

	(void)ch;
	(void)fds;
	if (charge(p, id, "admin"))
		admin_ask(p, id, rec);
}

void
request_forget(struct broker *br, struct proc *asker)
{
	struct errand *e;
	struct proc *p;
	struct waiter *w;

	LIST_FOREACH(e, &errands, link)
		if (e->asker == asker)
			e->asker = NULL;
	TAILQ_FOREACH(p, &br->procs, link)
		TAILQ_FOREACH(w, &p->waiters, link)
			if (w->asker == asker)
				w->asker = NULL;
	if (br->reload_asker == asker)
		br->reload_asker = NULL;
}
