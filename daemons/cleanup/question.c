/* SPDX-License-Identifier: ISC */
/*
 * What rewrite and lookup have to say of a message's addresses: their standard
 * form, where recipients go, and what they stand for.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"

#include "cleanup.h"

#define AHEAD 256 /* questions of one message that are on their way */

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

struct question *
question_add(struct message *m, enum about about, size_t index, struct str addr)
{
	struct question *q = xcalloc(1, sizeof(*q));

	q->m = m;
	q->about = about;
	q->index = index;
	q->addr = addr;
	TAILQ_INSERT_TAIL(&m->todo, q, link);
	return q;
}

/* Without an answer, qmgr asks again; but not about aliases and copies. */
static void
no_answer(struct message *m)
{
	if (m->cl->set.aliases || m->cl->set.bcc_rcpt)
		message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: address resolver problem");
}

/*
 * No address.  What the administrator wrote is not to stop the mail of others:
 * a copy is not made, and what an alias names goes to qmgr without a route,
 * which finds the same and tells the sender of that one recipient.
 */
static void
bad_rcpt(struct message *m, size_t i)
{
	struct rcpt *r = &m->rcpts[i];
	struct str addr = r->e.addr;

	if ((r->e.flags & ENV_RCPT_BCC) != 0) {
		log_warn("%s: no address for a copy: " STR_FMT, m->qid,
		    STR_ARG(addr));
		r->gone = m->expanded = true;
	} else if ((r->e.flags & ENV_RCPT_EXPANDED) != 0) {
		log_warn("%s: virtual_alias_maps: " STR_FMT
			 " stands for " STR_FMT ", which is no address",
		    m->qid, STR_ARG(m->rcpts[r->root].e.addr), STR_ARG(addr));
	} else if (m->env.attr[ENV_A_REDIRECT].n > 0) {
		message_refuse(m, 451, DSN(4, 3, 5),
		    "Server configuration error");
	} else {
		message_refuse(m, 501, DSN(5, 1, 3),
		    "Bad recipient address syntax");
	}
}

static void
answer_rcpt(struct question *q, const struct resolve_answer *a)
{
	struct message *m = q->m;
	struct env_rcpt *r = &m->rcpts[q->index].e;

	if (a->status == RESOLVE_BAD) {
		bad_rcpt(m, q->index);
		return;
	}
	if (a->status != RESOLVE_OK || a->addr.n == 0 || !addr_valid(a->addr)) {
		no_answer(m);
		return;
	}
	r->addr = message_keep(m, a->addr);
	r->transport = message_keep(m, a->transport);
	r->nexthop = message_keep(m, a->nexthop);
	r->ticket = a->ticket;
	bcc_rcpt(m, q->index);
	alias_check(m, q->index);
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
		bcc_sender(q->m);
		return;
	case ABOUT_RCPT:
		answer_rcpt(q, a);
		return;
	case ABOUT_HEADER:
		answer_header(q, a);
		return;
	case ABOUT_ALIAS:
	case ABOUT_RCPT_BCC:
	case ABOUT_SENDER_BCC:
		return; /* not rewrite's to answer */
	}
}

static void
question_free(struct question *q)
{
	struct message *m = q->m;

	if (q->whom != NULL) {
		TAILQ_REMOVE(&m->open, q, link);
		m->nopen--;
	} else
		TAILQ_REMOVE(&m->todo, q, link);
	free(q);
}

/* What a question was about is dealt with: on with the message. */
static void
done(struct question *q)
{
	struct message *m = q->m;

	question_free(q);
	if (!question_run(m))
		message_finish(m);
}

static void
on_resolved(unsigned type, const void *rec, int *fds, void *arg)
{
	struct question *q = arg;

	(void)fds;
	if (type == RESOLVE_ANSWER)
		answer(q, rec);
	else
		message_refuse(q->m, 451, DSN(4, 3, 0),
		    "Error: address resolver down");
	done(q);
}

static void
on_found(unsigned type, const void *rec, int *fds, void *arg)
{
	struct question *q = arg;

	(void)fds;
	if (type == LOOKUP_ANSWER && q->about == ABOUT_ALIAS)
		alias_answer(q->m, q->index, rec);
	else if (type == LOOKUP_ANSWER)
		bcc_answer(q->m, rec);
	else
		message_refuse(q->m, 451, DSN(4, 3, 0),
		    "Error: table lookup service down");
	done(q);
}

/* The tables that answer, or none. */
static struct str
tables(enum about about)
{
	switch (about) {
	case ABOUT_ALIAS:
		return STR("virtual_alias_maps");
	case ABOUT_RCPT_BCC:
		return STR("recipient_bcc_maps");
	case ABOUT_SENDER_BCC:
		return STR("sender_bcc_maps");
	case ABOUT_SENDER:
	case ABOUT_RCPT:
	case ABOUT_HEADER:
		break;
	}
	return STR_NONE;
}

/* Put it to whom it concerns; false when nobody is there. */
static bool
put(struct question *q)
{
	struct message *m = q->m;
	struct resolve_ask ask = { .addr = q->addr,
		.sender = m->env.sender,
		.flags = q->about == ABOUT_RCPT ? 0 : RESOLVE_SENDER };
	struct lookup_find find = { .how = FIND_ADDRESS,
		.flags = q->flags,
		.param = tables(q->about),
		.key = q->addr };
	bool table = find.param.n > 0;
	struct chan *whom = table ? m->cl->lookup : m->cl->rewrite;

	if (whom == NULL)
		return false;
	TAILQ_REMOVE(&m->todo, q, link);
	TAILQ_INSERT_TAIL(&m->open, q, link);
	m->nopen++;
	q->whom = whom;
	q->handle = table ?
	    chan_ask(whom, LOOKUP_FIND, &find, NULL, on_found, q) :
	    chan_ask(whom, RESOLVE_ASK, &ask, NULL, on_resolved, q);
	return true;
}

bool
question_run(struct message *m)
{
	struct question *q;

	while (m->refusal.code == 0 && m->nopen < AHEAD &&
	    (q = TAILQ_FIRST(&m->todo)) != NULL)
		if (!put(q))
			message_refuse(m, 451, DSN(4, 3, 0),
			    "Error: address resolver down");
	return m->refusal.code == 0 && m->nopen > 0;
}

void
question_forget(struct message *m)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&m->todo)) != NULL)
		question_free(q);
	while ((q = TAILQ_FIRST(&m->open)) != NULL) {
		chan_forget(q->whom, q->handle);
		question_free(q);
	}
}
