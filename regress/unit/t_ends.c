/* SPDX-License-Identifier: ISC */
/*
 * Which ends of channels take descriptors: those that records bring some to,
 * says each policy, and no others, says the kernel.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "chan/chan.h"
#include "edge/edges.h"
#include "sandbox/ends.h"

/* 0, or errno. */
static int
send_fd(int to, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	return sendmsg(to, &mh, MSG_NOSIGNAL) == -1 ? errno : 0;
}

/* Does any record from `from` bring descriptors? */
static bool
brings(const struct edge *e, enum side from)
{
	for (size_t i = 0; i < e->ntypes; i++)
		if (e->types[i].from == from && e->types[i].fds > 0)
			return true;
	return false;
}

/* Over all edges that the two share, and those made when one is asked for. */
static bool
expected(const char *who, const char *peer)
{
	static const struct edge_link asked[] = { { "mailbox", "local",
						      "mailbox" },
		{ "mailbox", "virtual", "mailbox" },
		{ "run", "local", "command" }, { "run", "pipe", "command" } };
	const struct edge_link *k;
	bool any = false;

	for (size_t i = 0; i < NELEM(asked) || edge_link_at(i - NELEM(asked));
	     i++) {
		const struct edge *e;

		k = i < NELEM(asked) ? &asked[i] :
				       edge_link_at(i - NELEM(asked));
		e = edge_find(str_of(k->edge));
		if (strcmp(k->a, who) == 0 && strcmp(k->b, peer) == 0)
			any |= brings(e, SIDE_B);
		if (strcmp(k->b, who) == 0 && strcmp(k->a, peer) == 0)
			any |= brings(e, SIDE_A);
	}
	return any;
}

/*
 * A policy without recvfd would have the kernel refuse what belongs to the
 * work; one with it, that has no use for it, would leave a door open.
 */
static void
test_declared(void **state)
{
	unsigned shut = 0, open = 0;

	(void)state;
	for (size_t i = 0; i < policy_count(); i++)
		for (size_t j = 0; j < policy_at(i)->ngrants; j++) {
			const struct policy *p = policy_at(i);
			const struct policy_grant *g = &p->grants[j];

			if (g->kind != KIND_CHANNEL || g->own ||
			    policy_find(str_of(g->name)) == NULL)
				continue;
			if (ends_receive(p, g->name) !=
			    expected(p->name, g->name))
				fail_msg("%s from %s", p->name, g->name);
			*(expected(p->name, g->name) ? &open : &shut) += 1;
		}
	assert_true(shut > 40);
	assert_true(open > 8);
	/* The broker gives, and is given nothing but by the launcher. */
	assert_true(ends_receive(policy_find(STR("broker")), "broker"));
	for (size_t i = 0; i < policy_count(); i++) {
		const char *name = policy_at(i)->name;

		if (strcmp(name, "launcher") == 0 ||
		    strcmp(name, "broker") == 0 || strcmp(name, "command") == 0)
			continue;
		assert_true(ends_receive(policy_at(i), "broker"));
		assert_false(ends_receive(policy_find(STR("broker")), name));
	}
}

/* Each link, both ways, as the broker makes it. */
static void
test_refused(void **state)
{
	const struct edge_link *k;
	int sv[2], fd = open("/dev/null", O_RDWR);

	(void)state;
	assert_int_equal(chan_pair(sv), 0);
	if (chan_refuses_fds(sv[0]) == -1) {
		close(sv[0]);
		close(sv[1]);
		close(fd);
		skip(); /* this kernel cannot */
	}
	assert_int_equal(chan_refuses_fds(sv[0]), 0);
	assert_int_equal(send_fd(sv[0], fd), 0);
	close(sv[0]);
	close(sv[1]);
	for (size_t i = 0; (k = edge_link_at(i)) != NULL; i++) {
		const struct policy *a = policy_find(str_of(k->a));
		const struct policy *b = policy_find(str_of(k->b));

		assert_int_equal(chan_pair(sv), 0);
		ends_shut(a, b, sv);
		assert_int_equal(send_fd(sv[0], fd),
		    ends_receive(b, k->a) ? 0 : EPERM);
		assert_int_equal(send_fd(sv[1], fd),
		    ends_receive(a, k->b) ? 0 : EPERM);
		assert_int_equal(chan_refuses_fds(sv[0]),
		    !ends_receive(a, k->b));
		/* Words get through. */
		assert_int_equal(write(sv[0], "x", 1), 1);
		assert_int_equal(write(sv[1], "x", 1), 1);
		close(sv[0]);
		close(sv[1]);
	}
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_declared),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
