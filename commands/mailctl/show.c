/* SPDX-License-Identifier: ISC */
/*
 * A message, as postcat prints it.
 */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "queue/content.h"
#include "queue/envelope.h"
#include "queue/event.h"
#include "queue/qfile.h"
#include "queue/qid.h"

/* --- the envelope --------------------------------------------------------- */

static void
field(unsigned flags, uint64_t off, int type, const char *name, struct str v)
{
	struct buf b;

	buf_init(&b, 8 << 20);
	put_printable(&b, v);
	if (flags & SHOW_OFFSETS)
		printf("%9" PRIu64 " ", off);
	if (flags & SHOW_TYPES)
		printf("%3d ", type);
	printf("%s: %s\n", name, buf_cstr(&b));
	buf_clear(&b);
}

static void
field_time(unsigned flags, uint64_t off, const char *name, int64_t us)
{
	time_t when = (time_t)(us / 1000000);
	char date[64];
	struct tm *tm = localtime(&when);

	if (tm == NULL)
		return;
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", tm);
	field(flags, off, ENV_HEAD, name, str_of(date));
}

static void
field_num(unsigned flags, uint64_t off, const char *name, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	field(flags, off, ENV_HEAD, name, str_of(text));
}

static void
marker(const char *text, const char *name)
{
	printf("*** %s %s ***\n", text, name);
}

static void
show_head(const struct envelope *e, unsigned flags, uint64_t base)
{
	struct buf b;

	field_time(flags, base, "message_arrival_time", e->arrival_us);
	if (e->flags != 0)
		field_num(flags, base, "flags", e->flags);
	for (unsigned i = 0; i < ENV_NATTRS; i++) {
		if (e->attr[i].p == NULL)
			continue;
		buf_init(&b, 65536);
		buf_printf(&b, "%s=", env_attr_name(i));
		buf_str(&b, e->attr[i]);
		field(flags, base, ENV_ATTR, "named_attribute", buf_get(&b));
		buf_clear(&b);
	}
	field(flags, base, ENV_SENDER, "sender", e->sender);
}

static void
show_rcpt(const struct env_rcpt *r, unsigned flags, uint64_t off)
{
	if (r->orcpt.n > 0)
		field(flags, off, ENV_RCPT, "dsn_orig_rcpt", r->orcpt);
	if (r->notify != 0)
		field_num(flags, off, "notify_flags", r->notify);
	if (r->orig.n > 0)
		field(flags, off, ENV_RCPT, "original_recipient", r->orig);
	if (r->transport.n > 0) {
		struct buf b;

		buf_init(&b, 8192);
		buf_str(&b, r->transport);
		buf_putc(&b, ':');
		buf_str(&b, r->nexthop);
		field(flags, off, ENV_RCPT, "transport", buf_get(&b));
		buf_clear(&b);
	}
	field(flags, off, ENV_RCPT, "recipient", r->addr);
}

/* Where the envelope is: in a queue file, or in memory. */
static void
open_envelope(const struct shown *m, const struct qfile *q,
    struct env_reader *r)
{
	if (m->file)
		env_open_fd(r, m->fd, q->env_off, q->env_len);
	else
		env_open(r, m->envelope);
}

static int
show_envelope(const struct shown *m, const struct qfile *q, unsigned flags)
{
	uint64_t base = m->file ? q->env_off : 0;
	struct env_reader r;
	struct env_edit edit;
	struct envelope head;
	struct env_rcpt rcpt;
	int k;

	open_envelope(m, q, &r);
	k = env_read_head(&r, &head);
	if (k == 0) {
		marker("ENVELOPE RECORDS", m->name);
		field_num(flags, 0, "message_size",
		    m->file ? q->content_len : m->size);
		show_head(&head, flags, base);
		while ((k = env_read_edit(&r, &edit)) == 1) {
			struct buf b;

			buf_init(&b, 2 << 20);
			buf_printf(&b,
			    "at %" PRIu64 " delete %" PRIu64 " insert ",
			    edit.off, edit.del);
			buf_str(&b, edit.ins);
			field(flags, base, ENV_EDIT, "edit", buf_get(&b));
			buf_clear(&b);
		}
	}
	while (k == 0 && (k = env_read_rcpt(&r, &rcpt)) == 1) {
		show_rcpt(&rcpt, flags, base + env_tell(&r).off);
		k = 0;
	}
	env_close(&r);
	return k;
}

