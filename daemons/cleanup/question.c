/* SPDX-License-Identifier: ISC */
/*
 * What rewrite has to say of a message's addresses: their standard form, and
 * where recipients go.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"

#include "cleanup.h"

#define AHEAD 256 /* questions of one message that are on their way */

static void put(struct message *m);

bool
question_needed(const struct settings *s, struct str addr)
{
	struct str domain = addr_domain(addr);

	if (addr.n == 0)
		return false;
	if (domain.n > 0)
		return s->append_dot && domain.p[0] != '[' &&
		    str_chr(domain, '.') == -1;
	return s->append_origin || (s->bang && str_chr(addr, '!') > 0) ||
	    (s->percent && str_chr(addr, '%') > 0);
}

void
question_add(struct message *m, enum about about, size_t index, uint64_t span,
    struct str addr)
{
	/* Grown at every power of two; they move only before they are asked. */
	if ((m->nquestions & (m->nquestions - 1)) == 0)
		m->questions = xreallocarray(m->questions,
		    m->nquestions == 0 ? 1 : m->nquestions * 2,
		    sizeof(*m->questions));
	m->questions[m->nquestions++] = (struct question){ .m = m,
		.about = about,
		.index = index,
		.span = span,
		.addr = about == ABOUT_HEADER ? message_keep(m, addr) : addr };
}

static void
answer_rcpt(struct question *q, const struct resolve_answer *a)
{
	struct message *m = q->m;
	struct env_rcpt *r = &m->rcpts[q->index];

	if (a->status == RESOLVE_BAD) {
		message_refuse(m, 501, DSN(5, 1, 3),
		    "Bad recipient address syntax");
		return;
	}
	/* A table that cannot be read now: qmgr asks again. */
	if (a->status != RESOLVE_OK || !addr_valid(a->addr) || a->addr.n == 0)
		return;
	r->addr = message_keep(m, a->addr);
	r->transport = message_keep(m, a->transport);
	r->nexthop = message_keep(m, a->nexthop);
	r->ticket = a->ticket;
}

static void
answer_header(struct question *q, const struct resolve_answer *a)
{
	struct message *m = q->m;
	struct buf text;

	if (a->status == RESOLVE_BAD || !addr_valid(a->addr) ||
	    a->addr.n == 0 || str_eq(a->addr, q->addr))
		return;
	buf_init(&text, ADDR_QUOTED_MAX);
	if (addr_quote(&text, a->addr) == 0 &&
	    edits_set(&m->edits, q->index, buf_get(&text)) == 0)
		m->edits.v[q->index].del = q->span;
	buf_clear(&text);
}

static void
answer(struct question *q, const struct resolve_answer *a)
{
	switch (q->about) {
	case ABOUT_SENDER:
		if (a->status == RESOLVE_OK && addr_valid(a->addr))
			q->m->env.sender = message_keep(q->m, a->addr);
		return;
	case ABOUT_RCPT:
		answer_rcpt(q, a);
		return;
	case ABOUT_HEADER:
		answer_header(q, a);
		return;
	}
}

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	struct question *q = arg;
	struct message *m = q->m;

	(void)fds;
	q->handle = 0;
	m->answered++;
	if (type == RESOLVE_ANSWER)
		answer(q, rec);
	else
		message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: address resolver down");
	if (m->refusal.code == 0 && m->answered < m->nquestions)
		put(m);
	else
		message_finish(m);
}

/* Put as many as may be on their way. */
static void
put(struct message *m)
{
	while (m->asked < m->nquestions && m->asked - m->answered < AHEAD) {
		struct question *q = &m->questions[m->asked++];
		struct resolve_ask ask = { .addr = q->addr,
			.sender = m->env.sender };

		if (q->about != ABOUT_RCPT)
			ask.flags = RESOLVE_SENDER;
		q->handle =
		    chan_ask(m->rewrite, RESOLVE_ASK, &ask, NULL, on_answer, q);
	}
}

void
question_start(struct message *m)
{
	m->rewrite = m->cl->rewrite;
	if (m->nquestions > 0 && m->rewrite == NULL)
		message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: address resolver down");
	else
		put(m);
}

void
question_forget(struct message *m)
{
	for (size_t i = 0; i < m->asked; i++)
		if (m->questions[i].handle != 0)
			chan_forget(m->rewrite, m->questions[i].handle);
}
