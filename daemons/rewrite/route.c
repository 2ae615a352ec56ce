/* SPDX-License-Identifier: ISC */
/*
 * Transport and next hop of an address.
 */
#include "conf/netlist.h"
#include "mail/address.h"

#include "rewrite.h"

/*
 * Cut `transport:nexthop` as master.cf names and transport(5) write it.  What
 * stands for itself keeps what *transport and *nexthop were.
 */
static void
apply(struct str value, struct str *transport, struct str *nexthop,
    struct str domain, bool *configured)
{
	ptrdiff_t colon = str_chr(value, ':');
	struct str t = value, n = STR_NONE;

	if (colon != -1) {
		t = str_sub(value, 0, (size_t)colon);
		n = str_sub(value, (size_t)colon + 1, value.n);
	}
	if (t.n > 0) {
		*transport = t;
		/* A transport by itself: the recipient's own domain. */
		*nexthop = domain;
		*configured = false;
	}
	if (n.n > 0) {
		*nexthop = n;
		*configured = true;
	}
}

/* What the class says, before any table. */
static void
by_class(const struct conf *c, enum resolve_class class, struct str domain,
    struct str *transport, struct str *nexthop, bool *configured)
{
	struct str relayhost = conf_str(c, P_RELAYHOST);

	*nexthop = domain;
	switch (class) {
	case CLASS_LOCAL:
		apply(conf_str(c, P_LOCAL_TRANSPORT), transport, nexthop,
		    domain, configured);
		break;
	case CLASS_VIRTUAL_ALIAS:
		*transport = STR("error");
		*nexthop = STR("5.1.1 User unknown in virtual alias table");
		break;
	case CLASS_VIRTUAL_MAILBOX:
		apply(conf_str(c, P_VIRTUAL_TRANSPORT), transport, nexthop,
		    domain, configured);
		break;
	case CLASS_RELAY:
		apply(conf_str(c, P_RELAY_TRANSPORT), transport, nexthop,
		    domain, configured);
		break;
	case CLASS_DEFAULT:
		apply(conf_str(c, P_DEFAULT_TRANSPORT), transport, nexthop,
		    domain, configured);
		if (relayhost.n > 0) {
			*nexthop = relayhost;
			*configured = true;
		}
		break;
	}
}

enum asked
route_of(struct question *q, struct str addr, enum resolve_class class,
    struct route *out)
{
	const struct conf *c = q->rw->conf;
	struct str domain = addr_domain(addr), value;
	struct str transport = STR_NONE, nexthop = STR_NONE;
	struct conf_list maps = conf_list(c, P_TRANSPORT_MAPS);
	size_t cut;
	enum asked r;

	if (domain.n == 0)
		domain = conf_str(c, P_MYHOSTNAME);
	out->configured = false;
	by_class(c, class, domain, &transport, &nexthop, &out->configured);
	if (maps.n > 0 && class != CLASS_VIRTUAL_ALIAS) {
		r = ask_find(q, FIND_TRANSPORT,
		    match_parents(c, "transport_maps") ? FIND_PARENTS : 0,
		    P_TRANSPORT_MAPS, STR_NONE, addr, &value);
		if (r == ASK_WAIT || r == ASK_LATER)
			return r;
		if (r == ASK_FOUND)
			apply(str_trim(value), &transport, &nexthop, domain,
			    &out->configured);
	}
	/* Both are copied: they point into tables, configuration, address. */
	buf_reset(&out->text);
	buf_str(&out->text, str_sub(transport, 0, 64));
	cut = out->text.len;
	buf_str(&out->text, str_sub(nexthop, 0, ADDR_MAX));
	out->transport = str_sub(buf_get(&out->text), 0, cut);
	out->nexthop = str_sub(buf_get(&out->text), cut, out->text.len);
	return ASK_FOUND;
}
