/* SPDX-License-Identifier: ISC */
/*
 * One submission: its records checked, its content written to a slot's file,
 * its envelope made and sent.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"
#include "mail/utf8.h"
#include "mail/xtext.h"
#include "queue/envelope.h"

#include "pickup.h"

#define CONTENT_WRITE ((size_t)48 << 10) /* gathered before it is written */
#define RCPTS_MAX ((size_t)32 << 20)	 /* of encoded recipients */
#define HELD_MAX ((size_t)512 << 20)	 /* the same of all submissions */

void
submission_init(struct submission *s, struct pickup *p, uint32_t uid,
    int64_t when_us)
{
	memset(s, 0, sizeof(*s));
	s->p = p;
	s->uid = uid;
	s->when_us = when_us;
	drop_reader_init(&s->reader);
	buf_init(&s->rcpts, RCPTS_MAX);
	buf_init(&s->content, CONTENT_WRITE + DROP_CHUNK_MAX + 1);
}

static void
let_go(struct submission *s)
{
	submit_unwait(&s->p->submit, &s->wait);
	if (s->state == SUBMISSION_SENT)
		submit_abandon(&s->slot);
	else
		submit_drop(&s->p->submit, &s->slot);
	s->p->held -= s->rcpts.len;
	buf_clear(&s->rcpts);
	buf_clear(&s->content);
}

void
submission_clear(struct submission *s)
{
	let_go(s);
	free(s->sender);
	free(s->fullname);
	free(s->envid);
	free(s->verp);
	memset(s, 0, sizeof(*s));
}

/* The end, before anything was sent. */
static void
over(struct submission *s, int code, struct dsn dsn, const char *text)
{
	let_go(s);
	s->code = code;
	dsn_text(dsn, s->dsn);
	snprintf(s->text, sizeof(s->text), "%s", text);
	s->state = SUBMISSION_OVER;
}

static void
malformed(struct submission *s, const char *how)
{
	over(s, 0, DSN_NONE, how);
}

/* --- the word about it ---------------------------------------------------- */

/* A slot's end, before (qmgr has gone) or after it was sent. */
static void
on_done(const struct submit_result *res, void *arg)
{
	struct submission *s = arg;
	s->slot = NULL;
	s->code = res->code;
	(void)str_copy(str_sub(res->dsn, 0, DSN_MAX - 1), s->dsn,
	    sizeof(s->dsn));
	(void)str_copy(str_sub(res->code == 250 ? res->qid : res->text, 0,
			   sizeof(s->text) - 1),
	    s->text, sizeof(s->text));
	s->state = SUBMISSION_OVER;
	submit_unwait(&s->p->submit, &s->wait);
	s->done(s->arg);
}

static void
on_slot(void *arg)
{
	struct submission *s = arg;

	s->resume(s->arg);
}

/* A slot, or false: the submission waits, or is over. */
static bool
have_slot(struct submission *s)
{
	struct submit *sub = &s->p->submit;

	if (s->slot != NULL)
		return true;
	if (sub->full) {
		over(s, 452, DSN(4, 3, 1), "Insufficient system storage");
		return false;
	}
	if (!submit_possible(sub)) {
		over(s, 451, DSN(4, 3, 0), "Error: mail system is down");
		return false;
	}
	s->slot = submit_take(sub, on_done, s);
	if (s->slot != NULL)
		return true;
	s->wait.cb = on_slot;
	s->wait.arg = s;
	s->state = SUBMISSION_BLOCKED;
	submit_wait(sub, &s->wait);
	return false;
}

/* --- content -------------------------------------------------------------- */

/* Write what was gathered; false when the submission waits or is over. */
static bool
flush(struct submission *s)
{
	struct str c = buf_get(&s->content);

	if (!have_slot(s))
		return false;
	if (c.n > 0 && fd_write_all(s->slot->fd, c.p, c.n) == -1) {
		log_warn(STR_FMT ": write: %s", STR_ARG(submit_qid(s->slot)),
		    strerror(errno));
		over(s, 452, DSN(4, 3, 1), "Insufficient system storage");
		return false;
	}
	buf_reset(&s->content);
	return true;
}

static void
take_content(struct submission *s, struct str text)
{
	s->size += text.n;
	if (s->p->size_max > 0 && s->size > s->p->size_max) {
		over(s, 552, DSN(5, 3, 4), "Error: message file too big");
		return;
	}
	if (!s->eightbit && !utf8_is_ascii(text))
		s->eightbit = true;
	buf_str(&s->content, text);
}

/* --- envelope ------------------------------------------------------------- */

static bool
text_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static void
take_sender(struct submission *s, struct str addr)
{
	if (addr.n > 0 && (addr.n > ADDR_MAX || !addr_valid(addr))) {
		over(s, 501, DSN(5, 1, 7), "Bad sender address syntax");
		return;
	}
	s->sender = str_dup(addr);
	s->utf8 = !utf8_is_ascii(addr);
}

static void
take_text(struct submission *s, char **where, struct str text, size_t max)
{
	if (text.n > max || !text_ok(text))
		malformed(s, "control characters in the envelope");
	else
		*where = str_dup(text);
}

