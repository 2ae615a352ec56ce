/* SPDX-License-Identifier: ISC */
/*
 * Copies of a warm image, on Linux: clone(2) with CLONE_PARENT.
 */
#include "sandbox/warm.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/close_range.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/linux.h"

enum warm_kind {
	WARM_OBJECT = 1, /* to the image: take this */
	WARM_READY,	 /* to the image: that was all; back: I have it */
	WARM_BIRTH,	 /* to the image: a copy, please; back: its pid */
	WARM_SAY,	 /* back: a line for the log */
};

/* One packet, either way. */
struct warm_word {
	uint32_t kind;
	uint32_t number; /* instance; or pid, level, errno */
	char text[512];
};

#define WORD_FDS 2

static int
word_send(int fd, const struct warm_word *w, const int *fds, size_t n)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(WORD_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)w,
		offsetof(struct warm_word, text) + strlen(w->text) + 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > 0) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

/* -1 with errno, which is EPIPE at the end.  fds: -1 where there is none. */
static int
word_recv(int fd, struct warm_word *w, int fds[WORD_FDS])
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(WORD_FDS * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { w, sizeof(*w) - 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	ssize_t n;

	memset(w, 0, sizeof(*w));
	for (size_t i = 0; i < WORD_FDS; i++)
		fds[i] = -1;
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n <= 0) {
		errno = n == 0 ? EPIPE : errno;
		return -1;
	}
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len <= CMSG_LEN(WORD_FDS * sizeof(int)))
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return 0;
}

/* --- the launcher's side -------------------------------------------------- */

bool
warm_possible(void)
{
	return true;
}

pid_t
warm_clone(void)
{
	fflush(NULL);
	return (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL,
	    NULL, NULL);
}

int
warm_give(int fd, uint32_t instance, struct str name, int object)
{
	struct warm_word w = { .kind = WARM_OBJECT, .number = instance };

	str_copy(str_sub(name, 0, sizeof(w.text) - 1), w.text, sizeof(w.text));
	return word_send(fd, &w, &object, 1);
}

/* An answer, which comes soon or not at all. */
static int
answer(int fd, struct warm_word *w)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int none[WORD_FDS], n;

	do
		n = poll(&p, 1, WARM_PATIENCE);
	while (n == -1 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n <= 0 ? -1 : word_recv(fd, w, none);
}

int
warm_ready(int fd, void (*say)(void *arg, int level, const char *text),
    void *arg)
{
	struct warm_word w = { .kind = WARM_READY };

	if (word_send(fd, &w, NULL, 0) == -1)
		return -1;
	while (answer(fd, &w) == 0) {
		if (w.kind == WARM_READY)
			return 0;
		if (w.kind == WARM_SAY)
			say(arg, (int)w.number, w.text);
	}
	return -1;
}

pid_t
warm_birth(int fd, uint32_t instance, int channel, int note)
{
	struct warm_word w = { .kind = WARM_BIRTH, .number = instance };
	int fds[WORD_FDS] = { channel, note };

	if (word_send(fd, &w, fds, WORD_FDS) == -1 || answer(fd, &w) == -1)
		return -1;
	if (w.kind != WARM_BIRTH || w.text[0] != '\0') {
		errno = w.text[0] == '\0' ? EPROTO : (int)w.number;
		return -1;
	}
	return (pid_t)w.number;
}

/* --- the image's side ----------------------------------------------------- */

void
warm_say(int level, struct str text)
{
	struct warm_word w = { .kind = WARM_SAY, .number = (uint32_t)level };

	str_copy(str_sub(text, 0, sizeof(w.text) - 1), w.text, sizeof(w.text));
	(void)word_send(SLOT_BROKER, &w, NULL, 0);
}

/*
 * In the copy: its descriptors on their numbers.  The configuration and the
 * filter are there already, and nothing else is.
 */
static int
settle(const int fds[WORD_FDS])
{
	if (fds[0] == -1 || fds[1] == -1 || fds[0] == SLOT_NOTE) {
		errno = EBADF;
		return -1;
	}
	if (setsid() == -1 || dup2(fds[0], SLOT_BROKER) == -1 ||
	    (fds[1] != SLOT_NOTE && dup2(fds[1], SLOT_NOTE) == -1) ||
	    close_range(SLOT_DIR, SLOT_NOTE - 1, 0) == -1)
		return -1;
	return close_range(SLOT_NOTE + 1, ~0U, 0);
}

/* A child of our parent's; in it, true. */
static bool
birth(int fds[WORD_FDS], bool own_pids)
{
	unsigned long flags =
	    SIGCHLD | CLONE_PARENT | (own_pids ? CLONE_NEWPID : 0UL);
	struct warm_word w = { .kind = WARM_BIRTH };
	long pid = fds[1] == -1 ?
	    -1 :
	    syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		if (settle(fds) == -1)
			_exit(70);
		return true;
	}
	w.number = (uint32_t)(pid == -1 ? errno : pid);
	w.text[0] = pid == -1 ? '!' : '\0';
	for (size_t i = 0; i < WORD_FDS; i++)
		fd_close(&fds[i]);
	if (word_send(SLOT_BROKER, &w, NULL, 0) == -1)
		_exit(1);
	return false;
}

uint32_t
warm_serve(const struct policy *policy, const struct sandbox_place *place,
    const struct warm *warm)
{
	uint32_t walls = policy->walls & ~place->waived;
	struct warm_word w;
	int fds[WORD_FDS];
	char err[256];

	sandbox_leash(getppid()); /* had it gone, its channel would be closed */
	while (word_recv(SLOT_BROKER, &w, fds) == 0) {
		if (w.kind == WARM_OBJECT && fds[0] != -1) {
			warm->object(w.number, str_of(w.text), fds[0]);
			fd_close(&fds[0]);
		} else if (w.kind == WARM_READY) {
			if (walls_begin(policy, walls, err, sizeof(err)) ==
			    -1) {
				warm_say(1, str_of(err));
				_exit(1);
			}
			if (word_send(SLOT_BROKER, &w, NULL, 0) == -1)
				_exit(1);
		} else if (w.kind != WARM_BIRTH) {
			_exit(1);
		} else if (birth(fds, (walls & WALL_PID) != 0)) {
			return w.number;
		}
	}
	_exit(0); /* there is no launcher any more, or it wants another */
}