/* --- what happened to it -------------------------------------------------- */

static const char *const fate_names[] = { [EVENT_DELIVERED] = "delivered",
	[EVENT_RELAYED] = "relayed",
	[EVENT_EXPANDED] = "expanded",
	[EVENT_FAILED] = "failed",
	[EVENT_DROPPED] = "dropped",
	[EVENT_TRIED] = "tried" };

static void
show_event(const struct event *e)
{
	static const char *const names[] = { [EVENT_FATE] = "fate",
		[EVENT_DEFER] = "defer",
		[EVENT_HOLD] = "hold",
		[EVENT_RELEASE] = "release",
		[EVENT_NOTICE] = "notice",
		[EVENT_ORDER] = "order" };
	time_t when = (time_t)(e->time_us / 1000000);
	struct tm *tm = localtime(&when);
	char date[64] = "?";
	struct buf b;

	buf_init(&b, 1 << 20);
	if (tm != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", tm);
	buf_printf(&b, "%s %s", date,
	    e->type < NELEM(names) ? names[e->type] : "?");
	if (e->type == EVENT_FATE) {
		buf_printf(&b, " %s",
		    e->fate < NELEM(fate_names) ? fate_names[e->fate] : "?");
		for (uint32_t i = 0; i < e->nranges && i < 16; i++) {
			struct event_range r = event_range(e, i);

			buf_printf(&b,
			    r.count == 1 ? " %" PRIu32 :
					   " %" PRIu32 "+%" PRIu32,
			    r.first, r.count);
		}
		buf_printf(&b, " dsn=" STR_FMT, STR_ARG(e->dsn));
	}
	if (e->type == EVENT_ORDER)
		buf_printf(&b, "%s%s",
		    (e->orders & EVENT_ORDER_EXPIRE) != 0 ? " expire" : "",
		    (e->orders & EVENT_ORDER_REQUEUE) != 0 ? " requeue" : "");
	if (e->reason.n > 0) {
		buf_puts(&b, " (");
		buf_str(&b, e->reason);
		buf_putc(&b, ')');
	}
	field(0, 0, 0, "event", buf_get(&b));
	buf_clear(&b);
}

static void
show_events(struct str in, uint64_t qid)
{
	struct event e;

	while (event_get(&in, qid, &e) == 1)
		show_event(&e);
}

/* --- the content ---------------------------------------------------------- */

struct edits {
	char *form;
	struct env_edit *v;
	size_t n;
};

/* Edits are borrowed from the encoded form, which must be in memory. */
static int
read_edits(const struct shown *m, const struct qfile *q, struct edits *out)
{
	struct str form = m->envelope;

	*out = (struct edits){ NULL, NULL, 0 };
	if (m->file) {
		if (q->env_len > ENV_SIZE_MAX)
			return -1;
		out->form = xmalloc((size_t)q->env_len + 1);
		if (fd_pread_all(m->fd, out->form, (size_t)q->env_len,
			(off_t)q->env_off) != (ssize_t)q->env_len)
			return -1;
		form = str_make(out->form, (size_t)q->env_len);
	}
	return form.n == 0 ? 0 : env_edits(form, &out->v, &out->n);
}

/* Does a line with this beginning belong to the header? */
static bool
is_header(struct str s)
{
	ptrdiff_t colon = str_chr(s, ':');

	if (s.n > 0 && ascii_isblank((unsigned char)s.p[0]))
		return true;
	for (ptrdiff_t i = 0; i < colon; i++)
		if (!ascii_isgraph((unsigned char)s.p[i]))
			return false;
	return colon > 0;
}

static int
show_lines(struct content *c, unsigned flags)
{
	unsigned in = SHOW_HEADER;
	struct str s;
	int part, k;

	while ((k = content_line(c, &s, &part)) == 1) {
		if (in == SHOW_HEADER && (part & CONTENT_FIRST) != 0 &&
		    !is_header(s))
			in = SHOW_BODY;
		if ((flags & in) == 0)
			continue;
		fwrite(s.p, 1, s.n, stdout);
		if (part & CONTENT_LAST)
			putchar('\n');
	}
	return k;
}

static int
show_content(const struct shown *m, const struct qfile *q, unsigned flags)
{
	struct edits ed;
	struct content c;
	int k = read_edits(m, q, &ed);

	if (k == 0)
		k = content_init(&c, m->fd, m->file ? q->content_off : m->off,
		    m->file ? q->content_len : m->size, ed.v, ed.n);
	if (k == 0) {
		k = show_lines(&c, flags);
		content_clear(&c);
	}
	free(ed.v);
	free(ed.form);
	return k;
}

int
show_message(const struct shown *m, unsigned flags)
{
	struct qfile q = { .qid = 0 };
	enum qfile_state st = QFILE_OK;
	struct buf events;
	uint64_t end;

	buf_init(&events, 16 << 20);
	if (m->file)
		st = qfile_open(m->fd, 0, &q);
	if (st != QFILE_OK) {
		say("fatal: %s: input is not a valid queue file: %s", m->name,
		    qfile_state_text(st));
		return -1;
	}
	if ((flags & SHOW_ENVELOPE) != 0) {
		if (show_envelope(m, &q, flags) == -1) {
			say("fatal: %s: malformed envelope", m->name);
			return -1;
		}
		if (m->file && qfile_events(m->fd, &q, &events, &end) == 0)
			show_events(buf_get(&events), q.qid);
		else if (!m->file)
			show_events(m->events, m->qid);
		buf_clear(&events);
		marker("MESSAGE CONTENTS", m->name);
	}
	if (flags & (SHOW_HEADER | SHOW_BODY) &&
	    show_content(m, &q, flags) == -1) {
		fflush(stdout);
		say("fatal: %s: content cannot be read: %s", m->name,
		    strerror(errno));
		return -1;
	}
	if ((flags & SHOW_ENVELOPE) != 0)
		marker("MESSAGE FILE END", m->name);
	return 0;
}

int
show_queued(struct talk *t, const char *qid, unsigned flags, struct buf *why)
{
	struct control_open q = { .qid = str_of(qid) };
	const struct control_rec *r;
	const struct control_file *f;
	struct shown m;
	uint64_t id = 0;
	char *name;
	int k;

	if (q.qid.n > QID_MAX) {
		buf_puts(why, "this is no queue id");
		return EINVAL;
	}
	talk_ask(t, CONTROL_OPEN, &q);
	do
		r = talk_next(t);
	while (r->type != CONTROL_FILE && r->type != CONTROL_DONE);
	if (r->type == CONTROL_DONE) {
		const struct control_done *d = (const void *)r->body;

		buf_str(why, d->text);
		return (int)d->error;
	}
	f = (const void *)r->body;
	if (t->got_fd == -1)
		die("the mail system gives an answer without a file");
	name =
	    xasprintf("%s%s%s", f->state == 0 ? "" : queue_state_name(f->state),
		f->state == 0 ? "" : "/", qid);
	if (qid_parse(q.qid, &id) == -1)
		id = 0;
	m = (struct shown){ t->got_fd, f->file, f->offset, f->size, f->envelope,
		f->events, id, name };
	k = show_message(&m, flags);
	fd_close(&t->got_fd);
	free(name);
	return k == 0 ? 0 : EBADMSG;
}
