/* SPDX-License-Identifier: ISC */
/*
 * Words to people, in the form that Postfix's commands have.
 */
#include "mailctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void PRINTFLIKE(2, 0) put(const char *level, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "%s: %s", opt.name, level);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put("fatal: ", fmt, ap);
	va_end(ap);
	exit(EXIT_BAD);
}

void
die_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put("fatal: ", fmt, ap);
	va_end(ap);
	exit(opt.postfix ? EXIT_BAD : EXIT_USAGE);
}

void
warn_of(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put("warning: ", fmt, ap);
	va_end(ap);
}

void
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put("", fmt, ap);
	va_end(ap);
}
