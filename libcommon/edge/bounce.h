/* SPDX-License-Identifier: ISC */
#ifndef EDGE_BOUNCE_H
#define EDGE_BOUNCE_H

#include "chan/rec.h"
#include "edge/deliver.h"

/*
 * qmgr (A) to bounce (B): make a report on a message and send it through
 * cleanup like any other.  The descriptor is the message, as for an agent.
 * reports is a packed list of what happened to each recipient, in the record
 * encoding of queue/envelope.h (recipient records followed by fate records);
 * more than fits is left out and counted in `omitted`.
 *
 * BOUNCE_MADE says that the report is in the queue, under which id: only then
 * does qmgr let go of the recipients it speaks of.  It must be one that bounce
 * has brought in, and counts once.
 */
#define bounce_make_FIELDS(F) \
	F(U8, kind) \
	F(STR, qid, QID_MAX) \
	F(STR, sender, ADDR_MAX) \
	F(STR, envid, 256) \
	F(U8, ret) \
	F(I64, arrived_us) \
	F(U32, flags) \
	F(U64, offset) \
	F(U64, size) \
	F(U32, omitted) \
	F(STR, edits, DELIVER_EDITS_MAX) \
	F(STR, reports, 30720)

enum bounce_kind {
	BOUNCE_FAILED = 1,
	BOUNCE_DELAYED,
	BOUNCE_SUCCESS,
	BOUNCE_DOUBLE, /* a bounce could not be delivered: to the postmaster */
	BOUNCE_STATUS, /* what an attempt came to, or would (ENV_PROBE) */
};

#define bounce_made_FIELDS(F) \
	F(U8, status) /* enum bounce_status */ \
	F(STR, qid, QID_MAX)

enum bounce_status {
	BOUNCE_IS_MADE = 0,
	BOUNCE_IS_LATER, /* to be tried again */
	BOUNCE_IS_NOBODY, /* to tell, or none that could be told */
};

/* As DELIVER_IDLE. */
#define bounce_idle_FIELDS(F)

#define EDGE_BOUNCE(R) \
	R(BOUNCE_MAKE, bounce_make, REC_ASK, SIDE_A, 1) \
	R(BOUNCE_MADE, bounce_made, REC_ANSWER, SIDE_B, 0) \
	R(BOUNCE_IDLE, bounce_idle, REC_TELL, SIDE_B, 0)

EDGE_DECLARE(bounce, EDGE_BOUNCE);

#endif
