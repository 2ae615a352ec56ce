/* SPDX-License-Identifier: ISC */
/*
 * A job: the command of its transport, run once with all recipients, or once
 * for each where the message differs with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"

#include "pipe.h"

#define JOBS_MAX 256 /* in hand: each has descriptors and a process */

/* One run, for recipients from first to last. */
struct attempt {
	struct piped *p;
	struct agent_job *job;
	struct run_call run;
	uint16_t first, last;
};

static void
job_end(struct piped *p, struct agent_job *j)
{
	char *relay = (char *)(uintptr_t)j->relay;

	TAILQ_REMOVE(&p->jobs, j, link);
	p->njobs--;
	agent_job_free(&j);
	free(relay);
	if (p->paused && p->njobs < JOBS_MAX / 2 && p->qmgr != NULL) {
		p->paused = false;
		chan_reading(p->qmgr, 1);
	}
}

/* The same fate for recipients from first to last; the job may be gone. */
static void
settle(struct piped *p, struct agent_job *j, uint16_t first, uint16_t last,
    const struct agent_fate *f)
{
	for (uint16_t n = first; n <= last; n++)
		if (agent_report(j, n, f))
			job_end(p, j);
}

static void
settle_all(struct piped *p, struct agent_job *j, enum fate fate,
    const char *dsn, const char *text)
{
	struct agent_fate f = { .fate = fate,
		.dsn = str_of(dsn),
		.text = str_of(text) };

	settle(p, j, 0, (uint16_t)(j->nrcpts - 1), &f);
}

static void
on_run(const struct agent_fate *f, void *arg)
{
	struct attempt *a = arg;
	struct agent_fate mine = *f;
	char text[400];

	if (f->fate == FATE_SENT) {
		struct str said = str_sub(f->text, 0, 100);

		snprintf(text, sizeof(text),
		    "delivered via %s service%s" STR_FMT "%s", a->job->relay,
		    said.n > 0 ? " (" : "", STR_ARG(said),
		    said.n > 0 ? ")" : "");
		mine.text = str_of(text);
	}
	settle(a->p, a->job, a->first, a->last, &mine);
	free(a);
}

/* What goes before the message. */
static void
put_head(struct buf *head, const struct agent_job *j, const struct service *s,
    const struct agent_rcpt *r)
{
	unsigned flags = s->args.flags, which = 0;

	if (flags & PIPE_FROM)
		feed_from(head,
		    j->sender.n > 0 ? j->sender : s->args.null_sender);
	which |= (flags & PIPE_RETURN_PATH) ? AGENT_RETURN_PATH : 0;
	which |= (flags & PIPE_ORIGINAL) ? AGENT_ORIGINAL_TO : 0;
	which |= (flags & PIPE_DELIVERED) ? AGENT_DELIVERED_TO : 0;
	agent_prefix(head, which, j->sender, r->orig, r->addr);
}

static void
attempt(struct piped *p, struct agent_job *j, const struct service *s,
    uint16_t first, uint16_t last)
{
	struct attempt *a = xcalloc(1, sizeof(*a));
	struct broker_command q = { .kind = COMMAND_MASTER,
		.service = s->number };
	struct run_for about = { .qid = j->qid,
		.sender = j->sender,
		.nexthop = j->nexthop,
		.envid = j->envid,
		.size = j->size };
	unsigned flags = 0;
	struct buf head, rcpts;

	*a = (struct attempt){ .p = p, .job = j, .first = first, .last = last };
	buf_init(&head, AGENT_PREFIX_MAX + 2048);
	buf_init(&rcpts, 40960);
	put_head(&head, j, s, &j->rcpts[first]);
	for (uint16_t n = first; n <= last; n++) {
		const struct agent_rcpt *r = &j->rcpts[n];

		buf_str(&rcpts, r->addr);
		buf_putc(&rcpts, '\0');
		buf_str(&rcpts, r->orig.n > 0 ? r->orig : r->addr);
		buf_putc(&rcpts, '\0');
	}
	flags |= (s->args.flags & PIPE_BLANK) ? FEED_BLANK : 0;
	flags |= (s->args.flags & PIPE_QUOTE_FROM) ? FEED_QUOTE_FROM : 0;
	flags |= (s->args.flags & PIPE_DOT) ? FEED_DOT : 0;
	feed_init(&a->run.feed, p->loop, j, flags, s->args.eol,
	    buf_get(&head));
	about.rcpts = buf_get(&rcpts);
	run_begin(&a->run, p->loop, p->broker, &q, &about, on_run, a);
	buf_clear(&head);
	buf_clear(&rcpts);
}

