/* SPDX-License-Identifier: ISC */
/*
 * A little JSON.
 */
#include "json.h"

#include "mail/utf8.h"

#define DEPTH_MAX 32

static struct str
skip_blanks(struct str s)
{
	while (s.n > 0 && ascii_isspace((unsigned char)s.p[0]))
		s = str_sub(s, 1, s.n);
	return s;
}

/* Length of the string at the front, with its quotes; 0 when there is none. */
static size_t
string_length(struct str s)
{
	if (s.n == 0 || s.p[0] != '"')
		return 0;
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Length of the value at the front; 0 when it is none. */
static size_t
value_length(struct str s)
{
	unsigned depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		size_t n;

		switch (s.p[i]) {
		case '"':
			n = string_length(str_sub(s, i, s.n));
			if (n == 0)
				return 0;
			i += n - 1;
			break;
		case '{':
		case '[':
			if (++depth > DEPTH_MAX)
				return 0;
			continue;
		case '}':
		case ']':
			if (depth == 0)
				return i;
			depth--;
			break;
		case ',':
			if (depth == 0)
				return i;
			continue;
		default:
			if (depth == 0 && ascii_isspace((unsigned char)s.p[i]))
				return i;
			continue;
		}
		if (depth == 0)
			return i + 1;
	}
	return depth == 0 ? s.n : 0;
}

struct json
json_of(struct str text)
{
	return (struct json){ skip_blanks(text) };
}

struct json
json_find(struct json object, const char *name)
{
	struct str s = object.text, want = str_of(name);

	if (s.n == 0 || s.p[0] != '{')
		return (struct json){ STR_NONE };
	s = skip_blanks(str_sub(s, 1, s.n));
	for (;;) {
		size_t k = string_length(s), v;
		bool is;

		if (k == 0)
			break;
		is = str_eq(str_sub(s, 1, k - 1), want);
		s = skip_blanks(str_sub(s, k, s.n));
		if (s.n == 0 || s.p[0] != ':')
			break;
		s = skip_blanks(str_sub(s, 1, s.n));
		v = value_length(s);
		if (v == 0)
			break;
		if (is)
			return (struct json){ str_sub(s, 0, v) };
		s = skip_blanks(str_sub(s, v, s.n));
		if (s.n == 0 || s.p[0] != ',')
			break;
		s = skip_blanks(str_sub(s, 1, s.n));
	}
	return (struct json){ STR_NONE };
}

bool
json_each(struct json *array, struct json *out)
{
	struct str s = array->text;
	size_t v;

	if (s.n == 0 || (s.p[0] != '[' && s.p[0] != ','))
		return false;
	s = skip_blanks(str_sub(s, 1, s.n));
	v = value_length(s);
	if (v == 0)
		return false;
	out->text = str_sub(s, 0, v);
	array->text = skip_blanks(str_sub(s, v, s.n));
	return true;
}

int64_t
json_num(struct json v)
{
	struct str s = v.text;
	bool minus = s.n > 0 && s.p[0] == '-';
	ptrdiff_t dot;
	uint64_t n;

	if (minus)
		s = str_sub(s, 1, s.n);
	dot = str_chr(s, '.');
	if (dot >= 0)
		s = str_sub(s, 0, (size_t)dot);
	if (str_u64(s, INT64_MAX, &n) == -1)
		return 0;
	return minus ? -(int64_t)n : (int64_t)n;
}

struct str
json_str(struct json v)
{
	size_t n = string_length(v.text);

	return n == 0 ? STR_NONE : str_sub(v.text, 1, n - 1);
}

void
json_put(struct buf *b, struct str s)
{
	bool ok = utf8_valid(s);

	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c == '\n')
			buf_puts(b, "\\n");
		else if (c == '\t')
			buf_puts(b, "\\t");
		else if (c < ' ' || c == 0x7f || (c > 0x7f && !ok))
			buf_printf(b, "\\u%04x", c);
		else
			buf_putc(b, c);
	}
	buf_putc(b, '"');
}
