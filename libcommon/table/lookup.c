/* SPDX-License-Identifier: ISC */
/*
 * Orders of lookup.  All keys of an address are pieces of two texts: the
 * address, and the address without its extension.
 */
#include "table/lookup.h"

#include <errno.h>

#include "base/attr.h"

void
lookup_keys_init(struct lookup_keys *k)
{
	*k = (struct lookup_keys){ 0 };
	buf_init(&k->text, LOOKUP_TEXT_MAX);
}

void
lookup_keys_clear(struct lookup_keys *k)
{
	buf_clear(&k->text);
	k->n = 0;
	k->ext = STR_NONE;
}

struct str
lookup_key_text(const struct lookup_keys *k, size_t i)
{
	return str_sub(buf_get(&k->text), k->key[i].off,
	    (size_t)k->key[i].off + k->key[i].len);
}

static void
start(struct lookup_keys *k)
{
	buf_reset(&k->text);
	k->n = 0;
	k->ext = STR_NONE;
}

/* Add a key that is n bytes of the text from off on. */
static void
add(struct lookup_keys *k, size_t off, size_t n, enum lookup_part part)
{
	if (n == 0 || k->n == LOOKUP_KEYS_MAX || buf_full(&k->text))
		return;
	k->key[k->n++] = (struct lookup_key){ (unsigned)off, (unsigned)n, part,
		part == LOOKUP_FULL };
}

/* --- addresses ------------------------------------------------------------ */

size_t
lookup_ext(struct str local, struct str delims)
{
	static const struct str never[] = { STR("postmaster"),
		STR("mailer-daemon"), STR("double-bounce") };
	size_t i;

	if (delims.n == 0)
		return local.n;
	for (i = 0; i < NELEM(never); i++) {
		if (str_caseeq(local, never[i]))
			return local.n;
	}
	if (str_chr(delims, '-') != -1 &&
	    ((local.n > 6 && str_casestarts(local, STR("owner-"))) ||
		(local.n > 8 && str_caseends(local, STR("-request")))))
		return local.n;
	for (i = 0; i < local.n; i++) {
		if (str_chr(delims, local.p[i]) != -1)
			break;
	}
	return i == 0 ? local.n : i;
}

/* An address in two forms, and where their pieces are in the text. */
struct pieces {
	size_t local, at, end;		/* user+ext, @, and behind it all */
	size_t bare, bare_at, bare_end; /* the same without +ext */
	bool has_at, has_ext;
};

static struct pieces
take_apart(struct lookup_keys *k, struct str addr, struct str delims)
{
	struct pieces p = { 0 };
	ptrdiff_t at = str_rchr(addr, '@');
	struct str local;
	size_t ext;

	start(k);
	buf_str(&k->text, addr);
	p.has_at = at != -1;
	p.end = addr.n;
	p.at = p.has_at ? (size_t)at : addr.n;
	local = str_sub(addr, 0, p.at);
	ext = lookup_ext(local, delims);
	p.has_ext = ext < local.n;
	if (!p.has_ext)
		return p;
	k->ext = str_sub(local, ext, local.n);
	p.bare = p.end;
	p.bare_at = p.bare + ext;
	buf_str(&k->text, str_sub(addr, 0, ext));
	buf_str(&k->text, str_sub(addr, p.at, addr.n));
	p.bare_end = p.bare_at + (p.end - p.at);
	return p;
}

/* user+ext@domain, user@domain */
static void
add_whole(struct lookup_keys *k, const struct pieces *p)
{
	add(k, 0, p->end, LOOKUP_FULL);
	if (p->has_ext)
		add(k, p->bare, p->bare_end - p->bare, LOOKUP_NOEXT);
}

void
lookup_keys_address(struct lookup_keys *k, struct str addr, struct str delims,
    unsigned flags)
{
	struct pieces p = take_apart(k, addr, delims);

	add_whole(k, &p);
	if (!p.has_at)
		return;
	if ((flags & LOOKUP_BARE_USER) != 0) {
		add(k, 0, p.at, LOOKUP_LOCAL);
		if (p.has_ext)
			add(k, p.bare, p.bare_at - p.bare, LOOKUP_LOCAL_NOEXT);
	}
	if ((flags & LOOKUP_NO_DOMAIN) == 0 && p.end > p.at + 1)
		add(k, p.at, p.end - p.at, LOOKUP_AT_DOMAIN);
}

/*
 * The domain at [from, to) of the text, and its parents: each begins at the
 * next dot, or behind it.
 */
static void
add_domain(struct lookup_keys *k, size_t from, size_t to, unsigned flags,
    enum lookup_part part)
{
	struct str text = buf_get(&k->text);

