/* SPDX-License-Identifier: ISC */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

/*
 * The event loop: one thread, callbacks that return soon and never run the
 * loop themselves.  libevent underneath.
 *
 * A turn is: wait, run the callbacks of everything that is ready, then run the
 * end-of-turn callbacks that were asked for during the turn.  What is batched
 * (records of a channel, log lines) leaves at the end of the turn.
 *
 * Every callback may free any object of the loop, its own included.
 */
struct event;
struct event_base;

struct loop;

/* A loop, or the end of the process.  loop_free(&l) clears it. */
struct loop *loop_new(void);
void loop_free(struct loop **lp);

/* Run until loop_stop(); returns the status given there. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int status);

/* Monotonic milliseconds, read once a turn. */
int64_t loop_now(struct loop *l);

/*
 * Watch a descriptor.  Embedded in its owner; the descriptor stays the
 * owner's, who stops the watch before closing it.  LOOP_READ and LOOP_WRITE
 * are level-triggered.
 */
#define LOOP_READ 0x1
#define LOOP_WRITE 0x2

struct watch {
	struct event *rd;
	struct event *wr;
	struct loop *loop;
	void (*cb)(int what, void *arg);
	void *arg;
	int fd;
	int what;
};

/* Prepare for fd, watching nothing yet. */
void watch_init(struct watch *w, struct loop *l, int fd,
    void (*cb)(int what, void *arg), void *arg);

/* Watch exactly what (LOOP_READ, LOOP_WRITE, both, or 0 for neither). */
void watch_set(struct watch *w, int what);

/* End of the watch; safe to call twice, and on zeroed memory. */
void watch_clear(struct watch *w);

/*
 * A timer, embedded in its owner.  It fires once, not before the given number
 * of milliseconds; set again it starts anew.
 */
struct timer {
	struct event *ev;
	struct loop *loop;
	void (*cb)(void *arg);
	void *arg;
	bool armed;
};

void timer_init(struct timer *t, struct loop *l, void (*cb)(void *arg),
    void *arg);
void timer_set(struct timer *t, int64_t ms);
void timer_cancel(struct timer *t);
void timer_clear(struct timer *t);

/*
 * A callback for the end of the current turn, embedded in its owner.  Asking
 * twice in a turn is asking once.  One asked for by an end-of-turn callback
 * runs in the same turn.
 */
struct turn {
	TAILQ_ENTRY(turn) link;
	void (*cb)(void *arg);
	void *arg;
	struct loop *loop;
	bool queued;
};

void turn_init(struct turn *t, struct loop *l, void (*cb)(void *arg),
    void *arg);
void turn_ask(struct turn *t);
/* The same, ahead of all that were asked for so far. */
void turn_ask_first(struct turn *t);
void turn_cancel(struct turn *t);

/* Call cb(arg) in the loop when the signal arrives.  For the launcher only. */
void loop_signal(struct loop *l, int sig, void (*cb)(int sig, void *arg),
    void *arg);

#endif
