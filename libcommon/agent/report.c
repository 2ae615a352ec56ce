/* SPDX-License-Identifier: ISC */
/*
 * The fates of recipients: to the log, to the queue manager.
 */
#include <stdio.h>
#include <string.h>

#include "agent/job.h"
#include "base/clock.h"
#include "log/log.h"

static const char *
status_word(const struct agent_job *j, enum fate f)
{
	if (agent_probe(j))
		return f == FATE_SENT ? "deliverable" : "undeliverable";
	switch (f) {
	case FATE_SENT:
		return "sent";
	case FATE_BOUNCED:
		return "bounced";
	case FATE_DEFERRED:
		break;
	}
	return "deferred";
}

void
agent_log(const struct agent_job *j, struct str to, struct str orig,
    const struct agent_fate *f)
{
	int64_t now = clock_wall_us();
	bool other = orig.n > 0 && !str_caseeq(orig, to);
	char all[CLOCK_DELAY], a[CLOCK_DELAY], b[CLOCK_DELAY], d[CLOCK_DELAY];

	log_fate(STR_NONE,
	    STR_FMT ": to=<" STR_FMT ">, %s" STR_FMT "%srelay=%s, "
		    "delay=%s, delays=%s/%s/0/%s, dsn=" STR_FMT
		    ", status=%s (" STR_FMT ")",
	    STR_ARG(j->qid), STR_ARG(to), other ? "orig_to=<" : "",
	    STR_ARG(other ? orig : STR_NONE), other ? ">, " : "", j->relay,
	    clock_delay(now - j->arrived_us, all),
	    clock_delay(j->active_us - j->arrived_us, a),
	    clock_delay(j->began_us - j->active_us, b),
	    clock_delay(now - j->began_us, d), STR_ARG(f->dsn),
	    status_word(j, f->fate), STR_ARG(f->text));
}

/* Recipient n has been told of: true when it was the last. */
static bool
told(struct agent_job *j, uint16_t n)
{
	struct deliver_done done;

	if (j->rcpts[n].told)
		log_fatal("fate of a recipient reported twice");
	memset(&done, 0, sizeof(done));
	j->rcpts[n].told = true;
	j->left--;
	if (j->ch != NULL && j->left == 0)
		chan_answer(j->ch, DELIVER_DONE, j->id, &done, NULL);
	return j->left == 0;
}

bool
agent_pass(struct agent_job *j, const struct deliver_pass *p)
{
	if (j->ch != NULL)
		chan_tell(j->ch, DELIVER_PASS, j->id, p, NULL);
	return told(j, p->rcpt);
}

bool
agent_report(struct agent_job *j, uint16_t n, const struct agent_fate *f)
{
	return agent_report_as(j, n, j->rcpts[n].addr, f);
}

bool
agent_report_as(struct agent_job *j, uint16_t n, struct str to,
    const struct agent_fate *f)
{
	struct agent_rcpt *r = &j->rcpts[n];
	struct deliver_fate rec = { .rcpt = n,
		.fate = (uint8_t)f->fate,
		.dsn = str_sub(f->dsn, 0, 16),
		.text = str_sub(f->text, 0, 1024),
		.relay = str_of(j->relay),
		.transfer_ms =
		    (uint32_t)((clock_wall_us() - j->began_us) / 1000) };

	agent_log(j, to, r->orig.n > 0 ? r->orig : r->addr, f);
	if (j->ch != NULL)
		chan_tell(j->ch, DELIVER_FATE, j->id, &rec, NULL);
	return told(j, n);
}
