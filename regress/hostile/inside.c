/* SPDX-License-Identifier: ISC */
/*
 * What runs inside the sandbox, however its process was made.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"
#include "sandbox/sandbox.h"

static const struct attempt *const lists[] = { attempts_files, attempts_memory,
	attempts_net, attempts_channel, attempts_process, attempts_kernel,
	attempts_queue, attempts_exhaust };

const struct attempt *
attempt_at(unsigned i)
{
	for (size_t k = 0; k < NELEM(lists); k++)
		for (const struct attempt *a = lists[k]; a->name != NULL; a++)
			if (i-- == 0)
				return a;
	return NULL;
}

enum outcome
outcome_of(long rc)
{
	return rc == -1 ? REFUSED : WORKED;
}

int
hand_socket(const struct hand *h)
{
	return h->fd[KIND_CHANNEL];
}

static uint64_t
limit_of(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->nlimits; i++) {
		if (strcmp(p->limits[i].name, name) == 0)
			return p->limits[i].value;
	}
	return 0;
}

void
hand_init(struct hand *h, const struct policy *policy)
{
	*h = (struct hand){ .policy = policy,
		.as = limit_of(policy, "as"),
		.fsize = limit_of(policy, "fsize"),
		.nofile = limit_of(policy, "nofile") };
	for (int k = 0; k < KIND_N; k++)
		h->fd[k] = -1;
	h->fd[KIND_CHANNEL] = SLOT_BROKER;
}

static int
things_receive(struct hand *h)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(KIND_N * sizeof(int))];
	} control;
	uint8_t kinds[KIND_N];
	struct iovec iov = { kinds, sizeof(kinds) };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm;
	ssize_t n = recvmsg(SLOT_BROKER, &mh, MSG_CMSG_CLOEXEC);

	cm = n <= 0 ? NULL : CMSG_FIRSTHDR(&mh);
	if (cm == NULL || cm->cmsg_len != CMSG_LEN((size_t)n * sizeof(int)))
		return -1;
	for (ssize_t i = 0; i < n; i++)
		memcpy(&h->fd[kinds[i]],
		    CMSG_DATA(cm) + (size_t)i * sizeof(int), sizeof(int));
	return 0;
}

void
inside_run(const struct attempt *a, struct hand *h)
{
	if (a == NULL || things_receive(h) == -1)
		_exit(EXIT_NO_ENTRY);
	errno = 0;
	switch (a->run(h)) {
	case WORKED:
		_exit(0);
	case ABSENT:
		_exit(EXIT_ABSENT);
	case REFUSED:
		break;
	}
	_exit(EXIT_ERRNO + errno);
}
