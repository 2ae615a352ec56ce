/* SPDX-License-Identifier: ISC */
/*
 * Arguments of MAIL and RCPT.
 */
#include "mail/path.h"

#include "mail/domain.h"
#include "mail/lex.h"
#include "mail/utf8.h"

static size_t
skip_blanks(struct str s, size_t i)
{
	while (i < s.n && ascii_isblank((unsigned char)s.p[i]))
		i++;
	return i;
}

int
path_keyword(struct str *arg, const char *keyword)
{
	size_t i = skip_blanks(*arg, 0);
	struct str word = str_of(keyword);

	if (!str_caseeq(str_sub(*arg, i, i + word.n), word))
		return -1;
	i = skip_blanks(*arg, i + word.n);
	if (i >= arg->n || arg->p[i] != ':')
		return -1;
	*arg = str_sub(*arg, i + 1, arg->n);
	return 0;
}

/*
 * --- strict ---
 * The grammar of RFC 5321 section 4.1.2, one function a rule.  Each takes what
 * it matches from the front of *s, or returns false.
 */

static bool
take_char(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

static bool
take_domain(struct str *s, struct str *out)
{
	size_t i = 0;

	while (i < s->n &&
	    (ascii_isalnum((unsigned char)s->p[i]) || s->p[i] == '-' ||
		s->p[i] == '_' || s->p[i] == '.' ||
		(unsigned char)s->p[i] >= 0x80))
		i++;
	*out = str_sub(*s, 0, i);
	*s = str_sub(*s, i, s->n);
	return i > 0 && out->p[0] != '-' && out->p[i - 1] != '-';
}

static bool
take_route(struct str *s)
{
	struct str domain;

	do {
		if (!take_char(s, '@') || !take_domain(s, &domain) ||
		    lex_check(domain, -1) != ADDR_OK)
			return false;
	} while (take_char(s, ','));
	return take_char(s, ':');
}

static bool
take_quoted(struct str *s, struct buf *out)
{
	if (!take_char(s, '"'))
		return false;
	while (s->n > 0 && s->p[0] != '"') {
		unsigned char c;

		if (take_char(s, '\\') && s->n == 0)
			return false;
		c = (unsigned char)s->p[0];
		if (c < 0x20 || c == 0x7f)
			return false;
		buf_putc(out, c);
		*s = str_sub(*s, 1, s->n);
	}
	return take_char(s, '"');
}

static bool
take_dot_string(struct str *s, struct buf *out)
{
	ptrdiff_t at = str_chr(*s, '@');
	struct str local = str_sub(*s, 0, at == -1 ? s->n : (size_t)at);

	*s = str_sub(*s, local.n, s->n);
	buf_str(out, local);
	return addr_local_is_plain(local);
}

/*
 * What is between the angle brackets.
 */
static enum addr_result
strict_addr(struct str s, struct buf *out, unsigned *flags)
{
	struct str local, domain = STR_NONE;
	size_t path_len = s.n + 2;
	ptrdiff_t at = -1;

	buf_reset(out);
	if (s.n == 0)
		return ADDR_EMPTY;
	if (s.n > ADDR_MAX)
		return ADDR_LONG;
	if (s.p[0] == '@') {
		if (!take_route(&s))
			return ADDR_SYNTAX;
		*flags |= LEX_SOURCE_ROUTE;
	}
	if (s.n > 0 && s.p[0] == '"') {
		*flags |= LEX_WAS_QUOTED;
		if (!take_quoted(&s, out))
			return ADDR_SYNTAX;
	} else if (!take_dot_string(&s, out))
		return ADDR_SYNTAX;
	if (s.n > 0) {
		at = (ptrdiff_t)buf_get(out).n;
		if (!take_char(&s, '@'))
			return ADDR_SYNTAX;
		if (s.n > 0 && s.p[0] == '[') {
			domain = s;
			s = STR_NONE;
		} else if (!take_domain(&s, &domain) || s.n > 0)
			return ADDR_SYNTAX;
		buf_putc(out, '@');
		buf_str(out, domain);
	}
	local =
	    str_sub(buf_get(out), 0, at == -1 ? buf_get(out).n : (size_t)at);
	if (local.n == 0)
		return ADDR_SYNTAX;
	if (local.n > ADDR_LOCAL_LIMIT || domain.n > ADDR_DOMAIN_LIMIT ||
	    path_len > ADDR_PATH_LIMIT || buf_full(out))
		return ADDR_LONG;
	return lex_check(buf_get(out), at);
}

/* --- both --- */

/*
 * Length of the word that begins s: up to a blank that is not inside quotes, a
 * comment or angle brackets.  -1 when one of these is left open.
 */
static ptrdiff_t
word_len(struct str s)
{
	bool quote = false, angle = false;
	size_t depth = 0, i;

	for (i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.n)
			i++;
		else if (quote || c == '"')
			quote = c == '"' ? !quote : quote;
		else if (c == '(')
			depth++;
		else if (depth > 0)
			depth -= c == ')';
		else if (c == '<' && angle)
			return -1;
		else if (c == '<' || c == '>')
			angle = c == '<';
		else if (ascii_isblank((unsigned char)c) && !angle)
			break;
	}
	return quote || angle || depth > 0 ? -1 : (ptrdiff_t)i;
}

