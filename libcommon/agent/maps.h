/* SPDX-License-Identifier: ISC */
#ifndef AGENT_MAPS_H
#define AGENT_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/lookup.h"
#include "loop/loop.h"

/*
 * What the tables say, asked of lookup and remembered for a second: for that
 * long lookup trusts its tables, too, and a busy mailbox costs no question a
 * message.
 */
#define MAPS_SLOTS 2048
#define MAPS_MS 1000

struct maps_memo;

struct maps {
	struct loop *loop;
	const struct conf *conf;
	struct chan *const *lookup; /* where its channel is found, or NULL */
	uint8_t key[16];
	struct maps_memo *memo;
};

enum map_status {
	MAP_FOUND,
	MAP_NONE,
	MAP_LATER, /* value says why */
};

typedef void map_fn(enum map_status status, struct str value, void *arg);

/* A question, embedded in whatever it is about until fn was called. */
struct map_call {
	struct maps *m;
	char *key;
	map_fn *fn;
	void *arg;
};

/* lookup is where the channel is found.  Draws a random key. */
void maps_init(struct maps *m, struct loop *l, struct chan *const *lookup);
void maps_clear(struct maps *m);
/* The configuration is new: forget what tables said. */
void maps_config(struct maps *m, const struct conf *c);

/*
 * Look a key up in the tables of a parameter.  fn is called once, perhaps
 * before this returns; value is borrowed for the call.
 */
void
maps_find(struct maps *m, enum find_how how, uint8_t flags, enum param_id param,
    struct str key, struct map_call *c, map_fn *fn, void *arg);

/*
 * A user of the system.  The value is `uid:gid:home`.
 */
void maps_user(struct maps *m, struct str name, struct map_call *c, map_fn *fn,
    void *arg);

#endif
