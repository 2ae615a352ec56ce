/* SPDX-License-Identifier: ISC */
#ifndef EDGE_DELIVER_H
#define EDGE_DELIVER_H

#include "chan/rec.h"
#include "edge/spool.h"
#include "mail/address.h"

/*
 * qmgr (A) to a delivery agent (B: smtp, local, virtual): one message and the
 * recipients to deliver it to, for one attempt.
 *
 * The descriptor is the message: sealed memory or a read-only file of its own
 * open description; content is `size` bytes at `offset`, read with pread and
 * seen through `edits` (queue/content.h).  rcpts is a sequence of recipient
 * records of queue/envelope.h; the n-th is number n in the reports.  The agent
 * reports every recipient once with DELIVER_FATE under the job's id, then
 * answers DELIVER_DONE; reports are batched for some milliseconds, nobody
 * waits.  An agent that dies leaves its jobs unanswered: they return.
 *
 * With ENV_PROBE among the flags nothing is delivered.  The agent does what it
 * does to find out whether it could, stops where delivery would begin, and
 * reports FATE_SENT for `deliverable` with a text that says how, any other fate
 * for `undeliverable`; its log lines have these words.
 */
#define DELIVER_RCPTS_MAX 32768
#define DELIVER_EDITS_MAX 20480

#define deliver_job_FIELDS(F) \
	F(STR, qid, QID_MAX) \
	F(STR, sender, ADDR_MAX) \
	F(STR, transport, 64) \
	F(STR, nexthop, ADDR_MAX) \
	F(U64, route_ticket) \
	F(I64, arrived_us) \
	F(I64, active_us) \
	F(U32, flags) /* of the envelope */ \
	F(U8, ret) /* enum env_ret */ \
	F(STR, envid, 256) \
	F(U64, offset) \
	F(U64, size) \
	F(STR, edits, DELIVER_EDITS_MAX) \
	F(STR, rcpts, DELIVER_RCPTS_MAX)

/*
 * One recipient's fate.  fate: enum fate.  dsn: `5.1.1`.  text: the
 * reason for people.  relay: `host[addr]:port` or `local`.  remote_mta and
 * remote_text: the server's own words for the DSN.  The delays are those of
 * Postfix's log line, in milliseconds.
 */
#define deliver_fate_FIELDS(F) \
	F(U16, rcpt) \
	F(U8, fate) \
	F(U8, flags) \
	F(STR, dsn, 16) \
	F(STR, text, 1024) \
	F(STR, relay, 512) \
	F(STR, remote_mta, 256) \
	F(STR, remote_text, 1024) \
	F(U32, connect_ms) \
	F(U32, transfer_ms)

enum fate {
	FATE_SENT = 1,
	FATE_BOUNCED,
	FATE_DEFERRED,
};

enum fate_flags {
	/* Counts against the destination's concurrency: no connection, or
	 * no greeting. */
	FATE_DESTINATION = 0x1,
	/* Sent to a server that tells the sender of success itself (DSN). */
	FATE_DSN = 0x2,
};

/*
 * local alone: a recipient, perhaps with another address, that another
 * transport is to deliver to in this attempt (mailbox_transport,
 * fallback_transport).  It counts as reported.  The way is rewrite's, which
 * vouches for it with pass (edge/ticket.h).
 */
#define deliver_pass_FIELDS(F) \
	F(U16, rcpt) \
	F(U64, ticket) \
	F(U64, pass) \
	F(STR, addr, ADDR_MAX) \
	F(STR, transport, 64) \
	F(STR, nexthop, ADDR_MAX)

#define deliver_done_FIELDS(F)

/* The agent has been idle: may it leave?  Yes is to close the channel. */
#define deliver_idle_FIELDS(F)

#define EDGE_DELIVER(R) \
	R(DELIVER_JOB, deliver_job, REC_ASK, SIDE_A, 1) \
	R(DELIVER_FATE, deliver_fate, REC_TELL, SIDE_B, 0) \
	R(DELIVER_PASS, deliver_pass, REC_TELL, SIDE_B, 0) \
	R(DELIVER_DONE, deliver_done, REC_ANSWER, SIDE_B, 0) \
	R(DELIVER_IDLE, deliver_idle, REC_TELL, SIDE_B, 0)

EDGE_DECLARE(deliver, EDGE_DELIVER);

#endif
