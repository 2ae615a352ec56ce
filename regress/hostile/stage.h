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

/* Send it; descriptors of things are made here.  -1 with errno. */
int stage_send(int fd, const struct forged *f);

/* Descriptors and kilobytes of the victim, as the kernel counts them. */
unsigned victim_fds(const struct victim *v);
long victim_rss(const struct victim *v);

#endif
