/* SPDX-License-Identifier: ISC */
/*
 * The header block of a message, in one pass through a window.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "mail/addrlist.h"
#include "mail/utf8.h"

#include "cleanup.h"

#define WINDOW_FIRST ((size_t)16 << 10) /* most messages are read in one go */
#define WINDOW_MIN ((size_t)64 << 10)
#define WINDOW_MAX ((size_t)4 << 20) /* no header is longer */
#define MESSAGE_ID_LOG 512

/* A part of the content in memory. */
struct window {
	uint64_t at; /* its offset in the content */
	size_t have;
};

enum step {
	STEP_ON,   /* the next step */
	STEP_OVER, /* the header is gone: no step more */
	STEP_STOP, /* the message is refused */
};

static enum step
too_many_edits(struct message *m)
{
	message_refuse(m, 552, DSN(5, 3, 4),
	    "Error: too many changes to message header");
	return STEP_STOP;
}

/* --- steps ---------------------------------------------------------------- */

static bool
is_dropped(const struct settings *s, const struct header *h)
{
	if (h->id != HEADER_OTHER)
		return (s->drop & HEAD_BIT(h->id)) != 0;
	for (size_t i = 0; i < s->drop_all.n; i++)
		if (str_caseeq(s->drop_all.v[i].text, h->name))
			return true;
	return false;
}

/* message_drop_headers, and the separator line of a mailbox file. */
static enum step
step_drop(struct message *m, const struct header *h, uint64_t at)
{
	if (h->id != HEADER_MBOX_FROM && !is_dropped(&m->cl->set, h))
		return STEP_ON;
	/* Nothing is missing because we took it away. */
	if (edits_add(&m->edits, at + h->off, h->end - h->off, STR_NONE) == -1)
		return too_many_edits(m);
	return STEP_OVER;
}

static void
log_message_id(const struct message *m, const struct header *h)
{
	char text[MESSAGE_ID_LOG];

	header_unfold(h->value, text, sizeof(text));
	log_info("%s: %smessage-id=%s", m->qid,
	    h->id == HEADER_RESENT_MESSAGE_ID ? "resent-" : "", text);
}

/* What there is; loops end here. */
static enum step
step_note(struct message *m, const struct header *h, uint64_t at)
{
	struct head *d = &m->head;

	(void)at;
	d->seen |= HEAD_BIT(h->id);
	if ((header_flags(h->id) & HEADER_IS_RESENT) != 0)
		d->resent = true;
	if (h->id == HEADER_MESSAGE_ID || h->id == HEADER_RESENT_MESSAGE_ID)
		log_message_id(m, h);
	if (h->id == HEADER_RECEIVED && ++d->hops >= m->cl->set.hops_max) {
		message_refuse(m, 554, DSN(5, 4, 0), "Error: too many hops");
		return STEP_STOP;
	}
	if (!d->utf8 && !utf8_is_ascii(h->value))
		d->utf8 = true;
	return STEP_ON;
}

/* Addresses in mail that was posted here are to be complete. */
static enum step
step_addresses(struct message *m, const struct header *h, uint64_t at)
{
	uint64_t off = at + h->off + (size_t)(h->value.p - h->name.p);
	struct addrlist_item item;
	struct addrlist list;
	struct buf addr;
	enum step r = STEP_ON;

	if (!m->local ||
	    (header_flags(h->id) & (HEADER_IS_SENDER | HEADER_IS_RCPT)) == 0)
		return STEP_ON;
	buf_init(&addr, ADDR_MAX);
	addrlist_init(&list, h->value);
	while (r == STEP_ON && m->head.tokens < m->cl->set.tokens_max &&
	    addrlist_next(&list, &item)) {
		m->head.tokens++;
		if (addrlist_addr(&list, &item, &addr) != ADDR_OK ||
		    !question_needed(&m->cl->set, buf_get(&addr)))
			continue;
		/* Nothing is replaced unless an answer comes. */
		if (edits_add(&m->edits, off + item.spec_off, 0, STR_NONE) ==
		    -1)
			r = too_many_edits(m);
		else
			question_add(m, ABOUT_HEADER, m->edits.n - 1,
			    message_keep(m, buf_get(&addr)))
			    ->span = item.spec_end - item.spec_off;
	}
	buf_clear(&addr);
	return r;
}