static void
would(struct piped *p, struct agent_job *j, const struct service *s,
    uint16_t first, uint16_t last)
{
	struct conf_list args = conf_self(s->conf)->args;
	struct agent_fate f = { .fate = FATE_SENT, .dsn = STR("2.0.0") };
	char text[400];

	snprintf(text, sizeof(text), "delivers to command: " STR_FMT,
	    STR_ARG(str_sub(args.v[s->args.argv].text, strlen("argv="), 300)));
	f.text = str_of(text);
	settle(p, j, first, last, &f);
}

/* Has it been here before?  Then it is settled. */
static bool
looped(struct piped *p, struct agent_job *j, uint16_t n)
{
	struct str addr = j->rcpts[n].addr;
	struct agent_fate f = { .fate = FATE_DEFERRED,
		.dsn = STR("4.3.0"),
		.text = STR("message cannot be read") };
	char text[ADDR_MAX + 64];
	int r = agent_delivered_to(j, addr);

	if (r == 0)
		return false;
	if (r == 1) {
		snprintf(text, sizeof(text),
		    "mail forwarding loop for " STR_FMT, STR_ARG(addr));
		f = (struct agent_fate){ FATE_BOUNCED, STR("5.4.6"),
			str_of(text) };
	}
	settle(p, j, n, n, &f);
	return true;
}

/* The bytes that recipients may have on their way to the command. */
#define RCPTS_BYTES 40000

/* How many recipients from first on go in one run. */
static uint16_t
last_of(const struct agent_job *j, uint16_t first)
{
	size_t bytes = 0;
	uint16_t n;

	for (n = first; n < j->nrcpts; n++) {
		const struct agent_rcpt *r = &j->rcpts[n];

		bytes += r->addr.n + (r->orig.n > 0 ? r->orig.n : r->addr.n) +
		    2;
		if (bytes > RCPTS_BYTES && n > first)
			break;
	}
	return (uint16_t)(n - 1);
}

static void
deliver(struct piped *p, struct agent_job *j, const struct service *s)
{
	bool single = (s->args.flags & (PIPE_DELIVERED | PIPE_ORIGINAL)) != 0;
	uint16_t n = j->nrcpts, last;
	char text[256];

	if (s->args.size > 0 && j->size > s->args.size) {
		snprintf(text, sizeof(text),
		    "message size %llu exceeds size limit %llu for transport "
		    "%s",
		    (unsigned long long)j->size,
		    (unsigned long long)s->args.size, s->name);
		settle_all(p, j, FATE_BOUNCED, "5.2.3", text);
		return;
	}
	/* The last to be settled takes the job with it. */
	for (uint16_t i = 0; i < n; i = (uint16_t)(last + 1)) {
		last = single ? i : last_of(j, i);
		if (single && (s->args.flags & PIPE_DELIVERED) &&
		    looped(p, j, i))
			continue;
		if (agent_probe(j))
			would(p, j, s, i, last);
		else
			attempt(p, j, s, i, last);
	}
}

static void
on_job(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct deliver_job *d = rec;
	struct piped *p = arg;
	char *relay = str_dup(d->transport);
	struct agent_job *j = agent_job_new(ch, id, rec, fds, relay);
	struct service *s;

	if (j == NULL) {
		free(relay);
		chan_drop(ch, "delivery job that is none");
		return;
	}
	TAILQ_INSERT_TAIL(&p->jobs, j, link);
	if (++p->njobs >= JOBS_MAX && !p->paused) {
		p->paused = true;
		chan_reading(ch, 0);
	}
	s = service_find(p, j->transport);
	if (s == NULL || s->bad != NULL) {
		log_error("transport %s: %s", relay,
		    s == NULL ? "not in master.cf" : s->bad);
		settle_all(p, j, FATE_DEFERRED, "4.3.5",
		    "mail system configuration error");
		return;
	}
	deliver(p, j, s);
}

const struct chan_on pipe_on[] = {
	{ DELIVER_JOB, on_job },
	{ 0, NULL },
};

void
deliver_forget(struct piped *p, const struct chan *ch)
{
	struct agent_job *j;

	TAILQ_FOREACH(j, &p->jobs, link)
		if (j->ch == ch)
			j->ch = NULL;
	p->paused = false;
}
