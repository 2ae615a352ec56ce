/* SPDX-License-Identifier: ISC */
/*
 * The recipients of a message.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "log/log.h"
#include "mail/address.h"
#include "mail/xtext.h"

#include "cleanup.h"

/*
 * Is there room for it in the records of qmgr and the agents, and is it what
 * these may write into headers and commands?
 */
static bool
fits(const struct env_rcpt *r)
{
	return r->addr.n <= ADDR_MAX && addr_valid(r->addr) &&
	    r->orig.n <= ADDR_MAX &&
	    (r->orig.n == 0 || addr_valid(r->orig)) &&
	    (r->orcpt.n == 0 || orcpt_valid(r->orcpt)) &&
	    r->transport.n <= 64 && r->nexthop.n <= ADDR_MAX;
}

size_t
rcpts_add(struct message *m, const struct env_rcpt *e)
{
	size_t i = m->nrcpts++;

	if (i == m->rcpts_cap) {
		m->rcpts_cap = i == 0 ? 4 : i * 2;
		m->rcpts =
		    xreallocarray(m->rcpts, m->rcpts_cap, sizeof(*m->rcpts));
	}
	m->rcpts[i] = (struct rcpt){ .e = *e,
		.parent = (uint32_t)i,
		.root = (uint32_t)i };
	return i;
}

/* From submitters that do not ask, recipients come without a route. */
static void
ask(struct message *m, size_t i)
{
	if (m->rcpts[i].e.transport.n == 0)
		question_add(m, ABOUT_RCPT, i, m->rcpts[i].e.addr);
	else {
		bcc_rcpt(m, i);
		alias_check(m, i);
	}
}

/*
 * REDIRECT of an access table: one recipient in the place of all, who hears of
 * it as the first would have.
 */
static int
redirect(struct message *m, struct str addr)
{
	struct env_rcpt *e = &m->rcpts[0].e;

	if (addr.n > ADDR_MAX || !addr_valid(addr))
		return message_refuse(m, 451, DSN(4, 3, 5),
		    "Server configuration error");
	m->nrcpts = 1;
	e->addr = addr;
	e->transport = e->nexthop = STR_NONE;
	e->ticket = 0;
	ask(m, 0);
	return 0;
}

int
rcpts_read(struct message *m, struct env_reader *r)
{
	struct str instead = m->env.attr[ENV_A_REDIRECT];
	struct env_rcpt rcpt;
	size_t i;
	int k;

	while ((k = env_read_rcpt(r, &rcpt)) == 1) {
		if (!fits(&rcpt))
			return message_refuse(m, 501, DSN(5, 1, 3),
			    "Bad recipient address syntax");
		if (rcpt.orig.n == 0)
			rcpt.orig = rcpt.addr;
		i = rcpts_add(m, &rcpt);
		if (instead.n == 0)
			ask(m, i);
	}
	if (k == -1)
		return message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: malformed envelope");
	if (m->nrcpts == 0)
		return message_refuse(m, 550, DSN(5, 1, 3),
		    "Error: no recipients specified");
	return instead.n == 0 ? 0 : redirect(m, instead);
}

static bool
same(const struct message *m, const struct env_rcpt *a,
    const struct env_rcpt *b)
{
	return str_caseeq(a->addr, b->addr) &&
	    (!m->cl->set.keep_original || str_caseeq(a->orig, b->orig));
}

static size_t
slot_of(const uint8_t key[SIPHASH_KEY], struct str addr, size_t mask)
{
	char lower[ADDR_MAX];

	for (size_t i = 0; i < addr.n; i++)
		lower[i] = (char)ascii_lower((unsigned char)addr.p[i]);
	return (size_t)siphash(key, lower, addr.n) & mask;
}

/* Those that others took the place of. */
static void
drop_gone(struct message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nrcpts; i++)
		if (!m->rcpts[i].gone)
			m->rcpts[n++] = m->rcpts[i];
	m->nrcpts = n;
}

void
rcpts_once(struct message *m)
{
	uint8_t key[SIPHASH_KEY];
	size_t size = 8, mask, n = 0, known = 0;
	uint32_t *table;

	if (m->expanded)
		drop_gone(m);
	if (m->nrcpts < 2)
		return;
	while (size < 2 * m->nrcpts)
		size *= 2;
	mask = size - 1;
	table = xcalloc(size, sizeof(*table)); /* 1 + index */
	arc4random_buf(key, sizeof(key));
	for (size_t i = 0; i < m->nrcpts; i++) {
		size_t at = slot_of(key, m->rcpts[i].e.addr, mask);

		while (table[at] != 0 &&
		    !same(m, &m->rcpts[table[at] - 1].e, &m->rcpts[i].e))
			at = (at + 1) & mask;
		if (table[at] != 0)
			continue;
		m->rcpts[n++] = m->rcpts[i];
		if (m->cl->set.duplicates_max == 0 ||
		    known < m->cl->set.duplicates_max) {
			table[at] = (uint32_t)n;
			known++;
		}
	}
	m->nrcpts = n;
	free(table);
}
