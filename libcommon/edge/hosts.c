/* SPDX-License-Identifier: ISC */
/*
 * Lists of mail servers, packed.
 */
#include "edge/hosts.h"

#include <string.h>

#include "queue/wire.h"

static size_t
ip_bytes(const struct netaddr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

int
hosts_put(struct buf *b, const struct dns_host *h)
{
	if (h->name.n > HOSTS_NAME_MAX || ip_bytes(&h->addr) == 0)
		return -1;
	wr_str(b, h->name);
	wr_uint(b, h->addr.family, 1);
	(void)buf_add(b, h->addr.ip, ip_bytes(&h->addr));
	wr_uint(b, h->addr.port, 2);
	wr_uint(b, h->item, 1);
	wr_uint(b, h->pref, 2);
	wr_uint(b, h->expires, 4);
	wr_uint(b, h->ticket, 8);
	return buf_full(b) ? -1 : 0;
}

int
hosts_next(struct str *list, struct dns_host *out)
{
	struct rd r = rd_make(*list);
	struct str ip;

	*out = (struct dns_host){ .pref = 0 };
	if (list->n == 0)
		return 0;
	out->name = rd_str(&r, HOSTS_NAME_MAX);
	out->addr.family = rd_u8(&r);
	if (ip_bytes(&out->addr) == 0)
		return -1;
	ip = rd_bytes(&r, ip_bytes(&out->addr));
	if (r.bad)
		return -1;
	memcpy(out->addr.ip, ip.p, ip.n);
	out->addr.port = rd_u16(&r);
	out->item = rd_u8(&r);
	out->pref = rd_u16(&r);
	out->expires = rd_u32(&r);
	out->ticket = rd_u64(&r);
	if (r.bad)
		return -1;
	*list = str_make(r.p, rd_left(&r));
	return 1;
}
