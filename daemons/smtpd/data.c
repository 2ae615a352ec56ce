/* SPDX-License-Identifier: ISC */
/*
 * DATA: content as it arrives.
 *
 * A message ends at <CR><LF>.<CR><LF> and nowhere else, whatever other systems
 * make of lone CRs and LFs: that is where smuggled messages come from.  In
 * content a bare LF is taken for the end of a line (unless refused), a bare CR
 * for a byte.  Content is kept with LF line ends and without stuffed dots.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "log/log.h"
#include "mail/received.h"
#include "queue/envelope.h"

#include "session.h"

/* Content that is gathered before it is written: seldom two writes a mail. */
#define CONTENT_WRITE (32 << 10)
#define CONTENT_MAX (160 << 10)

/* What was held back, because the next byte decides what it means. */
enum held {
	HELD_NOTHING,
	HELD_CR,    /* a CR, perhaps before LF */
	HELD_DOT,   /* a dot that begins a line */
	HELD_DOTCR, /* and a CR behind it */
};

/* --- writing -------------------------------------------------------------- */

void
data_flush(struct session *s)
{
	struct mail *m = s->mail;
	struct str c = buf_get(&m->content);

	if (c.n > 0 && m->fault == 0 && !m->too_big) {
		if (m->slot == NULL) {
			m->fault = 451;
		} else if (fd_write_all(m->slot->fd, c.p, c.n) == -1) {
			session_warn(s, "%.*s: write: %s",
			    (int)m->slot->qid_len, m->slot->qid,
			    strerror(errno));
			m->fault = errno == EIO ? 451 : 452;
		}
	}
	buf_reset(&m->content);
}

static void
emit(struct session *s, struct str piece, bool line_end)
{
	struct mail *m = s->mail;

	m->size += (int64_t)piece.n + (line_end ? 2 : 0);
	if (s->sv->size_max > 0 && m->size > s->sv->size_max)
		m->too_big = true;
	if (m->too_big || m->fault != 0)
		return; /* its rest is read and forgotten */
	buf_str(&m->content, piece);
	if (line_end)
		buf_putc(&m->content, '\n');
	if (m->content.len >= CONTENT_WRITE)
		data_flush(s);
}

/* --- parsing -------------------------------------------------------------- */

static void
bare_newline(struct session *s)
{
	struct mail *m = s->mail;

	m->crlf = false;
	if (m->bare_seen || s->sv->bare < BARE_NOTE || m->lone_dot)
		return;
	m->bare_seen = true;
	session_log(s, "bare <LF> received after %s from %s",
	    verb_name(s->verb), session_peer(s));
}

static void
end_line(struct session *s, struct str piece, bool with_cr)
{
	struct mail *m = s->mail;

	emit(s, piece, true);
	m->line_start = true;
	m->held = HELD_NOTHING;
	if (with_cr) {
		m->crlf = true;
		m->all_bare = false;
	} else {
		bare_newline(s);
	}
}

void
data_end(struct session *s)
{
	struct mail *m = s->mail;

	/* Chunks may end anywhere; a message ends with a line. */
	if (m->chunked && m->held == HELD_CR)
		emit(s, STR("\r"), false);
	if (m->chunked && (!m->line_start || m->held == HELD_CR))
		end_line(s, STR_NONE, true);
	m->ended = true;
	s->state = ST_COMMAND;
	data_flush(s);
	submit_message(s);
}

/*
 * A line of one dot.  It is the end after a line that ended as it should, if
 * it does so itself.  Clients to whom that may apply (smtpd_forbid_bare_newline
 * and its exclusions) can end with bare newlines, if they have used nothing
 * else since DATA: what a relay passes on of somebody's message has CR LF
 * around it.  Anything else is a line of content.
 */
static void
dot_line(struct session *s, bool with_cr)
{
	struct mail *m = s->mail;

	if (with_cr ? m->crlf : (m->lone_dot && m->all_bare))
		data_end(s);
	else
		end_line(s, STR("."), with_cr);
}

/* The byte behind something that was held back.  True when it is taken. */
static bool
decide_held(struct session *s, char c)
{
	struct mail *m = s->mail;

	switch ((enum held)m->held) {
	case HELD_CR:
		if (c == '\n') {
			end_line(s, STR_NONE, true);
			return true;
		}
		emit(s, STR("\r"), false);
		m->held = c == '\r' ? HELD_CR : HELD_NOTHING;
		return c == '\r';
	case HELD_DOT:
		if (c == '\n') {
			dot_line(s, false);
			return true;
		}
		/* A dot before anything else was stuffed. */
		m->held = c == '\r' ? HELD_DOTCR : HELD_NOTHING;
		return c == '\r';
	case HELD_DOTCR:
		if (c == '\n') {
			dot_line(s, true);
			return true;
		}
		m->held = HELD_CR;
		return false;
	case HELD_NOTHING:
	default:
		break;
	}
	if (m->line_start && c == '.' && !m->chunked) {
		m->line_start = false;
		m->held = HELD_DOT;
		return true;
	}
	return false;
}

