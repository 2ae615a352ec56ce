/* SPDX-License-Identifier: ISC */
#ifndef AGENT_RUN_H
#define AGENT_RUN_H

#include "agent/feed.h"
#include "agent/job.h"
#include "chan/chan.h"
#include "edge/broker.h"
#include "edge/run.h"
#include "loop/loop.h"

/*
 * A command run for a message, from asking the broker to its fate.  Embedded in
 * whatever it is about, and untouched until fn was called, exactly once.
 */
struct run_call {
	struct loop *loop;
	struct chan *broker;
	struct chan *ch; /* to the process that runs it */
	int input;	 /* where the message goes, from the launcher; or -1 */
	struct feed feed;
	struct broker_command q; /* its texts are in copy */
	struct run_for about;
	char *copy;
	struct timer retry;
	unsigned tries;
	int feed_error;
	void (*fn)(const struct agent_fate *f, void *arg);
	void *arg;
};

/*
 * Run what q asks for.  c->feed is prepared; texts of about are borrowed until
 * fn, but for rcpts, which is copied like those of q.
 */
void run_begin(struct run_call *c, struct loop *l, struct chan *broker,
    const struct broker_command *q, const struct run_for *about,
    void (*fn)(const struct agent_fate *f, void *arg), void *arg);

/*
 * What the end of a command means, as sysexits(3) and enhanced status codes at
 * the beginning of its output have it.  text holds what f->text points to; for
 * FATE_SENT it is what the command said.
 */
#define RUN_TEXT_MAX 1024
void run_fate(const struct run_done *d, int feed_error, struct buf *text,
    struct agent_fate *f);

#endif
