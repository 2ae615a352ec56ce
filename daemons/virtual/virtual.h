/* SPDX-License-Identifier: ISC */
#ifndef VIRTUAL_VIRTUAL_H
#define VIRTUAL_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

#include <bsd/sys/queue.h>

#include "agent/boxes.h"
#include "agent/job.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/lookup.h"
#include "loop/loop.h"

/*
 * virtual: delivery to mailboxes that belong to no system user.
 *
 *	deliver.c	a job: each of its recipients, step by step
 *	maps.c		what the tables say, remembered for a moment
 */

/* Answers that are remembered: as long as lookup trusts its own tables. */
#define MEMO_SLOTS 2048
#define MEMO_MS 1000

struct memo {
	char *key; /* parameter and address */
	char *value;
	bool found;
	int64_t until_ms;
};

struct virtual
{
	struct loop *loop;
	const struct conf *conf;
	struct chan *lookup; /* NULL while it is down */
	struct chan *broker;
	struct boxes *boxes;
	struct memo *memo;
	struct memo_key {
		uint8_t key[16];
	} memo_key;
	TAILQ_HEAD(, agent_job) jobs;
	unsigned njobs;
	struct chan *qmgr;
	bool paused; /* enough jobs in hand */

	/* Of the configuration. */
	uint64_t limit;
	uint8_t lock;
	uint32_t minimum_uid;
};

/* --- maps.c --------------------------------------------------------------- */
enum map_status {
	MAP_FOUND,
	MAP_NONE,
	MAP_LATER, /* value says why */
};

/*
 * Look an address up in the tables of a parameter.  fn is called once, perhaps
 * before this returns; value is borrowed for the call.
 */
struct map_call {
	struct virtual *v;
	enum param_id param;
	char *key;
	void (*fn)(enum map_status status, struct str value, void *arg);
	void *arg;
};
void maps_find(struct virtual *v, enum param_id param, struct str addr,
    struct map_call *c,
    void (*fn)(enum map_status status, struct str value, void *arg), void *arg);
/* The configuration is new: forget. */
void maps_forget(struct virtual *v);

/* --- deliver.c ------------------------------------------------------------ */
extern const struct chan_on virtual_on[];
/* The queue manager is gone: what is in hand is finished for nobody. */
void deliver_forget(struct virtual *v, const struct chan *ch);
void virtual_config(struct virtual *v, const struct conf *c);

#endif
