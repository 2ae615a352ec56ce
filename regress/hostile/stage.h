/* SPDX-License-Identifier: ISC */
#ifndef HOSTILE_STAGE_H
#define HOSTILE_STAGE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "edge/edges.h"
#include "forge.h"
#include "sandbox/sandbox.h"

#define STAGE_INSTANCES 65536

/*
 * One component, the real program in its real sandbox, attested; everybody it
 * knows is played by us: launcher, broker, log, and every peer.  Those who are
 * not attacking answer whatever they are asked with well-formed nonsense.
 */
struct victim {
	const struct policy *policy;
	pid_t pid;
	int pidfd;
	bool sealed, ready, dead;
	int status;			     /* when dead */
	char said[4096];		     /* the last lines it logged */
	uint8_t blamed[STAGE_INSTANCES / 8]; /* whose channel it cut off */
	unsigned security;		     /* lines that blamed somebody */
	unsigned asked; /* questions that were answered with nonsense */
	bool twice;	/* and from now on twice, but for that as they should */
	unsigned doubled, cut; /* answers given twice, channels cut off then */
	char doublers[256];    /* by whom */
};

/* Make the world once; -1 with a sentence in err. */
int stage_open(const char *libexec, char *err, size_t size);
void stage_close(void);
enum sandbox_level stage_level(void);

/* Start it and give it all it needs; -1 (err) when it does not get ready. */
int victim_start(struct victim *v, const char *name, char *err, size_t size);
void victim_end(struct victim *v);

/*
 * A new channel: the end that is ours, or -1.  link says of which edge, and
 * side which end of it the attacker has; the victim is told that the peer has
 * this instance number.
 */
int victim_channel(struct victim *v, const struct edge_link *link,
    enum side attacker, unsigned instance);

/* Let everybody work for so long, or until fd (if not -1) is closed: true. */
bool stage_run(struct victim *v, int fd, int ms);

/*
 * All peers go and come anew: the channel that was made last is the one that
 * counts, and that was an attacker's.
 */
void stage_renew(struct victim *v);

/* Send it; descriptors of things are made here.  -1 with errno. */
int stage_send(int fd, const struct forged *f);

/*
 * Say a record as peer `name` that does not attack; fd (-1: none) goes with it
 * and is closed.
 */
void stage_tell(const struct edge *e, const char *name, unsigned type,
    uint64_t id, const void *rec, int fd);

/* A file that qmgr handed out to its smtpd; false when there is none now. */
struct stage_slot {
	uint64_t id;
	int fd;
	char qid[QID_MAX + 1];
};
bool stage_slot(struct stage_slot *out);

/* Descriptors and kilobytes of the victim, as the kernel counts them. */
unsigned victim_fds(const struct victim *v);
long victim_rss(const struct victim *v);

#endif
