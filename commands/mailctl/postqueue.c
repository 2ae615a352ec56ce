/* SPDX-License-Identifier: ISC */
/*
 * postqueue: what any user may ask of the queue.  Also mailq's listing.
 */
#include "queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "queue/qid.h"

/* --- mailq ---------------------------------------------------------------- */

struct mailq {
	bool long_ids;
	uint64_t bytes;
	unsigned long count;
	struct buf line;
	struct buf reason; /* that was printed last */
};

static void
mailq_entry(const struct control_entry *e, void *arg)
{
	struct mailq *q = arg;
	time_t when = (time_t)(e->arrived_us / 1000000);
	char id[QID_MAX + 2], date[64] = "?", who[64];
	struct str sender = queue_sender(e, who);
	struct tm *tm = localtime(&when);

	if (q->count++ == 0)
		printf(q->long_ids ? "%-17s %8s %-19s %s\n" :
				     "%-11s %7s %-20s %s\n",
		    q->long_ids ? "----Queue ID-----" : "-Queue ID-",
		    "--Size--",
		    q->long_ids ? "---Arrival Time----" :
				  "----Arrival Time----",
		    q->long_ids ? "--Sender/Recipient------" :
				  "-Sender/Recipient-------");
	else
		putchar('\n');
	q->bytes += e->size;
	snprintf(id, sizeof(id), STR_FMT "%s", STR_ARG(e->qid),
	    e->state == QSTATE_ACTIVE		? "*" :
		e->state == QSTATE_HOLD		? "!" :
		(e->flags & QFLAG_EXPIRED) != 0 ? "#" :
						  " ");
	if (tm != NULL)
		strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", tm);
	buf_reset(&q->line);
	buf_reset(&q->reason);
	if ((e->flags & QFLAG_UNREADABLE) != 0)
		buf_puts(&q->line, "(queue file cannot be read)");
	else if (sender.n == 0)
		buf_puts(&q->line, "MAILER-DAEMON");
	else
		put_printable(&q->line, sender);
	printf(q->long_ids ? "%-17s %8ld %19.19s %s\n" :
			     "%-11s %7ld %20.20s %s\n",
	    id, (long)e->size, date, buf_cstr(&q->line));
	/* A message that waits, though no recipient has a reason of its own. */
	if (e->reason.n > 0 && e->state == QSTATE_HOLD) {
		buf_reset(&q->line);
		put_printable(&q->line, e->reason);
		printf("%*s(%s)\n",
		    q->line.len < 76 ? (int)(76 - q->line.len) : 0, "",
		    buf_cstr(&q->line));
	}
}

/* A reason stands above the first of the recipients it is that of. */
static void
mailq_rcpt(const struct control_rcpt *r, void *arg)
{
	struct mailq *q = arg;

	if (r->reason.n > 0 && !str_eq(r->reason, buf_get(&q->reason))) {
		buf_reset(&q->reason);
		buf_str(&q->reason, r->reason);
		buf_reset(&q->line);
		put_printable(&q->line, r->reason);
		printf("%*s(%s)\n",
		    q->line.len < 76 ? (int)(76 - q->line.len) : 0, "",
		    buf_cstr(&q->line));
	}
	buf_reset(&q->line);
	put_printable(&q->line, r->addr);
	printf(q->long_ids ? "%-17s %8s %-19s %s\n" : "%-11s %7s %-20s %s\n",
	    "", "", "", buf_cstr(&q->line));
}

static void
mailq_end(void *arg)
{
	(void)arg;
}

static void NORETURN
refused(int error, struct buf *why)
{
	if (opt.postfix || opt.json)
		fflush(stdout);
	say("fatal: %s", why->len > 0 ? buf_cstr(why) : strerror(error));
	exit(error == EACCES	? EX_NOPERM :
		error == EAGAIN ? EX_UNAVAILABLE :
				  EX_DATAERR);
}

void
show_mailq(struct talk *t, const struct instance *in)
{
	struct mailq q = { .long_ids = in->conf != NULL &&
		    conf_bool(in->conf, P_ENABLE_LONG_QUEUE_IDS) };
	struct viewer v = { mailq_entry, mailq_rcpt, mailq_end, &q };
	struct buf why;
	int error;

	buf_init(&q.line, 65536);
	buf_init(&q.reason, 4096);
	buf_init(&why, 4096);
	error = queue_list(t, 1, NULL, &v, &why);
	if (error != 0)
		refused(error, &why);
	if (q.count == 0)
		puts("Mail queue is empty");
	else
		printf("\n-- %lu Kbytes in %lu Request%s.\n",
		    (unsigned long)(q.bytes / 1024), q.count,
		    q.count == 1 ? "" : "s");
	buf_clear(&q.line);
	buf_clear(&q.reason);
	buf_clear(&why);
}

/* --- JSON lines ----------------------------------------------------------- */

struct lines {
	struct buf b;
	bool first;
};

static void
flush_line(struct lines *l)
{
	fwrite(l->b.base + l->b.off, 1, l->b.len, stdout);
	buf_reset(&l->b);
}

