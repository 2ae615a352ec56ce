/* SPDX-License-Identifier: ISC */
#ifndef EDGE_EDGES_H
#define EDGE_EDGES_H

#include "edge/bounce.h"
#include "edge/broker.h"
#include "edge/commit.h"
#include "edge/deliver.h"
#include "edge/dns.h"
#include "edge/gate.h"
#include "edge/intake.h"
#include "edge/keys.h"
#include "edge/launch.h"
#include "edge/log.h"
#include "edge/lookup.h"
#include "edge/mailbox.h"
#include "edge/maildrop.h"
#include "edge/queue.h"
#include "edge/resolve.h"
#include "edge/run.h"
#include "edge/spool.h"

/*
 * The process graph: all edges, and who stands at their ends.  For the broker,
 * the audit and the tests; a component includes only the edges it has.
 */
struct edge_link {
	const char *edge;
	const char *a;
	const char *b;
};

/* An edge by name, by number; NULL when there is none. */
const struct edge *edge_find(struct str name);
const struct edge *edge_at(size_t i);

/* The links in turn; NULL behind the last.  (log and broker have all.) */
const struct edge_link *edge_link_at(size_t i);

#endif
