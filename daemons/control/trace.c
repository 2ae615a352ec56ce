/* SPDX-License-Identifier: ISC */
/*
 * Learning mode of a component (sandbox/trace.h): the broker makes it so, here
 * it is ended.  With its time, with the client who asked, and (by the broker)
 * with us.
 */
#include <errno.h>
#include <inttypes.h>

#include "log/log.h"

#include "control.h"

#define SECONDS_MAX 600
#define SAY_MS 10000

static void
on_ended(unsigned type, const void *rec, int *fds, void *arg)
{
	(void)type;
	(void)rec;
	(void)fds;
	(void)arg;
}

static void
end(struct control *c)
{
	struct broker_admin q = { .what = ADMIN_UNTRACE };

	c->trace.of = NULL;
	timer_clear(&c->trace.timer);
	chan_ask(c->broker, BROKER_ADMIN, &q, NULL, on_ended, NULL);
}

/* The log says it for as long as it lasts. */
static void
on_tick(void *arg)
{
	struct control *c = arg;
	int64_t left = c->trace.until_ms - loop_now(c->loop);

	if (left < 50) { /* the loop's clock stands still in a turn */
		end(c);
		return;
	}
	log_warn("security: LEARNING MODE of %s, for %" PRId64 " seconds",
	    c->trace.name, (left + 999) / 1000);
	timer_set(&c->trace.timer, left < SAY_MS ? left : SAY_MS);
}

int
tracing_take(struct client *cl, struct broker_admin *a)
{
	struct control *c = cl->c;
	struct str arg = a->arg, name, text;
	uint64_t seconds;

	if (c->trace.of != NULL) {
		client_done(cl, EBUSY, 0, STR("another trace is under way"));
		return -1;
	}
	if (!str_token(&arg, " ", &name) || !str_token(&arg, " ", &text) ||
	    str_copy(name, c->trace.name, sizeof(c->trace.name)) == -1 ||
	    str_u64(text, SECONDS_MAX, &seconds) == -1 || seconds == 0) {
		client_done(cl, EINVAL, 0, STR("from 1 to 600 seconds"));
		return -1;
	}
	log_info("uid=%u: sandbox trace " STR_FMT, (unsigned)cl->uid,
	    STR_ARG(a->arg));
	a->arg = name;
	/* Should the broker refuse, the client goes, and with it this. */
	c->trace.of = cl;
	c->trace.until_ms = loop_now(c->loop) + (int64_t)seconds * 1000;
	timer_init(&c->trace.timer, c->loop, on_tick, c);
	on_tick(c);
	return 0;
}

void
tracing_forget(struct client *cl)
{
	if (cl->c->trace.of == cl)
		end(cl->c);
}
