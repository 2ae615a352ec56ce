/* SPDX-License-Identifier: ISC */
/*
 * Running a command: the asker's side of edge/run.h.
 */
#include "agent/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

#define RETRY_MS 250 /* the broker had too many requests */
#define RETRIES 120

static void ask_broker(void *arg);

static void
end(struct run_call *c, const struct agent_fate *f)
{
	chan_free(&c->ch);
	fd_close(&c->input);
	feed_clear(&c->feed);
	timer_clear(&c->retry);
	free(c->copy);
	c->copy = NULL;
	c->fn(f, c->arg);
}

static void
fail(struct run_call *c, const char *dsn, struct str why)
{
	char text[600];
	struct agent_fate f = { .fate = FATE_DEFERRED, .dsn = str_of(dsn) };

	str_copy(str_sub(why, 0, sizeof(text) - 1), text, sizeof(text));
	f.text = str_of(text);
	end(c, &f);
}

/* --- with the process that runs it ---------------------------------------- */

static void
on_fed(int error, void *arg)
{
	struct run_call *c = arg;

	/* Who wants no more of it may have it so; its exit status counts. */
	c->feed_error = error == EPIPE ? 0 : error;
}

/*
 * The first record of all is the launcher's, and this pipe takes what it can at
 * once.  One that the user's process made could keep us waiting for ever, and
 * with us the mail of everybody else.
 */
static void
on_stdin(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct run_call *c = arg;

	(void)id;
	(void)rec;
	if (chan_received(ch) != 1) {
		chan_drop(ch, "a pipe that is not the launcher's");
		return;
	}
	c->input = fds[0];
	fds[0] = -1;
}

static void
on_refused(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct run_refused *r = rec;

	(void)ch;
	(void)id;
	(void)fds;
	fail(arg, "4.3.5", r->text);
}

static void
on_done(unsigned type, const void *rec, int *fds, void *arg)
{
	struct run_call *c = arg;
	struct agent_fate f;
	struct buf text;

	(void)fds;
	if (type == 0)
		return; /* on_gone() comes next */
	buf_init(&text, RUN_TEXT_MAX);
	run_fate(rec, c->feed_error, &text, &f);
	end(c, &f);
	buf_clear(&text);
}

static void
on_ready(struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, void *arg)
{
	struct run_call *c = arg;
	int fd = c->input;

	if (fd == -1) {
		chan_drop(ch, "ready twice, or without a pipe");
		return;
	}
	c->input = -1;
	chan_ask(ch, RUN_FOR, &c->about, NULL, on_done, c);
	feed_begin(&c->feed, fd, on_fed, c);
}

static void
on_gone(struct chan *ch, const char *why, void *arg)
{
	(void)ch; /* freed with the rest */
	if (why != NULL)
		log_warn("security: channel to a command closed: %s", why);
	fail(arg, "4.3.0", STR("the command's process ended unexpectedly"));
}

static const struct chan_on run_on[] = {
	{ RUN_READY, on_ready },
	{ RUN_STDIN, on_stdin },
	{ RUN_REFUSED, on_refused },
	{ 0, NULL },
};

/* --- with the broker ------------------------------------------------------ */

static void
on_open(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;
	struct run_call *c = arg;

	if (type == BROKER_COMMAND_OPEN) {
		c->ch = chan_new(c->loop, fds[0], &edge_run, SIDE_A, run_on,
		    on_gone, c);
		fds[0] = -1;
	} else if (type == BROKER_REFUSED && no->error == EAGAIN &&
	    ++c->tries < RETRIES) {
		timer_set(&c->retry, RETRY_MS);
	} else {
		fail(c, "4.3.0",
		    type == BROKER_REFUSED ? no->why :
					     STR("the broker is gone"));
	}
}

static void
ask_broker(void *arg)
{
	struct run_call *c = arg;

	chan_ask(c->broker, BROKER_COMMAND, &c->q, NULL, on_open, c);
}

static struct str
keep(char **to, struct str s)
{
	struct str kept = { *to, s.n };

	if (s.n > 0)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return kept;
}

void
run_begin(struct run_call *c, struct loop *l, struct chan *broker,
    const struct broker_command *q, const struct run_for *about,
    void (*fn)(const struct agent_fate *f, void *arg), void *arg)
{
	char *p;

	c->loop = l;
	c->broker = broker;
	c->ch = NULL;
	c->input = -1;
	c->q = *q;
	c->about = *about;
	c->tries = 0;
	c->feed_error = 0;
	c->fn = fn;
	c->arg = arg;
	c->copy = p = xmalloc(q->user.n + q->text.n + about->rcpts.n + 1);
	c->q.user = keep(&p, q->user);
	c->q.text = keep(&p, q->text);
	c->about.rcpts = keep(&p, about->rcpts);
	timer_init(&c->retry, l, ask_broker, c);
	ask_broker(c);
}
