/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_KIN_PARTS_H
#define MAILCTL_KIN_PARTS_H

#include "kin.h"

/* Parent and start time of a process that runs; false when there is none. */
bool kin_look(pid_t pid, pid_t *parent, uint64_t *start);

/* The name of its program's file, or "". */
void kin_program(pid_t pid, char *out, size_t size);

void kin_add(struct kin *k, pid_t pid, uint64_t start);

#endif
