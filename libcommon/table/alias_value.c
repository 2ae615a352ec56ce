/* SPDX-License-Identifier: ISC */
/*
 * One item after the other, each byte looked at once.
 */
#include "table/alias_value.h"

#include "base/attr.h"

static const struct str include_word = STR(":include:");

/* How far the item has been understood. */
struct scan {
	struct alias_parser *ap;
	bool raw;	/* command, file, include: not an address */
	bool blank;	/* blanks were skipped */
	bool phrase;	/* words with blanks between: not an address as such */
	bool angle;	/* within < > */
	bool angle_end; /* behind > */
	bool literal;	/* within [ ] */
	bool lone;	/* all of it is one quoted string */
	bool quoted;	/* began with a quoted string */
};

static int
fail(struct alias_parser *ap, const char *error)
{
	ap->error = error;
	ap->rest = STR_NONE;
	buf_clear(&ap->item);
	return -1;
}

bool
alias_is_comment(struct str line)
{
	line = str_trim(line);
	return line.n > 0 && line.p[0] == '#';
}

void
alias_parse(struct alias_parser *ap, struct str text, size_t max_items)
{
	/* Not more than its end of line: a blank may have a backslash. */
	while (text.n > 0 &&
	    (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	*ap = (struct alias_parser){ .rest = text, .left = max_items };
	buf_init(&ap->item, ALIAS_ITEM_MAX);
}

void
alias_end(struct alias_parser *ap)
{
	ap->rest = STR_NONE;
	buf_clear(&ap->item);
}

static int
take(struct alias_parser *ap)
{
	int c = (unsigned char)ap->rest.p[0];

	ap->rest.p++;
	ap->rest.n--;
	return c;
}

static bool
is_control(int c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* Pass over a comment; its opening parenthesis has been taken. */
static int
skip_comment(struct alias_parser *ap)
{
	size_t depth = 1;

	while (ap->rest.n > 0 && depth > 0) {
		int c = take(ap);

		if (c == '\\' && ap->rest.n > 0)
			take(ap);
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
	}
	if (depth > 0)
		return fail(ap, "a comment without its closing parenthesis");
	return 0;
}

/*
 * Take a quoted string, whose opening quote has been taken: as it stands in an
 * address, its content in anything else.
 */
static int
take_quoted(struct scan *sc)
{
	struct alias_parser *ap = sc->ap;
	int c;

	if (!sc->raw)
		buf_putc(&ap->item, '"');
	for (;;) {
		if (ap->rest.n == 0)
			return fail(ap, "a double quote without its match");
		c = take(ap);
		if (c == '"')
			break;
		if (c == '\\' && ap->rest.n > 0) {
			if (!sc->raw)
				buf_putc(&ap->item, c);
			c = take(ap);
		}
		if (is_control(c))
			return fail(ap, "a control character");
		buf_putc(&ap->item, c);
	}
	if (!sc->raw)
		buf_putc(&ap->item, '"');
	return 0;
}

/* Is this the start of something that is not an address? */
static bool
starts_raw(const struct alias_parser *ap, struct str s)
{
	return s.n > 0 &&
	    (s.p[0] == '|' || s.p[0] == '/' ||
		str_casestarts(s, include_word) ||
		(ap->home && str_starts(s, STR("~/"))));
}

/* Add the blank that was skipped, where it means something. */
static void
settle_blank(struct scan *sc, int c)
{
	struct str have = buf_get(&sc->ap->item);

	if (!sc->blank)
		return;
	sc->blank = false;
	if (have.n == 0)
		return;
	if (!sc->raw &&
	    (have.p[have.n - 1] == '@' || have.p[have.n - 1] == '.' ||
		c == '@' || c == '.'))
		return;
	sc->phrase = true;
	buf_putc(&sc->ap->item, ' ');
}

/* One byte of an address that is not a quote, a blank or a comment. */
static int
address_byte(struct scan *sc, int c)
{
	struct alias_parser *ap = sc->ap;

	if (sc->angle_end)
		return fail(ap, "text behind an <address>");
	if (sc->literal) {
		if (sc->blank || (!ascii_isalnum(c) && !strchr(".:-_]", c)))
			return fail(ap, "no address within [ ]");
		sc->literal = c != ']';
		buf_putc(&ap->item, c);
		return 0;
	}
	switch (c) {
	case '<':
		if (sc->angle)
			return fail(ap, "a < within < >");
		buf_reset(&ap->item);
		sc->angle = true;
		sc->blank = sc->phrase = false;
		return 0;
	case '>':
		if (!sc->angle)
			return fail(ap, "a > without <");
		sc->angle_end = true;
		return 0;
	case '[':
		sc->literal = true;
		break;
	case ',':
		return fail(ap, "a comma within < >");
	case ')':
		return fail(ap, "a closing parenthesis without its match");
	case ':':
	case ';':
		return fail(ap,
		    "a colon or semicolon in an address (if it "
		    "belongs there, use double quotes)");
	case '\\':
		if (ap->rest.n == 0)
			return fail(ap, "a backslash at the end");
		settle_blank(sc, c);
		buf_putc(&ap->item, c);
		c = take(ap);
		if (is_control(c))
			return fail(ap, "a control character");
		break;
	}
	settle_blank(sc, c);
	buf_putc(&ap->item, c);
	return 0;
}

/* Take what belongs to the item, up to its comma or the end of the text. */
static int
scan_item(struct scan *sc)
{
	struct alias_parser *ap = sc->ap;

	while (ap->rest.n > 0) {
		bool inside = sc->angle && !sc->angle_end;
		int c = take(ap);

		if (c == ',' && !inside)
			return 0;
		if (is_control(c))
			return fail(ap, "a control character");
		if (ascii_isblank(c)) {
			sc->blank = true;
			continue;
		}
		if (c == '(' && !sc->literal) {
			if (skip_comment(ap) == -1)
				return -1;
			sc->blank = true;
			continue;
		}
		sc->lone = false;
		if (c == '"' && !sc->literal && !sc->angle_end) {
			settle_blank(sc, c);
			if (take_quoted(sc) == -1)
				return -1;
		} else if (sc->raw) {
			if (c == '\\' && ap->rest.n > 0)
				c = take(ap);
			if (is_control(c))
				return fail(ap, "a control character");
			settle_blank(sc, c);
			buf_putc(&ap->item, c);
		} else if (address_byte(sc, c) == -1) {
			return -1;
		}
	}
	return 0;
}

/*
 * A quoted string alone may be anything: look at its first byte.  Followed by
 * more, it is the beginning of an address.
 */
static int
scan_quoted(struct scan *sc)
{
	struct str s = sc->ap->rest;

	sc->quoted = true;
	sc->raw = starts_raw(sc->ap, str_sub(s, 1, s.n));
	take(sc->ap);
	if (take_quoted(sc) == -1)
		return -1;
	sc->lone = true;
	if (scan_item(sc) == -1)
		return -1;
	if (sc->raw && !sc->lone)
		return fail(sc->ap, "text behind a quoted command or file");
	return 0;
}

static int
classify(struct scan *sc, struct alias_item *item)
{
	struct alias_parser *ap = sc->ap;
	struct str s = buf_get(&ap->item);

	if (buf_full(&ap->item))
		return fail(ap, "one destination is too long");
	item->text = s;
	if (!sc->raw) {
		if (sc->literal)
			return fail(ap, "a [ without its ]");
		if (sc->angle && !sc->angle_end)
			return fail(ap, "a < without >");
		if (sc->phrase)
			return fail(ap,
			    "blanks within an address (put commas "
			    "between destinations)");
		if (s.n == 0 || str_eq(s, STR("\"\"")))
			return fail(ap, "an empty address");
		if (s.p[0] == '"' && starts_raw(sc->ap, str_sub(s, 1, s.n)))
			return fail(ap,
			    "an address that begins like a "
			    "command or file");
		if (!item->direct && (starts_raw(ap, s) || s.p[0] == '\\'))
			return fail(ap,
			    "a command, a file or a backslash "
			    "within < >");
		item->kind = ALIAS_ADDRESS;
		return 1;
	}
	if (s.p[0] == '/' || s.p[0] == '~') {
		item->kind = ALIAS_FILE;
		return 1;
	}
	item->kind = s.p[0] == '|' ? ALIAS_COMMAND : ALIAS_INCLUDE;
	item->text =
	    str_trim(str_sub(s, s.p[0] == '|' ? 1 : include_word.n, s.n));
	if (item->text.n == 0)
		return fail(ap, "an empty command or file name");
	if (item->kind == ALIAS_INCLUDE && item->text.p[0] != '/')
		return fail(ap, ":include: wants a file name with a leading /");
	return 1;
}

int
alias_next(struct alias_parser *ap, struct alias_item *item)
{
	struct scan sc = { .ap = ap };

	*item = (struct alias_item){ 0 };
	if (ap->error != NULL)
		return -1;
	buf_reset(&ap->item);
	for (;;) {
		while (ap->rest.n > 0 &&
		    (ascii_isspace(ap->rest.p[0]) || ap->rest.p[0] == ','))
			take(ap);
		if (ap->rest.n == 0 || ap->rest.p[0] != '(')
			break;
		take(ap);
		if (skip_comment(ap) == -1)
			return -1;
	}
	if (ap->rest.n == 0) {
		alias_end(ap);
		return 0;
	}
	if (ap->left == 0)
		return fail(ap, "too many destinations");
	ap->left--;
	if (ap->rest.p[0] == '\\') {
		item->direct = true;
		take(ap);
		if (ap->rest.n == 0 || ascii_isblank(ap->rest.p[0]) ||
		    ap->rest.p[0] == '(')
			return fail(ap, "a backslash without a name");
	}
	if (ap->rest.n > 0 && ap->rest.p[0] == '"') {
		if (scan_quoted(&sc) == -1)
			return -1;
	} else {
		sc.raw = !item->direct && starts_raw(ap, ap->rest);
		if (scan_item(&sc) == -1)
			return -1;
	}
	if (item->direct && sc.raw)
		return fail(ap, "a backslash before a command or file");
	return classify(&sc, item);
}

static int
print_quoted(const char *prefix, struct str s, struct buf *out)
{
	buf_putc(out, '"');
	buf_puts(out, prefix);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, s.p[i]);
	}
	return buf_putc(out, '"');
}

static bool
is_plain(struct str s)
{
	static const char special[] = "\"\\,()<>[];";

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ' ' || s.p[i] == '\t' ||
		    strchr(special, s.p[i]) != NULL)
			return false;
	}
	return true;
}

int
alias_print(const struct alias_item *item, struct buf *out)
{
	const char *prefix = "";

	if (item->kind == ALIAS_COMMAND)
		return print_quoted("|", item->text, out);
	if (item->kind == ALIAS_INCLUDE)
		prefix = ":include:";
	if (item->direct)
		buf_putc(out, '\\');
	if (item->kind != ALIAS_ADDRESS && !is_plain(item->text))
		return print_quoted(prefix, item->text, out);
	buf_puts(out, prefix);
	return buf_str(out, item->text);
}
