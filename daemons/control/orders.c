/* SPDX-License-Identifier: ISC */
/*
 * What may be asked, and who answers it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"

#include "control.h"

/*
 * Records that are passed on with the fields they have: the declarations say
 * that these structs are the same.
 */
static_assert(sizeof(struct control_entry) == sizeof(struct queue_entry) &&
	sizeof(struct control_rcpt) == sizeof(struct queue_rcpt) &&
	sizeof(struct control_file) == sizeof(struct queue_file) &&
	sizeof(struct control_numbers) == sizeof(struct queue_numbers) &&
	sizeof(struct control_text) == sizeof(struct broker_text) &&
	sizeof(struct control_change) == sizeof(struct queue_change) &&
	sizeof(struct control_open) == sizeof(struct queue_open),
    "passed on as they are");

/* --- answers -------------------------------------------------------------- */

static void
from_qmgr(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct queue_done *d = rec;
	struct client *cl = arg;

	switch (type) {
	case QUEUE_DONE:
		client_done(cl, (int)d->error, d->count, d->text);
		break;
	case QUEUE_NUMBERS:
		client_send(cl, CONTROL_NUMBERS, rec);
		break;
	case QUEUE_FILE:
		client_send_fd(cl, rec, &fds[0]);
		break;
	default:
		client_done(cl, EAGAIN, 0,
		    STR("the queue manager does not answer"));
		break;
	}
}

static void
from_broker(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *r = rec;
	const struct broker_done *d = rec;
	struct client *cl = arg;

	(void)fds;
	switch (type) {
	case BROKER_DONE:
		client_done(cl, (int)d->error, 0, d->text);
		break;
	case BROKER_REFUSED:
		client_done(cl, r->error == 0 ? EAGAIN : (int)r->error, 0,
		    r->why);
		break;
	default:
		client_done(cl, EAGAIN, 0, STR("the broker does not answer"));
		break;
	}
}

void
orders_text(uint64_t id, struct str text, void *arg)
{
	struct control *c = arg;
	struct client *cl = client_find(c, c->broker, id);
	struct control_text t = { .text = text };

	if (cl != NULL)
		client_send(cl, CONTROL_TEXT, &t);
}

/*
 * Part of a listing.  Credit goes back when what it bought has left us, see
 * orders_room().
 */
static void
on_item(struct chan *ch, uint64_t id, const void *rec, unsigned type,
    struct control *c)
{
	struct client *cl = client_find(c, ch, id);

	if (cl == NULL || !cl->listing)
		return; /* it has gone, qmgr will hear of it */
	client_send(cl, type, rec);
	cl->owed++;
}

static void
on_entry(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)fds;
	on_item(ch, id, rec, CONTROL_ENTRY, arg);
}

static void
on_rcpt(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)fds;
	on_item(ch, id, rec, CONTROL_RCPT, arg);
}

const struct chan_on orders_qmgr_on[] = {
	{ QUEUE_ENTRY, on_entry },
	{ QUEUE_RCPT, on_rcpt },
	{ 0, NULL },
};

void
orders_room(struct client *cl)
{
	struct queue_more more = { .credit = cl->owed };

	if (!cl->listing || cl->owed < LIST_CREDIT / 2)
		return;
	cl->owed = 0;
	chan_tell(cl->asked, QUEUE_MORE, cl->ask, &more, NULL);
}

void
orders_forget(struct client *cl)
{
	struct queue_stop stop;

	tracing_forget(cl);
	if (cl->asked == NULL)
		return;
	memset(&stop, 0, sizeof(stop));
	if (cl->listing)
		chan_tell(cl->asked, QUEUE_STOP, cl->ask, &stop, NULL);
	chan_forget(cl->asked, cl->ask);
	cl->asked = NULL;
}

/* --- questions ------------------------------------------------------------ */

static void
refuse(struct client *cl, const char *what)
{
	char text[128];

	log_warn("uid=%u: %s is not permitted", (unsigned)cl->uid, what);
	snprintf(text, sizeof(text), "%s: you are not permitted to do this",
	    what);
	client_done(cl, EACCES, 0, str_of(text));
}

static void
ask_qmgr(struct client *cl, unsigned type, const void *rec)
{
	struct control *c = cl->c;

	if (c->qmgr == NULL) {
		client_done(cl, EAGAIN, 0,
		    STR("the queue manager is not running"));
		return;
	}
	cl->asked = c->qmgr;
	cl->ask = chan_ask(c->qmgr, type, rec, NULL, from_qmgr, cl);
}

