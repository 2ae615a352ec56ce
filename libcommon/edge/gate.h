/* SPDX-License-Identifier: ISC */
#ifndef EDGE_GATE_H
#define EDGE_GATE_H

#include "chan/rec.h"

/*
 * gate (A) to an smtpd worker (B): a connection that was accepted.  The id is
 * the gate's number for it; smtpd returns it when the session has ended, which
 * is how gate counts sessions per client, per service and per worker.  A number
 * is of one session at a time, and a worker has so many at most: a gate that
 * hands over more would use up its descriptors, and end those under way.
 */
#define GATE_SESSIONS_MAX 12000

#define gate_client_FIELDS(F) \
	F(U32, service) /* instance of the configuration it runs under */ \
	F(ADDR, client) \
	F(ADDR, server) \
	F(I64, when_us)

#define gate_ended_FIELDS(F) \
	F(U32, messages) \
	F(U32, errors)

/*
 * The worker has been idle, or is to retire, and has no session: may it leave?
 * Yes is to close the channel.
 */
#define gate_idle_FIELDS(F)

#define EDGE_GATE(R) \
	R(GATE_CLIENT, gate_client, REC_TELL, SIDE_A, 1) \
	R(GATE_ENDED, gate_ended, REC_TELL, SIDE_B, 0) \
	R(GATE_IDLE, gate_idle, REC_TELL, SIDE_B, 0)

EDGE_DECLARE(gate, EDGE_GATE);

#endif
