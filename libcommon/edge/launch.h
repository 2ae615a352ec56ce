/* SPDX-License-Identifier: ISC */
#ifndef EDGE_LAUNCH_H
#define EDGE_LAUNCH_H

#include "chan/rec.h"
#include "edge/run.h"

/*
 * The broker (A) and its launcher (B).
 *
 * The launcher is root and does what only root can: it reads the
 * configuration, opens files, binds ports, makes processes and looks at them
 * through the kernel's eyes.  It listens to the broker and to nobody else, and
 * what it may be asked for is written down here.  The broker decides, is
 * sealed, and holds no privilege.
 *
 * After the start, and after each LAUNCH_RELOAD, the launcher sends its plan:
 * overlays of policies, a LAUNCH_RUN for every component (with its sealed
 * configuration; once: instances are made when they are wanted, at most so
 * many at a time, and end behind one piece of work), a
 * LAUNCH_OBJECT for everything an instance of it is to be given once it is
 * sealed, then LAUNCH_PLANNED.
 */
#define launch_run_FIELDS(F) \
	F(U32, instances) \
	F(U8, once) \
	F(STR, component, 32)

/* What the site takes from a policy: sent before all others (overlay.h). */
#define launch_overlay_FIELDS(F) \
	F(STR, component, 32) \
	F(STR, text, 16384)

/* kind, instance, name: as in broker_grant. */
#define launch_object_FIELDS(F) \
	F(U8, kind) \
	F(U32, instance) \
	F(STR, component, 32) \
	F(STR, name, 128)

/* A DNS server that the configuration (or the system's) names. */
#define launch_resolver_FIELDS(F) \
	F(ADDR, addr)

/* level, waived: see sandbox/sandbox.h, for status and audit. */
#define launch_planned_FIELDS(F) \
	F(U32, generation) \
	F(U8, level) \
	F(U32, waived) \
	F(U32, stop_ms) \
	F(U32, throttle_ms) \
	F(U32, pid) \
	F(STR, directory, 1024)

/*
 * The descriptor is the component's end of its channel to the broker.  With
 * trace it is started in learning mode (sandbox/trace.h).
 */
#define launch_spawn_FIELDS(F) \
	F(U32, instance) \
	F(U8, trace) \
	F(STR, component, 32)
/*
 * A mailbox process: user is a login name, or empty when uid and gid count; or
 * dir is UID:DIRECTORY, and the process writes files there as that user, who
 * owns an alias file, or as default_privs.
 */
#define launch_mailbox_FIELDS(F) \
	F(U32, instance) \
	F(U8, trace) \
	F(U32, uid) \
	F(U32, gid) \
	F(STR, user, 64) \
	F(STR, dir, 524)
/*
 * A command: see BROKER_COMMAND, by a component that may ask for this kind.
 * Whether somebody vouches for it is seen here, where the keys are.  The
 * descriptor is its end of the channel to whoever asked; what cannot be run is
 * told there.
 */
#define launch_command_FIELDS(F) \
	F(U8, kind) \
	F(U32, service) \
	F(U32, uid) \
	F(U32, expires) \
	F(U64, ticket) \
	F(STR, user, 64) \
	F(STR, text, COMMAND_TEXT_MAX)
/* warm: a copy of an image, which has the objects of the plan. */
#define launch_spawned_FIELDS(F) \
	F(U32, pid) \
	F(U32, uid) \
	F(U32, gid) \
	F(U32, error) \
	F(U8, warm) \
	F(STR, home, 1024) \
	F(STR, text, 512)

/* Is this process sealed as its policy says?  Asked once of each. */
#define launch_attest_FIELDS(F) \
	F(U32, pid)
#define launch_attested_FIELDS(F) \
	F(U8, ok) \
	F(STR, text, 512)

/*
 * What the audit of all processes found that is not as a policy says, for
 * status: a JSON object.
 */
#define launch_audit_FIELDS(F) \
	F(STR, json, 32768)

