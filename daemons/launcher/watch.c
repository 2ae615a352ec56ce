/* SPDX-License-Identifier: ISC */
/*
 * Our processes audited, now and then: sandbox/watch.h.
 */
#include <unistd.h>

#include "launcher.h"

#define TURN_MS 50 /* from one process to the next */
#define AGAIN_MS 1000 /* then what was found is looked for again */

static void
on_say(void *arg, int level, const char *text)
{
	launcher_say(arg, level, "%s", text);
}

/* The broker keeps it for whoever asks for the status. */
static void
tell_broker(struct launcher *l)
{
	struct launch_audit rec;
	struct buf b;

	if (l->broker == NULL)
		return;
	buf_init(&b, 65536);
	watch_json(&l->watch, l->watch_ms / 1000, &b);
	rec.json = buf_get(&b);
	chan_tell(l->broker, LAUNCH_AUDIT, 0, &rec, NULL);
	buf_clear(&b);
}

static void
begin(struct launcher *l)
{
	struct sandbox_place self = { .level = l->cradle.level,
		.waived = l->waived, .filter_fd = -1 };
	struct child *c;

	watch_add(&l->watch, getpid(), policy_find(STR("launcher")), &self,
	    false);
	if (l->image_pid > 0)
		watch_add(&l->watch, l->image_pid, policy_find(STR("smtpd")),
		    &self, true);
	LIST_FOREACH(c, &l->children, link)
		watch_add(&l->watch, c->pid, c->policy, &c->place, false);
	watch_begin(&l->watch);
}

static void
on_watch(void *arg)
{
	struct launcher *l = arg;

	if (!watch_under_way(&l->watch))
		begin(l);
	if (watch_step(&l->watch, getpid())) {
		timer_set(&l->watch_timer, TURN_MS);
		return;
	}
	timer_set(&l->watch_timer, l->watch.again ? AGAIN_MS : l->watch_ms);
	tell_broker(l);
}

void
watch_start(struct launcher *l)
{
	if (l->watch_timer.cb == NULL)
		timer_init(&l->watch_timer, l->loop, on_watch, l);
	l->watch.libexec = l->libexec;
	l->watch.datadir = DATADIR;
	l->watch.say = on_say;
	l->watch.arg = l;
	timer_cancel(&l->watch_timer);
	watch_abandon(&l->watch);
	if (l->watch_ms > 0)
		timer_set(&l->watch_timer, l->watch_ms);
}

void
watch_buried(struct launcher *l, pid_t pid)
{
	if (watch_forget(&l->watch, pid))
		tell_broker(l);
}
