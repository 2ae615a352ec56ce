/* SPDX-License-Identifier: ISC */
/*
 * What goes elsewhere: a new message for all addresses of one owner.
 *
 * It counts as delivered when the new message is on disk, and not before; if
 * we end in between, the old one is still in the queue, and goes out twice at
 * worst.  Its Delivered-To: header stops it when it comes back.
 */
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "mail/date.h"
#include "queue/content.h"
#include "queue/envelope.h"

#include "local.h"

#define FORM_MAX (64 << 20)
#define EDITS_MAX 2048
#define FLAGS_KEPT                                                       \
	(ENV_8BITMIME | ENV_BINARYMIME | ENV_SMTPUTF8 | ENV_REQUIRETLS | \
	    ENV_TLS_NO | ENV_TRUSTED)

static void with_slot(void *arg);

static void
put_off(struct errand *e, const char *dsn, const char *why)
{
	errand_note(e, FATE_DEFERRED, str_of(dsn), str_of(why));
	route_next(e);
}

static void
on_done(const struct submit_result *res, void *arg)
{
	struct errand *e = arg;
	char text[128];

	e->slot = NULL;
	if (res->code == 250) {
		snprintf(text, sizeof(text), "forwarded as " STR_FMT,
		    STR_ARG(res->qid));
		errand_note(e, FATE_SENT, STR("2.0.0"), str_of(text));
	} else {
		errand_note(e, res->code >= 500 ? FATE_BOUNCED : FATE_DEFERRED,
		    res->dsn, res->text);
	}
	route_next(e);
}

/* --- content -------------------------------------------------------------- */

static void
put_headers(struct errand *e, struct buf *b)
{
	const struct conf *c = e->lo->conf;
	struct agent_rcpt *r = &e->job->rcpts[e->n];

	buf_printf(b,
	    "Received: by " STR_FMT " (" STR_FMT ")\n"
	    "\tid " STR_FMT "; ",
	    STR_ARG(conf_str(c, P_MYHOSTNAME)),
	    STR_ARG(conf_str(c, P_MAIL_NAME)), STR_ARG(submit_qid(e->slot)));
	buf_str(b, date_rfc5322(clock_wall_us()));
	buf_puts(b, "\n");
	if (conf_has(c, P_PREPEND_DELIVERED_HEADER, "forward"))
		agent_prefix(b, AGENT_DELIVERED_TO, STR_NONE, STR_NONE,
		    r->addr);
}

static struct env_edit *
edits_of(struct str form, size_t *n)
{
	struct env_edit *v = NULL, e;
	struct env_reader er;

	*n = 0;
	env_open_part(&er, form);
	while (*n < EDITS_MAX && env_read_edit(&er, &e) == 1) {
		if (*n % 64 == 0)
			v = xreallocarray(v, *n + 64, sizeof(*v));
		v[(*n)++] = e;
	}
	return v;
}

/* The message with its edits, behind our headers, into the slot's file. */
static int
fill(struct errand *e)
{
	static char buf[65536];
	struct agent_job *j = e->job;
	struct env_edit *edits;
	struct content c;
	struct buf head;
	ssize_t k = -1;
	size_t n;
	int rc;

	buf_init(&head, 8192);
	put_headers(e, &head);
	rc = fd_write_all(e->slot->fd, buf_get(&head).p, head.len);
	buf_clear(&head);
	edits = edits_of(j->edits, &n);
	if (rc == 0)
		rc = content_init(&c, j->fd, j->offset, j->size, edits, n);
	if (rc == 0) {
		while ((k = content_read(&c, buf, sizeof(buf))) > 0)
			if (fd_write_all(e->slot->fd, buf, (size_t)k) == -1) {
				k = -1;
				break;
			}
		content_clear(&c);
		rc = k == -1 ? -1 : 0;
	}
	free(edits);
	return rc;
}

/* --- envelope ------------------------------------------------------------- */

static bool
in_group(const struct target *t, const struct target *first)
{
	if (t == first)
		return true;
	if (t->done || t->kind != TO_ADDRESS)
		return false;
	return t->owner == NULL || first->owner == NULL ?
	    t->owner == first->owner :
	    strcmp(t->owner, first->owner) == 0;
}

/*
 * What the client asked of notices goes along, but not to the members of a
 * list: its owner answers for them.
 */
static int
envelope(struct errand *e, struct buf *b)
{
	struct agent_job *j = e->job;
	struct agent_rcpt *old = &j->rcpts[e->n];
	struct target *first = e->target, *t;
	const char *owner = first->owner;
	struct envelope head = { .arrival_us = clock_wall_us(),
		.flags = j->flags & FLAGS_KEPT,
		.origin = ENV_FROM_FORWARD,
		.sender = owner != NULL ? str_of(owner) : j->sender };
	uint32_t n = 0;

	head.attr[ENV_A_PARENT] = j->qid;
	head.attr[ENV_A_SERVICE] = STR("local");
	if (owner == NULL && j->envid.n > 0)
		head.attr[ENV_A_ENVID] = j->envid;
	if (env_put_head(b, &head) == -1)
		return -1;
	STAILQ_FOREACH(t, &e->targets, link) {
		struct env_rcpt r = { .addr = str_of(t->addr),
			.orig = old->orig.n > 0 ? old->orig : old->addr };

		if (!in_group(t, first))
			continue;
		t->done = true;
		if (owner == NULL) {
			r.notify = old->notify;
			r.orcpt = old->orcpt;
		}
		if (env_put_rcpt(b, &r) == -1)
			return -1;
		n++;
	}
	return env_put_end(b, 0, n);
}

/* --- sending -------------------------------------------------------------- */

static void
with_slot(void *arg)
{
	struct errand *e = arg;
	struct submit *s = &e->lo->submit;
	struct buf form;

	if (!submit_possible(s)) {
		put_off(e, "4.3.0", "mail cannot be forwarded now");
		return;
	}
	e->slot = submit_take(s, on_done, e);
	if (e->slot == NULL) {
		e->wait.cb = with_slot;
		e->wait.arg = e;
		submit_wait(s, &e->wait);
		return;
	}
	buf_init(&form, FORM_MAX);
	if (fill(e) == -1) {
		const char *why = strerror(errno);

		submit_drop(s, &e->slot);
		put_off(e, "4.3.0", why);
	} else if (envelope(e, &form) == -1) {
		submit_drop(s, &e->slot);
		put_off(e, "4.3.5", "too many recipients to forward to");
	} else {
		submit_send(s, e->slot, buf_get(&form));
	}
	buf_clear(&form);
}

void
forward_begin(struct errand *e)
{
	char *text;

	if (agent_probe(e->job)) {
		text = xasprintf("forwards to %s", e->target->addr);
		errand_note(e, FATE_SENT, STR("2.0.0"), str_of(text));
		free(text);
		route_next(e);
		return;
	}
	with_slot(e);
}
