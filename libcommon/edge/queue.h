/* SPDX-License-Identifier: ISC */
#ifndef EDGE_QUEUE_H
#define EDGE_QUEUE_H

#include "chan/rec.h"
#include "edge/spool.h"
#include "mail/address.h"

/*
 * control (A) to qmgr (B): what mailctl, postqueue and postsuper do with the
 * queue.  control has decided by the kernel's word on its client (uid) that it
 * may.
 *
 * A listing is QUEUE_ENTRY and QUEUE_RCPT records under the question's id,
 * then QUEUE_DONE.  qmgr sends no more of them than it was given credit for,
 * so that a client who does not read keeps nobody else waiting; QUEUE_MORE
 * gives it more, QUEUE_STOP says that nobody listens any longer.
 */
#define queue_list_FIELDS(F) \
	F(U8, detail) /* 0 no recipients, 1 those not yet delivered */ \
	F(U32, credit) \
	F(STR, qid, QID_MAX) /* one message, or empty */
#define queue_more_FIELDS(F) \
	F(U32, credit)
#define queue_stop_FIELDS(F)

/*
 * One message, or a file in maildrop, of which only what the kernel says is
 * known, and whose id is its name.  Its recipients follow as QUEUE_RCPT, those
 * it still has, each with the latest reason why.  reason is that of the whole
 * message: of its hold, or of its deferral.  flags: enum queue_flags.
 */
#define queue_entry_FIELDS(F) \
	F(STR, qid, QID_MAX) \
	F(U8, state) /* enum queue_state */ \
	F(I64, arrived_us) \
	F(I64, due_us) \
	F(U64, size) \
	F(U32, rcpts) \
	F(U8, flags) \
	F(U32, uid) /* QSTATE_MAILDROP: whose file it is; it has no sender */ \
	F(STR, sender, ADDR_MAX) \
	F(STR, reason, 1024)
#define queue_rcpt_FIELDS(F) \
	F(STR, addr, ADDR_MAX) \
	F(STR, reason, 1024)

enum queue_flags {
	QFLAG_EXPIRED = 0x1, /* is to be returned at the next attempt */
	QFLAG_UNREADABLE = 0x2, /* only its name is known */
};

enum queue_state {
	QSTATE_MAILDROP = 1,
	QSTATE_INCOMING,
	QSTATE_ACTIVE,
	QSTATE_DEFERRED,
	QSTATE_HOLD,
	QSTATE_CORRUPT,
};

/*
 * op: enum queue_op; arg: a queue id, a site, or ALL.  The answer comes when
 * it is done, with the number of messages; with ENOENT when there was none.
 */
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
	QOP_FLUSH_LISTED, /* QOP_FLUSH_SITE, if fast_flush_domains has it */
	QOP_SCAN, /* look for mail that is due or was left in maildrop */
};

#define queue_done_FIELDS(F) \
	F(U32, error) \
	F(U32, count) \
	F(STR, text, 512)

/*
 * A message, for postcat: the answer is a read-only descriptor.  With file it
 * is a whole queue file (queue/qfile.h), else its content only; envelope then
 * has the encoded form, or is empty when that is longer.
 */
#define queue_open_FIELDS(F) \
	F(STR, qid, QID_MAX)
#define queue_file_FIELDS(F) \
	F(U8, file) \
	F(U8, state) \
	F(U64, offset) \
	F(U64, size) \
	F(STR, envelope, QUEUE_ENVELOPE_MAX) \
	F(STR, events, QUEUE_EVENTS_MAX)

#define QUEUE_ENVELOPE_MAX 40960
#define QUEUE_EVENTS_MAX 16384

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
	R(QUEUE_DONE, queue_done, REC_ANSWER, SIDE_B, 0) \
	R(QUEUE_LIST, queue_list, REC_ASK, SIDE_A, 0) \
	R(QUEUE_MORE, queue_more, REC_TELL, SIDE_A, 0) \
	R(QUEUE_STOP, queue_stop, REC_TELL, SIDE_A, 0) \
	R(QUEUE_ENTRY, queue_entry, REC_REPORT, SIDE_B, 0) \
	R(QUEUE_RCPT, queue_rcpt, REC_REPORT, SIDE_B, 0) \
	R(QUEUE_CHANGE, queue_change, REC_ASK, SIDE_A, 0) \
	R(QUEUE_OPEN, queue_open, REC_ASK, SIDE_A, 0) \
	R(QUEUE_FILE, queue_file, REC_ANSWER, SIDE_B, 1) \
	R(QUEUE_STATS, queue_stats, REC_ASK, SIDE_A, 0) \
	R(QUEUE_NUMBERS, queue_numbers, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(queue, EDGE_QUEUE);

#endif
