/* SPDX-License-Identifier: ISC */
/*
 * The tables behind the declarations of all edges.
 */
#include "edge/edges.h"

EDGE_DEFINE(log, EDGE_LOG);
EDGE_DEFINE(broker, EDGE_BROKER);
EDGE_DEFINE(gate, EDGE_GATE);
EDGE_DEFINE(resolve, EDGE_RESOLVE);
EDGE_DEFINE(lookup, EDGE_LOOKUP);
EDGE_DEFINE(dns, EDGE_DNS);
EDGE_DEFINE(spool, EDGE_SPOOL);
EDGE_DEFINE(intake, EDGE_INTAKE);
EDGE_DEFINE(commit, EDGE_COMMIT);
EDGE_DEFINE(deliver, EDGE_DELIVER);
EDGE_DEFINE(mailbox, EDGE_MAILBOX);
EDGE_DEFINE(bounce, EDGE_BOUNCE);
EDGE_DEFINE(maildrop, EDGE_MAILDROP);
EDGE_DEFINE(queue, EDGE_QUEUE);
EDGE_DEFINE(launch, EDGE_LAUNCH);
EDGE_DEFINE(order, EDGE_ORDER);
EDGE_DEFINE(run, EDGE_RUN);
EDGE_DEFINE(keys, EDGE_KEYS);

static const struct edge *const edges[] = {
	&edge_log, &edge_broker, &edge_gate, &edge_resolve, &edge_lookup,
	&edge_dns, &edge_spool, &edge_intake, &edge_commit, &edge_deliver,
	&edge_mailbox, &edge_bounce, &edge_maildrop, &edge_queue,
	&edge_launch, &edge_order, &edge_run, &edge_keys,
};

/*
 * Which components share which edge, and how.  A channel is made for every
 * pair of instances.  Channels to a mailbox or to a command are made when one
 * is asked for.
 */
static const struct edge_link links[] = {
	/* edge, side A, side B */
	{ "gate", "gate", "smtpd" },
	{ "resolve", "smtpd", "rewrite" },
	{ "resolve", "cleanup", "rewrite" },
	{ "resolve", "qmgr", "rewrite" },
	{ "resolve", "local", "rewrite" },
	{ "lookup", "smtpd", "lookup" },
	{ "lookup", "rewrite", "lookup" },
	{ "lookup", "cleanup", "lookup" },
	{ "lookup", "local", "lookup" },
	{ "lookup", "virtual", "lookup" },
	{ "dns", "smtpd", "dns" },
	{ "dns", "smtp", "dns" },
	{ "spool", "smtpd", "qmgr" },
	{ "spool", "pickup", "qmgr" },
	{ "spool", "bounce", "qmgr" },
	{ "spool", "local", "qmgr" },
	{ "intake", "smtpd", "cleanup" },
	{ "intake", "pickup", "cleanup" },
	{ "intake", "bounce", "cleanup" },
	{ "intake", "local", "cleanup" },
	{ "commit", "cleanup", "qmgr" },
	{ "deliver", "qmgr", "smtp" },
	{ "deliver", "qmgr", "local" },
	{ "deliver", "qmgr", "virtual" },
	{ "deliver", "qmgr", "pipe" },
	{ "bounce", "qmgr", "bounce" },
	{ "maildrop", "qmgr", "pickup" },
	{ "queue", "control", "qmgr" },
	{ "keys", "smtpd", "keys" },
	{ "keys", "smtp", "keys" },
};

const struct edge *
edge_find(struct str name)
{
	for (size_t i = 0; i < NELEM(edges); i++)
		if (str_eq(name, str_of(edges[i]->name)))
			return edges[i];
	return NULL;
}

const struct edge *
edge_at(size_t i)
{
	return i < NELEM(edges) ? edges[i] : NULL;
}

const struct edge_link *
edge_link_at(size_t i)
{
	return i < NELEM(links) ? &links[i] : NULL;
}
