/* SPDX-License-Identifier: ISC */
#ifndef EDGE_QUEUE_H
#define EDGE_QUEUE_H

#include "chan/rec.h"
#include "edge/spool.h"
#include "mail/address.h"

/*
 * control (A) to qmgr (B): what mailctl, postqueue and postsuper do with the
 * queue.  control has decided by the kernel's word on its client (uid) that it
 * may.  A listing is QUEUE_ENTRY records under the question's id, then
 * QUEUE_DONE; qmgr stops while control's channel is full.
 */
#define queue_list_FIELDS(F) \
	F(U8, detail) /* 0 no recipients, 1 those not yet delivered */ \
	F(STR, qid, QID_MAX) /* one message, or empty */

/* One message; its recipients follow as QUEUE_RCPT. */
#define queue_entry_FIELDS(F) \
	F(STR, qid, QID_MAX) \
	F(U8, state) /* enum queue_state */ \
	F(I64, arrived_us) \
	F(I64, due_us) \
	F(U64, size) \
	F(U32, rcpts) \
	F(STR, sender, ADDR_MAX)
#define queue_rcpt_FIELDS(F) \
	F(STR, addr, ADDR_MAX) \
	F(STR, reason, 1024)

enum queue_state {
	QSTATE_MAILDROP = 1,
	QSTATE_INCOMING,
	QSTATE_ACTIVE,
	QSTATE_DEFERRED,
	QSTATE_HOLD,
	QSTATE_CORRUPT,
};

/* op: enum queue_op; arg: a queue id, a site, or ALL. */
#define queue_change_FIELDS(F) \
	F(U8, op) \
	F(U8, state) /* only messages in this state, 0 for any */ \
	F(STR, arg, ADDR_MAX)

enum queue_op {
	QOP_FLUSH_ALL = 1,
	QOP_FLUSH_SITE,
	QOP_FLUSH_ID,
	QOP_HOLD,
	QOP_RELEASE,
	QOP_DELETE,
	QOP_REQUEUE,
	QOP_EXPIRE,
};

#define queue_done_FIELDS(F) \
	F(U32, error) \
	F(U32, count) \
	F(STR, text, 512)

/* The file of a message, for postcat: the answer is a read-only descriptor. */
#define queue_open_FIELDS(F) \
	F(STR, qid, QID_MAX)
#define queue_file_FIELDS(F) \
	F(U64, offset) \
	F(U64, size) \
	F(STR, envelope, 49152)

#define queue_stats_FIELDS(F)
#define queue_numbers_FIELDS(F) \
	F(U64, maildrop) \
	F(U64, incoming) \
	F(U64, active) \
	F(U64, deferred) \
	F(U64, hold) \
	F(U64, corrupt) \
	F(U64, accepted) \
	F(U64, delivered)

#define EDGE_QUEUE(R) \
	R(QUEUE_LIST, queue_list, REC_ASK, SIDE_A, 0) \
	R(QUEUE_ENTRY, queue_entry, REC_TELL, SIDE_B, 0) \
	R(QUEUE_RCPT, queue_rcpt, REC_TELL, SIDE_B, 0) \
	R(QUEUE_CHANGE, queue_change, REC_ASK, SIDE_A, 0) \
	R(QUEUE_DONE, queue_done, REC_ANSWER, SIDE_B, 0) \
	R(QUEUE_OPEN, queue_open, REC_ASK, SIDE_A, 0) \
	R(QUEUE_FILE, queue_file, REC_ANSWER, SIDE_B, 1) \
	R(QUEUE_STATS, queue_stats, REC_ASK, SIDE_A, 0) \
	R(QUEUE_NUMBERS, queue_numbers, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(queue, EDGE_QUEUE);

#endif
