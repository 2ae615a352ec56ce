/* SPDX-License-Identifier: ISC */
/*
 * The envelope's encoded form: writing it, and the records inside it.
 */
#include "queue/envelope.h"

#include "queue/wire.h"

static const char *const attr_names[] = {
#define ENV_ATTR_NAME(id, name) [ENV_A_##id] = name,
	ENV_ATTRS(ENV_ATTR_NAME)
};

const char *
env_attr_name(unsigned attr)
{
	return attr < ENV_NATTRS ? attr_names[attr] : NULL;
}

static bool
head_ok(const struct envelope *e)
{
	if ((e->flags & ~ENV_FLAGS_ALL) != 0 || e->origin < ENV_FROM_SMTPD ||
	    e->origin > ENV_ORIGIN_LAST || e->ret > ENV_RET_HDRS ||
	    e->arrival_us < 0 || e->sender.n > ENV_ADDR_MAX)
		return false;
	for (unsigned i = 0; i < ENV_NATTRS; i++) {
		if (e->attr[i].n > ENV_ATTR_MAX)
			return false;
	}
	return true;
}

int
env_put_head(struct buf *b, const struct envelope *e)
{
	size_t at;

	if (!head_ok(e))
		return -1;
	at = wr_begin(b, ENV_HEAD);
	wr_uint(b, ENV_VERSION, 2);
	wr_uint(b, (uint64_t)e->arrival_us, 8);
	wr_uint(b, e->flags, 4);
	wr_uint(b, e->origin, 1);
	wr_uint(b, e->ret, 1);
	wr_done(b, at);
	at = wr_begin(b, ENV_SENDER);
	wr_str(b, e->sender);
	wr_done(b, at);
	for (unsigned i = 0; i < ENV_NATTRS; i++) {
		if (e->attr[i].p == NULL)
			continue;
		at = wr_begin(b, ENV_ATTR);
		wr_uint(b, i, 2);
		wr_str(b, e->attr[i]);
		wr_done(b, at);
	}
	return buf_full(b) ? -1 : 0;
}

int
env_put_edit(struct buf *b, const struct env_edit *e)
{
	size_t at;

	if (e->ins.n > ENV_INSERT_MAX || e->off > UINT64_MAX - e->del)
		return -1;
	at = wr_begin(b, ENV_EDIT);
	wr_uint(b, e->off, 8);
	wr_uint(b, e->del, 8);
	wr_str(b, e->ins);
	wr_done(b, at);
	return buf_full(b) ? -1 : 0;
}

static bool
rcpt_ok(const struct env_rcpt *r)
{
	return r->addr.n > 0 && r->addr.n <= ENV_ADDR_MAX &&
	    r->orig.n <= ENV_ADDR_MAX && r->orcpt.n <= ENV_ADDR_MAX &&
	    r->transport.n <= ENV_NAME_MAX && r->nexthop.n <= ENV_NEXTHOP_MAX &&
	    (r->flags & ~ENV_RCPT_FLAGS_ALL) == 0 &&
	    (r->notify & ~ENV_NOTIFY_ALL) == 0;
}

int
env_put_rcpt(struct buf *b, const struct env_rcpt *r)
{
	size_t at;

	if (!rcpt_ok(r))
		return -1;
	at = wr_begin(b, ENV_RCPT);
	wr_uint(b, r->ticket, 8);
	wr_uint(b, r->flags, 4);
	wr_uint(b, r->notify, 1);
	wr_str(b, r->addr);
	wr_str(b, r->orig);
	wr_str(b, r->orcpt);
	wr_str(b, r->transport);
	wr_str(b, r->nexthop);
	wr_done(b, at);
	return buf_full(b) ? -1 : 0;
}

int
env_put_end(struct buf *b, uint32_t nedits, uint32_t nrcpts)
{
	size_t at;

	if (nedits > ENV_EDITS_MAX || nrcpts > ENV_RCPTS_MAX)
		return -1;
	at = wr_begin(b, ENV_END);
	wr_uint(b, nedits, 4);
	wr_uint(b, nrcpts, 4);
	wr_done(b, at);
	return buf_full(b) ? -1 : 0;
}
