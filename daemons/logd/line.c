/* SPDX-License-Identifier: ISC */
/*
 * One log line, defused.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mail/utf8.h"

#include "logd.h"

#define RATE 20000.0 /* lines a second and writer, in the long run */
#define BURST 100000.0

bool
writer_charge(struct writer *w, int64_t now_ms, uint64_t *out_missed)
{
	*out_missed = 0;
	if (!allowance_take(&w->lines, RATE, BURST, now_ms)) {
		w->dropped++;
		return false;
	}
	*out_missed = w->dropped;
	w->dropped = 0;
	return true;
}

int
line_facility(struct str name)
{
	static const struct {
		const char *name;
		int number;
	} facilities[] = { { "kern", 0 }, { "user", 1 }, { "mail", 2 },
		{ "daemon", 3 }, { "auth", 4 }, { "syslog", 5 }, { "lpr", 6 },
		{ "news", 7 }, { "uucp", 8 }, { "cron", 9 },
		{ "authpriv", 10 }, { "ftp", 11 }, { "local0", 16 },
		{ "local1", 17 }, { "local2", 18 }, { "local3", 19 },
		{ "local4", 20 }, { "local5", 21 }, { "local6", 22 },
		{ "local7", 23 } };

	for (size_t i = 0; i < NELEM(facilities); i++)
		if (str_caseeq(name, str_of(facilities[i].name)))
			return facilities[i].number;
	return -1;
}

/* The second is the same for most lines: it is spelled out once. */
static const char *
date_text(int64_t when_us, bool iso)
{
	static int64_t second = -1;
	static char bsd[32], full[40];
	time_t t = (time_t)(when_us / 1000000);
	struct tm tm;

	if (t != second) {
		second = t;
		localtime_r(&t, &tm);
		strftime(bsd, sizeof(bsd), "%b %e %H:%M:%S", &tm);
		strftime(full, sizeof(full), "%Y-%m-%dT%H:%M:%S", &tm);
	}
	return iso ? full : bsd;
}

/* Bytes of a sound UTF-8 sequence at p, or 0. */
static size_t
sound(const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (c < 0xc2 || c > 0xf4 || len > n || !utf8_valid(str_make(p, len)))
		return 0;
	return len;
}

static void
add_defused(struct buf *out, struct str s, bool json)
{
	size_t i = 0, start = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = 1;
		bool plain = c >= 0x20 && c < 0x7f &&
		    !(json && (c == '"' || c == '\\'));

		if (c >= 0x80 && (len = sound(s.p + i, s.n - i)) > 0)
			plain = c != 0xc2 || (unsigned char)s.p[i + 1] >= 0xa0;
		if (len == 0)
			len = 1;
		if (!plain) {
			buf_str(out, str_sub(s, start, i));
			if (json && (c == '"' || c == '\\'))
				buf_putc(out, '\\');
			buf_putc(out, json && (c == '"' || c == '\\') ? c :
			    '?');
			start = i + len;
		}
		i += len;
	}
	buf_str(out, str_sub(s, start, s.n));
}

static const char *
level_name(uint8_t level)
{
	static const char *const names[] = { "fatal", "error", "warning",
		"info", "debug" };

	return level < NELEM(names) ? names[level] : "info";
}

/* syslog(3) severities of our levels: crit, err, warning, info, debug. */
static int
severity(uint8_t level)
{
	static const int numbers[] = { 2, 3, 4, 6, 7 };

	return level < NELEM(numbers) ? numbers[level] : 6;
}

void
line_format(const struct line_style *style, const struct writer *w,
    const struct log_line *line, struct buf *out)
{
	struct str name = line->service.n > 0 ? line->service :
	    str_of(style->syslog_name);

	if (style->form == FORM_JSON) {
		buf_printf(out, "{\"time\":\"%s.%06d\",\"host\":\"%s\","
		    "\"service\":\"", date_text(line->when_us, true),
		    (int)(line->when_us % 1000000), style->host);
		add_defused(out, name, true);
		buf_printf(out, "/%s\",\"pid\":%u,\"level\":\"%s\",\"text\":\"",
		    w->component, w->pid, level_name(line->level));
		add_defused(out, line->text, true);
		buf_puts(out, "\"}\n");
		return;
	}
	if (style->form == FORM_SYSLOG)
		buf_printf(out, "<%d>%s ", style->facility << 3 |
		    severity(line->level), date_text(line->when_us, false));
	else
		buf_printf(out, "%s %s ", date_text(line->when_us, false),
		    style->host);
	add_defused(out, name, false);
	buf_printf(out, "/%s[%u]: ", w->component, w->pid);
	add_defused(out, line->text, false);
	if (style->form == FORM_FILE)
		buf_putc(out, '\n');
}
