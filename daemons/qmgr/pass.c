/* SPDX-License-Identifier: ISC */
#include "pass.h"

/* The part of `transport:nexthop` that names a line of master.cf. */
static bool
names(const struct conf *c, enum param_id id, struct str transport)
{
	struct str value = str_trim(conf_str(c, id));
	ptrdiff_t colon = str_chr(value, ':');

	if (colon != -1)
		value = str_sub(value, 0, (size_t)colon);
	return transport.n > 0 && str_eq(value, transport);
}

bool
pass_allowed(const struct conf *c, struct str transport)
{
	return names(c, P_MAILBOX_TRANSPORT, transport) ||
	    names(c, P_FALLBACK_TRANSPORT, transport) ||
	    conf_list(c, P_MAILBOX_TRANSPORT_MAPS).n > 0 ||
	    conf_list(c, P_FALLBACK_TRANSPORT_MAPS).n > 0;
}
