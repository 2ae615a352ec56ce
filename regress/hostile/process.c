/* SPDX-License-Identifier: ISC */
/*
 * Attempts on other processes: one of the same user runs outside.
 */
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "hostile.h"

static enum outcome
signal_victim(const struct hand *h)
{
	return outcome_of(kill(h->victim, SIGCONT));
}

static enum outcome
signal_all(const struct hand *h)
{
	(void)h;
	return outcome_of(kill(-1, SIGCONT));
}

static enum outcome
signal_queue(const struct hand *h)
{
	union sigval v = { .sival_int = 1 };

	return outcome_of(sigqueue(h->victim, SIGCONT, v));
}

static enum outcome
trace(const struct hand *h)
{
	if (ptrace(PTRACE_SEIZE, h->victim, NULL, NULL) == -1)
		return REFUSED;
	ptrace(PTRACE_DETACH, h->victim, NULL, NULL);
	return WORKED;
}

static enum outcome
steal_descriptor(const struct hand *h)
{
	long fd = syscall(SYS_pidfd_open, h->victim, 0);

	if (fd == -1)
		return REFUSED;
	return outcome_of(syscall(SYS_pidfd_getfd, fd, 0, 0));
}

static enum outcome
read_memory(const struct hand *h)
{
	static int here = 42;
	int copy = 0;
	struct iovec local = { &copy, sizeof(copy) };
	struct iovec remote = { &here, sizeof(here) };

	return outcome_of(
	    process_vm_readv(h->victim, &local, 1, &remote, 1, 0));
}

static enum outcome
write_memory(const struct hand *h)
{
	static int here = 42;
	int copy = 42;
	struct iovec local = { &copy, sizeof(copy) };
	struct iovec remote = { &here, sizeof(here) };

	return outcome_of(
	    process_vm_writev(h->victim, &local, 1, &remote, 1, 0));
}

static enum outcome
open_memory(const struct hand *h)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)h->victim);
	return outcome_of(open(path, O_RDWR));
}

static enum outcome
compare(const struct hand *h)
{
	return outcome_of(syscall(SYS_kcmp, h->victim, h->victim, 0, 0, 0));
}

static enum outcome
own_signals(const struct hand *h)
{
	return outcome_of(fcntl(h->fd[KIND_CHANNEL], F_SETOWN, h->victim));
}

static enum outcome
priority(const struct hand *h)
{
	return outcome_of(syscall(SYS_setpriority, 0, h->victim, 19));
}

static enum outcome
dumpable(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static enum outcome
adopt_orphans(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
}

static enum outcome
limits_of_victim(const struct hand *h)
{
	return outcome_of(syscall(SYS_prlimit64, h->victim, 7, NULL, NULL));
}

/* clang-format off */
const struct attempt attempts_process[] = {
	{ "kill", signal_victim, STOPPED, WORKS, NULL },
	{ "kill everybody", signal_all, STOPPED, MAYBE, NULL },
	{ "sigqueue", signal_queue, STOPPED, WORKS, NULL },
	{ "ptrace", trace, STOPPED, WORKS, NULL },
	{ "pidfd_getfd", steal_descriptor, STOPPED, WORKS, NULL },
	{ "process_vm_readv", read_memory, STOPPED, WORKS, NULL },
	{ "process_vm_writev", write_memory, STOPPED, WORKS, NULL },
	{ "/proc/PID/mem", open_memory, STOPPED, WORKS, NULL },
	{ "kcmp", compare, STOPPED, MAYBE, NULL },
	{ "F_SETOWN", own_signals, STOPPED, WORKS, NULL },
	{ "setpriority", priority, STOPPED, WORKS, NULL },
	{ "prlimit of another", limits_of_victim, STOPPED, WORKS, NULL },
	{ "DUMPABLE 1", dumpable, CARRIED, WORKS, NULL },
	{ "become a subreaper", adopt_orphans, CARRIED, WORKS, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
