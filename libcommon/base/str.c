/* SPDX-License-Identifier: ISC */
/*
 * Borrowed text.
 */
#include "base/str.h"

#include <stdlib.h>

#include "base/mem.h"

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (d != 0)
		return d;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool
str_caseeq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower((unsigned char)a.p[i]) !=
		    ascii_lower((unsigned char)b.p[i]))
			return false;
	return true;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_sub(s, 0, prefix.n), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	    str_eq(str_sub(s, s.n - suffix.n, s.n), suffix);
}

bool
str_casestarts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_caseeq(str_sub(s, 0, prefix.n), prefix);
}

bool
str_caseends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	    str_caseeq(str_sub(s, s.n - suffix.n, s.n), suffix);
}

ptrdiff_t
str_chr(struct str s, int c)
{
	const char *q = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return q == NULL ? -1 : q - s.p;
}

ptrdiff_t
str_rchr(struct str s, int c)
{
	for (size_t i = s.n; i > 0; i--)
		if ((unsigned char)s.p[i - 1] == (unsigned char)c)
			return (ptrdiff_t)(i - 1);
	return -1;
}

struct str
str_sub(struct str s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return (struct str){ s.n == 0 ? s.p : s.p + from, to - from };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
str_token(struct str *s, const char *seps, struct str *out)
{
	size_t i = 0, start;

	while (i < s->n && s->p[i] != '\0' && strchr(seps, s->p[i]) != NULL)
		i++;
	start = i;
	while (i < s->n && (s->p[i] == '\0' || strchr(seps, s->p[i]) == NULL))
		i++;
	*out = str_sub(*s, start, i);
	*s = str_sub(*s, i, s->n);
	return out->n > 0;
}

bool
str_has_word(struct str list, struct str word)
{
	struct str it;

	while (str_token(&list, " \t", &it))
		if (str_eq(it, word))
			return true;
	return false;
}

int
str_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t d;

		if (!ascii_isdigit((unsigned char)s.p[i]))
			return -1;
		d = (uint64_t)(s.p[i] - '0');
		if (d > max || v > (max - d) / 10)
			return -1;
		v = v * 10 + d;
	}
	*out = v;
	return 0;
}

char *
str_dup(struct str s)
{
	return xstrndup(s.n == 0 ? "" : s.p, s.n);
}

char *
str_dup_lower(struct str s)
{
	char *p = str_dup(s);

	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)ascii_lower((unsigned char)p[i]);
	return p;
}

int
str_copy(struct str s, char *dst, size_t size)
{
	if (s.n >= size || str_chr(s, '\0') != -1) {
		if (size > 0)
			dst[0] = '\0';
		return -1;
	}
	if (s.n > 0)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return 0;
}
