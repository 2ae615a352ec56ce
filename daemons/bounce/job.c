/* SPDX-License-Identifier: ISC */
/*
 * An order of qmgr's: whom to tell, and when that is done.
 *
 * The sender is told first, then, where the configuration wants it, the
 * postmaster.  What qmgr hears is about the sender's notice if there is one:
 * when that is in the queue the recipients are settled, whatever becomes of
 * the copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"
#include "queue/qid.h"

#include "bounce.h"

static void make(struct job *j);

void
bounce_init(struct bounce *b, struct loop *l, const struct conf *c)
{
	memset(b, 0, sizeof(*b));
	submit_init(&b->submit, l, 2, 32);
	TAILQ_INIT(&b->jobs);
	b->conf = c;
}

static void
job_free(struct job *j)
{
	TAILQ_REMOVE(&j->b->jobs, j, link);
	j->b->njobs--;
	submit_unwait(&j->b->submit, &j->wait);
	fd_close(&j->fd);
	free(j->edits);
	free(j->outcomes);
	free(j->text);
	free(j);
}

void
bounce_clear(struct bounce *b)
{
	while (!TAILQ_EMPTY(&b->jobs))
		job_free(TAILQ_FIRST(&b->jobs));
	submit_clear(&b->submit);
}

static void
answer(struct bounce *b, uint64_t id, int status, const char *qid)
{
	struct bounce_made m = { .status = (uint8_t)status,
		.qid = str_of(qid) };

	if (b->orders != NULL)
		chan_answer(b->orders, BOUNCE_MADE, id, &m, NULL);
}

/* The end of the job.  A notice to the sender that is made counts. */
static void
end(struct job *j, int status, const char *qid)
{
	if (j->made[0] != '\0') {
		status = BOUNCE_IS_MADE;
		qid = j->made;
	}
	if (!j->orphan)
		answer(j->b, j->id, status, qid);
	job_free(j);
}

/* --- whom ----------------------------------------------------------------- */

static bool
is_double_bounce(const struct conf *c, struct str addr)
{
	struct str local = conf_str(c, P_DOUBLE_BOUNCE_SENDER);

	return str_caseeq(addr_local(addr), local) &&
	    (addr_domain(addr).n == 0 ||
		str_caseeq(addr_domain(addr), conf_str(c, P_MYORIGIN)));
}

static bool
sender_is_told(const struct job *j)
{
	if (j->make.sender.n == 0 || j->make.kind == BOUNCE_DOUBLE ||
	    is_double_bounce(j->b->conf, j->make.sender))
		return false;
	for (size_t i = 0; i < j->noutcomes; i++)
		if (outcome_wanted((enum bounce_kind)j->make.kind,
			&j->outcomes[i]))
			return true;
	return false;
}

/* notify_classes; bounce includes 2bounce. */
static bool
postmaster_is_told(const struct job *j)
{
	const struct conf *c = j->b->conf;

	if (is_double_bounce(c, j->make.sender))
		return false;
	switch ((enum bounce_kind)j->make.kind) {
	case BOUNCE_FAILED:
		return j->make.sender.n > 0 &&
		    conf_has(c, P_NOTIFY_CLASSES, "bounce");
	case BOUNCE_DOUBLE:
		return conf_has(c, P_NOTIFY_CLASSES, "2bounce") ||
		    conf_has(c, P_NOTIFY_CLASSES, "bounce");
	case BOUNCE_DELAYED:
		return conf_has(c, P_NOTIFY_CLASSES, "delay");
	case BOUNCE_SUCCESS:
	case BOUNCE_STATUS:
		break;
	}
	return false;
}

static void
nobody(struct job *j)
{
	if (is_double_bounce(j->b->conf, j->make.sender))
		log_warn(STR_FMT ": undeliverable postmaster notification "
				 "discarded",
		    STR_ARG(j->make.qid));
	else if (j->make.kind == BOUNCE_DOUBLE)
		log_info(STR_FMT ": undeliverable bounce discarded",
		    STR_ARG(j->make.qid));
	end(j, BOUNCE_IS_NOBODY, "");
}

static void
begin(struct job *j)
{
	/* A bounce that bounces is told to the postmaster or to nobody. */
	if (j->make.kind == BOUNCE_FAILED && j->make.sender.n == 0)
		j->make.kind = BOUNCE_DOUBLE;
	if ((j->make.flags & ENV_NO_NOTICE) != 0)
		end(j, BOUNCE_IS_NOBODY, "");
	else if (sender_is_told(j)) {
		j->reader = READER_SENDER;
		make(j);
	} else if (postmaster_is_told(j)) {
		j->reader = READER_POSTMASTER;
		make(j);
	} else
		nobody(j);
}

