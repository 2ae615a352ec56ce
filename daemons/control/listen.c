/* SPDX-License-Identifier: ISC */
/*
 * The socket where clients come in.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "log/log.h"

#include "control.h"

#define ACCEPTS 8 /* connections taken in a turn */

/* Who is there?  -1 when the kernel does not say. */
static int
peer_uid(int fd, uid_t *out)
{
	gid_t gid;

	return getpeereid(fd, out, &gid) == 0 && *out != (uid_t)-1 ? 0 : -1;
}

static void
on_listen(int what, void *arg)
{
	struct control *c = arg;
	uid_t uid;

	(void)what;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(c->listen_fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -1) {
			if (errno != EAGAIN && errno != EINTR &&
			    errno != ECONNABORTED)
				log_warn("accept: error %d", errno);
			return;
		}
		if (peer_uid(fd, &uid) == -1)
			close(fd);
		else
			client_new(c, fd, uid);
	}
}

void
control_init(struct control *c, struct loop *loop)
{
	*c = (struct control){ .loop = loop, .listen_fd = -1 };
	TAILQ_INIT(&c->clients);
}

void
control_listen(struct control *c, int fd)
{
	if (c->listen_fd != -1) {
		watch_clear(&c->listen_watch);
		fd_close(&c->listen_fd);
	}
	c->listen_fd = fd;
	watch_init(&c->listen_watch, c->loop, fd, on_listen, c);
	watch_set(&c->listen_watch, LOOP_READ);
}

/* What was said leaves; the listening socket is the launcher's, too. */
void
control_stop(struct control *c)
{
	struct client *cl;

	if (c->listen_fd != -1) {
		watch_clear(&c->listen_watch);
		fd_close(&c->listen_fd);
	}
	while ((cl = TAILQ_FIRST(&c->clients)) != NULL) {
		struct str s = buf_get(&cl->out);

		if (s.n > 0 && write(cl->fd, s.p, s.n) == -1)
			buf_reset(&cl->out);
		client_free(&cl);
	}
}