/* A stretch without anything held back, up to the end of a line or of *in. */
static void
take_stretch(struct session *s, struct str *in)
{
	struct mail *m = s->mail;
	ptrdiff_t lf = str_chr(*in, '\n');
	struct str piece = lf < 0 ? *in : str_sub(*in, 0, (size_t)lf);
	bool cr = piece.n > 0 && piece.p[piece.n - 1] == '\r';

	*in = lf < 0 ? STR_NONE : str_sub(*in, (size_t)lf + 1, in->n);
	m->line_start = false;
	if (cr)
		piece.n--;
	if (lf >= 0) {
		end_line(s, piece, cr);
	} else {
		emit(s, piece, false);
		m->held = cr ? HELD_CR : HELD_NOTHING;
	}
}

void
data_take(struct session *s, struct str *in)
{
	while (in->n > 0 &&
	    (s->state == ST_DATA || s->state == ST_CHUNK)) {
		if ((s->mail->held != HELD_NOTHING ||
			(s->mail->line_start && in->p[0] == '.' &&
			    !s->mail->chunked)) &&
		    decide_held(s, in->p[0]))
			*in = str_sub(*in, 1, in->n);
		else if (s->mail->held == HELD_NOTHING)
			take_stretch(s, in);
	}
}

/* --- the command ---------------------------------------------------------- */

static void
add_received(struct session *s)
{
	struct mail *m = s->mail;
	struct received r = {
		.helo = str_of(s->helo == NULL ? "" : s->helo),
		.name = str_of(s->name == NULL ? "unknown" : s->name),
		.addr = str_of(s->addr),
		.by = s->sv->myhostname,
		.mail_name = s->sv->mail_name,
		.flags = (s->esmtp ? RECEIVED_ESMTP : 0) |
		    (s->tls != NULL ? RECEIVED_TLS : 0),
		.id = str_make(m->slot->qid, m->slot->qid_len),
		.rcpt = str_of(m->only_rcpt),
		.us = clock_wall_us(),
	};

	if (s->tls != NULL && s->sv->tls.received)
		r.tls = (struct received_tls){
			.protocol = str_of(s->tls->protocol),
			.cipher = str_of(s->tls->cipher),
			.bits_used = s->tls->bits,
			.bits = s->tls->of_bits,
			.details = str_trim(str_of(s->tls->details)),
		};
	if (m->prepend != NULL) {
		buf_puts(&m->content, m->prepend);
		buf_putc(&m->content, '\n');
	}
	received_format(&m->content, &r);
}

static void
data_begin(struct session *s)
{
	struct mail *m = s->mail;

	buf_init(&m->content, CONTENT_MAX);
	session_log(s, "%.*s: client=%s", (int)m->slot->qid_len, m->slot->qid,
	    session_peer(s));
	add_received(s);
	m->line_start = true;
	m->held = HELD_NOTHING;
	m->crlf = !s->bare_line;
	m->all_bare = s->bare_line;
	m->lone_dot = s->sv->bare == BARE_ALLOW ||
	    netlist_has(&s->sv->bare_ok, &s->client);
}

bool
data_slot(struct session *s)
{
	struct mail *m = s->mail;

	m->slot = slots_take(&s->w->slots, s);
	if (m->slot != NULL) {
		data_begin(s);
		return true;
	}
	session_warn(s, "no queue file for %s: is the queue manager there?",
	    session_peer(s));
	reject(s, 451, DSN(4, 3, 0), "Error: queue file write error");
	return false;
}

static void
on_slot(void *arg)
{
	session_wake(arg);
}

void
data_wait(struct session *s, void (*then)(struct session *s))
{
	if (s->w->slots.nfree > 0) {
		then(s);
		return;
	}
	s->swait.cb = on_slot;
	s->swait.arg = s;
	slots_wait(&s->w->slots, &s->swait);
	session_wait(s, WAIT_SLOT, then, WAIT_SLOT_MS);
}

void
data_restrict(struct session *s, void (*then)(struct session *s))
{
	static const enum stage stages[] = { STAGE_DATA };

	if (s->sv->data.n > 0)
		session_restrict(s, stages, NELEM(stages), then);
	else
		then(s);
}

static void
data_go(struct session *s)
{
	if (data_slot(s)) {
		reply(s, "354 End data with <CR><LF>.<CR><LF>");
		s->state = ST_DATA;
	} else
		mail_reset(s);
}

static void
data_checked(struct session *s)
{
	if (eval_refused(s))
		mail_reset(s);
	else
		data_wait(s, data_go);
}

void
verb_data(struct session *s, struct str arg)
{
	struct mail *m = s->mail;

	if (m == NULL) {
		reject(s, 503, DSN(5, 5, 1), "Error: need RCPT command");
	} else if (arg.n > 0) {
		reject(s, 501, DSN(5, 5, 4), "Syntax: DATA");
	} else if (m->chunked) {
		reject(s, 503, DSN(5, 5, 1), "Error: DATA after BDAT");
	} else if (m->nrcpts == 0) {
		reject(s, 554, DSN(5, 5, 1), "Error: no valid recipients");
		mail_reset(s);
	} else {
		data_restrict(s, data_checked);
	}
}
