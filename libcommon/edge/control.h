/* SPDX-License-Identifier: ISC */
#ifndef EDGE_CONTROL_H
#define EDGE_CONTROL_H

#include "chan/rec.h"
#include "edge/broker.h"
#include "edge/queue.h"

/*
 * mailctl and its other names (A) to control (B), over the local socket
 * public/control: one question at a time, records as they are on a channel,
 * one behind the other in a stream.  Who asks is known from the kernel.
 *
 * Most records have the fields of those of edges `queue` and `broker` that
 * they are passed on as.
 */
#define control_admin_FIELDS(F) \
	F(U8, what) /* enum admin_what */ \
	F(STR, arg, 256)
#define control_text_FIELDS(F) broker_text_FIELDS(F)

#define control_list_FIELDS(F) \
	F(U8, detail) \
	F(STR, qid, QID_MAX)
#define control_entry_FIELDS(F) queue_entry_FIELDS(F)
#define control_rcpt_FIELDS(F) queue_rcpt_FIELDS(F)

#define control_change_FIELDS(F) queue_change_FIELDS(F)
#define control_open_FIELDS(F) queue_open_FIELDS(F)
#define control_file_FIELDS(F) queue_file_FIELDS(F)
#define control_stats_FIELDS(F)
#define control_numbers_FIELDS(F) queue_numbers_FIELDS(F)

/* The end of an answer, whether it worked or not.  error: an errno. */
#define control_done_FIELDS(F) \
	F(U32, error) \
	F(U32, count) \
	F(STR, text, 1024)

#define EDGE_CONTROL(R) \
	R(CONTROL_ADMIN, control_admin, REC_ASK, SIDE_A, 0) \
	R(CONTROL_TEXT, control_text, REC_TELL, SIDE_B, 0) \
	R(CONTROL_LIST, control_list, REC_ASK, SIDE_A, 0) \
	R(CONTROL_ENTRY, control_entry, REC_TELL, SIDE_B, 0) \
	R(CONTROL_RCPT, control_rcpt, REC_TELL, SIDE_B, 0) \
	R(CONTROL_CHANGE, control_change, REC_ASK, SIDE_A, 0) \
	R(CONTROL_OPEN, control_open, REC_ASK, SIDE_A, 0) \
	R(CONTROL_FILE, control_file, REC_ANSWER, SIDE_B, 1) \
	R(CONTROL_STATS, control_stats, REC_ASK, SIDE_A, 0) \
	R(CONTROL_NUMBERS, control_numbers, REC_ANSWER, SIDE_B, 0) \
	R(CONTROL_DONE, control_done, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(control, EDGE_CONTROL);

/* A record that was cut from the stream. */
struct control_rec {
	unsigned type;
	uint64_t id;
	_Alignas(8) char body[REC_STRUCT_MAX]; /* the struct of its type */
};

/*
 * Cut the next record from the front of *in, which side `from` has sent.  1
 * and the record (its strings borrowed from *in); 0 when the rest of it is
 * still to come; -1 when it is none that this side may send.
 */
int control_cut(struct str *in, enum side from,
    struct control_rec *out) WARN_UNUSED;

/* Add a record to b; -1 when a field is over its maximum or b is full. */
int control_put(struct buf *b, unsigned type, uint64_t id,
    const void *rec) WARN_UNUSED;

#endif
