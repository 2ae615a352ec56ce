/* SPDX-License-Identifier: ISC */
/*
 * Reading an envelope's encoded form, from memory or in windows of a file.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "queue/envelope.h"
#include "queue/wire.h"

#define WINDOW 65536

/* What may come next; the order of records is the order of these. */
enum {
	AT_HEAD,
	AT_EDITS,
	AT_RCPTS,
	AT_END,
	AT_BAD
};

struct record {
	unsigned type;
	struct rd body;
	size_t size; /* with its header */
};

void
env_open(struct env_reader *r, struct str form)
{
	*r = (struct env_reader){ .in = form, .fd = -1 };
}

void
env_open_fd(struct env_reader *r, int fd, uint64_t off, uint64_t size)
{
	*r = (struct env_reader){ .left = size, .fd = fd, .fd_off = off };
}

void
env_open_part(struct env_reader *r, struct str part)
{
	*r = (struct env_reader){ .in = part,
		.fd = -1,
		.state = AT_EDITS,
		.part = true };
}

/* A part has no END: it is over when nothing is left. */
static bool
part_over(struct env_reader *r)
{
	if (!r->part || r->in.n > 0)
		return false;
	r->state = AT_END;
	return true;
}

void
env_close(struct env_reader *r)
{
	if (r->own_fd)
		fd_close(&r->fd);
	free(r->win);
	env_open(r, STR_NONE);
}

static int
refuse(struct env_reader *r)
{
	r->state = AT_BAD;
	errno = EINVAL;
	return -1;
}

/* Move the window on so that it begins at r->in and has at least n bytes. */
static int
fill(struct env_reader *r, size_t n)
{
	size_t want;
	ssize_t got;

	if (r->in.n >= n)
		return 0;
	if (r->fd == -1 || n - r->in.n > r->left)
		return refuse(r);
	if (n > r->win_cap) {
		size_t cap = n > WINDOW ? n : WINDOW;
		char *win = xmalloc(cap);

		if (r->in.n > 0)
			memcpy(win, r->in.p, r->in.n);
		free(r->win);
		r->win = win;
		r->win_cap = cap;
	} else if (r->in.n > 0)
		memmove(r->win, r->in.p, r->in.n);
	want = r->win_cap - r->in.n;
	if (want > r->left)
		want = (size_t)r->left;
	r->in.p = r->win;
	got = fd_pread_all(r->fd, r->win + r->in.n, want, (off_t)r->fd_off);
	if (got == -1) {
		r->state = AT_BAD;
		return -1;
	}
	r->in.n += (size_t)got;
	r->fd_off += (uint64_t)got;
	r->left -= (uint64_t)got;
	return (size_t)got < want ? refuse(r) : 0;
}

/* Look at the next record without taking it. */
static int
peek(struct env_reader *r, struct record *out)
{
	struct rd head;
	uint32_t len;

	if (r->state == AT_BAD)
		return refuse(r);
	if (fill(r, WIRE_HEADER) == -1)
		return -1;
	head = rd_make(str_sub(r->in, 0, WIRE_HEADER));
	out->type = rd_u16(&head);
	len = rd_u32(&head);
	if (len > ENV_RECORD_MAX)
		return refuse(r);
	out->size = WIRE_HEADER + len;
	if (fill(r, out->size) == -1)
		return -1;
	out->body = rd_make(str_sub(r->in, WIRE_HEADER, out->size));
	return 0;
}

/* Only its type; 0 when there is none. */
static unsigned
peek_type(struct env_reader *r)
{
	if (r->in.n < WIRE_HEADER && fill(r, WIRE_HEADER) == -1)
		return 0;
	return (unsigned)wire_get(r->in.p, 2);
}

static void
take(struct env_reader *r, const struct record *rec)
{
	r->in = str_sub(r->in, rec->size, r->in.n);
	r->base += rec->size;
}

