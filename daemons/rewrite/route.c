/* SPDX-License-Identifier: ISC */
/*
 * Transport and next hop of an address.
 */
#include <stdio.h>

#include "conf/netlist.h"
#include "mail/address.h"
#include "table/lookup.h"

#include "rewrite.h"

/*
 * Cut `transport:nexthop` as master.cf names and transport(5) write it.  What
 * stands for itself keeps what *transport and *nexthop were.
 */
static void
apply(struct str value, struct route *to, struct str domain)
{
	ptrdiff_t colon = str_chr(value, ':');
	struct str t = value, n = STR_NONE;

	if (colon != -1) {
		t = str_sub(value, 0, (size_t)colon);
		n = str_sub(value, (size_t)colon + 1, value.n);
	}
	if (t.n > 0) {
		to->transport = t;
		/* A transport by itself: the recipient's own domain. */
		to->nexthop = route_refuses(t) ?
		    STR("Address is undeliverable") :
		    domain;
		to->configured = false;
	}
	if (n.n > 0) {
		to->nexthop = n;
		to->configured = true;
	}
}

bool
route_refuses(struct str transport)
{
	return str_eq(transport, STR("error")) ||
	    str_eq(transport, STR("retry"));
}

/*
 * A transport of mail that leaves: its own next hop goes before relayhost,
 * and that before the recipient's domain.
 */
static void
leaving(const struct conf *c, enum param_id param, struct route *to,
    struct str domain)
{
	struct str relayhost = conf_str(c, P_RELAYHOST);

	apply(conf_str(c, param), to, domain);
	if (!to->configured && !route_refuses(to->transport) &&
	    relayhost.n > 0) {
		to->nexthop = relayhost;
		to->configured = true;
	}
}

/* What the class says, before any table. */
static void
by_class(const struct conf *c, enum resolve_class class, struct str domain,
    struct route *to)
{
	switch (class) {
	case CLASS_LOCAL:
		apply(conf_str(c, P_LOCAL_TRANSPORT), to, domain);
		break;
	case CLASS_VIRTUAL_ALIAS:
		apply(STR("error:5.1.1 User unknown in virtual alias table"),
		    to, domain);
		break;
	case CLASS_VIRTUAL_MAILBOX:
		apply(conf_str(c, P_VIRTUAL_TRANSPORT), to, domain);
		break;
	case CLASS_RELAY:
		leaving(c, P_RELAY_TRANSPORT, to, domain);
		break;
	case CLASS_DEFAULT:
		leaving(c, P_DEFAULT_TRANSPORT, to, domain);
		break;
	}
}

/* Both are copied: they point into tables, configuration, address. */
static void
own(struct route *to)
{
	struct str nexthop = to->nexthop;
	size_t cut;

	buf_reset(&to->text);
	buf_str(&to->text, str_sub(to->transport, 0, 64));
	cut = to->text.len;
	buf_str(&to->text, str_sub(nexthop, 0, ADDR_MAX));
	to->transport = str_sub(buf_get(&to->text), 0, cut);
	to->nexthop = str_sub(buf_get(&to->text), cut, to->text.len);
}

enum asked
route_of(struct question *q, struct str addr, enum resolve_class class,
    struct route *out)
{
	const struct conf *c = q->rw->conf;
	struct str domain = addr_domain(addr), value;
	enum asked r;

	if (domain.n == 0)
		domain = conf_str(c, P_MYHOSTNAME);
	out->configured = false;
	by_class(c, class, domain, out);
	if (conf_list(c, P_TRANSPORT_MAPS).n > 0 &&
	    class != CLASS_VIRTUAL_ALIAS) {
		r = ask_find(q, FIND_TRANSPORT,
		    match_parents(c, "transport_maps") ? FIND_PARENTS : 0,
		    P_TRANSPORT_MAPS, STR_NONE, addr, &value);
		if (r == ASK_WAIT || r == ASK_LATER)
			return r;
		if (r == ASK_FOUND)
			apply(str_trim(value), out, domain);
	}
	own(out);
	return ASK_FOUND;
}

/*
 * The name that tables have him by: what local found in the user database, if
 * it is that of this address.  It is not to get the way of another for it.
 */
static struct str
user_of(const struct question *q, struct str addr)
{
	struct str local = addr_local(addr), user = q->sender;
	size_t ext = lookup_ext(local,
	    conf_str(q->rw->conf, P_RECIPIENT_DELIMITER));

	if ((q->flags & RESOLVE_FALLBACK) != 0)
		return local;
	return str_caseeq(user, local) ||
		str_caseeq(user, str_sub(local, 0, ext)) ?
	    user :
	    STR_NONE;
}

enum asked
route_of_user(struct question *q, struct str addr, struct route *out)
{
	const struct conf *c = q->rw->conf;
	bool fallback = (q->flags & RESOLVE_FALLBACK) != 0;
	enum param_id maps = fallback ? P_FALLBACK_TRANSPORT_MAPS :
	    P_MAILBOX_TRANSPORT_MAPS;
	struct str user = user_of(q, addr), value = STR_NONE;
	enum asked r = ASK_NONE;

	if (user.n == 0) {
		snprintf(q->reason, sizeof(q->reason),
		    "another user than the address has");
		return ASK_LATER;
	}
	/* Without a next hop of its own: that of the local transport. */
	by_class(c, CLASS_LOCAL, addr_domain(addr), out);
	if (conf_list(c, maps).n > 0)
		r = ask_find(q, FIND_PLAIN, 0, maps, STR_NONE,
		    user, &value);
	if (r == ASK_WAIT || r == ASK_LATER)
		return r;
	if (r == ASK_NONE)
		value = conf_str(c, fallback ? P_FALLBACK_TRANSPORT :
		    P_MAILBOX_TRANSPORT);
	value = str_trim(value);
	out->transport = STR_NONE;
	if (value.n > 0) {
		struct str next = out->nexthop;
		bool configured = out->configured;

		apply(value, out, next);
		if (str_eq(out->nexthop, next))
			out->configured = configured;
	}
	own(out);
	return ASK_FOUND;
}
