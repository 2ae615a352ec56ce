/* SPDX-License-Identifier: ISC */
/*
 * rogue-command - in the place of the program `command`: runs nothing, and
 * lies to whoever asked.  How, stands in the message's recipient: lie3@... is
 * the third kind.  What it breaks is for the asker's log; the message is to be
 * tried again.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "edge/run.h"
#include "rogue.h"
#include "sandbox/sandbox.h"

#define LINGER_MS 4000

static int linger = LINGER_MS / 100;

static const struct str wild = { ROGUE_WILD, sizeof(ROGUE_WILD) - 1 };

/* With so many copies of a descriptor, or none. */
static void
say(unsigned type, uint64_t id, const void *rec, int fd, unsigned copies)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(32 * sizeof(int))];
	} control = { .space = { 0 } };
	struct buf b;
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	buf_init(&b, REC_MAX);
	if (rec_encode(&b, edge_type(&edge_run, type), id, rec) == -1)
		abort();
	iov = (struct iovec){ b.base, b.len };
	if (copies > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(copies * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(copies * sizeof(int));
		for (unsigned i = 0; i < copies; i++)
			memcpy(CMSG_DATA(cm) + i * sizeof(int), &fd,
			    sizeof(int));
	}
	sendmsg(SLOT_BROKER, &mh, MSG_NOSIGNAL);
	buf_clear(&b);
}

/* A pipe into which not one byte goes any more, and whoever tries waits. */
static int
stuffed(void)
{
	static const char some[4096];
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	while (write(p[1], some, sizeof(some)) > 0)
		;
	fd_nonblock(p[1], 0);
	return p[1];
}

static void
done(uint64_t id, uint8_t how, uint32_t code)
{
	struct run_done d = { .how = how,
		.code = code,
		.command = wild,
		.output = wild };

	say(RUN_DONE, id, &d, -1, 0);
}

static void
lie(unsigned n, uint64_t id)
{
	struct run_refused no = { .text = wild };
	int sv[2];

	switch (n) {
	case 1: /* against the rules */
		done(id, RUN_EXITED, 75);
		done(id, RUN_EXITED, 0);
		break;
	case 2: /* as is this */
		done(id + 1, RUN_EXITED, 0);
		break;
	case 3: /* and this */
		say(RUN_READY, 0, NULL, -1, 0);
		break;
	case 4: /* a message goes into a directory, a file, a socket */
		say(RUN_STDIN, 0, NULL, open("/", O_RDONLY | O_CLOEXEC), 1);
		break;
	case 5:
		say(RUN_STDIN, 0, NULL, SLOT_CONFIG, 1);
		break;
	case 6:
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0)
			say(RUN_STDIN, 0, NULL, sv[0], 1);
		break;
	case 7: /* where it does not come back from, for a minute */
		linger = 600;
		say(RUN_STDIN, 0, NULL, stuffed(), 1);
		break;
	case 8: /* too many */
		say(RUN_STDIN, 0, NULL, 0, 30);
		break;
	case 9: /* no such end */
		done(id, 255, UINT32_MAX);
		break;
	case 10:
		say(RUN_REFUSED, 0, &no, -1, 0);
		say(RUN_REFUSED, 0, &no, -1, 0);
		break;
	case 11: /* no packet at all */
		if (write(SLOT_BROKER, "rubbish", 7) == -1)
			_exit(70);
		break;
	case 12:
		done(id, RUN_SIGNALED, UINT32_MAX);
		break;
	default: /* it says nothing, and lives for a while */
		break;
	}
}

int
main(void)
{
	static char data[65536];
	_Alignas(16) char rec[REC_STRUCT_MAX];
	const struct run_for *r = (const void *)rec;
	struct pollfd p = { SLOT_BROKER, POLLIN, 0 };
	struct rec_head h;
	struct str in, body;
	const char *at;
	ssize_t n;

	say(RUN_READY, 0, NULL, -1, 0);
	if (poll(&p, 1, LINGER_MS) != 1 ||
	    (n = recv(SLOT_BROKER, data, sizeof(data), 0)) <= 0)
		return 70;
	in = str_make(data, (size_t)n);
	if (rec_next(&edge_run, &in, &h, &body) == -1 ||
	    rec_decode(h.type, body, rec) == -1)
		return 70;
	at = memmem(r->rcpts.p, r->rcpts.n, "lie", 3);
	lie(at == NULL ? 0 : (unsigned)atoi(at + 3), h.id);
	/* Until we are let go, or ended. */
	for (int i = 0; i < linger; i++) {
		usleep(100000);
		if (recv(SLOT_BROKER, data, sizeof(data), MSG_DONTWAIT) == 0)
			break;
	}
	return 0;
}
