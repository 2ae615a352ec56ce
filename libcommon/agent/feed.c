/* SPDX-License-Identifier: ISC */
/*
 * A message on its way into a pipe.
 */
#include "agent/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/date.h"

#define EDITS_MAX 2048
#define FILL 32768 /* bytes made ready at one time */

void
feed_from(struct buf *out, struct str sender)
{
	buf_puts(out, "From ");
	addr_quote(out, sender);
	buf_puts(out, "  ");
	buf_str(out, date_mbox(clock_wall_us()));
	buf_puts(out, "\n");
}

static void
put_eol(struct feed *f)
{
	buf_puts(&f->out, f->eol);
}

void
feed_init(struct feed *f, struct loop *l, struct agent_job *j, unsigned flags,
    const char *eol, struct str head)
{
	struct str line;

	*f = (struct feed){ .job = j, .flags = flags, .fd = -1, .loop = l };
	strlcpy(f->eol, eol, sizeof(f->eol));
	buf_init(&f->out, 4 * FILL + 8 * head.n);
	while (head.n > 0) {
		ptrdiff_t lf = str_chr(head, '\n');
		size_t n = lf == -1 ? head.n : (size_t)lf;

		line = str_sub(head, 0, n);
		head = str_sub(head, n + 1, head.n);
		buf_str(&f->out, line);
		put_eol(f);
	}
}

void
feed_clear(struct feed *f)
{
	watch_clear(&f->watch);
	if (f->open)
		content_clear(&f->content);
	f->open = false;
	free(f->edits);
	f->edits = NULL;
	buf_clear(&f->out);
	if (f->loop != NULL)
		fd_close(&f->fd);
}

static int
open_content(struct feed *f)
{
	struct env_reader er;
	struct env_edit e;
	size_t n = 0;

	env_open_part(&er, f->job->edits);
	while (n < EDITS_MAX && env_read_edit(&er, &e) == 1) {
		if (n % 64 == 0)
			f->edits =
			    xreallocarray(f->edits, n + 64, sizeof(*f->edits));
		f->edits[n++] = e;
	}
	if (content_init(&f->content, f->job->fd, f->job->offset, f->job->size,
		f->edits, n) == -1)
		return -1;
	f->open = true;
	return 0;
}

/* Some more lines; -1 with errno. */
static int
fill(struct feed *f)
{
	struct str line;
	int part, k = 1;

	while (f->out.len < FILL && !f->ended) {
		k = content_line(&f->content, &line, &part);
		if (k == -1)
			return -1;
		if (k == 0) {
			f->ended = true;
			if (f->content.mid)
				put_eol(f);
			if (f->flags & FEED_BLANK)
				put_eol(f);
			break;
		}
		if ((part & CONTENT_FIRST) &&
		    (((f->flags & FEED_QUOTE_FROM) &&
			 str_starts(line, STR("From ")))))
			buf_putc(&f->out, '>');
		if ((part & CONTENT_FIRST) && (f->flags & FEED_DOT) &&
		    str_starts(line, STR(".")))
			buf_putc(&f->out, '.');
		buf_str(&f->out, line);
		if (part & CONTENT_LAST)
			put_eol(f);
	}
	return 0;
}

static void
finish(struct feed *f, int error)
{
	watch_clear(&f->watch);
	fd_close(&f->fd);
	f->fn(error, f->arg);
}

static void
on_room(int what, void *arg)
{
	struct feed *f = arg;
	ssize_t n;

	(void)what;
	for (;;) {
		if (!f->ended && f->out.len < FILL / 2 && fill(f) == -1) {
			finish(f, errno == 0 ? EIO : errno);
			return;
		}
		if (f->out.len == 0) {
			finish(f, 0);
			return;
		}
		n = write(f->fd, buf_get(&f->out).p, f->out.len);
		if (n > 0) {
			buf_consume(&f->out, (size_t)n);
			continue;
		}
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			watch_set(&f->watch, LOOP_WRITE);
			return;
		}
		finish(f, errno);
		return;
	}
}

void
feed_begin(struct feed *f, int fd, void (*fn)(int error, void *arg), void *arg)
{
	f->fd = fd;
	f->fn = fn;
	f->arg = arg;
	watch_init(&f->watch, f->loop, fd, on_room, f);
	if (open_content(f) == -1)
		finish(f, errno);
	else
		on_room(LOOP_WRITE, f);
}
