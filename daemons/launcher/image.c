/* SPDX-License-Identifier: ISC */
/*
 * The warm image of smtpd: sandbox/warm.h.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/note.h"
#include "sandbox/warm.h"

#include "launcher.h"

/* An image that died is made again, but not all the time. */
#define AGAIN_MS 5000

/* What each copy is to have: the configurations of its services. */
struct object {
	LIST_ENTRY(object) link;
	uint32_t instance;
	char *name;
	int fd;
};

static LIST_HEAD(, object) objects = LIST_HEAD_INITIALIZER(objects);

void
image_forget(void)
{
	struct object *o;

	while ((o = LIST_FIRST(&objects)) != NULL) {
		LIST_REMOVE(o, link);
		fd_close(&o->fd);
		free(o->name);
		free(o);
	}
}

void
image_object(uint32_t instance, struct str name, int fd)
{
	struct object *o = xcalloc(1, sizeof(*o));

	o->instance = instance;
	o->name = str_dup(name);
	o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	LIST_INSERT_HEAD(&objects, o, link);
}

static void
tell_broker(struct launcher *l)
{
	struct launch_image rec = { .pid = (uint32_t)l->image_pid };

	if (l->broker != NULL)
		chan_tell(l->broker, LAUNCH_IMAGE, 0, &rec, NULL);
}

void
image_end(struct launcher *l)
{
	if (l->image_pid > 0)
		kill(l->image_pid, SIGKILL);
	l->image_pid = l->image_proven = 0;
	fd_close(&l->image_fd);
}

static void
on_say(void *arg, int level, const char *text)
{
	launcher_say(arg, level, "smtpd image: %s", text);
}

static int
fill(struct launcher *l)
{
	struct object *o;

	LIST_FOREACH(o, &objects, link)
		if (warm_give(l->image_fd, o->instance, str_of(o->name),
		    o->fd) == -1)
			return -1;
	return warm_ready(l->image_fd, on_say, l);
}

void
image_start(struct launcher *l)
{
	struct buf err;
	int sv[2];

	image_end(l);
	if (!l->isolation || !warm_possible())
		return;
	l->image_started_ms = clock_ms();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1) {
		launcher_say(l, 2, "smtpd image: %s", strerror(errno));
		return;
	}
	chan_refuse_fds(sv[0]); /* it has none to send us */
	buf_init(&err, 512);
	l->image_fd = sv[0];
	l->image_pid = spawn_image(l, "smtpd", sv[1], &err);
	close(sv[1]);
	if (l->image_pid == -1 || fill(l) == -1) {
		launcher_say(l, 2, "smtpd image: %s%s: sessions start without "
		    "it, and slowly", buf_cstr(&err), l->image_pid == -1 ? "" :
		    strerror(errno));
		image_end(l);
	}
	buf_clear(&err);
	tell_broker(l);
}

pid_t
image_birth(struct launcher *l, uint32_t instance, int channel, int note)
{
	pid_t pid;

	if (l->image_pid <= 0 && l->isolation &&
	    clock_ms() - l->image_started_ms > AGAIN_MS)
		image_start(l);
	if (l->image_pid <= 0 || note == -1)
		return -1;
	pid = warm_birth(l->image_fd, instance, channel, note);
	if (pid != -1)
		return pid;
	launcher_say(l, 2, "smtpd image: %s", strerror(errno));
	image_end(l);
	tell_broker(l);
	return -1;
}

void
image_buried(struct launcher *l, pid_t pid)
{
	if (pid != l->image_pid)
		return; /* it was ended by us */
	launcher_say(l, 2, "smtpd image pid %d has died", (int)pid);
	image_end(l);
	tell_broker(l);
}
