/* SPDX-License-Identifier: ISC */
/*
 * A connection: one question at a time.  Nothing is read from a client that
 * waits for an answer or has not read the last one.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#include "control.h"

#define IDLE_MS 60000 /* without a question, or without reading */

static void
set_watch(struct client *cl)
{
	bool quiet = cl->asked == NULL && cl->out.len == 0;

	/* While it waits, all that can be heard is that it has gone. */
	watch_set(&cl->watch,
	    (quiet || cl->in.len == 0 ? LOOP_READ : 0) |
		(cl->out.len > 0 || cl->broken ? LOOP_WRITE : 0));
	if (cl->asked == NULL || cl->out.len > 0)
		timer_set(&cl->idle, IDLE_MS);
	else
		timer_cancel(&cl->idle);
}

static bool
write_some(struct client *cl)
{
	while (cl->out.len > 0) {
		struct str s = buf_get(&cl->out);
		ssize_t n = write(cl->fd, s.p, s.n);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN;
		buf_consume(&cl->out, (size_t)n);
	}
	return true;
}

/* One read a turn; false: it has gone. */
static bool
read_some(struct client *cl)
{
	char *p = buf_reserve(&cl->in, REC_MAX);
	ssize_t n;

	if (p == NULL)
		return false; /* it talks while it ought to listen */
	n = read(cl->fd, p, REC_MAX);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	buf_grow(&cl->in, (size_t)n);
	return n > 0;
}

/* Questions that are complete, one after the other. */
static bool
take_records(struct client *cl)
{
	struct control_rec r;

	while (cl->asked == NULL && cl->out.len == 0 && cl->in.len > 0) {
		struct str in = buf_get(&cl->in);
		size_t had = in.n;
		int k = control_cut(&in, SIDE_A, &r);

		if (k == -1)
			return false;
		if (k == 0)
			break;
		orders_take(cl, &r); /* strings of r are still in cl->in */
		buf_consume(&cl->in, had - in.n);
	}
	return true;
}

static void
on_ready(int what, void *arg)
{
	struct client *cl = arg;

	if (cl->broken || ((what & LOOP_READ) != 0 && !read_some(cl)) ||
	    ((what & LOOP_WRITE) != 0 && !write_some(cl)) ||
	    !take_records(cl) || !write_some(cl)) {
		client_free(&cl);
		return;
	}
	if (cl->out.len < OUT_PAUSE)
		orders_room(cl);
	set_watch(cl);
}

static void
on_idle(void *arg)
{
	struct client *cl = arg;

	if (cl->c->trace.of == cl)
		timer_set(&cl->idle, IDLE_MS); /* it listens elsewhere */
	else
		client_free(&cl);
}

void
client_new(struct control *c, int fd, uid_t uid)
{
	struct client *cl;
	size_t same = 0;
	bool all = who_may(c, uid, MAY_ALL);

	TAILQ_FOREACH(cl, &c->clients, link)
		if (cl->uid == uid)
			same++;
	/* However many users there are, an administrator finds room. */
	if (c->nclients >= CLIENTS_MAX || (!all && (same >= CLIENTS_EACH ||
	    c->nclients >= CLIENTS_MAX - CLIENTS_KEPT))) {
		close(fd);
		return;
	}
	cl = xcalloc(1, sizeof(*cl));
	cl->c = c;
	cl->fd = fd;
	cl->uid = uid;
	buf_init(&cl->in, 2 * REC_MAX);
	buf_init(&cl->out, OUT_MAX);
	watch_init(&cl->watch, c->loop, fd, on_ready, cl);
	timer_init(&cl->idle, c->loop, on_idle, cl);
	TAILQ_INSERT_TAIL(&c->clients, cl, link);
	c->nclients++;
	set_watch(cl);
}

void
client_free(struct client **clp)
{
	struct client *cl = *clp;

	*clp = NULL;
	if (cl == NULL)
		return;
	orders_forget(cl);
	TAILQ_REMOVE(&cl->c->clients, cl, link);
	cl->c->nclients--;
	watch_clear(&cl->watch);
	timer_clear(&cl->idle);
	buf_clear(&cl->in);
	buf_clear(&cl->out);
	fd_close(&cl->fd);
	free(cl);
}

/*
 * Records go out when the socket is writable, which the loop says in the next
 * turn: so nobody's client is freed while somebody answers it.
 */
void
client_send(struct client *cl, unsigned type, const void *rec)
{
	if (control_put(&cl->out, type, cl->id, rec) == -1)
		cl->broken = true;
	if (edge_type(&edge_control, type)->role == REC_ANSWER) {
		cl->asked = NULL;
		cl->listing = false;
	}
	set_watch(cl);
}

/* With the record, which is alone: what came before has been read. */
void
client_send_fd(struct client *cl, const void *rec, int *fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	size_t before = cl->out.len;

	client_send(cl, CONTROL_FILE, rec);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), fd, sizeof(int));
	iov.iov_base = cl->out.base + cl->out.off;
	iov.iov_len = cl->out.len;
	if (before != 0 || cl->out.len == 0 ||
	    sendmsg(cl->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) !=
		(ssize_t)cl->out.len)
		cl->broken = true;
	buf_consume(&cl->out, cl->out.len);
	fd_close(fd);
	set_watch(cl);
}

void
client_done(struct client *cl, int error, uint32_t count, struct str text)
{
	struct control_done d = { .error = (uint32_t)error,
		.count = count,
		.text = str_sub(text, 0, 1024) };

	client_send(cl, CONTROL_DONE, &d);
}

struct client *
client_find(struct control *c, const struct chan *asked, uint64_t ask)
{
	struct client *cl;

	TAILQ_FOREACH(cl, &c->clients, link)
		if (cl->asked == asked && cl->ask == ask)
			return cl;
	return NULL;
}
