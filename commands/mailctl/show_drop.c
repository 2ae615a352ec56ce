/* SPDX-License-Identifier: ISC */
/*
 * A file of maildrop, as postcat prints it: what a user's sendmail left, before
 * anybody looked at it.
 */
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "mail/dsn.h"
#include "queue/envelope.h"
#include "queue/maildrop.h"

struct show {
	const char *name;
	unsigned flags;
	int content; /* memory file with the content so far */
	uint64_t size;
	bool extracted; /* recipients have their heading */
};

static void
put(const struct show *s, enum drop_type type, const char *name, struct str v)
{
	struct buf b;

	if ((s->flags & SHOW_ENVELOPE) == 0)
		return;
	buf_init(&b, 4 * DROP_CHUNK_MAX);
	put_printable(&b, v);
	if ((s->flags & SHOW_TYPES) != 0)
		printf("%3d ", (int)type);
	printf("%s: %s\n", name, buf_cstr(&b));
	buf_clear(&b);
}

static void
put_head(const struct show *s, const struct drop *d)
{
	time_t when = (time_t)(d->when_us / 1000000);
	struct tm *tm = localtime(&when);
	char date[64] = "?";

	if (tm != NULL)
		strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", tm);
	put(s, DROP_HEAD, "message_arrival_time", str_of(date));
	if ((d->flags & DROP_8BITMIME) != 0)
		put(s, DROP_HEAD, "encoding", STR("8bit"));
	if ((d->flags & DROP_SMTPUTF8) != 0)
		put(s, DROP_HEAD, "smtputf8", STR("requested"));
	if ((d->flags & DROP_REMOTE) != 0)
		put(s, DROP_HEAD, "rewrite_context", STR("remote"));
	if ((d->flags & DROP_VERIFY) != 0)
		put(s, DROP_HEAD, "trace_flags", STR("verify"));
	else if ((d->flags & DROP_REPORT) != 0)
		put(s, DROP_HEAD, "trace_flags", STR("report"));
	if (d->ret != ENV_RET_NONE)
		put(s, DROP_HEAD, "ret_flags",
		    d->ret == ENV_RET_HDRS ? STR("HDRS") : STR("FULL"));
}

static void
marker(const struct show *s, const char *text)
{
	if ((s->flags & SHOW_ENVELOPE) != 0)
		printf("*** %s %s ***\n", text, s->name);
}

/* Content is over when what comes behind it comes. */
static int
end_content(struct show *s)
{
	struct shown m = { .fd = s->content,
		.size = s->size,
		.name = s->name };

	if (s->extracted)
		return 0;
	s->extracted = true;
	marker(s, "MESSAGE CONTENTS");
	if ((s->flags & (SHOW_HEADER | SHOW_BODY)) != 0 &&
	    show_message(&m, s->flags & (SHOW_HEADER | SHOW_BODY)) == -1)
		return -1;
	marker(s, "HEADER EXTRACTED");
	return 0;
}

static void
put_rcpt(const struct show *s, const struct drop *d)
{
	struct buf b;

	if (d->orcpt.n > 0)
		put(s, DROP_RCPT, "dsn_orig_rcpt", d->orcpt);
	if (d->notify != 0) {
		buf_init(&b, 64);
		dsn_notify_format(&b, d->notify);
		put(s, DROP_RCPT, "notify_flags", buf_get(&b));
		buf_clear(&b);
	}
	put(s, DROP_RCPT, "recipient", d->text);
}

static int
take(struct show *s, const struct drop *d)
{
	switch (d->type) {
	case DROP_HEAD:
		marker(s, "ENVELOPE RECORDS");
		put_head(s, d);
		return 0;
	case DROP_SENDER:
		put(s, d->type, "sender", d->text);
		return 0;
	case DROP_FULLNAME:
		put(s, d->type, "fullname", d->text);
		return 0;
	case DROP_ENVID:
		put(s, d->type, "envid", d->text);
		return 0;
	case DROP_VERP:
		put(s, d->type, "verp_delimiters", d->text);
		return 0;
	case DROP_CONTENT:
		s->size += d->text.n;
		return fd_write_all(s->content, d->text.p, d->text.n);
	case DROP_RCPT:
		if (end_content(s) == -1)
			return -1;
		put_rcpt(s, d);
		return 0;
	case DROP_END:
		if (end_content(s) == -1)
			return -1;
		marker(s, "MESSAGE FILE END");
		return 0;
	}
	return -1;
}

bool
is_drop(int fd)
{
	struct drop_writer w;
	char head[DROP_MAGIC];
	struct buf b;
	bool same;

	buf_init(&b, DROP_RECORD_MAX);
	same = drop_begin(&w, &b) == 0 && b.len >= DROP_MAGIC &&
	    fd_pread_all(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	    memcmp(head, buf_get(&b).p, sizeof(head)) == 0;
	buf_clear(&b);
	return same;
}

/* All of it is read, though END be there before: nothing may follow. */
static int
read_all(struct show *s, int fd)
{
	static char chunk[DROP_RECORD_MAX];
	struct drop_reader r;
	struct drop d;
	struct buf b;
	struct str in;
	ssize_t n;
	int k = 0;

	drop_reader_init(&r);
	buf_init(&b, 2 * DROP_RECORD_MAX);
	do {
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			buf_str(&b, str_make(chunk, (size_t)n));
		in = buf_get(&b);
		while ((k = drop_get(&r, &in, &d)) == 1)
			if (take(s, &d) == -1)
				n = -1;
		buf_consume(&b, b.len - in.n);
	} while (n > 0 && k != -1 && !r.over);
	buf_clear(&b);
	return n == -1 || k == -1 || !r.over ? -1 : 0;
}

int
show_drop(int fd, const char *name, unsigned flags)
{
	struct show s = { .name = name, .flags = flags };
	int rc;

	s.content = memfd_new("content");
	if (s.content == -1) {
		say("fatal: %s: %s", name, strerror(errno));
		return -1;
	}
	rc = read_all(&s, fd);
	fflush(stdout);
	if (rc == -1)
		say("fatal: %s: input is not a whole submission", name);
	fd_close(&s.content);
	return rc;
}
