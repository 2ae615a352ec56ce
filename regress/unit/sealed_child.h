/* SPDX-License-Identifier: ISC */
#ifndef UNIT_SEALED_CHILD_H
#define UNIT_SEALED_CHILD_H

/*
 * A child inside a component's real sandbox, for the tests of entering and of
 * auditing.  Included once by each of them, behind cmocka.h.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

static struct cradle cradle;
static enum sandbox_level level;
static uint32_t waived;
static char dir[] = "/tmp/t_sandbox.XXXXXX";

static int
setup(void **state)
{
	struct buf why;
	char err[512];

	(void)state;
	buf_init(&why, 4096);
	assert_int_equal(sandbox_level_probe(&level, &waived, &why), 0);
	if (waived != 0)
		fprintf(stderr, "# level %d\n# %s", (int)level, buf_cstr(&why));
	buf_clear(&why);
	assert_non_null(mkdtemp(dir));
	chmod(dir, 0777);
	if (cradle_init(&cradle, level, waived, err, sizeof(err)) == -1) {
		fprintf(stderr, "%s\n", err);
		return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cradle_clear(&cradle);
	rmdir(dir);
	return 0;
}

static struct sandbox_place
place_for(const struct policy *p)
{
	bool own = level == LEVEL_ROOT && strcmp(p->user, "root") != 0;

	return (struct sandbox_place){ .level = level,
		.uid = own ? 4711 : 0,
		.gid = own ? 4712 : 0,
		.waived = waived,
		.filter_fd = SLOT_FILTER };
}

struct job {
	const struct policy *policy;
	struct sandbox_place place;
	int filter_fd;
	int dir_fd;
	void (*sealed)(void); /* runs inside; must return */
};

/* In the child: what a component does, then wait for the end. */
static void
run_sealed(const struct job *job, int channel)
{
	struct cradle_fd fds[SLOT_N] = { { SLOT_BROKER, channel },
		{ SLOT_FILTER, job->filter_fd } };
	char err[512] = "";
	size_t n = 2;

	for (size_t i = 0; i < job->policy->nslots; i++) {
		const struct policy_slot *s = &job->policy->slots[i];

		if (s->kind == KIND_MEMFD_READ) /* any sealed file will do */
			fds[n++] = (struct cradle_fd){ s->fd, job->filter_fd };
		else if (s->kind == KIND_DIR)
			fds[n++] = (struct cradle_fd){ s->fd, job->dir_fd };
	}

	if (cradle_child(&cradle, job->policy, fds, n) == -1)
		_exit(101);
	if (sandbox_enter(job->policy, &job->place, err, sizeof(err)) == -1) {
		if (write(SLOT_BROKER, err, strlen(err)) == -1)
			_exit(102);
		_exit(103);
	}
	if (job->sealed != NULL)
		job->sealed();
	if (write(SLOT_BROKER, "", 1) != 1 || read(SLOT_BROKER, err, 1) < 0)
		_exit(104);
	_exit(0);
}

/* Start it; what it says is in said.  The caller ends it with finish(). */
static pid_t
start(const struct job *job, int *channel, char *said, size_t size)
{
	int sv[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			     sv),
	    0);
	pid = sandbox_clone(&cradle, NULL);
	assert_true(pid >= 0);
	if (pid == 0)
		run_sealed(job, sv[1]);
	close(sv[1]);
	n = read(sv[0], said, size - 1);
	said[n < 0 ? 0 : n] = '\0';
	if (n <= 0)
		strlcpy(said, "died", size);
	*channel = sv[0];
	return pid;
}

static int
finish(pid_t pid, int channel)
{
	int status = 0;

	close(channel);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return status;
}

static struct job
job_for(const char *name)
{
	struct job job = { .policy = policy_find(str_of(name)), .dir_fd = -1 };
	char err[512];

	assert_non_null(job.policy);
	job.place = place_for(job.policy);
	job.filter_fd = sandbox_filter(job.policy, err, sizeof(err));
	if (job.filter_fd == -1)
		fail_msg("%s", err);
	if (policy_promises(job.policy, "dir"))
		job.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return job;
}

static void
job_end(struct job *job)
{
	fd_close(&job->filter_fd);
	fd_close(&job->dir_fd);
}

#endif
