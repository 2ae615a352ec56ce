/* SPDX-License-Identifier: ISC */
/*
 * Which kind of destination a domain is.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <string.h>

#include "conf/netlist.h"
#include "mail/address.h"
#include "mail/domain.h"

#include "rewrite.h"

/* A list with tables in it, seen from match_domain(). */
struct listed {
	struct question *q;
	enum param_id param;
	bool parents;
	bool waits;
};

static enum match
in_table(void *arg, const struct conf_item *table, struct str key)
{
	struct listed *l = arg;

	switch (ask_find(l->q, FIND_DOMAIN, l->parents ? FIND_PARENTS : 0,
	    l->param, table->full, key, NULL)) {
	case ASK_FOUND:
		return MATCH_YES;
	case ASK_NONE:
		return MATCH_NO;
	case ASK_WAIT:
		l->waits = true;
		break;
	case ASK_LATER:
		break;
	}
	return MATCH_RETRY;
}

static enum asked
listed_in(struct question *q, enum param_id param, struct str domain)
{
	const struct conf *c = q->rw->conf;
	struct listed l = { .q = q, .param = param,
		.parents = match_parents(c, params[param].name) };

	switch (match_domain(conf_list(c, param), domain, l.parents, in_table,
	    &l)) {
	case MATCH_YES:
		return ASK_FOUND;
	case MATCH_NO:
		return ASK_NONE;
	case MATCH_RETRY:
		break;
	}
	return l.waits ? ASK_WAIT : ASK_LATER;
}

enum asked
class_flushed(struct question *q, struct str domain)
{
	return listed_in(q, P_FAST_FLUSH_DOMAINS, domain);
}

/* user@[192.0.2.1], where that is one of our addresses. */
static bool
own_literal(const struct conf *c, struct str domain)
{
	struct sockaddr_storage ss;
	struct conf_list own = conf_list(c, P_OWN_ADDRESSES);
	socklen_t len;
	struct net mine, n = { .family = 0 };

	if (domain_parse_literal(domain, &ss, &len) == -1)
		return false;
	n.family = ss.ss_family;
	if (ss.ss_family == AF_INET) {
		n.bits = 32;
		memcpy(n.addr, &((struct sockaddr_in *)&ss)->sin_addr, 4);
	} else {
		n.bits = 128;
		memcpy(n.addr, &((struct sockaddr_in6 *)&ss)->sin6_addr, 16);
	}
	for (size_t i = 0; i < own.n; i++)
		if (net_parse(own.v[i].text, &mine, NULL) == 0 &&
		    net_contains(&mine, &n))
			return true;
	return false;
}

enum asked
class_of(struct question *q, struct str domain, enum resolve_class *out)
{
	static const struct {
		enum param_id param;
		enum resolve_class class;
	} lists[] = {
		{ P_MYDESTINATION, CLASS_LOCAL },
		{ P_VIRTUAL_ALIAS_DOMAINS, CLASS_VIRTUAL_ALIAS },
		{ P_VIRTUAL_MAILBOX_DOMAINS, CLASS_VIRTUAL_MAILBOX },
		{ P_RELAY_DOMAINS, CLASS_RELAY },
	};

	*out = CLASS_LOCAL;
	if (domain.n == 0 || (domain.p[0] == '[' &&
	    own_literal(q->rw->conf, domain)))
		return ASK_FOUND;
	for (size_t i = 0; i < NELEM(lists); i++) {
		enum asked r = listed_in(q, lists[i].param, domain);

		*out = lists[i].class;
		if (r != ASK_NONE)
			return r;
	}
	*out = CLASS_DEFAULT;
	return ASK_FOUND;
}

enum asked
class_of_address(struct question *q, struct buf *addr,
    enum resolve_class *out)
{
	struct buf inner;
	enum asked r;
	bool more = true;

	buf_init(&inner, ADDR_MAX);
	/* Each turn makes the local part shorter, so that this ends. */
	while ((r = class_of(q, addr_domain(buf_get(addr)), out)) ==
	    ASK_FOUND && *out == CLASS_LOCAL && more) {
		struct str local = addr_local(buf_get(addr));

		more = addr_domain(buf_get(addr)).n > 0 &&
		    addr_is_routed(buf_get(addr)) &&
		    standard_form(q->rw->conf, local, &inner) == 0 &&
		    str_rchr(buf_get(&inner), '@') > 0 &&
		    addr_local(buf_get(&inner)).n < local.n;
		if (more) {
			buf_reset(addr);
			buf_str(addr, buf_get(&inner));
		}
	}
	buf_clear(&inner);
	return r;
}
