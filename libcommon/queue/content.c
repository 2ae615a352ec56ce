/* SPDX-License-Identifier: ISC */
/*
 * A message's content, edits applied, through one bounded window.
 */
#include "queue/content.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

int
content_init(struct content *c, int fd, uint64_t off, uint64_t size,
    const struct env_edit *edits, size_t nedits)
{
	uint64_t at = 0, edited = size;

	*c = (struct content){ .fd = fd, .off = off, .size = size };
	for (size_t i = 0; i < nedits; i++) {
		const struct env_edit *e = &edits[i];

		if (e->off < at || e->off > size || e->del > size - e->off) {
			errno = EINVAL;
			return -1;
		}
		at = e->off + e->del;
		edited += e->ins.n;
		edited -= e->del;
	}
	c->edits = edits;
	c->nedits = nedits;
	c->edited = edited;
	c->win = xmalloc(CONTENT_WINDOW);
	return 0;
}

void
content_clear(struct content *c)
{
	free(c->win);
	*c = (struct content){ .fd = -1 };
}

void
content_rewind(struct content *c)
{
	c->edit = 0;
	c->pos = 0;
	c->ins = 0;
	c->inserting = false;
	c->win_at = c->win_end = 0;
	c->mid = false;
}

/* Bytes of the content as received, up to the next edit or the end. */
static ssize_t
raw(struct content *c, char *p, size_t n)
{
	uint64_t stop = c->edit < c->nedits ? c->edits[c->edit].off : c->size;
	ssize_t k;

	if (n > stop - c->pos)
		n = (size_t)(stop - c->pos);
	do
		k = pread(c->fd, p, n, (off_t)(c->off + c->pos));
	while (k == -1 && errno == EINTR);
	if (k == 0) {
		errno = EIO;
		return -1;
	}
	if (k > 0)
		c->pos += (uint64_t)k;
	return k;
}

/* Bytes of the insertion we are at. */
static size_t
inserted(struct content *c, char *p, size_t n)
{
	struct str ins = c->edits[c->edit].ins;

	if (n > ins.n - c->ins)
		n = ins.n - c->ins;
	if (n > 0)
		memcpy(p, ins.p + c->ins, n);
	c->ins += n;
	if (c->ins == ins.n) {
		c->edit++;
		c->inserting = false;
	}
	return n;
}

/* Some bytes behind the window's end, into p; 0 at the end. */
static ssize_t
produce(struct content *c, char *p, size_t n)
{
	while (n > 0) {
		size_t k;

		if (c->inserting) {
			k = inserted(c, p, n);
			if (k > 0)
				return (ssize_t)k;
			continue;
		}
		if (c->edit < c->nedits && c->edits[c->edit].off == c->pos) {
			c->pos += c->edits[c->edit].del;
			c->ins = 0;
			c->inserting = true;
			continue;
		}
		return c->pos == c->size ? 0 : raw(c, p, n);
	}
	return 0;
}

/* Fill up the window.  The number of bytes in it, or -1. */
static ssize_t
refill(struct content *c)
{
	size_t have = c->win_end - c->win_at;

	if (c->win_at > 0 && have > 0)
		memmove(c->win, c->win + c->win_at, have);
	c->win_at = 0;
	c->win_end = have;
	while (c->win_end < CONTENT_WINDOW) {
		ssize_t k = produce(c, c->win + c->win_end,
		    CONTENT_WINDOW - c->win_end);

		if (k == -1)
			return -1;
		if (k == 0)
			break;
		c->win_end += (size_t)k;
	}
	return (ssize_t)c->win_end;
}

ssize_t
content_read(struct content *c, void *out, size_t n)
{
	char *p = out;
	size_t got = 0;

	while (got < n) {
		size_t have = c->win_end - c->win_at;
		ssize_t k;

		if (have > 0) {
			have = have < n - got ? have : n - got;
			memcpy(p + got, c->win + c->win_at, have);
			c->win_at += have;
			got += have;
			continue;
		}
		k = produce(c, p + got, n - got);
		if (k == -1)
			return -1;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

int
content_next(struct content *c, struct str *out)
{
	if (c->win_at == c->win_end && refill(c) == -1)
		return -1;
	*out = str_make(c->win + c->win_at, c->win_end - c->win_at);
	c->win_at = c->win_end;
	return out->n > 0;
}

int
content_line(struct content *c, struct str *out, int *part)
{
	size_t have = c->win_end - c->win_at;
	const char *p = c->win + c->win_at;
	const char *lf = have > 0 ? memchr(p, '\n', have) : NULL;

	if (lf == NULL && have < CONTENT_WINDOW) {
		if (refill(c) == -1)
			return -1;
		p = c->win;
		have = c->win_end;
		lf = have > 0 ? memchr(p, '\n', have) : NULL;
	}
	if (have == 0)
		return 0;
	*part = c->mid ? 0 : CONTENT_FIRST;
	if (lf != NULL)
		*part |= CONTENT_LAST;
	*out = str_make(p, lf != NULL ? (size_t)(lf - p) : have);
	c->win_at += out->n + (lf != NULL);
	c->mid = lf == NULL;
	return 1;
}
