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