/* header_size_limit: what is beyond is cut off. */
static enum step
step_clip(struct message *m, const struct header *h, uint64_t at)
{
	uint64_t from = at + h->off + m->cl->set.header_max;

	if (!h->clipped)
		return STEP_ON;
	/* No edit of an address lies there: values are cut there, too. */
	if (edits_add(&m->edits, from, at + h->end - from, STR("\n")) == -1)
		return too_many_edits(m);
	return STEP_ON;
}

/* What is done about a header, in this order. */
static enum step (*const steps[])(struct message *, const struct header *,
    uint64_t) = { step_drop, step_note, step_addresses, step_clip };

/* --- the pass ------------------------------------------------------------- */

static int
one_header(struct message *m, const struct header *h, uint64_t at)
{
	for (size_t i = 0; i < NELEM(steps); i++) {
		switch (steps[i](m, h, at)) {
		case STEP_ON:
			break;
		case STEP_OVER:
			return 0;
		case STEP_STOP:
			return -1;
		}
	}
	return 0;
}

static int
unreadable(struct message *m, const char *why)
{
	log_warn("%s: content cannot be read: %s", m->qid, why);
	return message_refuse(m, 451, DSN(4, 3, 0),
	    "Error: queue file write error");
}

/* Read on behind what the window has. */
static int
window_read(struct message *m, struct window *w, size_t want)
{
	struct cleanup *cl = m->cl;
	uint64_t left = m->size - w->at - w->have;
	ssize_t n;

	if (want > left)
		want = (size_t)left;
	if (w->have + want > cl->win_cap) {
		cl->win_cap = w->have + want;
		cl->win = xreallocarray(cl->win, cl->win_cap, 1);
	}
	n = fd_pread_all(m->fd, cl->win + w->have, want,
	    (off_t)(m->base + w->at + w->have));
	if (n != (ssize_t)want)
		return unreadable(m, n == -1 ? strerror(errno) : "short");
	w->have += want;
	return 0;
}

/* The window ends inside a header: drop what is done with, and read more. */
static int
window_more(struct message *m, struct window *w, struct header_iter *it)
{
	size_t rest = w->have - it->pos;

	if (it->pos > 0)
		memmove(m->cl->win, m->cl->win + it->pos, rest);
	w->at += it->pos;
	w->have = rest;
	it->pos = 0;
	if (rest >= WINDOW_MAX)
		return message_refuse(m, 552, DSN(5, 3, 4),
		    "Error: message header too large");
	return window_read(m, w, rest < WINDOW_MIN ? WINDOW_MIN : rest);
}

static void
window_show(const struct message *m, const struct window *w,
    struct header_iter *it)
{
	it->msg = str_make(m->cl->win, w->have);
	it->whole = w->at + w->have == m->size;
}

/* The headers are over: h says where, it whether an empty line is there. */
static void
note_end(struct message *m, const struct window *w,
    const struct header_iter *it, const struct header *h)
{
	struct head *d = &m->head;

	d->end = w->at + h->off;
	d->blank = it->blank;
	d->body = w->at + it->pos < m->size;
	d->open =
	    d->end == m->size && h->off > 0 && m->cl->win[h->off - 1] != '\n';
}

int
head_scan(struct message *m)
{
	struct window w = { .at = 0 };
	struct header_iter it;
	struct header h;
	enum header_result r;

	if (window_read(m, &w, WINDOW_FIRST) == -1)
		return -1;
	header_iter_init(&it, STR_NONE, m->cl->set.header_max, false);
	window_show(m, &w, &it);
	for (;;) {
		r = header_next(&it, &h);
		if (r == HEADER_MORE) {
			if (window_more(m, &w, &it) == -1)
				return -1;
			window_show(m, &w, &it);
			continue;
		}
		/* Only the very first line can be a mailbox's separator. */
		if (r == HEADER_FIELD && h.id == HEADER_MBOX_FROM && w.at > 0) {
			it.pos = h.off;
			r = HEADER_END;
		}
		if (r == HEADER_END)
			break;
		if (one_header(m, &h, w.at) == -1)
			return -1;
	}
	note_end(m, &w, &it, &h);
	return 0;
}