	add(k, from, to - from, part);
	for (size_t i = from + 1; i < to; i++) {
		if (text.p[i] != '.')
			continue;
		if ((flags & LOOKUP_PARENTS) == 0)
			add(k, i, to - i, LOOKUP_PARENT);
		else
			add(k, i + 1, to - i - 1, LOOKUP_PARENT);
	}
}

void
lookup_keys_domain(struct lookup_keys *k, struct str domain, unsigned flags)
{
	start(k);
	buf_str(&k->text, domain);
	if (!buf_full(&k->text))
		add_domain(k, 0, domain.n, flags, LOOKUP_FULL);
}

void
lookup_keys_access(struct lookup_keys *k, struct str addr, struct str delims,
    unsigned flags)
{
	struct pieces p = take_apart(k, addr, delims);

	add_whole(k, &p);
	if (!p.has_at || buf_full(&k->text))
		return;
	add_domain(k, p.at + 1, p.end, flags, LOOKUP_DOMAIN);
	add(k, 0, p.at + 1, LOOKUP_USER_AT);
	if (p.has_ext)
		add(k, p.bare, p.bare_at + 1 - p.bare, LOOKUP_USER_AT_NOEXT);
}

void
lookup_keys_transport(struct lookup_keys *k, struct str addr, struct str delims,
    unsigned flags)
{
	struct pieces p = take_apart(k, addr, delims);
	size_t star = buf_get(&k->text).n;

	buf_putc(&k->text, '*');
	add_whole(k, &p);
	if (p.has_at && !buf_full(&k->text))
		add_domain(k, p.at + 1, p.end, flags, LOOKUP_DOMAIN);
	add(k, star, 1, LOOKUP_STAR);
}

void
lookup_keys_ip(struct lookup_keys *k, struct str addr)
{
	char sep = str_chr(addr, ':') == -1 ? '.' : ':';

	start(k);
	buf_str(&k->text, addr);
	add(k, 0, addr.n, LOOKUP_FULL);
	for (size_t i = addr.n; i > 0; i--) {
		if (addr.p[i - 1] == sep)
			add(k, 0, i - 1, LOOKUP_PREFIX);
	}
}

/* --- lists of tables ------------------------------------------------------ */

int
tables_open(struct tables *ts, struct str list, const struct table_env *env)
{
	struct str spec;

	*ts = (struct tables){ 0 };
	while (table_token(&list, &spec)) {
		if (ts->n == TABLE_MEMBERS_MAX) {
			tables_close(ts);
			ts->reason = "too many tables in a list";
			return -1;
		}
		ts->t[ts->n++] = table_open(spec, env);
	}
	if (list.n > 0) {
		tables_close(ts);
		ts->reason = "unbalanced braces in a list of tables";
		return -1;
	}
	return 0;
}

void
tables_close(struct tables *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		table_close(&ts->t[i]);
	*ts = (struct tables){ 0 };
}

/* One key, of all tables that it is meant for. */
static enum table_answer
ask(struct tables *ts, struct str key, bool whole, struct buf *value,
    size_t *which)
{
	enum table_answer answer;

	for (size_t i = 0; i < ts->n; i++) {
		if (!whole && table_is_pattern(ts->t[i]))
			continue;
		answer = table_get(ts->t[i], key, value);
		if (answer == TABLE_NONE)
			continue;
		if (answer == TABLE_LATER)
			ts->reason = table_reason(ts->t[i]);
		*which = i;
		return answer;
	}
	return TABLE_NONE;
}

enum table_answer
tables_get(struct tables *ts, struct str key, struct buf *value, size_t *which)
{
	size_t none;

	buf_reset(value);
	return ask(ts, key, true, value, which == NULL ? &none : which);
}

static bool
without_ext(enum lookup_part part)
{
	return part != LOOKUP_FULL && part != LOOKUP_LOCAL &&
	    part != LOOKUP_USER_AT;
}

enum table_answer
tables_first(struct tables *ts, const struct lookup_keys *k, struct buf *value,
    struct tables_hit *hit)
{
	struct tables_hit h = { 0 };
	enum table_answer answer = TABLE_NONE;

	buf_reset(value);
	if (buf_full(&k->text) || k->n == LOOKUP_KEYS_MAX) {
		ts->reason = "a search key that is too long";
		return TABLE_LATER;
	}
	for (h.key = 0; h.key < k->n; h.key++) {
		answer = ask(ts, lookup_key_text(k, h.key), k->key[h.key].whole,
		    value, &h.table);
		if (answer != TABLE_NONE)
			break;
	}
	if (answer == TABLE_FOUND && hit != NULL) {
		h.part = k->key[h.key].part;
		h.ext_used = k->ext.n > 0 && !without_ext(h.part);
		*hit = h;
	}
	return answer;
}
