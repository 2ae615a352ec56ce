/* SPDX-License-Identifier: ISC */
#ifndef PIPE_PIPE_H
#define PIPE_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "agent/job.h"
#include "agent/run.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "conf/pipe_args.h"
#include "loop/loop.h"

/*
 * pipe: delivery to commands that master.cf names.
 *
 *	service.c	lines of master.cf
 *	deliver.c	a job: one run of the command, or one for each recipient
 */

/* A line of master.cf. */
struct service {
	LIST_ENTRY(service) link;
	uint32_t number;
	char *name;
	struct conf *conf;
	struct pipe_args args; /* points into conf */
	char *bad;	       /* what is wrong with it, or NULL */
};

struct piped {
	struct loop *loop;
	struct chan *broker;
	struct chan *qmgr;
	LIST_HEAD(, service) services;
	TAILQ_HEAD(, agent_job) jobs;
	unsigned njobs;
	bool paused; /* enough jobs in hand */
};

/* --- service.c ------------------------------------------------------------ */

/* A line, new or changed; the descriptor is borrowed. */
void service_take(struct piped *p, uint32_t number, struct str name, int fd);
/* The configuration is new: no line is there but those that come now. */
void service_forget(struct piped *p);
struct service *service_find(struct piped *p, struct str name);

/* --- deliver.c ------------------------------------------------------------ */
extern const struct chan_on pipe_on[];
/* The queue manager is gone: what is in hand is finished for nobody. */
void deliver_forget(struct piped *p, const struct chan *ch);

#endif
