/* SPDX-License-Identifier: ISC */
/*
 * The event loop, on libevent.
 */
#include "loop/loop.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/mem.h"

TAILQ_HEAD(turn_list, turn);

struct loop {
	struct event_base *base;
	struct turn_list turns;
	int64_t now;
	int status;
	bool stop;
};

static void NORETURN
no_memory(void)
{
	/* libevent returns NULL only when malloc did. */
	__builtin_trap(); /* abort() would be a violation */
}

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	struct event_config *cfg = event_config_new();

	if (cfg == NULL)
		no_memory();
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (l->base == NULL)
		no_memory();
	TAILQ_INIT(&l->turns);
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	event_base_free(l->base);
	free(l);
}

static void
end_turn(struct loop *l)
{
	struct turn *t;

	while ((t = TAILQ_FIRST(&l->turns)) != NULL) {
		TAILQ_REMOVE(&l->turns, t, link);
		t->queued = false;
		t->cb(t->arg);
	}
}

int
loop_run(struct loop *l)
{
	l->stop = false;
	for (;;) {
		end_turn(l);
		if (l->stop)
			break;
		l->now = 0;
		if (event_base_loop(l->base, EVLOOP_ONCE) == 1)
			break; /* nothing left to wait for */
	}
	return l->status;
}

void
loop_stop(struct loop *l, int status)
{
	l->stop = true;
	l->status = status;
	event_base_loopbreak(l->base);
}

int64_t
loop_now(struct loop *l)
{
	if (l->now == 0)
		l->now = clock_ms();
	return l->now;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	(void)what;
	w->cb(LOOP_READ, w->arg);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	(void)what;
	w->cb(LOOP_WRITE, w->arg);
}

void
watch_init(struct watch *w, struct loop *l, int fd,
    void (*cb)(int what, void *arg), void *arg)
{
	*w = (struct watch){ .loop = l, .fd = fd, .cb = cb, .arg = arg };
}

static void
toggle(struct watch *w, struct event **evp, short flag, bool on,
    event_callback_fn fn)
{
	if (on && *evp == NULL) {
		*evp = event_new(w->loop->base, w->fd,
		    (short)(flag | EV_PERSIST), fn, w);
		if (*evp == NULL)
			no_memory();
	}
	if (on)
		event_add(*evp, NULL);
	else if (*evp != NULL)
		event_del(*evp);
}

void
watch_set(struct watch *w, int what)
{
	int changed = w->what ^ what;

	w->what = what;
	if (changed & LOOP_READ)
		toggle(w, &w->rd, EV_READ, what & LOOP_READ, on_readable);
	if (changed & LOOP_WRITE)
		toggle(w, &w->wr, EV_WRITE, what & LOOP_WRITE, on_writable);
}

void
watch_clear(struct watch *w)
{
	if (w->rd != NULL)
		event_free(w->rd);
	if (w->wr != NULL)
		event_free(w->wr);
	w->rd = w->wr = NULL;
	w->what = 0;
	w->fd = -1;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;

	(void)fd;
	(void)what;
	t->armed = false;
	t->cb(t->arg);
}

void
timer_init(struct timer *t, struct loop *l, void (*cb)(void *arg), void *arg)
{
	*t = (struct timer){ .loop = l, .cb = cb, .arg = arg };
}

void
timer_set(struct timer *t, int64_t ms)
{
	struct timeval tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	if (t->ev == NULL) {
		t->ev = evtimer_new(t->loop->base, on_timer, t);
		if (t->ev == NULL)
			no_memory();
	}
	event_add(t->ev, &tv);
	t->armed = true;
}

void
timer_cancel(struct timer *t)
{
	if (t->ev != NULL)
		event_del(t->ev);
	t->armed = false;
}

void
timer_clear(struct timer *t)
{
	if (t->ev != NULL)
		event_free(t->ev);
	t->ev = NULL;
	t->armed = false;
}

void
turn_init(struct turn *t, struct loop *l, void (*cb)(void *arg), void *arg)
{
	*t = (struct turn){ .loop = l, .cb = cb, .arg = arg };
}

void
turn_ask(struct turn *t)
{
	if (t->queued)
		return;
	t->queued = true;
	TAILQ_INSERT_TAIL(&t->loop->turns, t, link);
}

void
turn_ask_first(struct turn *t)
{
	turn_cancel(t);
	t->queued = true;
	TAILQ_INSERT_HEAD(&t->loop->turns, t, link);
}

void
turn_cancel(struct turn *t)
{
	if (!t->queued)
		return;
	t->queued = false;
	TAILQ_REMOVE(&t->loop->turns, t, link);
}

struct sighook {
	void (*cb)(int sig, void *arg);
	void *arg;
};

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct sighook *h = arg;

	(void)what;
	h->cb((int)sig, h->arg);
}

void
loop_signal(struct loop *l, int sig, void (*cb)(int sig, void *arg), void *arg)
{
	struct sighook *h = xmalloc(sizeof(*h));
	struct event *ev;

	/* Both live as long as the loop. */
	h->cb = cb;
	h->arg = arg;
	ev = evsignal_new(l->base, sig, on_signal, h);
	if (ev == NULL)
		no_memory();
	event_add(ev, NULL);
}
