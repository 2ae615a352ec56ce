/* SPDX-License-Identifier: ISC */
/*
 * command - runs one command for one message, as the user whose it is.
 *
 * Holds:  SLOT_BROKER   who asked: recipients in, the end of it out
 *                                                   (peer: pipe or local)
 *         SLOT_CONFIG   what is to be run, from the launcher
 *         SLOT_INPUT    where the message comes out, from the launcher
 * Is:     an ordinary process of that user, without capabilities, which can
 *         gain no privilege, and neither can what it runs.  There is no filter:
 *         the command is the administrator's or the user's own program.
 * Never:  reads the message, chooses what is run, runs anything twice.
 * If the asker lies, the command gets other recipients; if it goes, the
 * command is killed, because the message is still in the queue.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/sandbox.h"

#include "command.h"

#define READS_MAX 16 /* of the command's output, in one turn */

struct command {
	struct loop *loop;
	struct chan *ch;
	struct order_run order; /* its texts are in order_text */
	char *order_text;
	uint64_t id; /* of the question that waits */
	pid_t pid;
	struct words argv, env;
	char *dir;
	char shown[1024]; /* the command, for the log */
	int out_fd;
	struct watch out;
	struct buf output;
	struct timer timer;
	bool timed_out;
};

static struct command command;

static void
finish(struct command *c, enum run_how how, unsigned code)
{
	struct run_done d = { .how = (uint8_t)how,
		.code = code,
		.command = str_of(c->shown),
		.output = buf_get(&c->output) };

	chan_answer(c->ch, RUN_DONE, c->id, &d, NULL);
	chan_flush(c->ch);
	loop_stop(c->loop, 0);
}

static void
refuse(struct command *c, const char *why)
{
	buf_reset(&c->output);
	buf_puts(&c->output, why);
	finish(c, RUN_FAILED, 0);
}

/* --- the child ------------------------------------------------------------ */

/*
 * What it says beyond what is kept is taken from it all the same.  A turn takes
 * no more than a pipe holds: one that writes without end has its time, too.
 */
static void
on_output(int what, void *arg)
{
	struct command *c = arg;
	char text[4096];
	ssize_t n = 1;

	(void)what;
	for (int i = 0; i < READS_MAX && n > 0; i++) {
		size_t room = COMMAND_OUTPUT_MAX - c->output.len;

		n = read(c->out_fd, text, sizeof(text));
		if (n > 0)
			buf_add(&c->output, text,
			    (size_t)n < room ? (size_t)n : room);
	}
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		watch_set(&c->out, 0);
}

static void
on_child(int sig, void *arg)
{
	struct command *c = arg;
	int status;

	(void)sig;
	if (c->pid <= 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->pid = 0;
	on_output(LOOP_READ, c);
	if (WIFEXITED(status))
		finish(c, RUN_EXITED, (unsigned)WEXITSTATUS(status));
	else if (c->timed_out)
		finish(c, RUN_TIMEOUT, 0);
	else
		finish(c, RUN_SIGNALED, (unsigned)WTERMSIG(status));
}

/* All of its group: it begins a session of its own, or is about to. */
static void
put_down(struct command *c)
{
	if (c->pid > 0 && kill(-c->pid, SIGKILL) == -1)
		kill(c->pid, SIGKILL);
}

static void
on_time(void *arg)
{
	struct command *c = arg;

	if (c->pid == 0)
		loop_stop(c->loop, 0);
	c->timed_out = true;
	put_down(c);
}

static void
show(struct command *c)
{
	size_t n = 0;

	if (c->order.kind != COMMAND_MASTER) {
		str_copy(str_sub(c->order.text, 0, sizeof(c->shown) - 1),
		    c->shown, sizeof(c->shown));
		return;
	}
	for (size_t i = 0; i < c->argv.n && n < sizeof(c->shown) - 1; i++)
		n += (size_t)snprintf(c->shown + n, sizeof(c->shown) - n,
		    "%s%s", i == 0 ? "" : " ", c->argv.v[i]);
}

static void
start(struct command *c)
{
	pid_t self = getpid();
	int in = SLOT_INPUT, out[2];

	if (pipe2(out, O_CLOEXEC) == -1) {
		refuse(c, strerror(errno));
		return;
	}
	c->pid = fork();
	if (c->pid == 0)
		start_child(&c->order, &c->argv, &c->env, c->dir, in, out[1],
		    self);
	/* What it leaves unread nobody is to wait for. */
	close(in);
	close(out[1]);
	if (c->pid == -1) {
		c->pid = 0;
		refuse(c, strerror(errno));
		return;
	}
	c->out_fd = out[0];
	fd_nonblock(out[0], 1);
	watch_init(&c->out, c->loop, out[0], on_output, c);
	watch_set(&c->out, LOOP_READ);
	timer_set(&c->timer, c->order.limit_ms);
}

/* --- the asker ------------------------------------------------------------ */

static void
on_for(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct run_for *r = rec;
	struct command *c = arg;
	struct buf dir, err;

	(void)fds;
	if (c->id != 0 || c->dir != NULL) {
		chan_drop(ch, "a second message");
		return;
	}
	c->id = id;
	buf_init(&dir, 4096);
	buf_init(&err, 1024);
	if (expand_dir(&c->order, r, &dir, &err) == 0 &&
	    (c->order.kind != COMMAND_MASTER ||
		expand_argv(&c->order, r, &c->argv, &err) == 0))
		env_make(&c->order, r, &c->env);
	c->dir = xstrdup(buf_cstr(&dir));
	show(c);
	if (err.len > 0)
		refuse(c, buf_cstr(&err));
	else
		start(c);
	buf_clear(&dir);
	buf_clear(&err);
}

static void
on_gone(struct chan *ch, const char *why, void *arg)
{
	struct command *c = arg;

	(void)ch;
	(void)why;
	put_down(c);
	loop_stop(c->loop, 0);
}

static const struct chan_on run_on[] = {
	{ RUN_FOR, on_for },
	{ 0, NULL },
};

/* --- the order ------------------------------------------------------------ */

static int
read_order(struct command *c)
{
	struct rec_head head;
	struct str all, body;
	size_t n;

	if (fd_slurp(SLOT_CONFIG, REC_MAX, &c->order_text, &n) == -1)
		return -1;
	all = str_make(c->order_text, n);
	if (rec_next(&edge_order, &all, &head, &body) == -1 || all.n > 0 ||
	    head.type->type != ORDER_RUN)
		return -1;
	return rec_decode(head.type, body, &c->order);
}

int
main(void)
{
	struct command *c = &command;

	/* Nobody of this user's may look into us, or meddle. */
	sandbox_aloof();
	signal(SIGPIPE, SIG_IGN);
	if (read_order(c) == -1)
		return 70;
	c->loop = loop_new();
	buf_init(&c->output, COMMAND_OUTPUT_MAX);
	fcntl(SLOT_BROKER, F_SETFD, FD_CLOEXEC);
	fcntl(SLOT_CONFIG, F_SETFD, FD_CLOEXEC);
	fcntl(SLOT_INPUT, F_SETFD, FD_CLOEXEC);
	timer_init(&c->timer, c->loop, on_time, c);
	timer_set(&c->timer, COMMAND_WAIT_MS);
	loop_signal(c->loop, SIGCHLD, on_child, c);
	c->ch = chan_new(c->loop, SLOT_BROKER, &edge_run, SIDE_B, run_on,
	    on_gone, c);
	chan_tell(c->ch, RUN_READY, 0, NULL, NULL);
	return loop_run(c->loop);
}
