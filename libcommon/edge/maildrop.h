/* SPDX-License-Identifier: ISC */
#ifndef EDGE_MAILDROP_H
#define EDGE_MAILDROP_H

#include "chan/rec.h"
#include "edge/spool.h"

/*
 * qmgr (A) to pickup (B): a file that a local user left in maildrop while no
 * pickup answered.  qmgr alone holds the directory: it has checked that this
 * is a regular file with one link, and whose it is.  pickup reads and submits
 * it, then says what became of it; qmgr removes it only when the message is
 * committed, and sets a bad one aside in corrupt.
 */
#define maildrop_file_FIELDS(F) \
	F(U32, uid) \
	F(U64, size) \
	F(I64, mtime_us) \
	F(STR, name, 64)

#define maildrop_result_FIELDS(F) \
	F(U8, result) /* 0 committed, 1 try later, 2 malformed */ \
	F(STR, name, 64) \
	F(STR, why, 256)

/*
 * A message of the queue that is to pass cleanup again: its content, from
 * offset on in the first descriptor, and in the second the envelope that it is
 * to have.  The answer is the same.
 */
#define maildrop_again_FIELDS(F) \
	F(STR, qid, QID_MAX) \
	F(U64, offset) \
	F(U64, size)

/* pickup asks qmgr to look into maildrop now. */
#define maildrop_scan_FIELDS(F)

#define EDGE_MAILDROP(R) \
	R(MAILDROP_FILE, maildrop_file, REC_ASK, SIDE_A, 1) \
	R(MAILDROP_AGAIN, maildrop_again, REC_ASK, SIDE_A, 2) \
	R(MAILDROP_RESULT, maildrop_result, REC_ANSWER, SIDE_B, 0) \
	R(MAILDROP_SCAN, maildrop_scan, REC_TELL, SIDE_B, 0)

EDGE_DECLARE(maildrop, EDGE_MAILDROP);

#endif
