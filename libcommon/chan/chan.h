/* SPDX-License-Identifier: ISC */
#ifndef CHAN_CHAN_H
#define CHAN_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chan/rec.h"
#include "loop/loop.h"

/*
 * A channel: a SOCK_SEQPACKET socket pair that the broker made, one end in
 * the hand of each of two components, carrying records of one edge.
 *
 * Records written during a turn of the loop leave together at its end, many in
 * a packet.  What arrives is checked before a handler sees it: the type is of
 * this edge, this peer may send it, it decodes, the descriptors are as many as
 * its type says, an answer is awaited.  A peer that fails a check is presumed
 * compromised: the channel is closed and the owner hears why.
 */
struct chan;

/*
 * A record has arrived.  rec is the struct of its type, its strings borrowed
 * until the handler returns.  fds has as many descriptors as the type says; a
 * handler keeps one by copying it and storing -1 in its place, what is left
 * there afterwards is closed.
 */
typedef void chan_fn(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg);

/* Which handler takes which type; the list ends with type 0. */
struct chan_on {
	unsigned type;
	chan_fn *fn;
};

/*
 * The channel is gone: the peer closed it (why is NULL), or was cut off for
 * the reason given.  All waiting questions have been answered with failure
 * before this is called.  The owner calls chan_free().
 */
typedef void chan_gone_fn(struct chan *ch, const char *why, void *arg);

/*
 * An answer: type and struct as for a handler, type 0 and rec NULL when none
 * can come any more.
 */
typedef void chan_answer_fn(unsigned type, const void *rec, int *fds,
    void *arg);

/*
 * Two ends for a channel, non-blocking, with room for a burst of log lines or
 * a full window.  -1 with errno.
 */
int chan_pair(int ends[2]);
/* The same with no more room than the system gives: for a single session. */
int chan_pair_small(int ends[2]);

/*
 * Have the kernel refuse descriptors that are sent to this end, if it can.
 * Does it?  -1: it could not.
 */
void chan_refuse_fds(int fd);
int chan_refuses_fds(int fd);

/*
 * Take over fd, which is non-blocking, as our side of edge e.  on, gone and arg
 * stay the owner's and outlive the channel.  Never fails.
 */
struct chan *chan_new(struct loop *l, int fd, const struct edge *e,
    enum side own, const struct chan_on *on, chan_gone_fn *gone, void *arg);

/* Flush what can be flushed, close; waiting questions are just forgotten. */
void chan_free(struct chan **chp);

/*
 * Send a record that needs no answer, with the n descriptors its type says;
 * they move: fds[] is -1 afterwards, whatever happens.  id means what the edge
 * says (0 when nothing).  rec may be NULL where a record has no fields; so it
 * may below.
 */
void chan_tell(struct chan *ch, unsigned type, uint64_t id, const void *rec,
    int *fds);

/*
 * Ask: fn(…, arg) is called exactly once, unless the question is forgotten.
 * Returns a handle for chan_forget(), never 0.
 */
uint64_t chan_ask(struct chan *ch, unsigned type, const void *rec, int *fds,
    chan_answer_fn *fn, void *arg);

/* The asker is gone; the answer will be dropped, its descriptors closed. */
void chan_forget(struct chan *ch, uint64_t handle);

/* Answer the question that arrived with this id. */
void chan_answer(struct chan *ch, unsigned type, uint64_t id, const void *rec,
    int *fds);

/* Send now what was batched, without waiting for the end of the turn. */
void chan_flush(struct chan *ch);

/* Batch for up to ms milliseconds or 16 KB, where nobody waits (logs). */
void chan_lazy(struct chan *ch, int64_t ms);

/* What was batched leaves with this turn, before anything of other channels. */
void chan_first(struct chan *ch);

/*
 * For work that takes long, in turns with much of it: what is sent us
 * microseconds or more after the last packet does not wait for the end of the
 * turn.  So the peer goes on with the first while we are busy with the second;
 * else the two would take turns, one of them always asleep.
 */
void chan_prompt(struct chan *ch, int64_t us);

/*
 * Backpressure.  True while more waits to be sent than a peer in good health
 * leaves waiting; the owner then stops reading from whoever feeds it.
 */
bool chan_full(const struct chan *ch);

/* Stop (on 0) and resume reading from the peer. */
void chan_reading(struct chan *ch, int on);

/* False from when the peer closed it, also before gone() was called. */
bool chan_alive(const struct chan *ch);

/* Close the channel as if the peer had broken a rule; gone() is called. */
void chan_drop(struct chan *ch, const char *why);

/* Within a handler: the type of the record it was called for. */
unsigned chan_type(const struct chan *ch);

/* How many records, answers apart, have arrived so far. */
uint64_t chan_received(const struct chan *ch);

/* How many questions wait for an answer. */
size_t chan_waiting(const struct chan *ch);

/* The descriptor, still the channel's: for the broker's record of grants. */
int chan_fd(const struct chan *ch);

#endif