static void
line_entry(const struct control_entry *e, void *arg)
{
	struct lines *l = arg;
	char who[64];
	struct str sender = queue_sender(e, who);

	buf_printf(&l->b, "{\"queue_name\": \"%s\", \"queue_id\": ",
	    queue_state_name(e->state));
	json_put(&l->b, e->qid);
	buf_printf(&l->b,
	    ", \"arrival_time\": %" PRId64 ", \"message_size\": %" PRIu64
	    ", \"forced_expire\": %s, "
	    "\"sender\": ",
	    e->arrived_us / 1000000, e->size,
	    (e->flags & QFLAG_EXPIRED) != 0 ? "true" : "false");
	json_put(&l->b, sender.n == 0 ? STR("MAILER-DAEMON") : sender);
	buf_puts(&l->b, ", \"recipients\": [");
	l->first = true;
	flush_line(l);
}

static void
line_rcpt(const struct control_rcpt *r, void *arg)
{
	struct lines *l = arg;

	buf_printf(&l->b, "%s{\"address\": ", l->first ? "" : ", ");
	json_put(&l->b, r->addr);
	if (r->reason.n > 0) {
		buf_puts(&l->b, ", \"delay_reason\": ");
		json_put(&l->b, r->reason);
	}
	buf_putc(&l->b, '}');
	l->first = false;
	flush_line(l);
}

static void
line_end(void *arg)
{
	(void)arg;
	puts("]}");
}

void
show_json_lines(struct talk *t)
{
	struct lines l;
	struct viewer v = { line_entry, line_rcpt, line_end, &l };
	struct buf why;
	int error;

	buf_init(&l.b, 65536);
	buf_init(&why, 4096);
	error = queue_list(t, 1, NULL, &v, &why);
	if (error != 0)
		refused(error, &why);
	buf_clear(&l.b);
	buf_clear(&why);
}

/* --- the command ---------------------------------------------------------- */

static void NORETURN
usage(void)
{
	say("fatal: usage: postqueue -f | postqueue -i queueid | postqueue -j "
	    "| postqueue -p | postqueue -s site");
	exit(EX_USAGE);
}

static void
flush(struct talk *t, enum queue_op op, const char *arg)
{
	struct buf why;
	uint32_t count;
	int error;

	buf_init(&why, 4096);
	if (arg[0] == '\0' || strlen(arg) > 255) {
		say("fatal: Cannot flush %s - invalid %s: \"%.100s\"",
		    op == QOP_FLUSH_ID ? "queue ID" : "mail queue",
		    op == QOP_FLUSH_ID ? "name" : "destination", arg);
		exit(EX_USAGE);
	}
	error = queue_change(t, op, 0, arg, &count, &why);
	if (error == EACCES)
		say("fatal: User is not allowed to flush the mail queue");
	else if (error == EPERM)
		say("fatal: Flush service is not configured for destination "
		    "\"%s\"", arg);
	else if (error == EINVAL)
		say("fatal: Cannot flush %s - invalid %s: \"%.100s\"",
		    op == QOP_FLUSH_ID ? "queue ID" : "mail queue",
		    op == QOP_FLUSH_ID ? "name" : "destination", arg);
	else if (error != 0)
		say("fatal: Cannot flush mail queue - %s", buf_cstr(&why));
	buf_clear(&why);
	if (error != 0)
		exit(error == EACCES	? EX_NOPERM :
			error == EINVAL ? EX_USAGE :
					  EX_UNAVAILABLE);
}

/* `[1.2.3.4]`, `[host]`, `host:port`: what names a next hop names a site. */
int
cmd_postqueue(int argc, char *argv[])
{
	const char *arg = NULL;
	struct instance in;
	struct talk t;
	int c, what = 0;
	bool list;

	while ((c = getopt(argc, argv, "c:fi:jps:v")) != -1) {
		switch (c) {
		case 'c':
			opt.dir = optarg;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'f':
		case 'i':
		case 'j':
		case 'p':
		case 's':
			if (what != 0)
				usage();
			what = c;
			arg = optarg; /* of i and s */
			break;
		default:
			usage();
		}
	}
	if (what == 0 || optind != argc)
		usage();
	instance_open(&in);
	list = what == 'j' || what == 'p';
	if (list ? !talk_queue(&t, &in,
		       "Mail system is down -- accessing "
		       "queue directly") :
		   !talk_open(&t, &in)) {
		say("fatal: %s - mail system is down",
		    list ? "Queue report unavailable" :
			   "Cannot flush mail queue");
		exit(EX_UNAVAILABLE);
	}
	switch (what) {
	case 'p':
		show_mailq(&t, &in);
		break;
	case 'j':
		show_json_lines(&t);
		break;
	case 'f':
		flush(&t, QOP_FLUSH_ALL, "ALL");
		break;
	case 'i':
		flush(&t, QOP_FLUSH_ID, arg);
		break;
	default:
		flush(&t, QOP_FLUSH_SITE, arg);
		break;
	}
	talk_close(&t);
	instance_clear(&in);
	return 0;
}
