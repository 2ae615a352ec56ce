/* SPDX-License-Identifier: ISC */
/*
 * Recipients that stand for others: virtual_alias_maps.
 *
 * An address that a table knows is replaced by what the table says, and each of
 * those is looked up in its turn, until no table knows it, or it is one that
 * has already been replaced on the way here: so a@b, which stands for itself
 * and c@d, is both.
 */
#include <string.h>

#include "mail/address.h"
#include "mail/addrlist.h"

#include "cleanup.h"

static int
too_much(struct message *m)
{
	return message_refuse(m, 451, DSN(4, 6, 0),
	    "Error: alias expansion error");
}

bool
alias_is_ours(const struct settings *s, struct str domain)
{
	if (str_caseeq(domain, s->origin))
		return true;
	for (size_t i = 0; i < s->destinations.n; i++)
		if (s->destinations.v[i].kind == CONF_WORD &&
		    str_caseeq(domain, s->destinations.v[i].text))
			return true;
	return false;
}

/* Has the address been looked up on the way to recipient i? */
static bool
was_there(const struct message *m, size_t i, struct str addr)
{
	for (;;) {
		const struct rcpt *r = &m->rcpts[i];

		if (r->parent == i)
			return false;
		i = r->parent;
		if (str_caseeq(m->rcpts[i].e.addr, addr))
			return true;
	}
}

void
alias_check(struct message *m, size_t i)
{
	const struct settings *s = &m->cl->set;
	struct str addr = m->rcpts[i].e.addr;

	if (!s->aliases || was_there(m, i, addr))
		return;
	question_add(m, ABOUT_ALIAS, i, addr)->flags =
	    alias_is_ours(s, addr_domain(addr)) ? FIND_BARE_USER : 0;
}

/*
 * The extension of a local part, with its delimiter; empty without, and for
 * names that are not to be split.
 */
static struct str
extension(const struct settings *s, struct str local)
{
	for (size_t i = 1; i + 1 < local.n; i++) {
		if (str_chr(s->delimiter, local.p[i]) == -1)
			continue;
		if (local.p[i] == '-' &&
		    (str_casestarts(local, STR("owner-")) ||
			str_caseends(local, STR("-request")) ||
			str_caseeq(local, STR("mailer-daemon")) ||
			str_caseeq(local, STR("double-bounce"))))
			return STR_NONE;
		return str_sub(local, i, local.n);
	}
	return STR_NONE;
}

/* One of those that recipient i stands for. */
static int
born(struct message *m, size_t i, struct str addr)
{
	const struct settings *s = &m->cl->set;
	struct env_rcpt e = m->rcpts[i].e;
	uint32_t depth = m->rcpts[i].depth + 1, root = m->rcpts[i].root;
	size_t n;

	m->expanded = true;
	if (++m->rcpts[root].born > s->alias_total || depth > s->alias_depth ||
	    m->nrcpts >= ENV_RCPTS_MAX || addr.n > s->alias_length ||
	    addr.n > ADDR_MAX || !addr_valid(addr))
		return too_much(m);
	e.addr = message_keep(m, addr);
	e.transport = e.nexthop = STR_NONE;
	e.ticket = 0;
	e.flags |= ENV_RCPT_EXPANDED;
	n = rcpts_add(m, &e);
	m->rcpts[n].parent = (uint32_t)i;
	m->rcpts[n].root = root;
	m->rcpts[n].depth = depth;
	question_add(m, ABOUT_RCPT, n, e.addr);
	return 0;
}

/*
 * A result in its internal form: `@domain' is the same user there, and an
 * extension that the key did not have goes along.
 */
static int
compose(struct message *m, size_t i, struct str found, struct str ext,
    struct buf *out)
{
	struct str local = addr_local(found), domain = addr_domain(found);

	if (found.n > 1 && found.p[0] == '@') {
		local = addr_local(m->rcpts[i].e.addr);
		domain = str_sub(found, 1, found.n);
		ext = STR_NONE;
	}
	buf_reset(out);
	buf_str(out, local);
	buf_str(out, ext);
	if (domain.n > 0) {
		buf_putc(out, '@');
		buf_str(out, domain);
	}
	return buf_full(out) ? too_much(m) : 0;
}

static int
expand(struct message *m, size_t i, struct str value, struct str ext)
{
	struct addrlist_item item;
	struct addrlist list;
	struct buf addr, out;
	unsigned n = 0;
	int rc = 0;

	buf_init(&addr, ADDR_MAX);
	buf_init(&out, ADDR_MAX);
	addrlist_init(&list, value);
	while (rc == 0 && addrlist_next(&list, &item)) {
		struct str text = str_sub(value, item.spec_off, item.spec_end);

		if (++n > m->cl->set.alias_total)
			rc = too_much(m);
		else if (text.n > 1 && text.p[0] == '@')
			rc = compose(m, i, text, ext, &out);
		else if (addrlist_addr(&list, &item, &addr) == ADDR_OK)
			rc = compose(m, i, buf_get(&addr), ext, &out);
		else
			rc = too_much(m);
		if (rc == 0)
			rc = born(m, i, buf_get(&out));
	}
	if (n == 0 && rc == 0)
		rc = too_much(m); /* stands for nothing: a mistake */
	buf_clear(&addr);
	buf_clear(&out);
	return rc;
}

void
alias_answer(struct message *m, size_t i, const struct lookup_answer *a)
{
	const struct settings *s = &m->cl->set;
	struct str ext = STR_NONE;

	switch ((enum lookup_status)a->status) {
	case LOOKUP_NOT_FOUND:
		return;
	case LOOKUP_FOUND:
		break;
	case LOOKUP_LATER:
	case LOOKUP_REFUSED:
		message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: virtual alias table lookup problem");
		return;
	}
	/* Nor to where a whole domain goes. */
	if (s->alias_ext && (a->flags & FIND_EXT_USED) == 0 &&
	    !str_starts(a->key, STR("@")))
		ext = extension(s, addr_local(m->rcpts[i].e.addr));
	if (expand(m, i, a->value, ext) == 0)
		m->rcpts[i].gone = true;
}
