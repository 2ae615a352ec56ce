/* SPDX-License-Identifier: ISC */
/*
 * The processes of an instance.  How the system is asked about them is in
 * kin_linux.c and kin_bsd.c.
 */
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"

#include "kin_parts.h"

void
kin_add(struct kin *k, pid_t pid, uint64_t start)
{
	struct kin_process *p;

	k->v = xreallocarray(k->v, k->n + 1, sizeof(*k->v));
	p = &k->v[k->n++];
	*p = (struct kin_process){ .pid = pid, .start = start };
	kin_program(pid, p->program, sizeof(p->program));
}

void
kin_clear(struct kin *k)
{
	free(k->v);
	*k = (struct kin){ 0 };
}

size_t
kin_alive(const struct kin *k, int sig)
{
	size_t left = 0;
	uint64_t start;
	pid_t parent;

	for (size_t i = 0; i < k->n; i++) {
		if (!kin_look(k->v[i].pid, &parent, &start) ||
		    start != k->v[i].start)
			continue;
		if (sig != 0)
			kill(k->v[i].pid, sig);
		left++;
	}
	return left;
}

const struct kin_process *
kin_by_pid(const struct kin *k, pid_t pid)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].pid == pid)
			return &k->v[i];
	return NULL;
}
