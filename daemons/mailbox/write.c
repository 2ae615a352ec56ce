/* SPDX-License-Identifier: ISC */
/*
 * What is written of a message, and how a failure is told.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "queue/content.h"

#include "mailbox.h"

/* What the administrator or the user can do about it, as a status code. */
static const char *
dsn_of(int error)
{
	switch (error) {
	case EFBIG:
		return "5.2.2"; /* will not fit later, either */
	case ENOSPC:
	case EDQUOT:
		return "4.2.2";
	case EIO:
	case ENFILE:
	case EMFILE:
	case ENOMEM:
	case EROFS:
		return "4.3.0";
	default:
		return "4.2.0";
	}
}

void
delivery_fail(struct delivery *d, int error, const char *fmt, ...)
{
	const char *dsn = dsn_of(error);
	size_t n;
	va_list ap;

	strlcpy(d->dsn, dsn, sizeof(d->dsn));
	d->fate = dsn[0] == '5' ? FATE_BOUNCED : FATE_DEFERRED;
	va_start(ap, fmt);
	vsnprintf(d->text, sizeof(d->text), fmt, ap);
	va_end(ap);
	n = strlen(d->text);
	snprintf(d->text + n, sizeof(d->text) - n, ": %s", strerror(error));
}

void
delivery_sent(struct delivery *d, const char *text)
{
	d->fate = FATE_SENT;
	strlcpy(d->dsn, "2.0.0", sizeof(d->dsn));
	strlcpy(d->text, text, sizeof(d->text));
}

/* Collects bytes and writes them WRITE_BUF at a time. */
struct out {
	int fd;
	char *buf;
	size_t n;
	uint64_t total;
	uint64_t max;
	char last;
	bool failed;
};

static void
out_flush(struct out *o)
{
	if (!o->failed && o->n > 0 && fd_write_all(o->fd, o->buf, o->n) == -1)
		o->failed = true;
	o->n = 0;
}

static void
out_add(struct out *o, struct str s)
{
	if (s.n == 0 || o->failed)
		return;
	if (o->max > 0 && s.n > o->max - o->total) {
		errno = EFBIG;
		o->failed = true;
		return;
	}
	o->total += s.n;
	o->last = s.p[s.n - 1];
	while (s.n > 0 && !o->failed) {
		size_t k = WRITE_BUF - o->n;

		if (k > s.n)
			k = s.n;
		memcpy(o->buf + o->n, s.p, k);
		o->n += k;
		s = str_sub(s, k, s.n);
		if (o->n == WRITE_BUF)
			out_flush(o);
	}
}

/* The bytes as they are, read to where they are written from. */
static void
copy_plain(struct content *c, struct out *o)
{
	ssize_t k;

	while (!o->failed) {
		if (o->n == WRITE_BUF)
			out_flush(o);
		k = content_read(c, o->buf + o->n, WRITE_BUF - o->n);
		if (k == -1)
			o->failed = true;
		if (k <= 0)
			break;
		o->last = o->buf[o->n + (size_t)k - 1];
		o->n += (size_t)k;
		o->total += (uint64_t)k;
	}
}

static void
copy_quoted(struct content *c, struct out *o)
{
	struct str line;
	int part, k = 0;

	while (!o->failed && (k = content_line(c, &line, &part)) == 1) {
		if ((part & CONTENT_FIRST) && str_starts(line, STR("From ")))
			out_add(o, STR(">"));
		out_add(o, line);
		if (part & CONTENT_LAST)
			out_add(o, STR("\n"));
	}
	if (k == -1)
		o->failed = true;
}

int
delivery_copy(struct delivery *d, struct str from, uint64_t max, char *buf)
{
	struct out o = { .fd = d->file_fd,
		.buf = buf,
		.max = max,
		.last = '\n' };
	struct content c;
	int e;

	if (content_init(&c, d->fd, d->off, d->size, d->edits, d->nedits) == -1)
		return -1;
	if (max > 0 && d->prefix.n + content_size(&c) > max) {
		content_clear(&c);
		errno = EFBIG;
		return -1;
	}
	out_add(&o, from);
	out_add(&o, d->prefix);
	if (from.n > 0)
		copy_quoted(&c, &o);
	else
		copy_plain(&c, &o);
	if (o.last != '\n')
		out_add(&o, STR("\n"));
	if (from.n > 0)
		out_add(&o, STR("\n"));
	out_flush(&o);
	e = errno;
	content_clear(&c);
	errno = e;
	return o.failed ? -1 : 0;
}
