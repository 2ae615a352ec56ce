/* SPDX-License-Identifier: ISC */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "chan/chan.h"
#include "edge/deliver.h"
#include "queue/envelope.h"

/*
 * A delivery agent's job: one message, the recipients it is to be delivered to
 * in one attempt, and their fates (edge/deliver.h).
 *
 * An agent makes a job of each DELIVER_JOB, reports every recipient exactly
 * once with agent_report(), and has the job until the last one is reported:
 * that call answers qmgr and frees it.
 */
struct agent_rcpt {
	struct str addr;  /* where it goes */
	struct str orig;  /* as first received; may be empty */
	struct str orcpt; /* DSN */
	uint32_t notify;
	bool told;
};

struct agent_job {
	TAILQ_ENTRY(agent_job) link; /* the agent's */
	struct chan *ch;	     /* NULL: qmgr is gone, nobody listens */
	uint64_t id;
	struct str qid, sender, transport, nexthop, envid;
	const char *relay; /* of the log line: local, virtual */
	int64_t arrived_us, active_us, began_us;
	uint32_t flags; /* of the envelope */
	int fd;		/* the message */
	uint64_t offset, size;
	struct str edits; /* encoded */
	struct agent_rcpt *rcpts;
	uint16_t nrcpts;
	uint16_t left; /* not reported */
	char *text;    /* what all of them point into */

	/* Delivered-To: headers of the message: see agent_delivered_to(). */
	struct buf seen;
	bool looked;
};

/*
 * Make a job of a record; fds[0] is taken.  NULL when the record makes no
 * sense: the caller drops the channel.
 */
struct agent_job *agent_job_new(struct chan *ch, uint64_t id,
    const struct deliver_job *rec, int *fds, const char *relay);
void agent_job_free(struct agent_job **jp);

/* Nothing is to be delivered: only what would become of it is asked. */
static inline bool
agent_probe(const struct agent_job *j)
{
	return (j->flags & ENV_PROBE) != 0;
}

/* What became of a recipient; text is for people. */
struct agent_fate {
	enum fate fate;
	struct str dsn;
	struct str text;
};

/*
 * Log and report the fate of recipient n.  Returns true when it was the last:
 * the job is then answered, and the caller frees it.
 */
bool agent_report(struct agent_job *j, uint16_t n,
    const struct agent_fate *f) WARN_UNUSED;
/* The same, where the log is to name the address that an alias led to. */
bool agent_report_as(struct agent_job *j, uint16_t n, struct str to,
    const struct agent_fate *f) WARN_UNUSED;

/* The same for one that goes on to another transport; n is in p. */
bool agent_pass(struct agent_job *j, const struct deliver_pass *p) WARN_UNUSED;

/*
 * The log line alone, for a fate that is not (yet) reported: an address that
 * an alias led to.
 */
void agent_log(const struct agent_job *j, struct str to, struct str orig,
    const struct agent_fate *f);

/*
 * Has the message been delivered to this address before, as its Delivered-To:
 * headers say?  The headers are read once a job.  1 or 0; -1 with errno when
 * they cannot be read.
 */
int agent_delivered_to(struct agent_job *j, struct str addr);

/*
 * The headers that a delivery puts in front: Return-Path:, X-Original-To: (when
 * there is one), Delivered-To:.  Any of them is left out when not wanted.
 */
#define AGENT_RETURN_PATH 0x1
#define AGENT_ORIGINAL_TO 0x2
#define AGENT_DELIVERED_TO 0x4
#define AGENT_PREFIX_ALL 0x7
#define AGENT_PREFIX_MAX 8192
void agent_prefix(struct buf *out, unsigned which, struct str sender,
    struct str orig, struct str addr);

#endif
