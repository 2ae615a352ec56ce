/* SPDX-License-Identifier: ISC */
/*
 * Formatting log lines.
 */
#include "log/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "edge/log.h"

static log_sink_fn *sink;
static void *sink_arg;
static void (*sink_first)(void);
static enum log_level threshold = LOG_LEVEL_INFO;

void
log_sink(log_sink_fn *fn, void *arg)
{
	sink = fn;
	sink_arg = arg;
	sink_first = NULL;
}

void
log_sink_first(void (*fn)(void))
{
	sink_first = fn;
}

void
log_threshold(enum log_level level)
{
	threshold = level;
}

static const char *
level_prefix(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_FATAL:
		return "fatal: ";
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARNING:
		return "warning: ";
	case LOG_LEVEL_INFO:
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "";
}

static void PRINTFLIKE(3, 0)
emit(enum log_level level, struct str service, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_MAX];
	int n, k;

	if (level > threshold)
		return;
	n = snprintf(text, sizeof(text), "%s", level_prefix(level));
	k = vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	if (k < 0)
		return;
	n += k;
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	if (sink != NULL)
		sink(level, service, str_make(text, (size_t)n),
		    clock_wall_us(), sink_arg);
	else
		fprintf(stderr, "%s\n", text);
}

void
log_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_FATAL, STR_NONE, fmt, ap);
	va_end(ap);
	exit(1);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_ERROR, STR_NONE, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_WARNING, STR_NONE, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_INFO, STR_NONE, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_DEBUG, STR_NONE, fmt, ap);
	va_end(ap);
}

void
log_fate(struct str service, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_INFO, service, fmt, ap);
	va_end(ap);
	if (sink_first != NULL)
		sink_first();
}

void
log_as(struct str service, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(level, service, fmt, ap);
	va_end(ap);
}
