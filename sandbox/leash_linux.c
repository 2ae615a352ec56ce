/* SPDX-License-Identifier: ISC */
/*
 * How a process stands to others, without a wall: for programs that are not
 * to carry what makes components.
 */
#include <sys/prctl.h>

#include <signal.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

void
sandbox_aloof(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void
sandbox_leash(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(70);
}
