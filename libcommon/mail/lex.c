/* SPDX-License-Identifier: ISC */
/*
 * Words of addresses, and the address that words make.
 */
#include "mail/lex.h"

#include "mail/domain.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_special(char c)
{
	switch (c) {
	case '(':
	case ')':
	case '<':
	case '>':
	case '[':
	case ']':
	case ':':
	case ';':
	case '@':
	case ',':
	case '.':
	case '"':
		return true;
	default:
		return false;
	}
}

/*
 * Behind the comment that begins at i.  Depth is a number, not a stack: a
 * megabyte of parentheses costs nothing.
 */
static size_t
skip_comment(struct str s, size_t i, bool *open)
{
	size_t depth = 0;

	for (; i < s.n; i++) {
		if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
		else if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
	}
	*open = true;
	return i;
}

static size_t
skip_gap(struct str s, size_t i, bool *open)
{
	while (i < s.n) {
		if (is_blank(s.p[i]))
			i++;
		else if (s.p[i] == '(')
			i = skip_comment(s, i, open);
		else
			break;
	}
	return i;
}

static size_t
skip_quoted(struct str s, size_t i, bool *open)
{
	for (i++; i < s.n; i++) {
		if (s.p[i] == '"')
			return i + 1;
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
	}
	*open = true;
	return i;
}

/*
 * A literal never holds what separates addresses: a bracket left open takes
 * the rest of its own mailbox with it, not those of others.
 */
static size_t
skip_literal(struct str s, size_t i, bool *open)
{
	for (i++; i < s.n; i++) {
		if (s.p[i] == ']')
			return i + 1;
		if (memchr("[<>,;()\"@", s.p[i], 9) != NULL)
			break;
	}
	*open = true;
	return i;
}

static size_t
skip_atom(struct str s, size_t i)
{
	while (i < s.n && !is_blank(s.p[i]) && !is_special(s.p[i])) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		i++;
	}
	return i;
}

void
lex_next(struct str s, size_t *pos, struct lex_tok *out)
{
	size_t i = *pos;

	*out = (struct lex_tok){ .type = LEX_END };
	i = skip_gap(s, i, &out->open);
	out->gap = i != *pos;
	out->off = i;
	if (i < s.n) {
		char c = s.p[i];

		out->open = false;
		if (c == '"') {
			out->type = LEX_QUOTED;
			i = skip_quoted(s, i, &out->open);
		} else if (c == '[') {
			out->type = LEX_LITERAL;
			i = skip_literal(s, i, &out->open);
		} else if (is_special(c)) {
			out->type = LEX_SPECIAL;
			out->c = c;
			i++;
		} else {
			out->type = LEX_ATOM;
			i = skip_atom(s, i);
		}
	}
	out->end = i;
	*pos = i;
}

/* What an address is made into. */
struct making {
	struct str s;
	struct buf *out;
	ptrdiff_t at; /* last @ in out */
	bool word;    /* the last token was one */
	bool quoted;  /* a quoted string since the last @ */
	bool literal; /* a literal since the last @ */
	bool control;
	unsigned flags;
};

static void
put(struct making *m, char c)
{
	if ((unsigned char)c < 0x20 || c == 0x7f)
		m->control = true;
	buf_putc(m->out, c);
}

/*
 * The content of an atom, quoted string or literal.  A fold inside quotes is
 * its blank; a tab, which no address needs, becomes one.
 */
static void
put_word(struct making *m, const struct lex_tok *t)
{
	size_t i = t->off, end = t->end;

	if (t->type == LEX_QUOTED) {
		i++;
		end--;
	}
	for (; i < end; i++) {
		char c = m->s.p[i];

		if (c == '\\' && t->type != LEX_LITERAL && i + 1 < end)
			c = m->s.p[++i];
		if (c == '\r' || c == '\n') {
			size_t k = c == '\r' ? i + 1 : i;

			if (k + 1 < end && m->s.p[k] == '\n' &&
			    ascii_isblank(m->s.p[k + 1])) {
				i = k;
				continue;
			}
		}
		put(m, c == '\t' && t->type == LEX_QUOTED ? ' ' : c);
	}
}

