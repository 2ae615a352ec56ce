/* SPDX-License-Identifier: ISC */
/*
 * Introductions: a channel between two components that work together, made
 * once; after that the broker is off their path.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"

#include "broker.h"

/* The descriptor moves. */
static void
grant(struct proc *p, enum grant_kind kind, const char *edge,
    const char *name, uint32_t instance, pid_t pid, int *fd)
{
	struct broker_grant g = { .kind = (uint8_t)kind, .instance = instance,
		.pid = (uint32_t)pid, .edge = str_of(edge),
		.name = str_of(name) };

	proc_note(p, true, kind <= GRANT_CHANNEL_B ? "channel" : "object",
	    "%s%s%s %u", edge, edge[0] == '\0' ? "" : " ", name, instance);
	chan_tell(p->ch, BROKER_GRANT, 0, &g, fd);
}

/* By an overlay, or because it has no use for the other. */
static bool
avoids(const struct proc *p, const struct proc *q)
{
	struct str name = str_of(q->policy->name);

	return policy_denied(p->policy, DENY_GRANT, name) ||
	    str_has_word(str_of(p->without), name);
}

static void
connect_pair(const char *edge, struct proc *a, struct proc *b)
{
	int sv[2];

	if ((a->once || b->once ? chan_pair_small : chan_pair)(sv) == -1) {
		/* Neither works without: they start again, and may get it. */
		broker_say(a->br, 1, "channel %s between %s and %s: %s", edge,
		    proc_name(a), proc_name(b), strerror(errno));
		proc_kill(a);
		return;
	}
	ends_shut(a->policy, b->policy, sv);
	grant(a, GRANT_CHANNEL, edge, b->policy->name, b->instance, b->pid,
	    &sv[0]);
	grant(b, GRANT_CHANNEL_B, edge, a->policy->name, a->instance, a->pid,
	    &sv[1]);
}

static bool
is_named(const struct proc *p, const char *name)
{
	return strcmp(p->policy->name, name) == 0;
}

/* A copy of what we hold. */
static void
give(struct proc *p, enum grant_kind kind, const char *name, uint32_t instance,
    int held)
{
	int fd = fcntl(held, F_DUPFD_CLOEXEC, 3);

	if (fd != -1) {
		grant(p, kind, "", name, instance, 0, &fd);
		return;
	}
	broker_say(p->br, 1, "%s for %s: %s", name, proc_name(p),
	    strerror(errno));
	proc_kill(p);
}

static void
give_objects(struct proc *p)
{
	struct component *c = plan_find(&p->br->plan, p->policy->name);
	struct object *o;

	if (c != NULL)
		TAILQ_FOREACH(o, &c->objects, link)
			give(p, o->kind, o->name, o->instance, o->fd);
}

/* Keys by which components vouch for each other: see edge/ticket.h. */
static void
give_keys(struct proc *p)
{
	if (is_named(p, "rewrite") || is_named(p, "dns"))
		give(p, GRANT_FILE, TICKET_ROUTE, 0, p->br->route_fd);
	if (is_named(p, "dns"))
		give(p, GRANT_FILE, TICKET_ADDRESS, 0, p->br->address_fd);
}

/*
 * A channel with everybody on the other side of this link.  An a of NULL
 * stands for everybody: all log.
 */
static void
meet(struct proc *p, const char *edge, const char *a, const char *b)
{
	bool is_a = a == NULL || is_named(p, a), is_b = is_named(p, b);
	struct proc *q;

	if (!is_a && !is_b)
		return;
	TAILQ_FOREACH(q, &p->br->procs, link) {
		if (q == p || q->policy == p->policy || !proc_trusted(q) ||
		    avoids(p, q) || avoids(q, p))
			continue;
		/* Who does one piece of work has it already, or will. */
		if (is_a && is_named(q, b) && !q->once)
			connect_pair(edge, p, q);
		else if (is_b && (a == NULL || is_named(q, a)))
			connect_pair(edge, q, p);
	}
}

void
introduce(struct proc *p)
{
	const struct edge_link *k;

	meet(p, "log", NULL, "logd"); /* what comes may be worth a line */
	give_keys(p);
	if (!p->warm)
		give_objects(p);
	for (size_t i = 0; (k = edge_link_at(i)) != NULL; i++)
		meet(p, k->edge, k->a, k->b);
}

void
introduce_mailbox(struct proc *mailbox, struct proc *asker, uint64_t id)
{
	struct broker_mailbox_open a = { .uid = (uint32_t)mailbox->uid,
		.home = str_of(mailbox->home) };
	int sv[2];

	if (chan_pair(sv) == -1) {
		request_refuse(asker, id, EMFILE, "no channel to be had");
		return;
	}
	ends_shut(asker->policy, mailbox->policy, sv);
	grant(mailbox, GRANT_CHANNEL_B, "mailbox", asker->policy->name,
	    asker->instance, asker->pid, &sv[1]);
	proc_note(asker, true, "mailbox", "uid %u", (unsigned)mailbox->uid);
	chan_answer(asker->ch, BROKER_MAILBOX_OPEN, id, &a, &sv[0]);
}

void
introduce_config(struct proc *p)
{
	struct component *c = plan_find(&p->br->plan, p->policy->name);
	struct broker_config rec = { .generation = p->br->plan.is.generation };
	int fd;

	if (c == NULL || !proc_trusted(p))
		return;
	if (p->once && !p->is_mailbox) {
		proc_retire(p); /* its session keeps what it began with */
		return;
	}
	if ((fd = fcntl(c->config_fd, F_DUPFD_CLOEXEC, 3)) == -1)
		return;
	chan_tell(p->ch, BROKER_CONFIG, 0, &rec, &fd);
	give_objects(p);
	if (p->demand)
		chan_tell(p->ch, BROKER_RETIRE, 0, NULL, NULL);
}
