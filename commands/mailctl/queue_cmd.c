/* SPDX-License-Identifier: ISC */
/*
 * mailctl queue ...
 */
#include "queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"

static void
connect_or_die(struct talk *t, struct instance *in)
{
	instance_open(in);
	if (!talk_queue(t, in, "the mail system is not running: accessing "
	    "its queue directly"))
		die("%s: the mail system is not running", in->dir);
}

static void
disconnect(struct talk *t, struct instance *in)
{
	talk_close(t);
	instance_clear(in);
}

/* --- list ----------------------------------------------------------------- */

struct list {
	bool rcpts;
	unsigned long count;
	bool first;
	struct buf b;
};

static void
put(struct list *l)
{
	fwrite(l->b.base + l->b.off, 1, l->b.len, stdout);
	buf_reset(&l->b);
}

static void
list_entry(const struct control_entry *e, void *arg)
{
	struct list *l = arg;
	time_t when = (time_t)(e->arrived_us / 1000000);
	struct tm *tm = localtime(&when);
	char date[32] = "?", who[64];

	if (l->count++ == 0)
		printf("%-17s %-9s %9s  %-19s %s\n", "id", "state", "size",
		    "arrived", "sender");
	if (tm != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", tm);
	buf_printf(&l->b, "%-17.*s %-9s %9" PRIu64 "  %-19s <", STR_ARG(e->qid),
	    queue_state_name(e->state), e->size, date);
	put_printable(&l->b, queue_sender(e, who));
	buf_puts(&l->b,
	    (e->flags & QFLAG_UNREADABLE) != 0 ? "> cannot be read\n" : ">\n");
	/* That of one that is deferred is its recipients'. */
	if (e->reason.n > 0 && e->state == QSTATE_HOLD) {
		buf_puts(&l->b, "    ");
		put_printable(&l->b, e->reason);
		buf_putc(&l->b, '\n');
	}
	put(l);
}

static void
list_rcpt(const struct control_rcpt *r, void *arg)
{
	struct list *l = arg;

	buf_puts(&l->b, "    to <");
	put_printable(&l->b, r->addr);
	buf_putc(&l->b, '>');
	if (r->reason.n > 0) {
		buf_puts(&l->b, ": ");
		put_printable(&l->b, r->reason);
	}
	buf_putc(&l->b, '\n');
	put(l);
}

static void
list_end(void *arg)
{
	(void)arg;
}

static void
json_entry(const struct control_entry *e, void *arg)
{
	struct list *l = arg;
	char who[64];

	buf_printf(&l->b, "%s\n{\"id\":", l->count++ == 0 ? "" : ",");
	json_put(&l->b, e->qid);
	buf_printf(&l->b,
	    ",\"state\":\"%s\",\"arrived\":%" PRId64 ".%06" PRId64
	    ",\"due\":%" PRId64 ",\"size\":%" PRIu64
	    ",\"readable\":%s,\"sender\":",
	    queue_state_name(e->state), e->arrived_us / 1000000,
	    e->arrived_us % 1000000, e->due_us / 1000000, e->size,
	    (e->flags & QFLAG_UNREADABLE) != 0 ? "false" : "true");
	json_put(&l->b, queue_sender(e, who));
	buf_puts(&l->b, ",\"reason\":");
	json_put(&l->b, e->reason);
	buf_puts(&l->b, ",\"recipients\":[");
	l->first = true;
	put(l);
}

static void
json_rcpt(const struct control_rcpt *r, void *arg)
{
	struct list *l = arg;

	buf_printf(&l->b, "%s{\"address\":", l->first ? "" : ",");
	json_put(&l->b, r->addr);
	buf_puts(&l->b, ",\"reason\":");
	json_put(&l->b, r->reason);
	buf_putc(&l->b, '}');
	l->first = false;
	put(l);
}

static void
json_end(void *arg)
{
	(void)arg;
	fputs("]}", stdout);
}

static int
list(const char *qid)
{
	static const struct viewer plain = { list_entry, list_rcpt, list_end,
		NULL };
	static const struct viewer json = { json_entry, json_rcpt, json_end,
		NULL };
	struct viewer v = opt.json ? json : plain;
	struct list l = { .rcpts = true };
	struct instance in;
	struct talk t;
	struct buf why;
	int error;

	connect_or_die(&t, &in);
	buf_init(&l.b, 1 << 20);
	buf_init(&why, 4096);
	v.arg = &l;
	if (opt.json && qid == NULL)
		putchar('[');
	error = queue_list(&t, 2, qid, &v, &why);
	if (error == ENOENT)
		die("%s: there is no such message", qid == NULL ? "" : qid);
	if (error != 0)
		die("%s", why.len > 0 ? buf_cstr(&why) : strerror(error));
	if (opt.json)
		puts(qid == NULL ? "\n]" : "");
	else if (l.count == 0)
		puts("the queue is empty");
	disconnect(&t, &in);
	buf_clear(&l.b);
	buf_clear(&why);
	return 0;
}

int
cmd_queue_list(int argc, char *argv[])
{
	(void)argv;
	if (argc != 1)
		die_usage("usage: mailctl queue list");
	return list(NULL);
}

int
cmd_queue_show(int argc, char *argv[])
{
	struct instance in;
	struct talk t;
	struct buf why;
	int error;

	if (argc != 2)
		die_usage("usage: mailctl queue show ID");
	if (opt.json)
		return list(argv[1]);
	connect_or_die(&t, &in);
	buf_init(&why, 4096);
	error = show_queued(&t, argv[1],
	    SHOW_ENVELOPE | SHOW_HEADER | SHOW_BODY, &why);
	if (error != 0 && error != EBADMSG)
		die("%s: %s", argv[1],
		    error == ENOENT ? "there is no such message" :
			why.len > 0 ? buf_cstr(&why) :
				      strerror(error));
	disconnect(&t, &in);
	buf_clear(&why);
	return error == 0 ? 0 : EXIT_BAD;
}

/* --- changes -------------------------------------------------------------- */

/* Each argument is an id, or ALL (of the state that was named). */
static int
change(int argc, char *argv[], enum queue_op op, const char *done)
{
	uint32_t count, all = 0;
	uint8_t state = 0;
	struct instance in;
	struct talk t;
	struct buf why;
	int error, bad = 0;

	if (argc > 2 && strcmp(argv[1], "--state") == 0) {
		state = queue_state_parse(argv[2]);
		if (state == 0)
			die_usage("there is no state \"%s\"", argv[2]);
		argv += 2;
		argc -= 2;
	}
	if (argc < 2)
		die_usage("usage: mailctl queue %s [--state STATE] ID ... | "
			  "ALL",
		    argv[0]);
	connect_or_die(&t, &in);
	buf_init(&why, 4096);
	for (int i = 1; i < argc; i++) {
		buf_reset(&why);
		error = queue_change(&t, op, state, argv[i], &count, &why);
		all += count;
		if (error == ENOENT && strcmp(argv[i], "ALL") == 0)
			continue;
		if (error != 0) {
			say("error: %s: %s", argv[i],
			    error == ENOENT ? "there is no such message" :
				why.len > 0 ? buf_cstr(&why) :
					      strerror(error));
			bad = EXIT_BAD;
		}
	}
	if (opt.json)
		printf("{\"messages\":%" PRIu32 "}\n", all);
	else
		printf("%s: %" PRIu32 " message%s\n", done, all,
		    all == 1 ? "" : "s");
	disconnect(&t, &in);
	buf_clear(&why);
	return bad;
}

int
cmd_queue_hold(int argc, char *argv[])
{
	return change(argc, argv, QOP_HOLD, "placed on hold");
}

int
cmd_queue_release(int argc, char *argv[])
{
	return change(argc, argv, QOP_RELEASE, "released from hold");
}

int
cmd_queue_delete(int argc, char *argv[])
{
	return change(argc, argv, QOP_DELETE, "deleted");
}

int
cmd_queue_requeue(int argc, char *argv[])
{
	return change(argc, argv, QOP_REQUEUE, "requeued");
}

int
cmd_queue_expire(int argc, char *argv[])
{
	return change(argc, argv, QOP_EXPIRE, "expired");
}

/* --- flush ---------------------------------------------------------------- */

/* Nothing: all; an id: that message; a domain: its mail. */
int
cmd_queue_flush(int argc, char *argv[])
{
	enum queue_op op = QOP_FLUSH_ALL;
	const char *arg = "ALL";
	struct instance in;
	struct talk t;
	struct buf why;
	uint32_t count;
	int error;

	if (argc > 2)
		die_usage("usage: mailctl queue flush [ID | DOMAIN]");
	if (argc == 2) {
		arg = argv[1];
		op = strchr(arg, '.') != NULL || arg[0] == '[' ?
		    QOP_FLUSH_SITE :
		    QOP_FLUSH_ID;
	}
	instance_open(&in);
	if (!talk_open(&t, &in))
		die("%s: the mail system is not running", in.dir);
	buf_init(&why, 4096);
	error = queue_change(&t, op, 0, arg, &count, &why);
	if (error != 0)
		die("%s: %s", arg,
		    why.len > 0 ? buf_cstr(&why) : strerror(error));
	disconnect(&t, &in);
	buf_clear(&why);
	return 0;
}
