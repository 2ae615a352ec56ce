/* SPDX-License-Identifier: ISC */
/*
 * Attempts to use up what others need.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "hostile.h"

static enum outcome
fork_bomb(const struct hand *h)
{
	pid_t pid;

	(void)h;
	for (int i = 0; i < 20; i++) {
		pid = fork();
		if (pid == -1)
			return REFUSED;
		if (pid == 0)
			_exit(0);
	}
	return WORKED;
}

/* One more than its limit. */
static enum outcome
descriptors(const struct hand *h)
{
	for (uint64_t i = 0; i <= h->nofile && i < 100000; i++) {
		if (dup(0) == -1)
			return REFUSED;
	}
	return WORKED;
}

static enum outcome
big_file(const struct hand *h)
{
	int fd = (int)syscall(SYS_memfd_create, "x", 3);

	if (fd == -1)
		return REFUSED;
	return outcome_of(pwrite(fd, "x", 1, (off_t)h->fsize));
}

static enum outcome
big_message(const struct hand *h)
{
	if (h->fd[KIND_MEMFD] == -1)
		return ABSENT;
	return outcome_of(pwrite(h->fd[KIND_MEMFD], "x", 1, (off_t)h->fsize));
}

static enum outcome
huge_memfd(const struct hand *h)
{
	int fd = (int)syscall(SYS_memfd_create, "x", 3);

	(void)h;
	if (fd == -1)
		return REFUSED;
	return outcome_of(ftruncate(fd, (off_t)1 << 40));
}

static enum outcome
huge_map(const struct hand *h)
{
	void *p = mmap(NULL, h->as, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return outcome_of(p == MAP_FAILED ? -1 : 0);
}

static enum outcome
lock_memory(const struct hand *h)
{
	/* More than keys may, which locks all of its own. */
	size_t n = (size_t)65 << 20;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)h;
	return outcome_of(p == MAP_FAILED ? -1 : mlock(p, n));
}

static enum outcome
raise_limit(const struct hand *h)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return REFUSED;
	(void)h;
	rl.rlim_cur = ++rl.rlim_max;
	return outcome_of(setrlimit(RLIMIT_NOFILE, &rl));
}

static enum outcome
raise_nice(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_setpriority, 0, 0, -10));
}

static enum outcome
core_dump(const struct hand *h)
{
	struct rlimit rl = { RLIM_INFINITY, RLIM_INFINITY };

	(void)h;
	return outcome_of(setrlimit(RLIMIT_CORE, &rl));
}

/* clang-format off */
const struct attempt attempts_exhaust[] = {
	{ "fork bomb", fork_bomb, STOPPED, WORKS, NULL },
	{ "descriptors", descriptors, STOPPED, MAYBE, NULL },
	{ "a file beyond the limit", big_file, STOPPED, MAYBE, NULL },
	{ "a message beyond the limit", big_message, STOPPED, MAYBE, NULL },
	{ "a memory file of a terabyte", huge_memfd, STOPPED, WORKS, NULL },
	{ "address space", huge_map, STOPPED, MAYBE, NULL },
	/* keys has a limit of its own, for what it locks before it is sealed */
	{ "locked memory", lock_memory, EITHER, MAYBE, NULL },
	{ "raise a limit", raise_limit, STOPPED, FAILS, NULL },
	{ "raise its priority", raise_nice, STOPPED, FAILS, NULL },
	{ "core dumps", core_dump, STOPPED, MAYBE, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
