/* SPDX-License-Identifier: ISC */
#ifndef VIRTUAL_VIRTUAL_H
#define VIRTUAL_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "agent/boxes.h"
#include "agent/job.h"
#include "agent/maps.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "loop/loop.h"

/*
 * virtual: delivery to mailboxes that belong to no system user.
 *
 *	deliver.c	a job: each of its recipients, step by step
 */

struct virtuald {
	struct loop *loop;
	const struct conf *conf;
	struct chan *lookup; /* NULL while it is down */
	struct chan *broker;
	struct boxes *boxes;
	struct maps maps;
	TAILQ_HEAD(, agent_job) jobs;
	unsigned njobs;
	struct chan *qmgr;
	bool paused; /* enough jobs in hand */

	/* Of the configuration. */
	uint64_t limit;
	uint8_t lock;
	uint32_t minimum_uid;
};

/* --- deliver.c ------------------------------------------------------------ */
extern const struct chan_on virtual_on[];
/* The queue manager is gone: what is in hand is finished for nobody. */
void deliver_forget(struct virtuald *v, const struct chan *ch);
void virtual_config(struct virtuald *v, const struct conf *c);

#endif
