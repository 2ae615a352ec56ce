/* SPDX-License-Identifier: ISC */
/*
 * Dates in messages.
 */
#include "mail/date.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "SunMonTueWedThuFriSat";

/* A result and the second it belongs to. */
struct cache {
	int64_t sec;
	size_t n;
	char text[DATE_MAX];
};

void
date_init(void)
{
	struct tm tm;
	time_t now = 0;

	/* Either would do on its own somewhere. */
	tzset();
	localtime_r(&now, &tm);
}

static int64_t
floor_sec(int64_t us)
{
	return us / 1000000 - (us % 1000000 < 0);
}

static bool
cached(struct cache *c, int64_t us, struct str *out)
{
	int64_t sec = floor_sec(us);

	*out = str_make(c->text, c->n);
	if (c->n > 0 && c->sec == sec)
		return true;
	c->sec = sec;
	return false;
}

/* Remember what snprintf() made, which fits but for years beyond reason. */
static struct str
keep(struct cache *c, int n)
{
	c->n = n < 0 ? 0 : (size_t)n < DATE_MAX ? (size_t)n : DATE_MAX - 1;
	return str_make(c->text, c->n);
}

static void
local_time(int64_t sec, struct tm *tm)
{
	time_t t = (time_t)sec;

	memset(tm, 0, sizeof(*tm));
	localtime_r(&t, tm);
}

/* %.3s of a name by its number. */
#define DAY(tm) (day_names + 3 * ((tm)->tm_wday % 7))
#define MONTH(tm) (month_names + 3 * ((tm)->tm_mon % 12))

struct str
date_rfc5322(int64_t us)
{
	static _Thread_local struct cache c;
	const char *zone;
	struct str s;
	struct tm tm;
	long off;

	if (cached(&c, us, &s))
		return s;
	local_time(c.sec, &tm);
	off = tm.tm_gmtoff / 60;
	zone = tm.tm_zone == NULL || *tm.tm_zone == '\0' ? "?" : tm.tm_zone;
	return keep(&c,
	    snprintf(c.text, sizeof(c.text),
		"%.3s, %2d %.3s %d %02d:%02d:%02d %c%02ld%02ld (%.12s)",
		DAY(&tm), tm.tm_mday, MONTH(&tm), tm.tm_year + 1900, tm.tm_hour,
		tm.tm_min, tm.tm_sec, off < 0 ? '-' : '+',
		(off < 0 ? -off : off) / 60, (off < 0 ? -off : off) % 60,
		zone));
}

struct str
date_mbox(int64_t us)
{
	static _Thread_local struct cache c;
	struct str s;
	struct tm tm;

	if (cached(&c, us, &s))
		return s;
	local_time(c.sec, &tm);
	return keep(&c,
	    snprintf(c.text, sizeof(c.text), "%.3s %.3s %2d %02d:%02d:%02d %d",
		DAY(&tm), MONTH(&tm), tm.tm_mday, tm.tm_hour, tm.tm_min,
		tm.tm_sec, tm.tm_year + 1900));
}

struct str
date_stamp(int64_t us)
{
	static _Thread_local struct cache c;
	struct str s;
	struct tm tm = { 0 };
	time_t t;

	if (cached(&c, us, &s))
		return s;
	t = (time_t)c.sec;
	gmtime_r(&t, &tm);
	return keep(&c,
	    snprintf(c.text, sizeof(c.text), "%04d%02d%02d%02d%02d%02d",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec));
}

/* --- parsing --- */

/*
 * The next word or sign of the date: letters, digits, or one other character.
 * Blanks, folds and comments are passed over.
 */