static void
take_rcpt(struct submission *s, const struct drop *d)
{
	struct env_rcpt r = { .addr = d->text,
		.notify = d->notify,
		.orcpt = d->orcpt };
	size_t before;
	bool ok;

	if (d->text.n > ADDR_MAX || d->text.n == 0 || !addr_valid(d->text)) {
		over(s, 501, DSN(5, 1, 3), "Bad recipient address syntax");
		return;
	}
	if (d->orcpt.n > 0 && !orcpt_valid(d->orcpt)) {
		malformed(s, "bad original recipient");
		return;
	}
	before = s->rcpts.len;
	ok = env_put_rcpt(&s->rcpts, &r) == 0;
	s->p->held += s->rcpts.len - before;
	if (!ok || s->p->held > HELD_MAX) {
		over(s, 552, DSN(5, 5, 3), "Error: too many recipients");
		return;
	}
	s->nrcpts++;
	if (!s->utf8)
		s->utf8 = !utf8_is_ascii(d->text);
}

static uint32_t
flags_of(const struct submission *s)
{
	uint32_t f = ENV_TRUSTED;

	if (s->eightbit || (s->head.flags & DROP_8BITMIME) != 0)
		f |= ENV_8BITMIME;
	if (s->utf8 || (s->head.flags & DROP_SMTPUTF8) != 0)
		f |= ENV_SMTPUTF8;
	if ((s->head.flags & DROP_REPORT) != 0)
		f |= ENV_RECORD;
	if ((s->head.flags & DROP_VERIFY) != 0)
		f |= ENV_PROBE | ENV_RECORD;
	return f;
}

static int
put_envelope(const struct submission *s, struct buf *b)
{
	struct envelope e = { .arrival_us = s->when_us,
		.flags = flags_of(s),
		.origin = ENV_FROM_PICKUP,
		.ret = (enum env_ret)s->head.ret,
		.sender = str_of(s->sender) };
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", (unsigned)s->uid);
	e.attr[ENV_A_ENVID] = str_of(s->envid);
	e.attr[ENV_A_VERP] = str_of(s->verp);
	e.attr[ENV_A_SERVICE] = STR("pickup");
	e.attr[ENV_A_UID] = str_of(uid);
	e.attr[ENV_A_FULLNAME] = str_of(s->fullname);
	if ((s->head.flags & DROP_REMOTE) != 0)
		e.attr[ENV_A_CONTEXT] = STR("remote");
	if (env_put_head(b, &e) == -1 || buf_str(b, buf_get(&s->rcpts)) == -1)
		return -1;
	return env_put_end(b, 0, s->nrcpts);
}

/* All is there and was right: off it goes. */
static void
finish(struct submission *s)
{
	struct buf b;

	if (s->content.len > 0 &&
	    buf_get(&s->content).p[s->content.len - 1] != '\n')
		buf_putc(&s->content, '\n');
	if (!flush(s))
		return;
	buf_init(&b, RCPTS_MAX + ENV_HEAD_MAX);
	if (put_envelope(s, &b) == -1)
		over(s, 552, DSN(5, 5, 3), "Error: too many recipients");
	else {
		log_info(STR_FMT ": uid=%u from=<%s>",
		    STR_ARG(submit_qid(s->slot)), (unsigned)s->uid, s->sender);
		s->state = SUBMISSION_SENT;
		submit_send(&s->p->submit, s->slot, buf_get(&b));
	}
	buf_clear(&b);
}

/* --- records -------------------------------------------------------------- */

static void
take(struct submission *s, const struct drop *d)
{
	switch (d->type) {
	case DROP_HEAD:
		s->head = *d;
		if (!users_may(&s->p->users, s->uid))
			over(s, 550, DSN(5, 7, 1),
			    "User is not allowed to submit mail");
		return;
	case DROP_SENDER:
		take_sender(s, d->text);
		return;
	case DROP_FULLNAME:
		take_text(s, &s->fullname, d->text, 1024);
		return;
	case DROP_ENVID:
		take_text(s, &s->envid, d->text, ENVID_MAX);
		return;
	case DROP_VERP:
		take_text(s, &s->verp, d->text, 2);
		return;
	case DROP_CONTENT:
		take_content(s, d->text);
		return;
	case DROP_RCPT:
		take_rcpt(s, d);
		return;
	case DROP_END:
		s->end_seen = true;
		return;
	}
}

enum submission_state
submission_feed(struct submission *s, struct str *in)
{
	struct drop d;
	int k;

	if (s->state == SUBMISSION_BLOCKED)
		s->state = SUBMISSION_MORE;
	while (s->state == SUBMISSION_MORE) {
		if (s->content.len >= CONTENT_WRITE && !flush(s))
			break;
		if (s->end_seen) {
			if (in->n > 0)
				malformed(s, "something behind its end");
			else
				finish(s);
			break;
		}
		k = drop_get(&s->reader, in, &d);
		if (k == 0)
			break;
		if (k == -1)
			malformed(s, "not a submission, or a damaged one");
		else
			take(s, &d);
	}
	return s->state;
}
