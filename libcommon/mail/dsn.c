/* SPDX-License-Identifier: ISC */
/*
 * Enhanced status codes, and the words of DSN parameters.
 */
#include "mail/dsn.h"

#include <stdio.h>

#include "base/attr.h"

/* One to three digits at *i. */
static int
take_number(struct str s, size_t *i, uint16_t *out)
{
	size_t from = *i;
	uint64_t v;

	while (
	    *i < s.n && *i - from < 4 && ascii_isdigit((unsigned char)s.p[*i]))
		(*i)++;
	if (str_u64(str_sub(s, from, *i), 999, &v) == -1 || *i - from > 3)
		return -1;
	*out = (uint16_t)v;
	return 0;
}

int
dsn_take(struct str *s, struct dsn *out)
{
	struct dsn d;
	size_t i = 2;

	if (s->n < 5 || s->p[1] != '.' ||
	    (s->p[0] != '2' && s->p[0] != '4' && s->p[0] != '5'))
		return -1;
	d.class = (uint8_t)(s->p[0] - '0');
	if (take_number(*s, &i, &d.subject) == -1 || i == s->n ||
	    s->p[i++] != '.' || take_number(*s, &i, &d.detail) == -1)
		return -1;
	if (i < s->n && !ascii_isspace((unsigned char)s->p[i]))
		return -1;
	while (i < s->n && ascii_isblank((unsigned char)s->p[i]))
		i++;
	*out = d;
	*s = str_sub(*s, i, s->n);
	return 0;
}

const char *
dsn_text(struct dsn d, char dst[DSN_MAX])
{
	dst[0] = '\0';
	if (d.class != 0)
		snprintf(dst, DSN_MAX, "%u.%u.%u", d.class % 10U,
		    d.subject % 1000U, d.detail % 1000U);
	return dst;
}

static const struct {
	struct str word;
	unsigned bit;
} notify_words[] = {
	{ STR("SUCCESS"), DSN_NOTIFY_SUCCESS },
	{ STR("FAILURE"), DSN_NOTIFY_FAILURE },
	{ STR("DELAY"), DSN_NOTIFY_DELAY },
	{ STR("NEVER"), DSN_NOTIFY_NEVER },
};

static unsigned
notify_bit(struct str word)
{
	for (size_t i = 0; i < NELEM(notify_words); i++)
		if (str_caseeq(word, notify_words[i].word))
			return notify_words[i].bit;
	return 0;
}

int
dsn_notify_parse(struct str s, unsigned *out)
{
	unsigned all = 0, bit;
	ptrdiff_t comma;

	do {
		comma = str_chr(s, ',');
		bit =
		    notify_bit(comma == -1 ? s : str_sub(s, 0, (size_t)comma));
		if (bit == 0 || (all & bit) != 0)
			return -1;
		all |= bit;
		if (comma != -1)
			s = str_sub(s, (size_t)comma + 1, s.n);
	} while (comma != -1);
	if ((all & DSN_NOTIFY_NEVER) != 0 && all != DSN_NOTIFY_NEVER)
		return -1;
	*out = all;
	return 0;
}

int
dsn_notify_format(struct buf *out, unsigned notify)
{
	bool first = true;

	for (size_t i = 0; i < NELEM(notify_words); i++) {
		if ((notify & notify_words[i].bit) == 0)
			continue;
		if (!first)
			buf_putc(out, ',');
		buf_str(out, notify_words[i].word);
		first = false;
	}
	return buf_full(out) ? -1 : 0;
}

int
dsn_ret_parse(struct str s, enum dsn_ret *out)
{
	if (str_caseeq(s, STR("FULL")))
		*out = DSN_RET_FULL;
	else if (str_caseeq(s, STR("HDRS")))
		*out = DSN_RET_HDRS;
	else
		return -1;
	return 0;
}