/* --- making --------------------------------------------------------------- */

static const char *
kind_name(const struct job *j)
{
	switch ((enum bounce_kind)j->make.kind) {
	case BOUNCE_DELAYED:
		return "delay";
	case BOUNCE_SUCCESS:
	case BOUNCE_STATUS:
		return "delivery status";
	case BOUNCE_FAILED:
	case BOUNCE_DOUBLE:
		break;
	}
	return "non-delivery";
}

static void
on_done(const struct submit_result *res, void *arg)
{
	struct job *j = arg;
	const char *who = j->reader == READER_SENDER ? "sender" : "postmaster";
	char qid[QID_MAX + 1];

	j->slot = NULL;
	submit_unwait(&j->b->submit, &j->wait);
	if (res->code != 250) {
		log_warn(STR_FMT ": %s %s notification: %d " STR_FMT
				 " " STR_FMT,
		    STR_ARG(j->make.qid), who, kind_name(j), res->code,
		    STR_ARG(res->dsn), STR_ARG(res->text));
		/* Refused for ever: there is nobody who could be told. */
		end(j, res->code < 500 ? BOUNCE_IS_LATER : BOUNCE_IS_NOBODY,
		    "");
		return;
	}
	(void)str_copy(str_sub(res->qid, 0, QID_MAX), qid, sizeof(qid));
	log_fate(STR_NONE, STR_FMT ": %s %s notification: %s",
	    STR_ARG(j->make.qid), who, kind_name(j), qid);
	if (j->reader == READER_POSTMASTER) {
		end(j, BOUNCE_IS_MADE, qid);
		return;
	}
	memcpy(j->made, qid, sizeof(qid));
	if (!postmaster_is_told(j)) {
		end(j, BOUNCE_IS_MADE, qid);
		return;
	}
	j->reader = READER_POSTMASTER;
	make(j);
}

struct str
job_reader_addr(const struct job *j)
{
	const struct conf *c = j->b->conf;

	if (j->reader == READER_SENDER)
		return j->make.sender;
	if (j->make.kind == BOUNCE_DOUBLE)
		return conf_str(c, P_2BOUNCE_NOTICE_RECIPIENT);
	return conf_str(c,
	    j->make.kind == BOUNCE_DELAYED ? P_DELAY_NOTICE_RECIPIENT :
					     P_BOUNCE_NOTICE_RECIPIENT);
}

/* The sender of what goes to the postmaster: its failure is told to nobody. */
static void
put_sender(const struct job *j, struct buf *b)
{
	const struct conf *c = j->b->conf;

	if (j->reader == READER_SENDER)
		return;
	buf_str(b, conf_str(c, P_DOUBLE_BOUNCE_SENDER));
	buf_putc(b, '@');
	buf_str(b, conf_str(c, P_MYORIGIN));
}

static int
put_envelope(const struct job *j, struct buf *b)
{
	struct envelope e = { .arrival_us = clock_wall_us(),
		.origin = ENV_FROM_BOUNCE };
	struct env_rcpt r = { .addr = job_reader_addr(j) };
	struct buf sender;
	int rc;

	buf_init(&sender, ADDR_MAX);
	put_sender(j, &sender);
	e.sender = buf_get(&sender);
	if (j->eightbit)
		e.flags |= ENV_8BITMIME;
	if (j->utf8)
		e.flags |= ENV_SMTPUTF8;
	e.attr[ENV_A_SERVICE] = STR("bounce");
	e.attr[ENV_A_PARENT] = j->make.qid;
	rc = env_put_head(b, &e) == -1 || env_put_rcpt(b, &r) == -1 ||
		env_put_end(b, 0, 1) == -1 ?
	    -1 :
	    0;
	buf_clear(&sender);
	return rc;
}

static void
send(struct job *j)
{
	struct buf form;

	if (notice_write(j, j->slot->fd, submit_qid(j->slot)) == -1) {
		log_warn(STR_FMT ": notification cannot be written: %s",
		    STR_ARG(j->make.qid), strerror(errno));
		submit_drop(&j->b->submit, &j->slot);
		end(j, BOUNCE_IS_LATER, "");
		return;
	}
	buf_init(&form, ENVELOPE_INLINE_MAX);
	if (put_envelope(j, &form) == -1) {
		log_warn(STR_FMT ": notification has no proper envelope",
		    STR_ARG(j->make.qid));
		submit_drop(&j->b->submit, &j->slot);
		end(j, BOUNCE_IS_NOBODY, "");
	} else
		submit_send(&j->b->submit, j->slot, buf_get(&form));
	buf_clear(&form);
}

