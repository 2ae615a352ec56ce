/* SPDX-License-Identifier: ISC */
/*
 * One question, from beginning to answer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/domain.h"

#include "rewrite.h"

static TAILQ_HEAD(, question) questions = TAILQ_HEAD_INITIALIZER(questions);

static void
question_free(struct question *q)
{
	TAILQ_REMOVE(&questions, q, link);
	ask_clear(q);
	free(q->text);
	free(q);
}

/* Our word that a next hop comes from the configuration. */
static uint64_t
vouch(const struct rewrite *rw, const struct route *route)
{
	const struct ticket_key *k =
	    str_starts(route->nexthop, STR(NEXTHOP_UNIX)) ?
	    &rw->socket_key :
	    &rw->route_key;

	if (!route->configured || !k->have)
		return 0;
	return ticket_route(k, route->nexthop);
}

/* And that local may pass this recipient on. */
static uint64_t
vouch_pass(const struct rewrite *rw, const struct resolve_answer *a)
{
	const struct ticket_way w = { .addr = a->addr,
		.transport = a->transport,
		.nexthop = a->nexthop,
		.route = a->ticket };

	return rw->way_key.have && a->transport.n > 0 ?
	    ticket_way(&rw->way_key, &w) :
	    0;
}

/*
 * What commands would take for an option of theirs is nobody's address,
 * wherever it comes from: a client, a user of sendmail, an alias.
 */
static bool
is_option(const struct conf *c, struct str addr)
{
	return str_starts(addr, STR("-")) && !conf_bool(c, P_ALLOW_MIN_USER);
}

static bool
is_literal(struct str domain)
{
	return str_starts(domain, STR("["));
}

/*
 * May mail go to a domain that is none of ours?  Where it is only digits it is
 * an address that lacks its brackets, which resolve_numeric_domain adds.  Names
 * in UTF-8 are the DNS's to judge.
 */
static bool
is_domain(const struct conf *c, struct buf *addr)
{
	struct str domain = addr_domain(buf_get(addr));
	struct buf literal;

	for (size_t i = 0; i < domain.n; i++)
		if ((unsigned char)domain.p[i] >= 0x80)
			return true;
	if (is_literal(domain) || domain_valid_hostname(domain))
		return true;
	if (!conf_bool(c, P_RESOLVE_NUMERIC_DOMAIN) ||
	    !domain_valid_address(domain))
		return false;
	buf_init(&literal, ADDR_MAX);
	buf_printf(&literal, "[" STR_FMT "]", STR_ARG(domain));
	buf_trim(addr, domain.n);
	buf_str(addr, buf_get(&literal));
	buf_clear(&literal);
	return !buf_full(addr);
}

static int
bad(struct resolve_answer *a)
{
	a->status = RESOLVE_BAD;
	a->text = STR("bad address syntax");
	return 1;
}

/* 1: the answer is complete; 0: it waits. */
static int
work(struct question *q, struct resolve_answer *a, struct buf *addr,
    struct route *route)
{
	enum resolve_class class;
	enum resolve_exists there = EXISTS_UNKNOWN;
	bool of_user = (q->flags & (RESOLVE_MAILBOX | RESOLVE_FALLBACK)) != 0;
	bool literal;
	enum asked r;

	a->status = RESOLVE_OK;
	if (standard_form(q->rw->conf, q->addr, addr) == -1 ||
	    is_option(q->rw->conf, buf_get(addr)))
		return bad(a);
	r = class_of_address(q, addr, &class);
	if (r == ASK_FOUND && class == CLASS_DEFAULT &&
	    (q->flags & RESOLVE_SENDER) == 0 && !of_user) {
		literal = is_literal(addr_domain(buf_get(addr)));
		if (!is_domain(q->rw->conf, addr))
			return bad(a);
		/* With its brackets it may be one of ours. */
		if (literal != is_literal(addr_domain(buf_get(addr))))
			r = class_of(q, addr_domain(buf_get(addr)), &class);
	}
	if (r == ASK_FOUND) {
		a->addr = buf_get(addr);
		a->class = (uint8_t)class;
		r = of_user ? route_of_user(q, a->addr, route) :
			      route_of(q, a->addr, class, route);
	}
	if (r == ASK_FOUND && (q->flags & RESOLVE_EXISTS) != 0)
		r = exists(q, a->addr, class, route, &there, &a->text);
	if (r == ASK_FOUND && (q->flags & RESOLVE_FLUSH) != 0) {
		r = class_flushed(q, addr_domain(q->addr));
		there = r == ASK_FOUND ? EXISTS_YES : EXISTS_NO;
		if (r == ASK_NONE)
			r = ASK_FOUND;
	}
	if (r == ASK_WAIT)
		return 0;
	if (r == ASK_LATER) {
		a->status = RESOLVE_LATER;
		a->text = str_of(q->reason);
		return 1;
	}
	a->exists = (uint8_t)there;
	a->transport = route->transport;
	a->nexthop = route->nexthop;
	a->ticket = vouch(q->rw, route);
	if (of_user)
		a->pass = vouch_pass(q->rw, a);
	return 1;
}

void
question_run(struct question *q)
{
	struct resolve_answer a = { .status = RESOLVE_OK };
	struct route route = { .configured = false };
	struct buf addr;
	int done = 1;

	buf_init(&addr, ADDR_MAX);
	buf_init(&route.text, 2 * ADDR_MAX);
	if (q->asker != NULL)
		done = work(q, &a, &addr, &route);
	if (done && q->asker != NULL) {
		a.text = str_sub(a.text, 0, RESOLVE_TEXT_MAX);
		chan_answer(q->asker, RESOLVE_ANSWER, q->id, &a, NULL);
	}
	/* Work that gave up may still have questions open. */
	if (done && q->waits == 0)
		question_free(q);
	else if (done)
		q->asker = NULL;
	buf_clear(&route.text);
	buf_clear(&addr);
}

void
question_ask(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct resolve_ask *r = rec;
	struct question *q = xcalloc(1, sizeof(*q));

	(void)fds;
	q->rw = arg;
	q->asker = ch;
	q->id = id;
	q->flags = r->flags;
	q->text = xmalloc(r->addr.n + r->sender.n);
	memcpy(q->text, r->addr.n == 0 ? "" : r->addr.p, r->addr.n);
	memcpy(q->text + r->addr.n, r->sender.n == 0 ? "" : r->sender.p,
	    r->sender.n);
	q->addr = str_make(q->text, r->addr.n);
	q->sender = str_make(q->text + r->addr.n, r->sender.n);
	TAILQ_INSERT_TAIL(&questions, q, link);
	question_run(q);
}

void
question_forget(struct chan *asker)
{
	struct question *q;

	TAILQ_FOREACH(q, &questions, link)
		if (q->asker == asker)
			q->asker = NULL;
}
