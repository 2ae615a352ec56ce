/* SPDX-License-Identifier: ISC */
/*
 * Questions about the queue.
 */
#include "queue.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "mail/utf8.h"

static const char *const state_names[] = {
	[QSTATE_MAILDROP] = "maildrop",
	[QSTATE_INCOMING] = "incoming",
	[QSTATE_ACTIVE] = "active",
	[QSTATE_DEFERRED] = "deferred",
	[QSTATE_HOLD] = "hold",
	[QSTATE_CORRUPT] = "corrupt",
};

const char *
queue_state_name(uint8_t state)
{
	return state >= QSTATE_MAILDROP && state < NELEM(state_names) ?
	    state_names[state] :
	    "unknown";
}

uint8_t
queue_state_parse(const char *name)
{
	for (uint8_t i = QSTATE_MAILDROP; i < NELEM(state_names); i++)
		if (strcmp(name, state_names[i]) == 0)
			return i;
	return 0;
}

void
put_printable(struct buf *b, struct str s)
{
	bool utf8 = utf8_valid(s);

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		/* C1 controls are two bytes in UTF-8, of which 0xc2 is one. */
		if (c < ' ' || c == 0x7f || (c > 0x7f && !utf8) ||
		    (c == 0xc2 && i + 1 < s.n &&
			(unsigned char)s.p[i + 1] < 0xa0))
			buf_putc(b, '?');
		else
			buf_putc(b, c);
	}
}

struct str
queue_sender(const struct control_entry *e, char out[64])
{
	struct passwd *pw;

	if (e->state != QSTATE_MAILDROP)
		return e->sender;
	pw = getpwuid(e->uid);
	if (pw != NULL)
		snprintf(out, 64, "%s", pw->pw_name);
	else
		snprintf(out, 64, "uid=%u", (unsigned)e->uid);
	return str_of(out);
}

int
queue_list(struct talk *t, unsigned detail, const char *qid,
    const struct viewer *v, struct buf *why)
{
	struct control_list q = { .detail = (uint8_t)detail,
		.qid = str_of(qid) };
	const struct control_done *d;
	const struct control_rec *r;
	bool open = false;

	if (q.qid.n > QID_MAX) {
		buf_puts(why, "this is no queue id");
		return EINVAL;
	}
	talk_ask(t, CONTROL_LIST, &q);
	for (;;) {
		r = talk_next(t);
		if (r->type == CONTROL_RCPT) {
			if (open)
				v->rcpt((const void *)r->body, v->arg);
			continue;
		}
		if (open)
			v->end(v->arg);
		open = false;
		if (r->type != CONTROL_ENTRY)
			break;
		open = true;
		v->entry((const void *)r->body, v->arg);
	}
	if (r->type != CONTROL_DONE)
		die("the mail system gives an answer that makes no sense");
	d = (const void *)r->body;
	buf_str(why, d->text);
	return (int)d->error;
}

int
queue_change(struct talk *t, enum queue_op op, uint8_t state, const char *arg,
    uint32_t *count, struct buf *why)
{
	struct control_change q = { .op = (uint8_t)op,
		.state = state,
		.arg = str_of(arg) };
	const struct control_rec *r;
	const struct control_done *d;

	talk_ask(t, CONTROL_CHANGE, &q);
	do
		r = talk_next(t);
	while (r->type != CONTROL_DONE);
	d = (const void *)r->body;
	*count = d->count;
	buf_str(why, d->text);
	return (int)d->error;
}