static enum right
right_of_change(uint8_t op)
{
	switch ((enum queue_op)op) {
	case QOP_FLUSH_ALL:
	case QOP_FLUSH_SITE:
	case QOP_FLUSH_LISTED:
	case QOP_FLUSH_ID:
	case QOP_SCAN:
		return MAY_FLUSH;
	case QOP_HOLD:
	case QOP_RELEASE:
	case QOP_DELETE:
	case QOP_REQUEUE:
	case QOP_EXPIRE:
		break;
	}
	return MAY_ALL;
}

static const char *
change_name(uint8_t op)
{
	switch ((enum queue_op)op) {
	case QOP_HOLD:
		return "hold";
	case QOP_RELEASE:
		return "release";
	case QOP_DELETE:
		return "delete";
	case QOP_REQUEUE:
		return "requeue";
	case QOP_EXPIRE:
		return "expire";
	default:
		return "unknown order";
	}
}

static void
take_change(struct client *cl, const struct control_change *asked)
{
	struct control_change copy = *asked, *q = &copy;

	/* Who is not an administrator may ask for what a client may. */
	if (q->op == QOP_FLUSH_SITE && !who_may(cl->c, cl->uid, MAY_ALL))
		q->op = QOP_FLUSH_LISTED;
	if (!who_may(cl->c, cl->uid, right_of_change(q->op))) {
		refuse(cl, "changing the queue");
		return;
	}
	if (right_of_change(q->op) == MAY_ALL)
		log_info("uid=%u: %s " STR_FMT, (unsigned)cl->uid,
		    change_name(q->op), STR_ARG(q->arg));
	ask_qmgr(cl, QUEUE_CHANGE, q);
}

static void
take_list(struct client *cl, const struct control_list *q)
{
	struct queue_list l = { .detail = q->detail,
		.credit = LIST_CREDIT,
		.qid = q->qid };

	if (!who_may(cl->c, cl->uid, MAY_LIST)) {
		refuse(cl, "listing the queue");
		return;
	}
	cl->owed = 0;
	cl->listing = cl->c->qmgr != NULL;
	ask_qmgr(cl, QUEUE_LIST, &l);
}

static void
take_admin(struct client *cl, const struct control_admin *q)
{
	struct broker_admin a = { .what = q->what,
		.uid = cl->uid,
		.arg = q->arg };
	enum right right = q->what == ADMIN_STATUS ? MAY_LIST : MAY_ALL;

	if (q->what < ADMIN_STATUS || q->what > ADMIN_UNTRACE) {
		client_done(cl, EINVAL, 0, STR("there is no such order"));
		return;
	}
	if (!who_may(cl->c, cl->uid, right)) {
		refuse(cl, "control of the mail system");
		return;
	}
	/* The broker counts all: what users ask leaves some for others. */
	if (!who_may(cl->c, cl->uid, MAY_ALL) &&
	    !allowance_take(&cl->c->users_ask, USERS_RATE, USERS_BURST,
		loop_now(cl->c->loop))) {
		client_done(cl, EAGAIN, 0, STR("too many users ask at once"));
		return;
	}
	if (q->what == ADMIN_STOP || q->what == ADMIN_RELOAD)
		log_info("uid=%u: %s", (unsigned)cl->uid,
		    q->what == ADMIN_STOP ? "stop" : "reload");
	if (q->what == ADMIN_TRACE && tracing_take(cl, &a) == -1)
		return;
	cl->asked = cl->c->broker;
	cl->ask = chan_ask(cl->asked, BROKER_ADMIN, &a, NULL, from_broker, cl);
}

void
orders_take(struct client *cl, const struct control_rec *r)
{
	struct queue_stats stats;

	memset(&stats, 0, sizeof(stats));
	cl->id = r->id;
	switch (r->type) {
	case CONTROL_ADMIN:
		take_admin(cl, (const void *)r->body);
		break;
	case CONTROL_LIST:
		take_list(cl, (const void *)r->body);
		break;
	case CONTROL_CHANGE:
		take_change(cl, (const void *)r->body);
		break;
	case CONTROL_OPEN:
		if (who_may(cl->c, cl->uid, MAY_ALL))
			ask_qmgr(cl, QUEUE_OPEN, r->body);
		else
			refuse(cl, "reading messages");
		break;
	case CONTROL_STATS:
		if (who_may(cl->c, cl->uid, MAY_LIST))
			ask_qmgr(cl, QUEUE_STATS, &stats);
		else
			refuse(cl, "listing the queue");
		break;
	default:
		client_done(cl, EINVAL, 0, STR("there is no such question"));
		break;
	}
}