/* "@a,@b:" at the front; -1 when it has no end. */
static int
skip_route(struct making *m, size_t *pos)
{
	struct lex_tok t;
	size_t p = *pos;

	lex_next(m->s, &p, &t);
	if (!lex_is(&t, '@'))
		return 0;
	do {
		lex_next(m->s, &p, &t);
		if (t.type == LEX_END || t.type == LEX_QUOTED || t.open ||
		    (t.type == LEX_SPECIAL && strchr(".@,:", t.c) == NULL))
			return -1;
	} while (!lex_is(&t, ':'));
	m->flags |= LEX_SOURCE_ROUTE;
	*pos = p;
	return 0;
}

static int
add_token(struct making *m, const struct lex_tok *t)
{
	if (t->open)
		return -1;
	if (t->type == LEX_SPECIAL) {
		if (t->c != '.' && t->c != '@')
			return -1;
		if (t->c == '@') {
			if (m->literal)
				return -1;
			if (m->quoted)
				m->flags |= LEX_WAS_QUOTED;
			m->at = (ptrdiff_t)buf_get(m->out).n;
			m->quoted = false;
		} else if (m->literal)
			return -1;
		buf_putc(m->out, t->c);
		m->word = false;
		return 0;
	}
	if (m->literal)
		return -1;
	if (m->word && t->gap) {
		/* Words in a row: one local part with a blank in it. */
		if (m->at != -1)
			return -1;
		buf_putc(m->out, ' ');
	}
	if (t->type == LEX_LITERAL) {
		/* Only all of a domain. */
		if (m->at == -1 || (size_t)m->at + 1 != buf_get(m->out).n)
			return -1;
		m->literal = true;
	}
	if (t->type == LEX_QUOTED)
		m->quoted = true;
	put_word(m, t);
	m->word = true;
	return 0;
}

static enum addr_result
make_addr(struct making *m)
{
	struct lex_tok t;
	size_t pos = 0;

	if (skip_route(m, &pos) == -1)
		return ADDR_SYNTAX;
	for (lex_next(m->s, &pos, &t); t.type != LEX_END;
	     lex_next(m->s, &pos, &t))
		if (add_token(m, &t) == -1)
			return ADDR_SYNTAX;
	if (t.open || (m->quoted && m->at != -1))
		return ADDR_SYNTAX; /* quotes in the domain */
	if (m->quoted)
		m->flags |= LEX_WAS_QUOTED;
	if (m->control)
		return ADDR_CTRL;
	if (buf_full(m->out))
		return ADDR_LONG;
	/* user@example.com. is fully qualified, and written without the dot. */
	if (m->at != -1 && !m->literal && !m->word && pos > 0 &&
	    str_ends(buf_get(m->out), STR(".")))
		buf_trim(m->out, 1);
	return lex_check(buf_get(m->out), m->at);
}

static bool
valid_dots(struct str s)
{
	char last = '.';

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && last == '.')
			return false;
		last = s.p[i];
	}
	return last != '.';
}

enum addr_result
lex_check(struct str addr, ptrdiff_t at)
{
	struct str domain;

	if (addr.n == 0)
		return ADDR_EMPTY;
	if (addr.n > ADDR_MAX)
		return ADDR_LONG;
	/* A bare name with a quoted @ would read as one with a domain. */
	if (at != str_rchr(addr, '@') || at == 0)
		return ADDR_SYNTAX;
	if (at == -1)
		return ADDR_OK;
	domain = str_sub(addr, (size_t)at + 1, addr.n);
	if (domain.n > 0 && domain.p[0] == '[')
		return domain_valid_literal(domain) ? ADDR_OK : ADDR_LITERAL;
	for (size_t i = 0; i < domain.n; i++)
		if (is_blank(domain.p[i]) || domain.p[i] == '\\' ||
		    (is_special(domain.p[i]) && domain.p[i] != '.'))
			return ADDR_SYNTAX;
	return valid_dots(domain) ? ADDR_OK : ADDR_SYNTAX;
}

enum addr_result
lex_addr(struct str s, struct buf *out, unsigned *flags)
{
	struct making m = { .s = s, .out = out, .at = -1 };
	enum addr_result r;

	buf_reset(out);
	r = make_addr(&m);
	/* Quoted nothing is something that has no internal form. */
	if (r == ADDR_EMPTY &&
	    ((m.flags & LEX_WAS_QUOTED) != 0 ||
		(m.flags & LEX_SOURCE_ROUTE) != 0))
		r = ADDR_SYNTAX;
	if (r != ADDR_OK)
		buf_reset(out);
	if (flags != NULL)
		*flags = m.flags;
	return r;
}
