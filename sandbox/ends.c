/* SPDX-License-Identifier: ISC */
/*
 * Ends of channels that take no descriptors.
 */
#include "sandbox/ends.h"

#include <string.h>

#include "chan/chan.h"

/* Is it a line about channels to peer, or to whoever there is? */
static bool
is_about(const char *name, enum policy_kind kind, const char *peer)
{
	return kind == KIND_CHANNEL &&
	    (strcmp(name, peer) == 0 || policy_find(str_of(name)) == NULL);
}

bool
ends_receive(const struct policy *p, const char *peer)
{
	uint32_t rights = 0;

	for (size_t i = 0; i < p->nslots; i++)
		if (is_about(p->slots[i].name, p->slots[i].kind, peer))
			rights |= p->slots[i].rights;
	for (size_t i = 0; i < p->ngrants; i++)
		if (is_about(p->grants[i].name, p->grants[i].kind, peer))
			rights |= p->grants[i].rights;
	return (rights & RIGHT_RECVFD) != 0;
}

void
ends_shut(const struct policy *a, const struct policy *b, const int ends[2])
{
	if (!ends_receive(a, b->name))
		chan_refuse_fds(ends[0]);
	if (!ends_receive(b, a->name))
		chan_refuse_fds(ends[1]);
}
