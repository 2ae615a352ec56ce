/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_KIN_H
#define MAILCTL_KIN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The processes of an instance as the kernel knows them: the launcher and its
 * children.  Nobody's word is taken for it.
 */
struct kin_process {
	pid_t pid;
	uint64_t start;	  /* tells it from a later one with its number */
	char program[32]; /* name of its file, "" when we may not see */
};

struct kin {
	struct kin_process *v; /* v[0] is the launcher */
	size_t n;
};

void kin_find(struct kin *k, pid_t launcher);
void kin_clear(struct kin *k);

/* How many are still there; each is sent sig, when that is not 0. */
size_t kin_alive(const struct kin *k, int sig);

const struct kin_process *kin_by_pid(const struct kin *k, pid_t pid);

/* Whose it is; all ones when it is gone. */
void kin_ids(pid_t pid, uid_t *uid, gid_t *gid);

/* Descriptors it has open; -1 when we may not see. */
int kin_descriptors(pid_t pid);

#endif