/*
 * The address of a lenient word: inside its angle brackets, where it has any
 * (a name before them and comments around are overlooked), or all of it.
 */
static int
find_addr(struct str word, struct str *out, bool *angle)
{
	struct lex_tok t;
	size_t pos = 0, from;

	do
		lex_next(word, &pos, &t);
	while (lex_is_word(&t));
	*angle = lex_is(&t, '<');
	*out = word;
	if (!*angle)
		return 0;
	from = t.end;
	do
		lex_next(word, &pos, &t);
	while (t.type != LEX_END && !lex_is(&t, '>'));
	*out = str_sub(word, from, t.off);
	if (t.type == LEX_END)
		return -1;
	lex_next(word, &pos, &t);
	return t.type == LEX_END ? 0 : -1;
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') ||
		    s.p[i] == 0x7f)
			return true;
	return false;
}

static enum addr_result
parse_word(struct str word, unsigned options, struct buf *out, unsigned *lex)
{
	enum addr_result r;
	struct str inner;
	bool angle;

	if ((options & PATH_STRICT) != 0) {
		if (word.n < 2 || word.p[0] != '<' || word.p[word.n - 1] != '>')
			return ADDR_SYNTAX;
		return strict_addr(str_sub(word, 1, word.n - 1), out, lex);
	}
	if (find_addr(word, &inner, &angle) == -1)
		return ADDR_SYNTAX;
	r = lex_addr(inner, out, lex);
	return r == ADDR_EMPTY && !angle ? ADDR_SYNTAX : r;
}

static unsigned
path_flags(struct str addr, unsigned lex)
{
	unsigned flags = 0;

	if ((lex & LEX_SOURCE_ROUTE) != 0)
		flags |= PATH_SOURCE_ROUTE;
	if ((lex & LEX_WAS_QUOTED) != 0)
		flags |= PATH_QUOTED;
	if (addr.n == 0)
		flags |= PATH_NULL;
	else if (str_chr(addr, '@') == -1)
		flags |= PATH_NO_DOMAIN;
	if (!utf8_is_ascii(addr)) {
		flags |= PATH_8BIT;
		if (!utf8_valid(addr))
			flags |= PATH_BAD_UTF8;
	}
	return flags;
}

enum addr_result
path_parse(struct str arg, unsigned options, struct buf *out, struct path *p)
{
	enum addr_result r;
	ptrdiff_t len;
	unsigned lex = 0;

	*p = (struct path){ 0 };
	buf_reset(out);
	arg = str_sub(arg, skip_blanks(arg, 0), arg.n);
	len = word_len(arg);
	if (len <= 0)
		return ADDR_SYNTAX;
	if (has_control(str_sub(arg, 0, (size_t)len)))
		return ADDR_CTRL;
	r = parse_word(str_sub(arg, 0, (size_t)len), options, out, &lex);
	if (r != ADDR_OK && r != ADDR_EMPTY) {
		buf_reset(out);
		return r;
	}
	p->addr = buf_get(out);
	p->rest = str_sub(arg, (size_t)len, arg.n);
	p->flags = path_flags(p->addr, lex);
	return ADDR_OK;
}

int
path_param(struct str *rest, struct path_param *out)
{
	size_t i = skip_blanks(*rest, 0), from = i;

	*out = (struct path_param){ 0 };
	if (i == rest->n)
		return 0;
	while (i < rest->n &&
	    (ascii_isalnum((unsigned char)rest->p[i]) ||
		(rest->p[i] == '-' && i > from)))
		i++;
	out->keyword = str_sub(*rest, from, i);
	if (i < rest->n && rest->p[i] == '=') {
		out->has_value = true;
		from = ++i;
		while (i < rest->n &&
		    !ascii_isblank((unsigned char)rest->p[i]) &&
		    (ascii_isgraph((unsigned char)rest->p[i]) ||
			(unsigned char)rest->p[i] >= 0x80))
			i++;
		out->value = str_sub(*rest, from, i);
		if (out->value.n == 0)
			return -1;
	}
	if (out->keyword.n == 0 ||
	    (i < rest->n && !ascii_isblank((unsigned char)rest->p[i])))
		return -1;
	*rest = str_sub(*rest, i, rest->n);
	return 1;
}
