/* SPDX-License-Identifier: ISC */
#ifndef EDGE_COMMIT_H
#define EDGE_COMMIT_H

#include "chan/rec.h"
#include "edge/intake.h"

/*
 * cleanup (A) to qmgr (B): a message ready for the queue.  The id is the slot
 * that qmgr handed to the submitter; slots are numbers nobody can guess, so
 * the slot alone tells whose message this is.  envelope carries recipients,
 * attributes and edits (queue/envelope.h); qmgr verifies it record by record,
 * and that the content is sealed.  It answers the submitter itself.
 */
#define commit_message_FIELDS(F) \
	F(STR, qid, QID_MAX) \
	F(STR, envelope, ENVELOPE_INLINE_MAX)
#define commit_large_FIELDS(F) \
	F(STR, qid, QID_MAX)

#define EDGE_COMMIT(R) \
	R(COMMIT_MESSAGE, commit_message, REC_TELL, SIDE_A, 1) \
	R(COMMIT_LARGE, commit_large, REC_TELL, SIDE_A, 2)

EDGE_DECLARE(commit, EDGE_COMMIT);

#endif
