/* SPDX-License-Identifier: ISC */
/*
 * Standard input, and the submission that is made of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/fd.h"
#include "mail/addrlist.h"
#include "mail/header.h"

#include "sendmail.h"

#define READ_SIZE ((size_t)64 << 10)

/* --- the submission ------------------------------------------------------- */

void
post_init(struct post *p, uint64_t size_max)
{
	*p = (struct post){ .fd = -1, .size_max = size_max };
	buf_init(&p->b, SPILL + DROP_RECORD_MAX);
	if (drop_begin(&p->w, &p->b) == -1)
		fatal(EX_SOFTWARE, "cannot begin a submission");
}

void
post_clear(struct post *p)
{
	fd_close(&p->fd);
	buf_clear(&p->b);
}

/* Large ones are kept in a memory file while they come. */
static void
spill(struct post *p)
{
	struct str s = buf_get(&p->b);

	if (s.n < SPILL)
		return;
	if (p->fd == -1)
		p->fd = memfd_new("sendmail");
	if (p->fd == -1 || fd_write_all(p->fd, s.p, s.n) == -1)
		fatal(EX_TEMPFAIL, "no memory for the message: %s",
		    strerror(errno));
	buf_reset(&p->b);
}

void
post_put(struct post *p, const struct drop *d)
{
	spill(p);
	if (drop_put(&p->w, &p->b, d) == -1)
		fatal(EX_USAGE, "too long for the envelope of a message");
}

void
post_content(struct post *p, struct str text)
{
	if (p->size_max > 0 && p->w.content + text.n > p->size_max)
		p->too_big = true;
	while (text.n > 0 && !p->too_big) {
		struct drop d = { .type = DROP_CONTENT,
			.text = str_sub(text, 0, DROP_CHUNK_MAX) };

		post_put(p, &d);
		text = str_sub(text, d.text.n, text.n);
	}
}

void
post_end(struct post *p)
{
	spill(p);
	if (drop_end(&p->w, &p->b) == -1)
		fatal(EX_SOFTWARE, "cannot end a submission");
}

/* --- lines ---------------------------------------------------------------- */

struct input {
	struct post *p;
	struct buf out;	  /* lines on their way to p */
	struct buf *head; /* or NULL */
	bool keep_dots;
	bool start;    /* at the beginning of a line */
	bool first;    /* of the first lines, where `From ' is no header */
	bool skipping; /* the rest of such a line */
	bool cr;       /* a CR was held back */
	bool in_head;
};

static void
emit(struct input *in, struct str s)
{
	if (in->out.len + s.n > READ_SIZE) {
		post_content(in->p, buf_get(&in->out));
		buf_reset(&in->out);
	}
	buf_str(&in->out, s);
	if (in->in_head && in->head != NULL && buf_str(in->head, s) == -1)
		fatal(EX_DATAERR, "message header is too large");
}

/* The line is over; false when it was the last one. */
static bool
end_line(struct input *in, struct str piece)
{
	bool dot = in->start && str_eq(piece, STR("."));
	bool empty = in->start && piece.n == 0;

	if (in->skipping) {
		in->skipping = false;
		return true;
	}
	if (dot && !in->keep_dots)
		return false;
	emit(in, piece);
	emit(in, STR("\n"));
	if (empty)
		in->in_head = false;
	in->start = true;
	return true;
}

static bool
is_from_line(struct str s)
{
	while (s.n > 0 && s.p[0] == '>')
		s = str_sub(s, 1, s.n);
	return str_starts(s, STR("From "));
}

/* A line, or a piece of one that is longer than what was read. */
static bool
line(struct input *in, struct str s, bool whole)
{
	/* CR LF is a line end; a CR elsewhere is a byte. */
	if (in->cr && !(whole && s.n == 0)) {
		emit(in, STR("\r"));
		in->start = false;
	}
	in->cr = false;
	if (in->start && in->first && is_from_line(s))
		in->skipping = true;
	else if (in->start)
		in->first = false;
	if (s.n > 0 && s.p[s.n - 1] == '\r') {
		s.n--;
		in->cr = !whole;
	}
	if (whole)
		return end_line(in, s);
	if (!in->skipping)
		emit(in, s);
	in->start = in->start && s.n == 0;
	return true;
}

/* Every line in s; what has no end yet is left in *s if it is short. */
static bool
lines(struct input *in, struct str *s)
{
	ptrdiff_t lf;

	while ((lf = str_chr(*s, '\n')) != -1) {
		if (!line(in, str_sub(*s, 0, (size_t)lf), true))
			return false;
		*s = str_sub(*s, (size_t)lf + 1, s->n);
	}
	return true;
}

void
input_read(struct post *p, bool keep_dots, struct buf *head)
{
	struct input in = { .p = p,
		.head = head,
		.keep_dots = keep_dots,
		.start = true,
		.first = true,
		.in_head = true };
	struct buf b;
	struct str s;
	bool more = true;

	buf_init(&in.out, READ_SIZE + 2 * READ_SIZE);
	buf_init(&b, 2 * READ_SIZE);
	while (more) {
		ssize_t n =
		    read(STDIN_FILENO, buf_reserve(&b, READ_SIZE), READ_SIZE);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			fatal(EX_DATAERR, "error reading input: %s",
			    strerror(errno));
		if (n == 0)
			break;
		buf_grow(&b, (size_t)n);
		s = buf_get(&b);
		more = lines(&in, &s);
		if (more && s.n >= READ_SIZE) {
			line(&in, s, false);
			s.n = 0;
		}
		buf_consume(&b, b.len - s.n);
	}
	s = buf_get(&b);
	/* A last line without an end gets one. */
	if (more && (s.n > 0 || !in.start || in.cr))
		line(&in, s, true);
	post_content(p, buf_get(&in.out));
	buf_clear(&in.out);
	buf_clear(&b);
}

/* --- recipients ----------------------------------------------------------- */

static void
rcpts_of(struct str value, void (*fn)(struct str addr, void *arg), void *arg)
{
	struct addrlist_item item;
	struct addrlist list;
	enum addr_result r;
	struct buf addr;

	buf_init(&addr, ADDR_MAX);
	addrlist_init(&list, value);
	while (addrlist_next(&list, &item)) {
		r = addrlist_addr(&list, &item, &addr);
		if (r == ADDR_OK)
			fn(buf_get(&addr), arg);
		else if (r != ADDR_EMPTY)
			warning("recipient ignored: %.*s: %s",
			    (int)(item.end - item.off), value.p + item.off,
			    addr_result_text(r));
	}
	buf_clear(&addr);
}

void
input_rcpts(struct str head, void (*fn)(struct str addr, void *arg), void *arg)
{
	struct header_iter it;
	struct header h;
	bool resent = false;

	header_iter_init(&it, head, head.n, true);
	while (header_next(&it, &h) == HEADER_FIELD)
		if (h.id == HEADER_RESENT_TO || h.id == HEADER_RESENT_CC ||
		    h.id == HEADER_RESENT_BCC)
			resent = true;
	header_iter_init(&it, head, head.n, true);
	while (header_next(&it, &h) == HEADER_FIELD) {
		unsigned flags = header_flags(h.id);

		if ((flags & HEADER_EXTRACT) != 0 &&
		    ((flags & HEADER_IS_RESENT) != 0) == resent)
			rcpts_of(h.value, fn, arg);
	}
}
