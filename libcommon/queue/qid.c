/* SPDX-License-Identifier: ISC */
/*
 * Queue ids and their two texts.
 */
#include "queue/qid.h"

#include <string.h>

#define MILLION UINT64_C(1000000)

/* Digits and consonants; base 51 leaves out the last, z, which separates. */
static const char alphabet[] =
    "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
static const char hex[] = "0123456789ABCDEF";

/* At least min digits of x in the base, most significant first. */
static size_t
digits(char *out, uint64_t x, const char *set, unsigned base, unsigned min)
{
	char tmp[24];
	size_t n = 0, len;

	for (; x > 0 || n < min; x /= base)
		tmp[n++] = set[x % base];
	len = n;
	while (n > 0)
		*out++ = tmp[--n];
	return len;
}

/* Parse n digits; -1 when one of them is none. */
static int
number(const char *p, size_t n, const char *set, unsigned base, uint64_t *out)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++) {
		const char *d = p[i] == '\0' ? NULL : strchr(set, p[i]);

		if (d == NULL || (unsigned)(d - set) >= base ||
		    x > UINT64_MAX / base - 1)
			return -1;
		x = x * base + (unsigned)(d - set);
	}
	*out = x;
	return 0;
}

/* Two digits that show most mistypings. */
static unsigned
check(uint64_t us)
{
	return (
	    unsigned)((us * UINT64_C(0x9E3779B97F4A7C15) >> 40) % (51 * 51));
}

bool
qid_valid(uint64_t qid)
{
	uint64_t sec = (qid & ~QID_LONG) / MILLION;

	return sec >= 1 && sec <= QID_SECONDS_MAX;
}

size_t
qid_format(uint64_t qid, char text[QID_TEXT_MAX])
{
	uint64_t us = qid & ~QID_LONG;
	size_t n = 0;

	if ((qid & QID_LONG) == 0) {
		n += digits(text, us % MILLION, hex, 16, 5);
		n += digits(text + n, us / MILLION, hex, 16, 1);
	} else {
		n += digits(text, us / MILLION, alphabet, 52, 6);
		n += digits(text + n, us % MILLION, alphabet, 52, 4);
		text[n++] = 'z';
		n += digits(text + n, check(us), alphabet, 51, 2);
	}
	text[n] = '\0';
	return n;
}

static int
parse_short(struct str s, uint64_t *out)
{
	uint64_t us, sec;

	if (s.n < 6 || s.n > 15 || number(s.p, 5, hex, 16, &us) == -1 ||
	    number(s.p + 5, s.n - 5, hex, 16, &sec) == -1)
		return -1;
	if (us >= MILLION || sec > QID_SECONDS_MAX)
		return -1;
	*out = sec * MILLION + us;
	return 0;
}

static int
parse_long(struct str s, uint64_t *out)
{
	size_t n = s.n - 7; /* of seconds; 4 and 1 and 2 follow */
	uint64_t us, sec;

	if (s.n < 13 || s.n > 14 || s.p[n + 4] != 'z' ||
	    number(s.p, n, alphabet, 52, &sec) == -1 ||
	    number(s.p + n, 4, alphabet, 52, &us) == -1)
		return -1;
	if (us >= MILLION || sec > QID_SECONDS_MAX)
		return -1;
	*out = (sec * MILLION + us) | QID_LONG;
	return 0;
}

int
qid_parse(struct str text, uint64_t *out)
{
	char again[QID_TEXT_MAX];
	uint64_t qid;

	if (parse_short(text, &qid) == -1 && parse_long(text, &qid) == -1)
		return -1;
	/* One text for one id: no leading zeros, the right check digits. */
	if (!qid_valid(qid) ||
	    !str_eq(str_make(again, qid_format(qid, again)), text))
		return -1;
	*out = qid;
	return 0;
}

char
qid_hash(uint64_t qid, unsigned level)
{
	uint64_t us = (qid & ~QID_LONG) % MILLION;

	return hex[us >> (4 * (4 - level % QID_HASH_LEVELS)) & 0xf];
}

uint64_t
qid_next(struct qid_maker *m, int64_t wall_us)
{
	uint64_t us = wall_us < (int64_t)MILLION ? MILLION : (uint64_t)wall_us;

	if (us <= m->last)
		us = m->last + 1;
	m->last = us;
	return m->long_form ? us | QID_LONG : us;
}

void
qid_seen(struct qid_maker *m, uint64_t qid)
{
	if (qid_valid(qid) && (qid & ~QID_LONG) > m->last)
		m->last = qid & ~QID_LONG;
}