static struct str
next_token(struct str *s)
{
	size_t i = 0, depth = 0, from;
	struct str t;

	for (; i < s->n; i++) {
		char c = s->p[i];

		if (c == '(')
			depth++;
		else if (depth > 0) {
			if (c == '\\' && i + 1 < s->n)
				i++;
			else if (c == ')')
				depth--;
		} else if (!ascii_isspace((unsigned char)c))
			break;
	}
	from = i;
	while (i < s->n && ascii_isalpha((unsigned char)s->p[i]))
		i++;
	if (i == from)
		while (i < s->n && ascii_isdigit((unsigned char)s->p[i]))
			i++;
	if (i == from && i < s->n)
		i++;
	t = str_sub(*s, from, i);
	*s = str_sub(*s, i, s->n);
	return t;
}

static bool
take(struct str *s, char c)
{
	struct str rest = *s, t = next_token(&rest);

	if (t.n != 1 || t.p[0] != c)
		return false;
	*s = rest;
	return true;
}

static bool
take_number(struct str *s, uint64_t max, uint64_t *out, size_t *digits)
{
	struct str t = next_token(s);

	*digits = t.n;
	return str_u64(t, max, out) == 0;
}

static int
month_number(struct str s)
{
	if (s.n < 3)
		return -1;
	for (int i = 0; i < 12; i++)
		if (str_caseeq(str_sub(s, 0, 3),
			str_make(month_names + (ptrdiff_t)3 * i, 3)))
			return i + 1;
	return -1;
}

/* Days since the epoch, by counting years from March. */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400, yoe = y % 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int
days_in(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/*
 * Seconds east of Greenwich.  Unknown and military zones count as -0000, as
 * RFC 5322 section 4.3 wants; so does a zone that is missing.
 */
static int
parse_zone(struct str *s, int64_t *out)
{
	static const struct {
		char name[4];
		int hours;
	} zones[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 },
		{ "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 },
		{ "PDT", -7 } };
	struct str t = next_token(s);
	uint64_t hhmm;
	size_t digits;
	int sign;

	*out = 0;
	if (t.n == 0)
		return 0;
	if (t.p[0] == '+' || t.p[0] == '-') {
		sign = t.p[0] == '-' ? -1 : 1;
		if (!take_number(s, 9959, &hhmm, &digits) || digits != 4 ||
		    hhmm % 100 > 59)
			return -1;
		*out = sign * (int64_t)(hhmm / 100 * 3600 + hhmm % 100 * 60);
		return 0;
	}
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (str_caseeq(t, str_of(zones[i].name)))
			*out = (int64_t)zones[i].hours * 3600;
	return ascii_isalpha((unsigned char)t.p[0]) ? 0 : -1;
}

static int
parse_day(struct str *s, int64_t *days)
{
	struct str day = next_token(s);
	uint64_t d, year;
	size_t digits;
	int month;

	if (day.n > 0 && ascii_isalpha((unsigned char)day.p[0])) {
		take(s, ','); /* some leave it out */
		day = next_token(s);
	}
	if (str_u64(day, 31, &d) == -1 || d == 0)
		return -1;
	take(s, '-'); /* and some write 21-Nov-2026 */
	if ((month = month_number(next_token(s))) == -1)
		return -1;
	take(s, '-');
	if (!take_number(s, 9999, &year, &digits))
		return -1;
	/* Section 4.3 again: 49 is 2049, 50 is 1950, 103 is 2003. */
	if (digits == 2)
		year += year < 50 ? 2000 : 1900;
	else if (digits == 3)
		year += 1900;
	if (digits < 2 || year < 1900 || (int)d > days_in((int64_t)year, month))
		return -1;
	*days = days_of((int64_t)year, month, (int)d);
	return 0;
}

int
date_parse(struct str value, int64_t *out)
{
	uint64_t hour, min, sec = 0;
	int64_t days, zone;
	size_t n;

	if (parse_day(&value, &days) == -1 ||
	    !take_number(&value, 23, &hour, &n) || !take(&value, ':') ||
	    !take_number(&value, 59, &min, &n))
		return -1;
	if (take(&value, ':') && !take_number(&value, 60, &sec, &n))
		return -1;
	if (parse_zone(&value, &zone) == -1)
		return -1;
	*out = days * 86400 + (int64_t)(hour * 3600 + min * 60 + sec) - zone;
	return 0;
}
