/* SPDX-License-Identifier: ISC */
/*
 * Jobs of delivery agents.
 */
#include "agent/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "queue/content.h"

/* --- the job -------------------------------------------------------------- */

/* Copy into the job's own memory. */
static struct str
keep(char **to, struct str s)
{
	struct str kept = { *to, s.n };

	if (s.n > 0)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return kept;
}

/* How many recipients a part of an envelope has; -1 when it is none. */
static long
count(struct str part)
{
	struct env_reader er;
	struct env_rcpt r;
	long n = 0;
	int k;

	env_open_part(&er, part);
	while ((k = env_read_rcpt(&er, &r)) == 1)
		n++;
	return k == -1 || n == 0 || n > UINT16_MAX ? -1 : n;
}

static void
take_rcpts(struct agent_job *j, struct str part)
{
	struct env_reader er;
	struct env_rcpt r;

	env_open_part(&er, part);
	for (uint16_t i = 0; i < j->nrcpts && env_read_rcpt(&er, &r) == 1; i++)
		j->rcpts[i] = (struct agent_rcpt){ .addr = r.addr,
			.orig = r.orig,
			.orcpt = r.orcpt,
			.notify = r.notify };
}

struct agent_job *
agent_job_new(struct chan *ch, uint64_t id, const struct deliver_job *rec,
    int *fds, const char *relay)
{
	long n = count(rec->rcpts);
	struct agent_job *j;
	char *p;

	if (n == -1)
		return NULL;
	j = xcalloc(1, sizeof(*j));
	j->ch = ch;
	j->id = id;
	j->relay = relay;
	j->arrived_us = rec->arrived_us;
	j->active_us = rec->active_us;
	j->began_us = clock_wall_us();
	j->flags = rec->flags;
	j->offset = rec->offset;
	j->size = rec->size;
	j->text = p = xmalloc(rec->qid.n + rec->sender.n + rec->transport.n +
	    rec->nexthop.n + rec->envid.n + rec->edits.n + rec->rcpts.n + 1);
	j->qid = keep(&p, rec->qid);
	j->sender = keep(&p, rec->sender);
	j->transport = keep(&p, rec->transport);
	j->nexthop = keep(&p, rec->nexthop);
	j->envid = keep(&p, rec->envid);
	j->edits = keep(&p, rec->edits);
	j->nrcpts = j->left = (uint16_t)n;
	j->rcpts = xcalloc((size_t)n, sizeof(*j->rcpts));
	take_rcpts(j, keep(&p, rec->rcpts));
	buf_init(&j->seen, 65536);
	j->fd = fds[0];
	fds[0] = -1;
	return j;
}

void
agent_job_free(struct agent_job **jp)
{
	struct agent_job *j = *jp;

	*jp = NULL;
	if (j == NULL)
		return;
	fd_close(&j->fd);
	buf_clear(&j->seen);
	free(j->rcpts);
	free(j->text);
	free(j);
}

/* --- headers -------------------------------------------------------------- */

#define FIRST_READ 8192
#define HEADERS_MAX (1 << 20)
#define EDITS_MAX 2048

void
agent_prefix(struct buf *out, unsigned which, struct str sender,
    struct str orig, struct str addr)
{
	if (which & AGENT_RETURN_PATH) {
		buf_puts(out, "Return-Path: <");
		addr_quote(out, sender);
		buf_puts(out, ">\n");
	}
	if ((which & AGENT_ORIGINAL_TO) && orig.n > 0) {
		buf_puts(out, "X-Original-To: ");
		addr_quote(out, orig);
		buf_puts(out, "\n");
	}
	if (which & AGENT_DELIVERED_TO) {
		buf_puts(out, "Delivered-To: ");
		addr_quote(out, addr);
		buf_puts(out, "\n");
	}
}

static struct env_edit *
edits_of(const struct agent_job *j, size_t *n)
{
	struct env_edit *v = NULL, e;
	struct env_reader er;
	size_t cap = 0;

	*n = 0;
	env_open_part(&er, j->edits);
	while (*n < EDITS_MAX && env_read_edit(&er, &e) == 1) {
		if (*n == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			v = xreallocarray(v, cap, sizeof(*v));
		}
		v[(*n)++] = e;
	}
	return v;
}

/* Remember the values of Delivered-To:, one a line. */
static bool
note_headers(struct agent_job *j, struct str text, bool whole)
{
	struct header_iter it;
	struct header h;
	enum header_result r;

	buf_reset(&j->seen);
	header_iter_init(&it, text, HEADER_SIZE_LIMIT, whole);
	while ((r = header_next(&it, &h)) == HEADER_FIELD) {
		if (h.id != HEADER_DELIVERED_TO)
			continue;
		buf_str(&j->seen, str_trim(h.value));
		buf_putc(&j->seen, '\n');
	}
	return r == HEADER_END;
}

static int
look(struct agent_job *j)
{
	size_t n, have = 0, cap = FIRST_READ;
	struct env_edit *edits = edits_of(j, &n);
	char *p = xmalloc(cap);
	struct content c;
	ssize_t k = -1;

	if (content_init(&c, j->fd, j->offset, j->size, edits, n) == -1) {
		free(edits);
		free(p);
		return -1;
	}
	while ((k = content_read(&c, p + have, cap - have)) >= 0) {
		have += (size_t)k;
		if (note_headers(j, str_make(p, have),
			k == 0 || have < cap || have >= HEADERS_MAX))
			break;
		cap *= 4;
		p = xreallocarray(p, cap, 1);
	}
	content_clear(&c);
	free(edits);
	free(p);
	j->looked = k >= 0;
	return k >= 0 ? 0 : -1;
}

int
agent_delivered_to(struct agent_job *j, struct str addr)
{
	struct str seen, line;
	struct buf quoted;
	int r = 0;

	if (!j->looked && look(j) == -1)
		return -1;
	if (j->seen.len == 0)
		return 0;
	buf_init(&quoted, ADDR_QUOTED_MAX);
	addr_quote(&quoted, addr);
	seen = buf_get(&j->seen);
	while (r == 0 && str_token(&seen, "\n", &line))
		r = str_caseeq(line, buf_get(&quoted)) ||
		    str_caseeq(line, addr);
	buf_clear(&quoted);
	return r;
}
