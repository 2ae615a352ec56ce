/* SPDX-License-Identifier: ISC */
/*
 * The conversation with control.
 */
#include "mailctl.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "net/unixsock.h"

int
talk_connect(const struct instance *in, const char *name)
{
	return unixsock_connect(in->queue_dir, name, SOCK_STREAM);
}

bool
talk_open(struct talk *t, const struct instance *in)
{
	*t = (struct talk){ .got_fd = -1, .life_fd = -1 };
	buf_init(&t->in, 4 * REC_MAX);
	t->fd = talk_connect(in, "public/control");
	return t->fd != -1;
}

void
talk_close(struct talk *t)
{
	fd_close(&t->fd);
	fd_close(&t->got_fd);
	buf_clear(&t->in);
	offline_end(t);
}

void
talk_ask(struct talk *t, unsigned type, const void *rec)
{
	struct buf b;
	struct str s;

	buf_init(&b, REC_MAX);
	if (control_put(&b, type, ++t->id, rec) == -1)
		die("what you ask for is too long");
	s = buf_get(&b);
	if (send(t->fd, s.p, s.n, MSG_NOSIGNAL) != (ssize_t)s.n)
		die("the mail system does not listen: %s", strerror(errno));
	buf_clear(&b);
}

/* More of the stream, and a descriptor when one comes with it. */
static ssize_t
receive(struct talk *t)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { buf_reserve(&t->in, REC_MAX), REC_MAX };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm;
	ssize_t n;

	do
		n = recvmsg(t->fd, &mh, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return n;
	buf_grow(&t->in, (size_t)n);
	cm = CMSG_FIRSTHDR(&mh);
	if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
	    cm->cmsg_type == SCM_RIGHTS &&
	    cm->cmsg_len == CMSG_LEN(sizeof(int))) {
		fd_close(&t->got_fd);
		memcpy(&t->got_fd, CMSG_DATA(cm), sizeof(int));
	}
	return n;
}

const struct control_rec *
talk_next(struct talk *t)
{
	struct str in;
	int k;

	/* What was looked at until now is needed no longer. */
	buf_consume(&t->in, t->used);
	t->used = 0;
	for (;;) {
		in = buf_get(&t->in);
		k = control_cut(&in, SIDE_B, &t->rec);
		if (k == 1 && t->rec.id == t->id) {
			t->used = t->in.len - in.n;
			return &t->rec;
		}
		if (k != 0)
			die("the mail system gives an answer that makes no "
			    "sense");
		if (receive(t) <= 0)
			die("the mail system has hung up");
	}
}

int
talk_text(struct talk *t, struct buf *out, struct buf *why)
{
	for (;;) {
		const struct control_rec *r = talk_next(t);
		const struct control_done *d = (const void *)r->body;
		const struct control_text *x = (const void *)r->body;

		if (r->type == CONTROL_TEXT) {
			if (buf_str(out, x->text) == -1)
				die("the answer is too long");
		} else if (r->type == CONTROL_DONE) {
			buf_str(why, d->text);
			return (int)d->error;
		}
	}
}

int
talk_admin(struct talk *t, enum admin_what what, struct buf *out,
    struct buf *why)
{
	struct control_admin q = { .what = (uint8_t)what };

	talk_ask(t, CONTROL_ADMIN, &q);
	return talk_text(t, out, why);
}