static int
head_record(struct rd *b, struct envelope *e)
{
	if (rd_u16(b) != ENV_VERSION)
		return -1;
	e->arrival_us = rd_i64(b);
	e->flags = rd_u32(b);
	e->origin = rd_u8(b);
	e->ret = rd_u8(b);
	if (rd_end(b) == -1 || e->arrival_us < 0 ||
	    (e->flags & ~ENV_FLAGS_ALL) != 0 || e->origin < ENV_FROM_SMTPD ||
	    e->origin > ENV_ORIGIN_LAST || e->ret > ENV_RET_HDRS)
		return -1;
	return 0;
}

static int
attr_record(struct rd *b, unsigned least, struct envelope *e)
{
	unsigned id = rd_u16(b);
	struct str v = rd_str(b, ENV_ATTR_MAX);

	if (rd_end(b) == -1 || id < least || id >= ENV_NATTRS)
		return -1;
	/* An empty value is a value: its pointer is not NULL. */
	e->attr[id] = v;
	return (int)id;
}

/*
 * HEAD, SENDER and the ATTRs.  They must not move while they are borrowed:
 * what a proper head can need is in the window before the first is decoded,
 * and the record behind them is only looked at for its type.
 */
int
env_read_head(struct env_reader *r, struct envelope *out)
{
	struct envelope e = { 0 };
	struct record rec;
	uint64_t all = r->in.n + r->left;
	unsigned least = 0;

	static_assert(ENV_NATTRS * (ENV_ATTR_MAX + 64) + ENV_ADDR_MAX + 64 <
		ENV_HEAD_MAX,
	    "the head fits in a window");
	if (r->state != AT_HEAD)
		return refuse(r);
	if (fill(r, all < ENV_HEAD_MAX ? (size_t)all : ENV_HEAD_MAX) == -1)
		return -1;
	if (peek(r, &rec) == -1)
		return -1;
	if (rec.type != ENV_HEAD || head_record(&rec.body, &e) == -1)
		return refuse(r);
	take(r, &rec);
	if (peek(r, &rec) == -1)
		return -1;
	e.sender = rd_str(&rec.body, ENV_ADDR_MAX);
	if (rec.type != ENV_SENDER || rd_end(&rec.body) == -1)
		return refuse(r);
	take(r, &rec);
	while (peek_type(r) == ENV_ATTR) {
		int id;

		if (peek(r, &rec) == -1)
			return -1;
		id = attr_record(&rec.body, least, &e);
		if (id == -1)
			return refuse(r);
		least = (unsigned)id + 1;
		take(r, &rec);
	}
	if (r->state == AT_BAD)
		return -1;
	r->state = AT_EDITS;
	*out = e;
	return 0;
}

int
env_read_edit(struct env_reader *r, struct env_edit *out)
{
	struct record rec;
	struct env_edit e;

	if (r->state > AT_EDITS && r->state != AT_BAD)
		return 0;
	if (r->state == AT_HEAD)
		return refuse(r);
	if (part_over(r))
		return 0;
	if (peek(r, &rec) == -1)
		return -1;
	if (rec.type != ENV_EDIT) {
		r->state = AT_RCPTS;
		return 0;
	}
	e.off = rd_u64(&rec.body);
	e.del = rd_u64(&rec.body);
	e.ins = rd_str(&rec.body, ENV_INSERT_MAX);
	if (rd_end(&rec.body) == -1 || e.off > UINT64_MAX - e.del ||
	    e.off < r->edit_at || r->nedits == ENV_EDITS_MAX)
		return refuse(r);
	r->edit_at = e.off + e.del;
	r->nedits++;
	take(r, &rec);
	*out = e;
	return 1;
}

static int
rcpt_record(struct rd *b, struct env_rcpt *out)
{
	out->ticket = rd_u64(b);
	out->flags = rd_u32(b);
	out->notify = rd_u8(b);
	out->addr = rd_str(b, ENV_ADDR_MAX);
	out->orig = rd_str(b, ENV_ADDR_MAX);
	out->orcpt = rd_str(b, ENV_ADDR_MAX);
	out->transport = rd_str(b, ENV_NAME_MAX);
	out->nexthop = rd_str(b, ENV_NEXTHOP_MAX);
	if (rd_end(b) == -1 || out->addr.n == 0 ||
	    (out->flags & ~ENV_RCPT_FLAGS_ALL) != 0 ||
	    (out->notify & ~ENV_NOTIFY_ALL) != 0)
		return -1;
	return 0;
}

