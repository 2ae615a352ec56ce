/* SPDX-License-Identifier: ISC */
#ifndef EDGE_INTAKE_H
#define EDGE_INTAKE_H

#include "chan/rec.h"
#include "edge/spool.h"

/*
 * A submitter (A: smtpd, pickup, bounce, local) to cleanup (B): a message.
 * The id is the slot that qmgr gave (edge/spool.h).  The descriptor is the
 * slot's memory file, full of content; cleanup seals it before it reads a
 * byte.  envelope is in the encoding of queue/envelope.h; one that is too
 * large for a record comes as a sealed memory file (second descriptor).
 *
 * cleanup adds our Received header to all mail but smtpd's, which has written
 * its own; it completes headers of mail posted here (smtpd says in the
 * attribute `rewrite_context` whether that is so), asks rewrite about
 * recipients without a transport, and makes the edits: the envelope has none.
 *
 * cleanup answers only when it refuses; otherwise qmgr answers.  After
 * INTAKE_REFUSED the slot is still the submitter's: it drops it (SPOOL_DROP).
 */
#define ENVELOPE_INLINE_MAX 49152

#define intake_message_FIELDS(F) \
	F(STR, qid, QID_MAX) \
	F(STR, envelope, ENVELOPE_INLINE_MAX)
#define intake_large_FIELDS(F) \
	F(STR, qid, QID_MAX)
#define intake_refused_FIELDS(F) \
	F(U16, code) \
	F(STR, dsn, 16) \
	F(STR, text, 512)

#define EDGE_INTAKE(R) \
	R(INTAKE_MESSAGE, intake_message, REC_TELL, SIDE_A, 1) \
	R(INTAKE_LARGE, intake_large, REC_TELL, SIDE_A, 2) \
	R(INTAKE_REFUSED, intake_refused, REC_REPORT, SIDE_B, 0)

EDGE_DECLARE(intake, EDGE_INTAKE);

#endif
