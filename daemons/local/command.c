/* SPDX-License-Identifier: ISC */
/*
 * Commands: of aliases, of .forward files, and those that get a user's mail
 * instead of his mailbox.
 *
 * We cannot have anything run that we choose.  Whoever reads the text vouches
 * for it: lookup for what tables and the files of aliases have, the user's own
 * process for his .forward; mailbox_command the launcher knows itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"

#include "local.h"

bool
command_allowed(const struct errand *e, const struct item *it)
{
	const char *where = it->origin == FROM_FORWARD ? "forward" :
	    it->origin == FROM_INCLUDE		       ? "include" :
							 "alias";

	/* What a .forward includes has no commands: nobody vouches for it. */
	return conf_has(e->lo->conf, P_ALLOW_MAIL_TO_COMMANDS, where) &&
	    strlen(it->text) <= COMMAND_TEXT_MAX &&
	    (it->origin != FROM_FORWARD || !it->listed);
}

static void
later(struct errand *e, const char *why)
{
	errand_note(e, FATE_DEFERRED, STR("4.3.0"), str_of(why));
	route_next(e);
}

/* --- running -------------------------------------------------------------- */

static void
on_run(const struct agent_fate *f, void *arg)
{
	struct errand *e = arg;
	char text[500];

	if (f->fate == FATE_SENT) {
		snprintf(text, sizeof(text), "delivered to command: %s",
		    e->command);
		errand_note(e, FATE_SENT, f->dsn, str_of(text));
	} else {
		errand_note(e, f->fate, f->dsn, f->text);
	}
	free(e->command);
	e->command = NULL;
	route_next(e);
}

/* Nothing is to be run, only told. */
static void
would(struct errand *e, struct str shown)
{
	char *text = xasprintf("delivers to command: " STR_FMT,
	    STR_ARG(str_sub(shown, 0, 400)));

	errand_note(e, FATE_SENT, STR("2.0.0"), str_of(text));
	free(text);
	route_next(e);
}

static void
run(struct errand *e, const struct broker_command *q, struct str shown)
{
	struct agent_job *j = e->job;
	struct agent_rcpt *r = &j->rcpts[e->n];
	const char *owner = e->target->owner;
	struct str sender = owner != NULL ? str_of(owner) : j->sender;
	struct run_for about = { .qid = j->qid,
		.sender = sender,
		.nexthop = j->nexthop,
		.envid = j->envid,
		.size = j->size };
	unsigned parts = AGENT_PREFIX_ALL;
	struct buf head, rcpts;

	if (agent_probe(j)) {
		would(e, shown);
		return;
	}
	if (!conf_has(e->lo->conf, P_PREPEND_DELIVERED_HEADER, "command"))
		parts &= ~(unsigned)AGENT_DELIVERED_TO;
	buf_init(&head, AGENT_PREFIX_MAX + 2048);
	buf_init(&rcpts, 8192);
	feed_from(&head, sender.n > 0 ? sender : STR("MAILER-DAEMON"));
	agent_prefix(&head, parts, sender, r->orig, r->addr);
	/* A user has his own address, whatever alias led to him. */
	buf_str(&rcpts,
	    q->kind != COMMAND_ALIAS && e->whose != NULL ? str_of(e->whose) :
							   r->addr);
	buf_putc(&rcpts, '\0');
	buf_str(&rcpts, r->orig.n > 0 ? r->orig : r->addr);
	buf_putc(&rcpts, '\0');
	about.rcpts = buf_get(&rcpts);
	free(e->command);
	e->command = str_dup(shown);
	feed_init(&e->run.feed, e->lo->loop, j, 0, "\n", buf_get(&head));
	run_begin(&e->run, e->lo->loop, e->lo->broker, q, &about, on_run, e);
	buf_clear(&head);
	buf_clear(&rcpts);
}

/* --- aliases -------------------------------------------------------------- */

static void
on_alias(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct lookup_signed *s = rec;
	struct errand *e = arg;
	struct broker_command q = { .kind = COMMAND_ALIAS,
		.text = str_of(e->target->text) };

	if (type == 0 || s->status != LOOKUP_FOUND) {
		/* It was there: the table, or the file, has changed. */
		later(e, "alias database unavailable");
		return;
	}
	q.uid = s->uid;
	q.expires = s->expires;
	q.ticket = s->ticket;
	run(e, &q, q.text);
}

static void
ask_alias(struct errand *e)
{
	if (!alias_sign(e, COMMAND_ALIAS, on_alias))
		later(e, "alias database unavailable");
}

/* --- .forward ------------------------------------------------------------- */

static void
on_signed(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct mailbox_signed *s = rec;
	struct errand *e = arg;
	struct broker_command q = { .kind = COMMAND_FORWARD,
		.user = str_of(e->user),
		.text = str_of(e->target->text) };

	if (type == 0 && e->tries < BOX_TRIES) {
		command_begin(e); /* it was about to end */
		return;
	}
	if (type == 0 || s->status != MAILBOX_READ_OK) {
		later(e, "cannot read .forward file");
		return;
	}
	q.expires = s->expires;
	q.ticket = s->ticket;
	run(e, &q, q.text);
}

static void
on_box(struct box *b, const char *why, void *arg)
{
	struct errand *e = arg;
	struct mailbox_sign q = { .path = str_of(e->target->file),
		.command = str_of(e->target->text) };

	if (b == NULL)
		later(e, why);
	else
		box_ask(b, &e->box, MAILBOX_SIGN, &q, NULL, on_signed, e);
}

void
command_begin(struct errand *e)
{
	struct box_who who = { .user = str_of(e->user) };

	e->tries++;
	if (e->target->origin == FROM_FORWARD)
		box_get(e->lo->boxes, &who, &e->box, on_box, e);
	else
		ask_alias(e);
}

/* --- instead of a mailbox ------------------------------------------------- */

static void
by_default(struct errand *e)
{
	struct str text = conf_str(e->lo->conf, P_MAILBOX_COMMAND);
	struct broker_command q = { .kind = COMMAND_MAILBOX,
		.user = str_of(e->user) };

	if (text.n > 0)
		run(e, &q, text);
	else
		e->no_command(e);
}

static void
on_map(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct lookup_signed *s = rec;
	struct errand *e = arg;
	struct broker_command q = { .kind = COMMAND_MAPS,
		.user = str_of(e->user) };

	if (type != 0 && s->status == LOOKUP_NOT_FOUND) {
		by_default(e);
		return;
	}
	if (type == 0 || s->status != LOOKUP_FOUND) {
		later(e, "mailbox_command_maps: table lookup problem");
		return;
	}
	q.expires = s->expires;
	q.ticket = s->ticket;
	q.text = s->text;
	run(e, &q, s->text);
}

void
command_mailbox(struct errand *e, void (*none)(struct errand *e))
{
	struct lookup_command q = { .kind = COMMAND_MAPS,
		.key = str_of(e->user) };

	e->no_command = none;
	if (conf_list(e->lo->conf, P_MAILBOX_COMMAND_MAPS).n == 0)
		by_default(e);
	else if (e->lo->lookup == NULL)
		later(e, "mailbox_command_maps: no lookup service");
	else
		chan_ask(e->lo->lookup, LOOKUP_COMMAND, &q, NULL, on_map, e);
}
