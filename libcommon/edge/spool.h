/* SPDX-License-Identifier: ISC */
#ifndef EDGE_SPOOL_H
#define EDGE_SPOOL_H

#include "chan/rec.h"

/*
 * Whoever brings in messages (A: smtpd, pickup, bounce, local) and qmgr (B):
 * where to write a message, and the word that it is safe.
 *
 * qmgr hands out slots ahead of their use: a queue id and an empty, sealable
 * memory file.  The submitter writes content there and sends the file on to
 * cleanup (edge/intake.h); qmgr answers with SPOOL_ACCEPTED or SPOOL_REFUSED
 * under the same slot number, and a replacement slot follows in the same
 * packet.  When none is left the session waits.  Slot numbers are random: a
 * submitter that names another's slot is a broken peer.
 */
#define QID_MAX 32

#define spool_want_FIELDS(F) \
	F(U32, slots) /* how many it would like to hold ahead */
#define spool_slot_FIELDS(F) \
	F(STR, qid, QID_MAX)
/* A slot that was written to and will not be sent: its file is forgotten. */
#define spool_drop_FIELDS(F)

#define spool_accepted_FIELDS(F) \
	F(STR, qid, QID_MAX)
/* code: SMTP reply (452, 451, 552, ...); dsn: `4.3.1`. */
#define spool_refused_FIELDS(F) \
	F(U16, code) \
	F(STR, dsn, 16) \
	F(STR, text, 512)
/* No new mail now (disk full): MAIL is answered 452 4.3.1 until on is 0. */
#define spool_full_FIELDS(F) \
	F(U8, on)

/*
 * smtpd alone: ETRN, a client wants the mail that waits for a domain.  The
 * answer comes when deliveries are about to begin.  error: 0, EPERM (it is not
 * in fast_flush_domains), EINVAL (no domain), EAGAIN (not now).
 */
#define spool_flush_FIELDS(F) \
	F(STR, domain, 255)
#define spool_flushed_FIELDS(F) \
	F(U32, error)

/* The id of every record up to SPOOL_REFUSED but SPOOL_WANT is the slot. */
#define EDGE_SPOOL(R) \
	R(SPOOL_WANT, spool_want, REC_TELL, SIDE_A, 0) \
	R(SPOOL_SLOT, spool_slot, REC_TELL, SIDE_B, 1) \
	R(SPOOL_DROP, spool_drop, REC_TELL, SIDE_A, 0) \
	R(SPOOL_ACCEPTED, spool_accepted, REC_REPORT, SIDE_B, 0) \
	R(SPOOL_REFUSED, spool_refused, REC_REPORT, SIDE_B, 0) \
	R(SPOOL_FULL, spool_full, REC_REPORT, SIDE_B, 0) \
	R(SPOOL_FLUSH, spool_flush, REC_ASK, SIDE_A, 0) \
	R(SPOOL_FLUSHED, spool_flushed, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(spool, EDGE_SPOOL);

#endif
