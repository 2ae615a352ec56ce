/* SPDX-License-Identifier: ISC */
#ifndef EDGE_KEYS_H
#define EDGE_KEYS_H

#include "chan/rec.h"

/*
 * Who speaks TLS (A: smtpd, smtp) to the holder of private keys (B: keys).
 *
 * keys tells each what belongs to the services of its kind, at the start and
 * whenever it has changed: certificates with the numbers of their keys, last
 * KEYS_SET, then ticket keys.  service is the line of master.cf.  That makes
 * nobody do anything but serve its own sessions.
 *
 * What is asked for is a signature by the key of a certificate of the asker's
 * own services; a key itself is never told.  Whoever asks for another's is cut
 * off.
 */
#define KEYS_CHAIN_MAX 32768
#define KEYS_TBS_MAX 4096
#define KEYS_SIGNATURE_MAX 1024
#define KEYS_TICKETS_MAX 240
#define KEYS_CERTS_MAX 8 /* of one service */
/* Neither side keeps questions or answers longer for want of company. */
#define KEYS_PROMPT_US 150

/* DER, the certificate first, then those that lead to its root. */
#define keys_cert_FIELDS(F) \
	F(U32, service) \
	F(U32, key) \
	F(STR, chain, KEYS_CHAIN_MAX)

/* All of the set was told.  why: there is something wrong with it. */
#define keys_set_FIELDS(F) \
	F(U32, service) \
	F(U32, certs) \
	F(STR, why, 512)

/* Keys for session tickets of this service, the newest first. */
#define keys_tickets_FIELDS(F) \
	F(U32, service) \
	F(STR, keys, KEYS_TICKETS_MAX)

/* padding, digest: enum tls_padding, enum tls_digest (tls/tls.h). */
#define keys_sign_FIELDS(F) \
	F(U32, service) \
	F(U32, key) \
	F(U8, padding) \
	F(U8, digest) \
	F(STR, tbs, KEYS_TBS_MAX)

/* Empty: no such key now, or it does not sign so, or too many questions. */
#define keys_signed_FIELDS(F) \
	F(STR, signature, KEYS_SIGNATURE_MAX)

#define EDGE_KEYS(R) \
	R(KEYS_CERT, keys_cert, REC_REPORT, SIDE_B, 0) \
	R(KEYS_SET, keys_set, REC_REPORT, SIDE_B, 0) \
	R(KEYS_TICKETS, keys_tickets, REC_REPORT, SIDE_B, 0) \
	R(KEYS_SIGN, keys_sign, REC_ASK, SIDE_A, 0) \
	R(KEYS_SIGNED, keys_signed, REC_ANSWER, SIDE_B, 0)

EDGE_DECLARE(keys, EDGE_KEYS);

#endif
