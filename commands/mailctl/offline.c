/* SPDX-License-Identifier: ISC */
/*
 * The queue of a system that is stopped.
 *
 * For one order the launcher is started with the queue manager and control and
 * nobody else, sealed as ever: nothing can come in, nothing can be delivered,
 * and the store finds what was left as after any crash.  The launcher holds
 * the instance's lock meanwhile, so that a start waits for us; when our end of
 * its socket is closed, however we end, it ends.
 */
#include "mailctl.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define PATIENCE_MS 15000 /* for one that is being started or stopped */
#define LOOK_US 50000

bool
offline_may(const struct instance *in)
{
	struct stat st;

	return geteuid() == 0 ||
	    (stat(in->queue_dir, &st) == 0 && st.st_uid == geteuid());
}

/* 0: it is ready; else what its process ended with. */
static int
launch(struct talk *t, const struct instance *in)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		die("socketpair: %s", strerror(errno));
	t->launcher = fork();
	if (t->launcher == -1)
		die("fork: %s", strerror(errno));
	if (t->launcher == 0)
		run_launcher(in, sv[1], true);
	close(sv[1]);
	t->life_fd = sv[0];
	return launcher_ready(sv[0], t->launcher) ? 0 : offline_end(t);
}

int
offline_end(struct talk *t)
{
	int status = 0;

	if (t->launcher <= 0)
		return 0;
	fd_close(&t->life_fd);
	while (waitpid(t->launcher, &status, 0) == -1 && errno == EINTR)
		;
	t->launcher = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL ?
	    EX_TEMPFAIL :
	    EXIT_BAD;
}

/* While a system starts, control is there before the queue manager is. */
static bool
answers(struct talk *t)
{
	static const struct control_open none = { .qid = STR("none") };
	const struct control_rec *r;

	talk_ask(t, CONTROL_OPEN, &none);
	r = talk_next(t);
	return r->type != CONTROL_DONE ||
	    ((const struct control_done *)(const void *)r->body)->error !=
	    EAGAIN;
}

bool
talk_queue(struct talk *t, const struct instance *in, const char *warning)
{
	int64_t deadline = clock_ms() + PATIENCE_MS;
	int r = EX_TEMPFAIL;

	for (;;) {
		bool up = talk_open(t, in);

		if (!offline_may(in) || (up && answers(t)))
			return up;
		if (in->conf == NULL) {
			instance_report(in, false);
			die("the queue cannot be opened: see the errors above");
		}
		/* Else somebody is starting or stopping it just now. */
		if (!up && instance_pid(in) == 0) {
			if (warning != NULL)
				warn_of("%s", warning);
			warning = NULL;
			r = launch(t, in);
		}
		if (r == 0)
			break;
		if (r != EX_TEMPFAIL || clock_ms() >= deadline)
			die("the queue cannot be opened");
		talk_close(t);
		usleep(LOOK_US);
	}
	t->fd = talk_connect(in, "pid/control");
	if (t->fd == -1)
		die("the queue cannot be opened: %s", strerror(errno));
	return true;
}
