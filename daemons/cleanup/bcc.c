/* SPDX-License-Identifier: ISC */
/*
 * Copies that nobody sees: always_bcc, sender_bcc_maps, recipient_bcc_maps.
 *
 * Only mail that comes in from outside is copied: what we forward or make
 * ourselves has been, or would run in circles.  What is redirected goes to one
 * place alone.  Nobody is told of the fate of a copy.
 */
#include "log/log.h"
#include "mail/address.h"
#include "mail/addrlist.h"

#include "cleanup.h"

static bool
may_copy(const struct message *m)
{
	return (m->env.origin == ENV_FROM_SMTPD ||
		   m->env.origin == ENV_FROM_PICKUP) &&
	    m->env.attr[ENV_A_REDIRECT].n == 0 &&
	    (m->env.flags & ENV_REQUEUED) == 0;
}

/* A copy for whoever text names; more than one is a mistake. */
static void
add_copy(struct message *m, struct str text)
{
	struct env_rcpt e = { .flags = ENV_RCPT_BCC,
		.notify = ENV_NOTIFY_NEVER };
	struct addrlist_item item;
	struct addrlist list;
	struct buf addr;

	buf_init(&addr, ADDR_MAX);
	addrlist_init(&list, text);
	if (!addrlist_next(&list, &item) ||
	    addrlist_addr(&list, &item, &addr) != ADDR_OK || addr.len == 0 ||
	    !addr_valid(buf_get(&addr))) {
		log_warn("%s: no address for a copy: " STR_FMT, m->qid,
		    STR_ARG(str_sub(text, 0, 200)));
	} else if (m->nrcpts >= ENV_RCPTS_MAX) {
		message_refuse(m, 452, DSN(4, 5, 3),
		    "Error: too many recipients");
	} else {
		e.addr = e.orig = message_keep(m, buf_get(&addr));
		question_add(m, ABOUT_RCPT, rcpts_add(m, &e), e.addr);
	}
	buf_clear(&addr);
}

static void
look(struct message *m, enum about about, size_t i, struct str addr)
{
	question_add(m, about, i, addr)->flags =
	    alias_is_ours(&m->cl->set, addr_domain(addr)) ? FIND_BARE_USER : 0;
}

void
bcc_always(struct message *m)
{
	if (m->cl->set.bcc.n > 0 && may_copy(m))
		add_copy(m, m->cl->set.bcc);
}

void
bcc_sender(struct message *m)
{
	if (m->cl->set.bcc_sender && m->env.sender.n > 0 && may_copy(m))
		look(m, ABOUT_SENDER_BCC, 0, m->env.sender);
}

void
bcc_rcpt(struct message *m, size_t i)
{
	const struct rcpt *r = &m->rcpts[i];

	/* As the sender wrote it; what it stands for is the same mail. */
	if (m->cl->set.bcc_rcpt && r->parent == i &&
	    (r->e.flags & ENV_RCPT_BCC) == 0 && may_copy(m))
		look(m, ABOUT_RCPT_BCC, i, r->e.addr);
}

void
bcc_answer(struct message *m, const struct lookup_answer *a)
{
	switch ((enum lookup_status)a->status) {
	case LOOKUP_NOT_FOUND:
		return;
	case LOOKUP_FOUND:
		add_copy(m, a->value);
		return;
	case LOOKUP_LATER:
	case LOOKUP_REFUSED:
		message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: bcc table lookup problem");
		return;
	}
}