static void
on_slot(void *arg)
{
	make(arg);
}

static void
make(struct job *j)
{
	struct submit *s = &j->b->submit;

	if (!submit_possible(s)) {
		end(j, BOUNCE_IS_LATER, "");
		return;
	}
	j->slot = submit_take(s, on_done, j);
	if (j->slot != NULL) {
		send(j);
		return;
	}
	j->wait.cb = on_slot;
	j->wait.arg = j;
	submit_wait(s, &j->wait);
}

/* --- orders --------------------------------------------------------------- */

/* A copy of s at *at, which moves. */
static struct str
keep(char **at, struct str s)
{
	char *p = *at;

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return str_make(p, s.n);
}

static void
keep_order(struct job *j, const struct bounce_make *m)
{
	char *at;

	j->make = *m;
	j->text = xmalloc(m->qid.n + m->sender.n + m->envid.n + m->edits.n +
	    m->reports.n + 1);
	at = j->text;
	j->make.qid = keep(&at, m->qid);
	j->make.sender = keep(&at, m->sender);
	j->make.envid = keep(&at, m->envid);
	j->make.edits = keep(&at, m->edits);
	j->make.reports = keep(&at, m->reports);
}

static int
read_edits(struct job *j)
{
	struct env_reader r;
	struct env_edit e;
	int k;

	env_open_part(&r, j->make.edits);
	while ((k = env_read_edit(&r, &e)) == 1) {
		if ((j->nedits & (j->nedits - 1)) == 0)
			j->edits = xreallocarray(j->edits,
			    j->nedits == 0 ? 1 : 2 * j->nedits,
			    sizeof(*j->edits));
		j->edits[j->nedits++] = e;
	}
	return k;
}

static int
read_reports(struct job *j)
{
	struct str in = j->make.reports;
	struct outcome r;
	int k;

	while ((k = outcome_next(&in, j->qid, &r)) == 1) {
		if (j->noutcomes == REPORTS_MAX)
			return -1;
		if ((j->noutcomes & (j->noutcomes - 1)) == 0)
			j->outcomes = xreallocarray(j->outcomes,
			    j->noutcomes == 0 ? 1 : 2 * j->noutcomes,
			    sizeof(*j->outcomes));
		j->outcomes[j->noutcomes++] = r;
	}
	return k;
}

static int
read_order(struct job *j)
{
	const struct bounce_make *m = &j->make;

	if (qid_parse(m->qid, &j->qid) == -1 || m->kind < BOUNCE_FAILED ||
	    m->kind > BOUNCE_STATUS || m->ret > ENV_RET_HDRS ||
	    (m->sender.n > 0 && !addr_valid(m->sender)))
		return -1;
	return read_edits(j) == -1 || read_reports(j) == -1 ? -1 : 0;
}

static void
on_make(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct bounce *b = arg;
	struct job *j;

	(void)ch;
	if (b->njobs >= JOBS_MAX) {
		answer(b, id, BOUNCE_IS_LATER, "");
		return;
	}
	j = xcalloc(1, sizeof(*j));
	j->b = b;
	j->id = id;
	j->fd = fds[0];
	fds[0] = -1;
	TAILQ_INSERT_TAIL(&b->jobs, j, link);
	b->njobs++;
	keep_order(j, rec);
	j->utf8 = (j->make.flags & ENV_SMTPUTF8) != 0;
	j->eightbit = (j->make.flags &
			  (ENV_SMTPUTF8 | ENV_HEADER_UTF8 | ENV_8BITMIME)) != 0;
	if (read_order(j) == -1) {
		log_error(STR_FMT ": order for a notification makes no sense",
		    STR_ARG(j->make.qid));
		end(j, BOUNCE_IS_LATER, "");
		return;
	}
	begin(j);
}

const struct chan_on orders_on[] = {
	{ BOUNCE_MAKE, on_make },
	{ 0, NULL },
};

void
orders_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct bounce *b = arg;

	(void)instance;
	(void)pid;
	b->orders = ch;
}

void
orders_down(struct chan *ch, unsigned instance, void *arg)
{
	struct bounce *b = arg;
	struct job *j;

	(void)instance;
	if (b->orders == ch)
		b->orders = NULL;
	TAILQ_FOREACH(j, &b->jobs, link)
		j->orphan = true;
}