/* END: its counts are right and it is the last thing there. */
static int
end_record(struct env_reader *r, struct record *rec)
{
	uint32_t nedits = rd_u32(&rec->body);
	uint32_t nrcpts = rd_u32(&rec->body);

	if (rec->type != ENV_END || rd_end(&rec->body) == -1 ||
	    nedits != r->nedits || nrcpts != r->nrcpts)
		return refuse(r);
	take(r, rec);
	if (r->in.n > 0 || r->left > 0)
		return refuse(r);
	r->state = AT_END;
	return 0;
}

int
env_read_rcpt(struct env_reader *r, struct env_rcpt *out)
{
	struct record rec;
	struct env_edit skipped;

	while (r->state == AT_EDITS) {
		if (env_read_edit(r, &skipped) == -1)
			return -1;
	}
	if (r->state == AT_END || part_over(r))
		return 0;
	if (r->state != AT_RCPTS)
		return refuse(r);
	if (peek(r, &rec) == -1)
		return -1;
	if (rec.type != ENV_RCPT)
		return end_record(r, &rec);
	if (r->nrcpts == ENV_RCPTS_MAX || rcpt_record(&rec.body, out) == -1)
		return refuse(r);
	r->nrcpts++;
	take(r, &rec);
	return 1;
}

struct env_place
env_tell(const struct env_reader *r)
{
	return (struct env_place){ r->base, r->nedits, r->nrcpts };
}

int
env_seek(struct env_reader *r, const struct env_place *at)
{
	uint64_t by;

	if ((r->state != AT_EDITS && r->state != AT_RCPTS) ||
	    at->off < r->base || at->off - r->base > r->in.n + r->left)
		return refuse(r);
	by = at->off - r->base;
	r->base = at->off;
	if (by <= r->in.n)
		r->in = str_sub(r->in, (size_t)by, r->in.n);
	else {
		by -= r->in.n;
		r->in.n = 0;
		r->fd_off += by;
		r->left -= by;
	}
	r->nedits = at->nedits;
	r->nrcpts = at->nrcpts;
	r->state = AT_RCPTS;
	return 0;
}

int
env_check(struct env_reader *r, uint64_t content_size, struct envelope *head,
    struct env_counts *out)
{
	struct env_counts c = { .edited_size = content_size };
	struct envelope e;
	struct env_edit edit;
	struct env_rcpt rcpt;
	int k;

	if (env_read_head(r, &e) == -1)
		return -1;
	while ((k = env_read_edit(r, &edit)) == 1) {
		if (edit.off + edit.del > content_size)
			return refuse(r);
		c.edited_size += edit.ins.n;
		c.edited_size -= edit.del;
	}
	while (k == 0 && (k = env_read_rcpt(r, &rcpt)) == 1)
		k = 0;
	if (k == -1)
		return -1;
	c.nedits = r->nedits;
	c.nrcpts = r->nrcpts;
	if (head != NULL)
		*head = e;
	if (out != NULL)
		*out = c;
	return 0;
}

int
env_edits(struct str form, struct env_edit **out, size_t *n)
{
	struct env_reader r;
	struct envelope e;
	struct env_edit edit, *v = NULL;
	size_t have = 0, cap = 0;
	int k;

	env_open(&r, form);
	if (env_read_head(&r, &e) == -1)
		return -1;
	while ((k = env_read_edit(&r, &edit)) == 1) {
		if (have == cap) {
			cap = cap == 0 ? 16 : cap * 2;
			v = xreallocarray(v, cap, sizeof(*v));
		}
		v[have++] = edit;
	}
	if (k == -1) {
		free(v);
		return -1;
	}
	*out = v;
	*n = have;
	return 0;
}
