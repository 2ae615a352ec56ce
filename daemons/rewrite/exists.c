/* SPDX-License-Identifier: ISC */
/*
 * Is there such a mailbox?  Asked while the client is still there, so that
 * nobody accepts what he would have to bounce to a forged sender.
 */
#include "mail/address.h"

#include "rewrite.h"

/* Tables that make an address valid whatever its class. */
static const enum param_id any_class[] = {
	P_RECIPIENT_CANONICAL_MAPS,
	P_CANONICAL_MAPS,
	P_VIRTUAL_ALIAS_MAPS,
	P_RELOCATED_MAPS,
};

static enum asked
in_maps(struct question *q, enum param_id param, struct str addr,
    uint8_t flags)
{
	if (conf_list(q->rw->conf, param).n == 0)
		return ASK_NONE;
	return ask_find(q, FIND_ADDRESS, flags, param, STR_NONE, addr, NULL);
}

/* These must always be there (RFC 5321 section 4.5.1), and our own. */
static bool
always_there(const struct conf *c, struct str local)
{
	return str_caseeq(local, STR("postmaster")) ||
	    str_caseeq(local, conf_str(c, P_DOUBLE_BOUNCE_SENDER));
}

enum asked
exists(struct question *q, struct str addr, enum resolve_class class,
    const struct route *route, enum resolve_exists *out, struct str *why)
{
	const struct conf *c = q->rw->conf;
	enum param_id maps = P_LOCAL_RECIPIENT_MAPS;
	uint8_t flags = 0;
	enum asked r;

	*out = EXISTS_YES;
	*why = STR_NONE;
	for (size_t i = 0; i < NELEM(any_class); i++) {
		r = in_maps(q, any_class[i], addr,
		    class == CLASS_LOCAL ? FIND_BARE_USER : 0);
		if (r != ASK_NONE)
			return r;
	}
	if (route_refuses(route->transport)) {
		*why = route->nexthop;
		*out = EXISTS_NO;
		return ASK_FOUND;
	}
	switch (class) {
	case CLASS_LOCAL:
		flags = FIND_BARE_USER;
		*why = STR("User unknown in local recipient table");
		if (always_there(c, addr_local(addr)))
			return ASK_FOUND;
		break;
	case CLASS_VIRTUAL_ALIAS: /* its transport is error */
		return ASK_FOUND;
	case CLASS_VIRTUAL_MAILBOX:
		maps = P_VIRTUAL_MAILBOX_MAPS;
		*why = STR("User unknown in virtual mailbox table");
		break;
	case CLASS_RELAY:
		maps = P_RELAY_RECIPIENT_MAPS;
		*why = STR("User unknown in relay recipient table");
		break;
	case CLASS_DEFAULT:
		*out = EXISTS_UNKNOWN;
		return ASK_FOUND;
	}
	/* No table: nobody keeps a list of them. */
	*out = EXISTS_UNKNOWN;
	if (conf_list(c, maps).n == 0)
		return ASK_FOUND;
	r = in_maps(q, maps, addr, flags);
	*out = r == ASK_FOUND ? EXISTS_YES : EXISTS_NO;
	return r == ASK_NONE ? ASK_FOUND : r;
}