/* The image that copies are made of, for status and audit; or 0. */
#define launch_image_FIELDS(F) \
	F(U32, pid)

#define launch_kill_FIELDS(F) \
	F(U32, pid)
/* why: of a violation, in words; no quotes, nothing but printable. */
#define launch_exited_FIELDS(F) \
	F(U32, pid) \
	F(U32, code) \
	F(U32, signal) \
	F(STR, why, 1024)

/* A file that the configuration names: what is enum launch_what. */
#define launch_open_FIELDS(F) \
	F(U8, what) \
	F(U64, ticket) \
	F(STR, name, 524)
#define launch_file_FIELDS(F)
#define launch_refused_FIELDS(F) \
	F(U32, error) \
	F(STR, text, 512)

enum launch_what {
	OPEN_LOG = 1,
	OPEN_TABLE,
	OPEN_INCLUDE, /* of an alias: `UID:PATH`, see BROKER_INCLUDE */
	/* A connection to a socket, with the rights of mail_owner: a next hop
	 * that rewrite signed. */
	OPEN_UNIX,
	OPEN_KEY, /* or a certificate, for keys */
};

#define launch_reload_FIELDS(F)
#define launch_done_FIELDS(F) \
	F(U32, error) \
	F(STR, text, 1024)

/* Everything is up; everything has ended. */
#define launch_up_FIELDS(F)
#define launch_ended_FIELDS(F)

/* The launcher was told to stop (reload) by a signal. */
#define launch_stop_FIELDS(F)
#define launch_hup_FIELDS(F)

/* A line for whoever started the launcher, while there is no logd. */
#define launch_say_FIELDS(F) \
	F(U8, level) \
	F(STR, text, 1200)

#define EDGE_LAUNCH(R) \
	R(LAUNCH_OVERLAY, launch_overlay, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_RUN, launch_run, REC_TELL, SIDE_B, 1) \
	R(LAUNCH_OBJECT, launch_object, REC_TELL, SIDE_B, 1) \
	R(LAUNCH_RESOLVER, launch_resolver, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_PLANNED, launch_planned, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_SPAWN, launch_spawn, REC_ASK, SIDE_A, 1) \
	R(LAUNCH_MAILBOX, launch_mailbox, REC_ASK, SIDE_A, 1) \
	R(LAUNCH_COMMAND, launch_command, REC_TELL, SIDE_A, 1) \
	R(LAUNCH_SPAWNED, launch_spawned, REC_ANSWER, SIDE_B, 0) \
	R(LAUNCH_ATTEST, launch_attest, REC_ASK, SIDE_A, 0) \
	R(LAUNCH_ATTESTED, launch_attested, REC_ANSWER, SIDE_B, 0) \
	R(LAUNCH_AUDIT, launch_audit, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_IMAGE, launch_image, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_KILL, launch_kill, REC_TELL, SIDE_A, 0) \
	R(LAUNCH_EXITED, launch_exited, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_OPEN, launch_open, REC_ASK, SIDE_A, 0) \
	R(LAUNCH_FILE, launch_file, REC_ANSWER, SIDE_B, 1) \
	R(LAUNCH_REFUSED, launch_refused, REC_ANSWER, SIDE_B, 0) \
	R(LAUNCH_RELOAD, launch_reload, REC_ASK, SIDE_A, 0) \
	R(LAUNCH_DONE, launch_done, REC_ANSWER, SIDE_B, 0) \
	R(LAUNCH_UP, launch_up, REC_TELL, SIDE_A, 0) \
	R(LAUNCH_ENDED, launch_ended, REC_TELL, SIDE_A, 0) \
	R(LAUNCH_STOP, launch_stop, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_HUP, launch_hup, REC_TELL, SIDE_B, 0) \
	R(LAUNCH_SAY, launch_say, REC_TELL, SIDE_A, 0)

EDGE_DECLARE(launch, EDGE_LAUNCH);

#endif
