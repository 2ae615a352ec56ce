/* SPDX-License-Identifier: ISC */
#ifndef AGENT_BOXES_H
#define AGENT_BOXES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "chan/chan.h"
#include "edge/mailbox.h"
#include "loop/loop.h"

/*
 * How often a mailbox is asked for what a process left unanswered.  It may end
 * as it is asked; be on the way to its end when the broker introduces it once
 * more; and be dead before the broker has seen that.  Then comes a new one.
 */
#define BOX_TRIES 5

/*
 * Channels to mailbox processes, one for each user: asked of the broker when
 * there is mail, kept while there is some, closed when they have been idle for
 * a while or when there are too many.  A process that is gone is asked for
 * anew; one that does not start has a rest before it is, longer each time, and
 * there is none meanwhile.
 */
struct boxes;
struct box;

/*
 * Whose: a login name; or, with an empty one, a user id and group of the
 * configuration; or a directory, in which files are written with the rights of
 * default_privs.
 */
struct box_who {
	struct str user;
	uint32_t uid, gid;
	struct str dir;
};

/* broker: where its channel is found.  Closed after idle_ms without use. */
struct boxes *
boxes_new(struct loop *l, struct chan *const *broker, int64_t idle_ms);
void boxes_free(struct boxes **bp);
void boxes_idle(struct boxes *bs, int64_t idle_ms);

/*
 * A request, embedded in whatever it is about and untouched until fn was
 * called, exactly once.
 *
 * box_get() calls fn with the box, perhaps before it returns, or with NULL and
 * the reason why there is none now.  The box is then good for one box_ask()
 * in that very call.
 */
struct box_call {
	STAILQ_ENTRY(box_call) link;
	struct box *box;
	void (*got)(struct box *b, const char *why, void *arg);
	chan_answer_fn *fn;
	void *arg;
};
void box_get(struct boxes *bs, const struct box_who *who, struct box_call *c,
    void (*got)(struct box *b, const char *why, void *arg), void *arg);

/*
 * MAILBOX_WRITE or MAILBOX_READ.  fn gets the answer; type 0 when the process
 * is gone, whether or not it had done what it was asked.
 */
void box_ask(struct box *b, struct box_call *c, unsigned type, const void *rec,
    int *fds, chan_answer_fn *fn, void *arg);

#endif
